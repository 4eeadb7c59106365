"""Masks of a scene: where its numbers are not of the ground. A hidden pixel is no data in every band."""

import math
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from cerradata.core.types import Array, BoolArray
from cerradata.scenes.band_file import BandFile
from cerradata.scenes.files import pixel_metres
from cerradata.scenes.radiometry import Radiometry

_CELL = 100.0
"""Metres; the edge of a scene is not known better, and a Sentinel-1 scene at 10 m has 400 million pixels."""
_CELLS = 4_000_000
_ONE_AT_A_TIME = threading.Lock()


class SceneMask(Protocol):
    """Where a scene is not to be used, on a grid of the mask's own."""

    @property
    def grid(self) -> GeoBox:
        """The mask's own pixel grid."""

    def read(self, rows: slice, columns: slice) -> Array:
        """A window of the mask.

        Args:
            rows: Rows of its grid, inside it.
            columns: Columns of its grid, inside it.

        Returns:
            (rows, columns) uint8: 1 = hidden, 0 = to be used.

        Raises:
            SceneError: If a file cannot be read.
        """


@dataclass(frozen=True)
class ClassMask:
    """A raster of classes, some of which hide the ground: the scene classification layer of Sentinel-2.

    Attributes:
        file: The raster.
        hidden: Classes that hide the ground.
        scene: Name of the scene, for messages.
        buffer: Ground nearer than this to a hidden pixel is hidden too, in metres: a band of 60 m sees a cloud beside it,
            and the rims of clouds and shadows are thin.
    """

    file: BandFile
    hidden: tuple[int, ...]
    scene: str
    buffer: float = 0.0

    @property
    def grid(self) -> GeoBox:
        """The raster's own grid."""
        return self.file.grid

    def read(self, rows: slice, columns: slice) -> Array:
        """A window of the mask, see `SceneMask`."""
        across, down = pixel_metres(self.grid)
        reach = math.ceil(self.buffer / min(across, down))
        height, width = self.grid.shape
        around = slice(max(rows.start - reach, 0), min(rows.stop + reach, height))
        beside = slice(max(columns.start - reach, 0), min(columns.stop + reach, width))
        classes, _ = self.file.read(around, beside, what=f"the scene classification of scene {self.scene}")
        hidden = np.isin(classes, self.hidden)
        if reach and hidden.any():
            distance = ndimage.distance_transform_edt(~hidden, sampling=(down, across))
            hidden = distance <= self.buffer
        top, left = rows.start - around.start, columns.start - beside.start
        inner = hidden[top : top + rows.stop - rows.start, left : left + columns.stop - columns.start]
        return inner.astype(np.uint8)


@dataclass(frozen=True)
class BorderMask:
    """The strip along the edge of a scene's data. Its grid has cells of about 100 m, or smaller for a thin strip.

    Attributes:
        file: A band of the scene, whose data have the edge.
        radiometry: What its numbers mean.
        width: Width of the strip in metres.
        scene: Name of the scene, for messages.
    """

    file: BandFile
    radiometry: Radiometry
    width: float
    scene: str

    @cached_property
    def grid(self) -> GeoBox:
        """Grid of the cells, over the whole file."""
        height, width = self.file.grid.shape
        across, down = pixel_metres(self.file.grid)
        by_size = math.sqrt(height * down * width * across / _CELLS)
        cell = max(min(_CELL, self.width / 4), by_size)
        rows, columns = (max(1, math.ceil(n * size / max(cell, size))) for n, size in ((height, down), (width, across)))
        place = self.file.grid.transform * Affine.scale(width / columns, height / rows)
        return GeoBox((rows, columns), place, self.file.grid.crs)

    def read(self, rows: slice, columns: slice) -> Array:
        """A window of the mask, see `SceneMask`."""
        with _ONE_AT_A_TIME:  # threads of a build ask together, and the whole file is read
            strip = self._strip
        return strip[rows, columns].astype(np.uint8)

    @cached_property
    def _strip(self) -> BoolArray:
        height, width = self.file.grid.shape
        rows, columns = self.grid.shape
        numbers, hidden = self.file.read(
            slice(0, height), slice(0, width), what=f"the edge of scene {self.scene}", shape=(rows, columns)
        )
        data = np.isfinite(self.radiometry.to_values(numbers))
        if hidden is not None:
            data &= ~hidden
        return edge_strip(data, self.width, pixel_metres(self.grid))


def edge_strip(data: BoolArray, width: float, cell: tuple[float, float]) -> BoolArray:
    """Cells that are nearer than `width` to the edge of the data, and those beyond it.

    A cell of 100 m at the edge counts as empty or full by one of its pixels: so the empty ones are hidden too.

    Args:
        data: (rows, columns), where there is data. Holes in it are no edge; the border of the array is one.
        width: Width of the strip in metres.
        cell: Metres of a cell, across and down.

    Returns:
        (rows, columns); distances are from the centre of a cell to the border of the nearest cell without data.
    """
    framed = np.pad(ndimage.binary_fill_holes(data), 1)
    distance = ndimage.distance_transform_edt(framed, sampling=(cell[1], cell[0]))[1:-1, 1:-1]
    return np.asarray(distance - min(cell) / 2 < width)
