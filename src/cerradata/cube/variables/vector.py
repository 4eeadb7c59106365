"""Lines and polygons of a vector file burnt into a window, the same however an area is divided into windows."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import geopandas as gpd
import numpy as np
import pyogrio
from affine import Affine
from odc.geo.geobox import GeoBox
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.features import rasterize

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.locations import Location
from cerradata.core.types import BoolArray

_BLOCK: Final = 512
"""Rows and columns of a block of the grid that is burnt at once."""
_AROUND: Final = 64
"""Pixels around a block from which shapes are read: a straight line in the file's system bends in the grid's."""


@dataclass(frozen=True)
class _Lattice:
    """A pixel grid without end, whose blocks have the same coordinates whichever window asks for them.

    GDAL walks along a line from the edge of the raster that it burns into, so the pixel at a tie could differ from
    window to window; a block is always burnt as a whole.

    Attributes:
        crs: Coordinate reference system.
        across: Width of a pixel, signed as in the transform.
        along: Height of a pixel, signed as in the transform.
        left: Where the first column begins.
        top: Where the first row begins.
    """

    crs: str
    across: float
    along: float
    left: float
    top: float

    @staticmethod
    def of(window: GeoBox) -> tuple["_Lattice", int, int]:
        """The lattice of a window, and the row and column of the window's corner in it."""
        transform = window.transform
        column, left = _phase(transform.c, transform.a)
        row, top = _phase(transform.f, transform.e)
        return _Lattice(str(window.crs), transform.a, transform.e, left, top), row, column

    def block(self, row: int, column: int) -> GeoBox:
        """A block by its number down and across."""
        corner = (self.left + column * _BLOCK * self.across, self.top + row * _BLOCK * self.along)
        return GeoBox((_BLOCK, _BLOCK), Affine(self.across, 0, corner[0], 0, self.along, corner[1]), self.crs)


def burn(location: Location, layer: str | None, window: GeoBox) -> BoolArray:
    """Where lines, polygons or points of a file touch the pixels of a window.

    Args:
        location: Vector file of any format that GDAL reads. Of a format with a spatial index (GeoPackage, FlatGeobuf) only
            what lies around the window is read.
        layer: Layer of the file, where it has several.
        window: The window, as a north-up grid.

    Returns:
        (rows, columns) bool.

    Raises:
        SceneError: If the file cannot be read.
    """
    lattice, top, left = _Lattice.of(window)
    height, width = window.shape
    result = np.zeros((height, width), bool)
    for row in range(top // _BLOCK, (top + height - 1) // _BLOCK + 1):
        for column in range(left // _BLOCK, (left + width - 1) // _BLOCK + 1):
            burnt = _burnt_block(location, layer, lattice, row, column)
            down, right = row * _BLOCK - top, column * _BLOCK - left  # the block's corner, seen from the window's
            rows = slice(max(down, 0), min(down + _BLOCK, height))
            columns = slice(max(right, 0), min(right + _BLOCK, width))
            result[rows, columns] = burnt[
                rows.start - down : rows.stop - down, columns.start - right : columns.stop - right
            ]
    return result


def require_vector(location: Location, layer: str | None) -> None:
    """Check that a vector file is there, has one layer to read and a coordinate reference system. No shape is read.

    What was kept of files is forgotten: they may have changed since.

    Raises:
        ConfigError: If not, saying which layers there are.
    """
    _burnt_block.cache_clear()
    _crs.cache_clear()
    if not location.is_remote and not location.path.exists():
        raise ConfigError(
            f"There is no vector file {location}: check the path (a relative one is relative to the configuration)."
        )
    try:
        layers = [str(name) for name, _ in pyogrio.list_layers(location)]
        if layer is None and len(layers) > 1:
            raise ConfigError(f"{location} has {len(layers)} layers: give `layer`, one of {', '.join(layers)}.")
        if layer is not None and layer not in layers:
            raise ConfigError(f"{location} has no layer {layer!r}: it has {', '.join(layers)}.")
        crs = _crs(location, layer)
    except (DataSourceError, DataLayerError) as error:
        raise ConfigError(f"{location} cannot be read as vector data: {error}") from error
    if crs is None:
        raise ConfigError(f"{location} has no coordinate reference system: set it if you know it.")


@lru_cache(maxsize=64)  # 256 kB each; neighbouring windows share the blocks of their margins
def _burnt_block(location: Location, layer: str | None, lattice: _Lattice, row: int, column: int) -> BoolArray:
    block = lattice.block(row, column)
    shapes = [shape for shape in _shapes(location, layer, block).geometry if shape is not None and not shape.is_empty]
    burnt = np.zeros(block.shape, np.uint8)
    if shapes:
        # A river narrower than a pixel touches the centre of few: all_touched keeps it in one piece
        rasterize(shapes, out=burnt, transform=block.transform, all_touched=True)
    found = burnt.astype(bool)
    found.flags.writeable = False  # it is shared
    return found


def _shapes(location: Location, layer: str | None, block: GeoBox) -> gpd.GeoDataFrame:
    around = block.pad(_AROUND)
    try:
        crs = _crs(location, layer)
        extent = around.extent if crs is None or str(block.crs) == crs else around.footprint(crs)
        table = gpd.read_file(location, layer=layer, bbox=tuple(extent.boundingbox.bbox), columns=[])
    except (DataSourceError, DataLayerError) as error:
        raise SceneError(f"{location} cannot be read as vector data: {error}") from error
    return table if table.crs is None or str(block.crs) == crs else table.to_crs(str(block.crs))


@lru_cache(maxsize=64)
def _crs(location: Location, layer: str | None) -> str | None:
    found = pyogrio.read_info(location, layer=layer)["crs"]
    return None if found is None else str(found)


def _phase(corner: float, step: float) -> tuple[int, float]:
    """Whole pixels from 0 to a corner, and what is left, rounded to a micrometre so that it is the same for every window."""
    # the thousandth keeps a corner on one side of a whole pixel, whatever the rounding of its coordinate
    whole = math.floor(corner / step + 1e-3)
    return whole, round(corner - whole * step, 6) + 0.0
