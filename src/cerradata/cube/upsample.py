"""Pixels of one grid brought onto an aligned grid of the same system with pixels no larger, without GDAL's warper.

The usual case of a build: bands of 20 m and 60 m on a grid of 10 m. It gives what the warper gives (to 1e-6, tested) in a
fifth to a tenth of its time, since both axes are interpolated one after the other and no coordinate is transformed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from odc.geo.geobox import GeoBox

from cerradata.core.types import Array, FloatArray

_SAME = 1e-6
"""Part of a pixel that is rounding of coordinates."""

Positions = npt.NDArray[np.float64]


@dataclass(frozen=True)
class AlignedGrids:
    """Where the pixel centres of a target lie in a source whose rows and columns run the same way.

    Attributes:
        rows: (target rows,) position in source rows, 0.5 = centre of the first row.
        columns: (target columns,) the same in source columns.
        shape: Rows and columns of the source.
        scale: Target pixels in source pixels, down and across.
    """

    rows: Positions
    columns: Positions
    shape: tuple[int, int]
    scale: tuple[float, float]

    @staticmethod
    def of(source: GeoBox, target: GeoBox, *, tie: float) -> "AlignedGrids | None":
        """The positions; None if the grids are of different systems, turned or mirrored.

        Args:
            source: Grid of the source.
            target: Grid of the target.
            tie: Added to each position: decides where a centre falls exactly between two source pixels.
        """
        if source.crs != target.crs:
            return None
        step = ~source.transform * target.transform
        turned = max(abs(step.b), abs(step.d)) * max(*target.shape, 1) > _SAME
        if turned or step.a <= 0 or step.e <= 0:
            return None
        height, width = target.shape
        rows = (np.arange(height) + 0.5) * step.e + step.f + tie
        columns = (np.arange(width) + 0.5) * step.a + step.c + tie
        return AlignedGrids(rows, columns, (int(source.shape[0]), int(source.shape[1])), (step.e, step.a))

    @property
    def enlarges(self) -> bool:
        """Whether no target pixel is larger than a source pixel: no source pixels need to be merged."""
        return max(self.scale) <= 1 + _SAME

    def part(self, rows: slice, columns: slice) -> "AlignedGrids":
        """The same positions in a window of the source."""
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        return AlignedGrids(self.rows - rows.start, self.columns - columns.start, shape, self.scale)

    def nearest(self, pixels: Array, empty: float) -> Array:
        """Each target pixel takes the source pixel that holds its centre; `empty` beyond the source."""
        rows, columns = (np.floor(p).astype(np.intp) for p in (self.rows, self.columns))
        result = pixels[np.clip(rows, 0, len(pixels) - 1)][:, np.clip(columns, 0, pixels.shape[1] - 1)]
        return self._emptied(result, empty)

    def bilinear(self, pixels: FloatArray) -> FloatArray:
        """Bilinear interpolation.

        Args:
            pixels: (rows, columns) float32 of the source, without NaN.

        Returns:
            (rows, columns) of the target, float32. Within half a pixel of the source's edge the edge pixels count alone;
            NaN where a centre lies beyond the source.
        """
        wide = _interpolate(pixels, self.columns, axis=1)
        return self._emptied(_interpolate(wide, self.rows, axis=0), np.nan)

    def _emptied(self, result: Array, empty: float) -> Array:
        for axis, positions in enumerate((self.rows, self.columns)):
            beyond = (positions < 0) | (positions >= self.shape[axis])
            if beyond.any():
                result[(slice(None),) * axis + (beyond,)] = empty
        return result


def _interpolate(pixels: FloatArray, positions: Positions, *, axis: int) -> FloatArray:
    last = pixels.shape[axis] - 1
    below = np.floor(positions - 0.5)
    share = (positions - 0.5 - below).astype(np.float32)
    lower, upper = (np.clip(below + step, 0, last).astype(np.intp) for step in (0, 1))
    shape = (-1, 1) if axis == 0 else (1, -1)
    result: FloatArray = np.take(pixels, upper, axis=axis)
    result *= share.reshape(shape)
    first = np.take(pixels, lower, axis=axis)
    first *= 1 - share.reshape(shape)
    result += first
    return result
