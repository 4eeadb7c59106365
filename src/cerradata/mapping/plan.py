"""`TilePlan`: which square tiles cover a scene, in which order."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from cerradata.core.errors import ConfigError


@dataclass(frozen=True)
class Tile:
    """A rectangle of the target grid, in pixels.

    It may reach over the lower or right edge of a scene that is smaller than the tile; its reader pads it.

    Attributes:
        row: Uppermost row.
        col: Leftmost column.
        height: Number of rows.
        width: Number of columns.
    """

    row: int
    col: int
    height: int
    width: int


@dataclass(frozen=True)
class TilePlan:
    """The tiles of a scene in row-major order. Tiles are made on request, so a plan of any scene is small.

    All tiles of a row band start at the same row, and each band starts below the one before it. Rows above the start
    of the next band are therefore finished when a band is.

    Attributes:
        height: Rows of the scene.
        width: Columns of the scene.
        crop: Rows and columns of a tile.
        overlap: Rows or columns that neighbours share. The last band and the last column of tiles are moved back to
            end at the scene's edge and share more.
    """

    height: int
    width: int
    crop: int
    overlap: int

    def __post_init__(self) -> None:
        """Check the sizes.

        Raises:
            ConfigError: If the scene is empty, the crop is not positive or the overlap is not in [0, crop).
        """
        if self.height < 1 or self.width < 1:
            raise ConfigError(
                f"The scene to map has {self.height} rows and {self.width} columns: it needs one of each at least. "
                f"Check that the scenes overlap the area that is asked for."
            )
        if self.crop < 1:
            raise ConfigError(f"The crop is {self.crop}: give a tile size of 1 pixel or more.")
        if not 0 <= self.overlap < self.crop:
            raise ConfigError(
                f"The overlap is {self.overlap} pixels with a crop of {self.crop}: it must be from 0 to "
                f"{self.crop - 1}. A quarter of the crop ({self.crop // 4}) is a good start."
            )

    @cached_property
    def row_starts(self) -> tuple[int, ...]:
        """First row of each row band, increasing."""
        return _starts(self.height, self.crop, self.overlap)

    @cached_property
    def col_starts(self) -> tuple[int, ...]:
        """First column of each tile of a row band, increasing."""
        return _starts(self.width, self.crop, self.overlap)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the scene."""
        return self.height, self.width

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.row_starts) * len(self.col_starts)

    def __iter__(self) -> Iterator[Tile]:
        """Go through the tiles in row-major order."""
        for band in range(len(self.row_starts)):
            yield from self.band(band)

    def band(self, number: int) -> tuple[Tile, ...]:
        """The tiles of one row band, from left to right."""
        row = self.row_starts[number]
        return tuple(Tile(row, col, self.crop, self.crop) for col in self.col_starts)

    def finished_row(self, number: int) -> int:
        """The row above which no tile adds anything once row band `number` is complete."""
        following = number + 1
        return self.row_starts[following] if following < len(self.row_starts) else self.height


def plan_tiles(height: int, width: int, *, crop: int, overlap: int) -> TilePlan:
    """Cover a scene with square tiles.

    Args:
        height: Rows of the scene.
        width: Columns of the scene.
        crop: Rows and columns of a tile. A smaller scene gets one tile, which reaches over its edge.
        overlap: Rows or columns that neighbours share, 0 to `crop - 1`.

    Raises:
        ConfigError: If the sizes do not fit each other.
    """
    return TilePlan(height, width, crop, overlap)


def _starts(size: int, crop: int, overlap: int) -> tuple[int, ...]:
    """Where tiles start along one axis: every stride, the last one so that it ends at the edge."""
    last = max(0, size - crop)
    stride = crop - overlap
    steps = math.ceil(last / stride)
    return (*range(0, steps * stride, stride), last)
