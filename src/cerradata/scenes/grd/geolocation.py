"""Where the lines and pixels of an image lie on the ground, and the reverse, by the product's geolocation grid.

The grid has a point about every 20 km along the track and 13 km across it, each with its own height of the terrain. Between
the points line and pixel go over bilinearly, in the UTM zone of the image's centre: in longitude and latitude a straight
line of that length would miss the ground track by metres away from the equator.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import rasterio
from pyproj import Transformer
from rasterio.errors import RasterioError

from cerradata.core.errors import SceneError
from cerradata.core.types import FloatArray
from cerradata.scenes.grd.xml import damaged, number, parse_xml
from cerradata.scenes.product import ProductFiles

_STEPS = ((1e-3, 1), (0.03, 2), (np.inf, 4))
"""Newton steps of a cell by how far it is from a parallelogram, as a part of its shorter side. With that part r, the first
guess is wrong by r and each step turns an error e into r * e^2: below 1e-5 pixels in a cell of 2,000 lines."""
_EDGE = 1e-9
"""Part of a cell by which rounding may put a point on an edge outside of both cells."""
_TAGS = ("line", "pixel", "longitude", "latitude", "height", "incidenceAngle")


@dataclass(frozen=True, eq=False)
class GeolocationGrid:
    """A grid of tie points between an image and the ground.

    Attributes:
        lines: (n,) lines of the points, increasing; whole numbers are the centres of pixels, 0 is the first line.
        pixels: (m,) pixels of the points, increasing.
        x: (n, m) easting in metres.
        y: (n, m) northing in metres.
        crs: The UTM zone, as "EPSG:32722".
        incidence: (n, m) degrees from the ellipsoid's normal; NaN where the product does not say.
    """

    lines: FloatArray
    pixels: FloatArray
    x: FloatArray
    y: FloatArray
    crs: str
    incidence: FloatArray

    def locate(self, line: FloatArray, pixel: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Easting and northing of fractional lines and pixels, arrays of one shape."""
        return self._between(self.x, line, pixel), self._between(self.y, line, pixel)

    def incidence_at(self, line: FloatArray, pixel: FloatArray) -> FloatArray:
        """Incidence angle in degrees of fractional lines and pixels, arrays of one shape; NaN stays NaN."""
        return self._between(self.incidence, line, pixel)

    def invert(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Fractional line and pixel of the nodes of a north-up grid.

        Args:
            x: (columns,) easting in metres, increasing.
            y: (rows,) northing in metres, decreasing.

        Returns:
            Line and pixel, each (rows, columns) float64; NaN outside of the image. They depend on the place alone, not
            on the window in which it is asked for.
        """
        line = np.full((len(y), len(x)), np.nan)
        pixel = line.copy()
        for i, j in self._cells_near(x, y):
            columns = _between_sides(x, self.x[i : i + 2, j : j + 2])
            rows = _between_sides(-y, -self.y[i : i + 2, j : j + 2])
            u, v = _solve(self.x[i : i + 2, j : j + 2], self.y[i : i + 2, j : j + 2], x[columns], y[rows][:, None])
            inside = (u >= -_EDGE) & (u <= 1 + _EDGE) & (v >= -_EDGE) & (v <= 1 + _EDGE)
            u *= self.lines[i + 1] - self.lines[i]
            v *= self.pixels[j + 1] - self.pixels[j]
            np.copyto(line[rows, columns], self.lines[i] + u, where=inside)
            np.copyto(pixel[rows, columns], self.pixels[j] + v, where=inside)
        return line, pixel

    def covering(self, shape: tuple[int, int]) -> "GeolocationGrid":
        """The grid with its outer points moved to the corners of the outermost pixels, along the outer cells.

        Args:
            shape: Lines and pixels of the image.
        """
        grids = np.stack([self.x, self.y, self.incidence])
        lines, grids = _stretched(self.lines, grids, shape[0], axis=1)
        pixels, grids = _stretched(self.pixels, grids, shape[1], axis=2)
        return replace(self, lines=lines, pixels=pixels, x=grids[0], y=grids[1], incidence=grids[2])

    def _cells_near(self, x: FloatArray, y: FloatArray) -> list[tuple[int, int]]:
        low_x, high_x = _cell_range(self.x)
        low_y, high_y = _cell_range(self.y)
        near = (low_x <= x[-1]) & (high_x >= x[0]) & (low_y <= y[0]) & (high_y >= y[-1])
        return [(int(i), int(j)) for i, j in zip(*np.nonzero(near), strict=True)]

    def _between(self, grid: FloatArray, line: FloatArray, pixel: FloatArray) -> FloatArray:
        i, u = _place(self.lines, line)
        j, v = _place(self.pixels, pixel)
        upper = grid[i, j] * (1 - v) + grid[i, j + 1] * v
        lower = grid[i + 1, j] * (1 - v) + grid[i + 1, j + 1] * v
        return np.asarray(upper * (1 - u) + lower * u)


@lru_cache(maxsize=8)  # 0.1 s to parse, asked for with each window
def read_geolocation(files: ProductFiles, annotation: str, measurement: str) -> GeolocationGrid:
    """The geolocation grid of an image: that of its annotation, else the ground control points in its TIFF.

    Args:
        files: The product.
        annotation: XML file of the image.
        measurement: TIFF of the image.

    Returns:
        The grid over the whole image.

    Raises:
        SceneError: If a file is damaged, or neither holds a grid of points.
    """
    points = _annotated(files, annotation)
    shape, control = _image(files, measurement)
    if not len(points):
        points = control
    lines, pixels = np.unique(points[:, 0]), np.unique(points[:, 1])
    if min(len(lines), len(pixels)) < 2 or len(lines) * len(pixels) != len(points):
        raise damaged(files, annotation, f"its {len(points)} geolocation points are no grid of lines and pixels")
    table = points[np.lexsort((points[:, 1], points[:, 0]))].reshape(len(lines), len(pixels), len(_TAGS))
    longitude, latitude = table[..., 2], table[..., 3]
    middle = table[len(lines) // 2, len(pixels) // 2]
    crs = utm_zone(float(middle[2]), float(middle[3]))
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(longitude, latitude)
    return GeolocationGrid(lines, pixels, np.asarray(x), np.asarray(y), crs, table[..., 5]).covering(shape)


def utm_zone(longitude: float, latitude: float) -> str:
    """The UTM zone of a place in degrees, as "EPSG:32722"."""
    zone = int((longitude + 180) // 6) % 60 + 1
    return f"EPSG:{(32600 if latitude >= 0 else 32700) + zone}"


def _annotated(files: ProductFiles, name: str) -> FloatArray:
    """(points, 6) what `_TAGS` says of each point of an annotation; none where it has no grid."""
    root = parse_xml(files, name)
    try:
        return _points(root)
    except ValueError as error:
        raise damaged(files, name, str(error)) from error


def _points(root: ElementTree.Element) -> FloatArray:
    rows = [[number(point, tag) for tag in _TAGS] for point in root.iter("geolocationGridPoint")]
    return np.asarray(rows, dtype=np.float64).reshape(-1, len(_TAGS))


def _image(files: ProductFiles, name: str) -> tuple[tuple[int, int], FloatArray]:
    """Lines and pixels of a TIFF, and its ground control points as in `_points`.

    ESA writes the line and pixel of the geolocation grid into them as they are: whole numbers are centres of pixels.
    """
    location = files.location(name)
    try:
        with rasterio.open(location) as dataset:
            points = [(p.row, p.col, p.x, p.y, p.z or 0.0, np.nan) for p in dataset.gcps[0]]
            return dataset.shape, np.asarray(points, dtype=np.float64).reshape(-1, len(_TAGS))
    except RasterioError as error:
        raise SceneError(f"{location} cannot be opened as a raster ({error}): fetch the product again.") from error


def _solve(x: FloatArray, y: FloatArray, at_x: FloatArray, at_y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where points lie in a bilinear cell, as parts of it from the first corner; beyond 0..1 outside of it.

    Args:
        x: (2, 2) easting of the corners.
        y: (2, 2) northing of the corners.
        at_x: Easting of the points.
        at_y: Northing of the points; broadcast against `at_x`.
    """
    (ax, bx, cx), (ay, by, cy) = _coefficients(x), _coefficients(y)
    px, py = at_x - x[0, 0], at_y - y[0, 0]
    skew = np.hypot(cx, cy) / min(np.hypot(ax, ay), np.hypot(bx, by))
    steps = next(count for limit, count in _STEPS if skew <= limit)
    determinant = ax * by - bx * ay
    u = (by * px - bx * py) / determinant
    v = (ax * py - ay * px) / determinant
    with np.errstate(all="ignore"):  # far outside of the cell anything may come out
        for _ in range(steps):
            uv = u * v
            miss_x, miss_y = ax * u + bx * v + cx * uv - px, ay * u + by * v + cy * uv - py
            xu, xv, yu, yv = ax + cx * v, bx + cx * u, ay + cy * v, by + cy * u
            slope = xu * yv - xv * yu
            u = u - (yv * miss_x - xv * miss_y) / slope
            v = v - (xu * miss_y - yu * miss_x) / slope
    return u, v


def _coefficients(corners: FloatArray) -> tuple[float, float, float]:
    """A bilinear function's slope along the lines, along the pixels, and along both."""
    (a, b), (c, d) = corners
    return float(c - a), float(b - a), float(d - c - b + a)


def _cell_range(grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    corners = np.stack([grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]])
    return corners.min(axis=0), corners.max(axis=0)


def _between_sides(positions: FloatArray, corners: FloatArray) -> slice:
    """The increasing positions in the range of a cell's corners, and one more on each side for rounding."""
    first = int(np.searchsorted(positions, corners.min())) - 1
    return slice(max(first, 0), int(np.searchsorted(positions, corners.max(), side="right")) + 1)


def _place(nodes: FloatArray, at: FloatArray) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Number of the cell and the part of it; the outer cells go on beyond the grid."""
    cell = np.asarray(np.clip(np.searchsorted(nodes, at, side="right") - 1, 0, len(nodes) - 2), np.intp)
    return cell, (at - nodes[cell]) / (nodes[cell + 1] - nodes[cell])


def _stretched(nodes: FloatArray, grids: FloatArray, size: int, axis: int) -> tuple[FloatArray, FloatArray]:
    wanted = nodes.astype(np.float64)
    wanted[0], wanted[-1] = min(nodes[0], -0.5), max(nodes[-1], size - 0.5)
    moved = np.moveaxis(grids, axis, 0)
    cell, part = _place(nodes, wanted)
    weight = part.reshape(-1, 1, 1)
    return wanted, np.moveaxis(moved[cell] * (1 - weight) + moved[cell + 1] * weight, 0, axis)
