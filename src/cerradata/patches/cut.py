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
    """A target grid divided into square patches. What is left at the right and bottom is not used.

    Attributes:
        grid: The target grid.
        patch_size: Rows and columns of a patch in pixels.
        stride: Pixels from one patch to the next; by default the patch size. Smaller: patches overlap.
    """

    grid: GeoBox
    patch_size: int
    stride: int = 0

    def __post_init__(self) -> None:
        """Raise `ConfigError` if not a single patch fits."""
        height, width = self.grid.shape
        if height < self.patch_size or width < self.patch_size:
            raise ConfigError(
                f"patch_size {self.patch_size} is larger than the area, which has {height} rows and {width} columns: "
                "choose smaller patches or a larger area."
            )

    @property
    def step(self) -> int:
        """Pixels from one patch to the next."""
        return self.stride or self.patch_size

    @property
    def rows(self) -> int:
        """Patch rows."""
        return (int(self.grid.shape[0]) - self.patch_size) // self.step + 1

    @property
    def columns(self) -> int:
        """Patch columns."""
        return (int(self.grid.shape[1]) - self.patch_size) // self.step + 1

    @property
    def block_patches(self) -> int:
        """Patch rows and columns of a block: 1024 pixels at most, and no more where patches overlap."""
        fitting = (_BLOCK_PIXELS - self.patch_size) // self.step + 1
        return max(1, min(fitting, _BLOCK_PIXELS // self.patch_size))

    def blocks(self) -> list[Block]:
        """The blocks in row-major order; those at the right and bottom may be smaller."""
        step = self.block_patches
        corners = [(row, col) for row in range(0, self.rows, step) for col in range(0, self.columns, step)]
        return [
            Block(number, row, col, min(step, self.rows - row), min(step, self.columns - col))
            for number, (row, col) in enumerate(corners)
        ]

    def window(self, block: Block) -> GeoBox:
        """Pixel grid of a block."""
        rows, columns = (
            slice(first * self.step, (first + count - 1) * self.step + self.patch_size)
            for first, count in ((block.row, block.rows), (block.col, block.columns))
        )
        return self.grid[rows, columns]

    def patch_id(self, row: int, col: int) -> int:
        """Id of the patch at a row and column of the patch grid."""
        return row * self.columns + col

    def patch_grid(self, row: int, col: int) -> GeoBox:
        """Pixel grid of a patch."""
        rows, columns = (slice(n * self.step, n * self.step + self.patch_size) for n in (row, col))
        return self.grid[rows, columns]

    def transform(self, row: int, col: int) -> Affine:
        """Pixel corner to map coordinates of a patch."""
        return self.grid.transform * Affine.translation(col * self.step, row * self.step)

    def cut(self, block: Block, layers: Mapping[str, Array]) -> Iterator[tuple[int, int, dict[str, Array]]]:
        """The patches of a block.

        Args:
            block: The block.
            layers: (..., rows, columns) of the whole block by layer.

        Yields:
            Row and column on the patch grid, and (..., patch_size, patch_size) by layer.
        """
        for row in range(block.rows):
            for col in range(block.columns):
                rows, columns = (slice(n * self.step, n * self.step + self.patch_size) for n in (row, col))
                patch = {name: pixels[..., rows, columns] for name, pixels in layers.items()}
                yield block.row + row, block.col + col, patch
