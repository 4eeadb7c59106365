"""Cutting: the patch grid, the blocks in which it is worked through, and the patches of a block."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from affine import Affine
from odc.geo.geobox import GeoBox

from cerradata.core.errors import ConfigError
from cerradata.core.types import Array

_BLOCK_PIXELS = 1024


@dataclass(frozen=True)
class Block:
    """A rectangle of whole patches, read at once.

    Attributes:
        number: From 0, in row-major order.
        row: First patch row.
        col: First patch column.
        rows: Patch rows.
        columns: Patch columns.
    """

    number: int
    row: int
    col: int
    rows: int
    columns: int


@dataclass(frozen=True)
class PatchGrid:
    """A target grid divided into square patches without overlap. What is left at the right and bottom is not used.

    Attributes:
        grid: The target grid.
        patch_size: Rows and columns of a patch in pixels.
    """

    grid: GeoBox
    patch_size: int

    def __post_init__(self) -> None:
        """Raise `ConfigError` if not a single patch fits."""
        height, width = self.grid.shape
        if height < self.patch_size or width < self.patch_size:
            raise ConfigError(
                f"patch_size {self.patch_size} is larger than the area, which has {height} rows and {width} columns: "
                "choose smaller patches or a larger area."
            )

    @property
    def rows(self) -> int:
        """Patch rows."""
        return int(self.grid.shape[0]) // self.patch_size

    @property
    def columns(self) -> int:
        """Patch columns."""
        return int(self.grid.shape[1]) // self.patch_size

    @property
    def block_patches(self) -> int:
        """Patch rows and columns of a block."""
        return max(1, _BLOCK_PIXELS // self.patch_size)

    def blocks(self) -> list[Block]:
        """The blocks in row-major order; those at the right and bottom may be smaller."""
        step = self.block_patches
        corners = [(row, col) for row in range(0, self.rows, step) for col in range(0, self.columns, step)]
        return [
            Block(number, row, col, min(step, self.rows - row), min(step, self.columns - col))
            for number, (row, col) in enumerate(corners)
        ]

    def window(self, block: Block) -> tuple[slice, slice]:
        """Pixel rows and columns of a block."""
        size = self.patch_size
        return (
            slice(block.row * size, (block.row + block.rows) * size),
            slice(block.col * size, (block.col + block.columns) * size),
        )

    def patch_id(self, row: int, col: int) -> int:
        """Id of the patch at a row and column of the patch grid."""
        return row * self.columns + col

    def patch_grid(self, row: int, col: int) -> GeoBox:
        """Pixel grid of a patch."""
        size = self.patch_size
        return self.grid[row * size : (row + 1) * size, col * size : (col + 1) * size]

    def transform(self, row: int, col: int) -> Affine:
        """Pixel corner to map coordinates of a patch."""
        size = self.patch_size
        return self.grid.transform * Affine.translation(col * size, row * size)

    def cut(self, block: Block, layers: Mapping[str, Array]) -> Iterator[tuple[int, int, dict[str, Array]]]:
        """The patches of a block.

        Args:
            block: The block.
            layers: (bands, rows, columns) of the whole block by layer.

        Yields:
            Row and column on the patch grid, and (bands, patch_size, patch_size) by layer.
        """
        size = self.patch_size
        for row in range(block.rows):
            for col in range(block.columns):
                window = (slice(None), slice(row * size, (row + 1) * size), slice(col * size, (col + 1) * size))
                yield block.row + row, block.col + col, {name: pixels[window] for name, pixels in layers.items()}
