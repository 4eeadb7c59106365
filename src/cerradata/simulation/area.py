"""Where the simulated area lies, and the windows in which it is worked through."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from cerradata.core.errors import ConfigError
from cerradata.core.types import FloatArray
from cerradata.simulation.noise import Window

PIXEL = 10.0
WORLD_CRS = "EPSG:32723"
"""UTM zone 23S. West of 48 W it is continued: the world has one grid, whatever the zone of a tile."""
GEOGRAPHIC_CRS = "EPSG:4674"
"""SIRGAS 2000, in which TerraClass is published."""
CENTRE = (-48.0, -7.0)
"""Longitude and latitude of every area's centre: on the border of zones 22 and 23, in the Bico do Papagaio."""
UNIT = 6
"""Pixels of 10 m to which areas and tiles are snapped: one pixel of the 60 m bands."""
LONGEST = 7000
"""Pixels of the longest row that is drawn at once."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)")
_LARGEST_KM = 400.0


@dataclass(frozen=True)
class Area:
    """A simulated area: a rectangle of world pixels of 10 m around `CENTRE`.

    Attributes:
        width: Pixels from west to east.
        height: Pixels from north to south.
    """

    width: int
    height: int

    @staticmethod
    def parse(text: str) -> "Area":
        """An area from its size in kilometres, "50x25": west to east by south to north.

        Raises:
            ConfigError: If the text is no size, or the area is too small or too large.
        """
        match = _SIZE.fullmatch(text.strip().lower())
        if match is None:
            raise ConfigError(
                f"The area {text!r} is no size: write it as 50x25, in kilometres from west to east by south to north."
            )
        sides = [float(side) for side in match.groups()]
        if min(sides) < 2 or max(sides) > _LARGEST_KM:
            raise ConfigError(f"The area {text!r} is impossible: each side is 2 to {_LARGEST_KM:.0f} km long.")
        width, height = (max(UNIT, round(side * 1000 / PIXEL / UNIT) * UNIT) for side in sides)
        return Area(width, height)

    @property
    def window(self) -> Window:
        """The whole area as a window."""
        col, row = _centre()
        return Window(
            row - self.height // (2 * UNIT) * UNIT, col - self.width // (2 * UNIT) * UNIT, self.height, self.width
        )

    @property
    def grid(self) -> GeoBox:
        """The whole area as a grid in the world's projection."""
        return grid_of(self.window)

    @property
    def km2(self) -> float:
        """Area in square kilometres of the projection."""
        return self.width * self.height * (PIXEL / 1000) ** 2

    def strips(self, window: Window, pixels: int = 1 << 20) -> Iterator[Window]:
        """A window in strips of about `pixels` pixels: whole rows, or parts of them where rows are very long.

        What surrounds a strip is drawn with it, so that the memory of a strip grows with its length.
        """
        columns = min(window.columns, LONGEST)
        rows = max(UNIT, pixels // max(1, columns) // UNIT * UNIT)
        step = window.step
        for top in range(0, window.rows, rows):
            for left in range(0, window.columns, columns):
                yield Window(
                    window.row + top * step, window.col + left * step,
                    min(rows, window.rows - top), min(columns, window.columns - left), step,
                )  # fmt: skip


def strips_of(grid: GeoBox, pixels: int, multiple: int = 1) -> Iterator[tuple[int, GeoBox]]:
    """A grid in strips of whole rows of about `pixels` pixels: first row and grid of each."""
    height, width = grid.shape
    rows = max(multiple, pixels // width // multiple * multiple)
    for top in range(0, height, rows):
        yield top, grid[top : min(top + rows, height), :]  # a slice beyond the end would make a larger grid


def grid_of(window: Window) -> GeoBox:
    """A window as a grid in the world's projection."""
    size = PIXEL * window.step
    place = Affine(size, 0, window.col * PIXEL, 0, -size, -window.row * PIXEL)
    return GeoBox(window.shape, place, WORLD_CRS)


def window_around(grid: GeoBox, pixels: int) -> Window:
    """The window of 10 m pixels that covers a grid of another projection, and `pixels` more on each side.

    Args:
        grid: Any grid.
        pixels: Pixels of 10 m to add on each side.
    """
    x, y = world_pixels(grid, edges_only=True)
    col, row = int(np.floor(x.min())) - pixels, int(np.floor(y.min())) - pixels
    return Window(row, col, int(np.ceil(y.max())) + pixels - row, int(np.ceil(x.max())) + pixels - col)


def world_pixels(grid: GeoBox, *, edges_only: bool = False) -> tuple[FloatArray, FloatArray]:
    """World column and row, in pixels of 10 m, of each pixel centre of a grid of any projection.

    The transformation is computed on every sixteenth pixel and interpolated: between two UTM zones, or degrees and UTM,
    its error stays below a hundredth of a pixel.

    Args:
        grid: The grid.
        edges_only: Give the outermost nodes only (for a bounding box).

    Returns:
        Two float64 arrays: (rows, columns), or the values at the nodes where `edges_only`.
    """
    rows, columns = grid.shape
    node_rows, node_columns = _nodes(rows), _nodes(columns)
    a, b, c, d, e, f = tuple(grid.transform)[:6]
    across_, down_ = np.meshgrid(node_columns, node_rows)
    easting, northing = a * across_ + b * down_ + c, d * across_ + e * down_ + f
    x, y = _transformer(str(grid.crs)).transform(easting, northing)
    x, y = x / PIXEL, -y / PIXEL
    if edges_only:
        return x, y
    down = _linear(node_rows, np.arange(rows) + 0.5)
    across = _linear(node_columns, np.arange(columns) + 0.5)
    return down @ x @ across.T, down @ y @ across.T


def _nodes(size: int) -> FloatArray:
    return np.linspace(0, size, max(2, size // 16 + 1))


def _linear(nodes: FloatArray, positions: FloatArray) -> FloatArray:
    """(positions, nodes) weights of linear interpolation."""
    at = np.clip(np.searchsorted(nodes, positions, side="right") - 1, 0, len(nodes) - 2)
    share = (positions - nodes[at]) / (nodes[at + 1] - nodes[at])
    weights = np.zeros((len(positions), len(nodes)))
    index = np.arange(len(positions))
    weights[index, at], weights[index, at + 1] = 1 - share, share
    return weights


@cache
def _transformer(crs: str) -> Transformer:
    return Transformer.from_crs(crs, WORLD_CRS, always_xy=True)


@cache
def _centre() -> tuple[int, int]:
    """World column and row of the centre, multiples of `UNIT`."""
    x, y = _transformer("EPSG:4326").transform(*CENTRE)
    return round(x / PIXEL / UNIT) * UNIT, round(-y / PIXEL / UNIT) * UNIT
