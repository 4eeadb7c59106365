"""Where the lines and pixels of a simulated Sentinel-1 image lie: a satellite on a circle looks to its right.

The circle has the height of Sentinel-1's orbit and stands still in the Earth's own frame. So the ground track leans as that
of the mission does, by the heading that is given, and zero-Doppler time and slant range of a place follow from the state
vectors as in a real product.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pyproj import Transformer
from scipy.interpolate import RectBivariateSpline

from cerradata.core.types import Array, FloatArray

LIGHT = 299_792_458.0  # m/s
_ORBIT = 7_071_000.0  # metres from the Earth's centre
_SPEED = 7_590.0  # m/s
_LEAN = 11.0  # degrees of the ground track from north
_MIDDLE_ANGLE = np.radians(5.05)  # at the Earth's centre, from nadir to the middle of the swath: incidence 38 degrees
_NODES = 9  # where zero-Doppler equations are solved, along each side; between them a cubic spline misses nanometres
_DEGREE = 6  # of the polynomials between slant and ground range: below a millimetre over 20 km
_TO_PLACE = Transformer.from_crs("EPSG:4978", "EPSG:4979", always_xy=True)
_TO_EARTH = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
_A, _B = 6_378_137.0, 6_356_752.314245  # semi-axes of WGS84


@dataclass(frozen=True)
class Geometry:
    """The geometry of an image.

    Attributes:
        centre: Longitude and latitude of the middle, in degrees.
        shape: Lines and samples.
        spacing: Metres of a pixel on the ground.
        ascending: Whether the satellite flies north.
        height: Metres of the ground above the ellipsoid.
    """

    centre: tuple[float, float]
    shape: tuple[int, int]
    spacing: float = 10.0
    ascending: bool = False
    height: float = 0.0

    @property
    def line_seconds(self) -> float:
        """Seconds from line to line."""
        return self.spacing / (_SPEED * _A / _ORBIT)

    @property
    def duration(self) -> dt.timedelta:
        """From the first line to the last."""
        return dt.timedelta(seconds=(self.shape[0] - 1) * self.line_seconds)

    @property
    def heading(self) -> float:
        """Degrees of the flight direction from north, clockwise, -180 to 180."""
        return -_LEAN if self.ascending else _LEAN - 180

    def satellite(self, seconds: Array) -> tuple[FloatArray, FloatArray]:
        """Position and velocity at times from that of the first line.

        Returns:
            (times, 3) metres and metres a second in the Earth's frame (EPSG:4978).
        """
        up, along = self._plane
        middle = (self.shape[0] - 1) / 2 * self.line_seconds
        angle = (np.asarray(seconds)[:, None] - middle) * _SPEED / _ORBIT
        position = _ORBIT * (np.cos(angle) * up + np.sin(angle) * along)
        return position, _SPEED * (np.cos(angle) * along - np.sin(angle) * up)

    @cached_property
    def ranges(self) -> tuple[FloatArray, FloatArray]:
        """Polynomials, the constant first: ground range to slant range, and slant range less the first to ground range."""
        ground = np.linspace(0, self.shape[1] * self.spacing, 64)
        start = _MIDDLE_ANGLE - self.shape[1] * self.spacing / 2 / _A
        angle = start + ground / _A
        slant = np.sqrt(_ORBIT**2 + _A**2 - 2 * _ORBIT * _A * np.cos(angle))
        forth = np.asarray(np.polynomial.Polynomial.fit(ground, slant, _DEGREE).convert().coef, np.float64)
        back = np.polynomial.Polynomial.fit(slant - forth[0], ground, _DEGREE).convert().coef
        return forth, np.asarray(back, np.float64)

    def slant_range(self, samples: Array) -> FloatArray:
        """Metres from the satellite to samples."""
        return np.asarray(np.polynomial.polynomial.polyval(np.asarray(samples) * self.spacing, self.ranges[0]))

    def place(self, lines: Array, samples: Array) -> tuple[FloatArray, FloatArray]:
        """Longitude and latitude in degrees of a grid of lines and samples.

        Args:
            lines: (rows,) increasing; 0 is the centre of the first line.
            samples: (columns,) increasing.

        Returns:
            Longitude and latitude, each (rows, columns).
        """
        longitude, latitude = self._surfaces
        return np.asarray(longitude(lines, samples)), np.asarray(latitude(lines, samples))

    @cached_property
    def _plane(self) -> tuple[FloatArray, FloatArray]:
        """Unit vectors to the satellite at the middle line and along its flight.

        The swath lies to the right of the flight: the satellite stands to the left of the middle of the image.
        """
        target = np.asarray(_TO_EARTH.transform(*self.centre, self.height))
        target = target / np.linalg.norm(target)
        east = np.cross([0, 0, 1], target)
        east /= np.linalg.norm(east)
        north = np.cross(target, east)
        heading = np.radians(self.heading)
        along = np.sin(heading) * east + np.cos(heading) * north
        right = np.cross(along, target)
        return np.cos(_MIDDLE_ANGLE) * target - np.sin(_MIDDLE_ANGLE) * right, along

    @cached_property
    def _surfaces(self) -> tuple[RectBivariateSpline, RectBivariateSpline]:
        lines = np.linspace(-1, self.shape[0], _NODES)
        samples = np.linspace(-1, self.shape[1], _NODES)
        position, velocity = self.satellite(lines * self.line_seconds)
        points = self._on_ground(
            np.repeat(position, _NODES, axis=0),
            np.repeat(velocity, _NODES, axis=0),
            np.tile(self.slant_range(samples), _NODES),
        )
        longitude, latitude, _ = _TO_PLACE.transform(points[:, 0], points[:, 1], points[:, 2])
        grid = (_NODES, _NODES)
        return (
            RectBivariateSpline(lines, samples, np.reshape(longitude, grid)),
            RectBivariateSpline(lines, samples, np.reshape(latitude, grid)),
        )

    def _on_ground(self, position: FloatArray, velocity: FloatArray, slant: FloatArray) -> FloatArray:
        """(points, 3) on the raised ellipsoid, across the flight and at a distance: Newton from the scene's centre."""
        points = np.tile(np.asarray(_TO_EARTH.transform(*self.centre, self.height)), (len(slant), 1))
        axes = np.asarray([_A, _A, _B]) + self.height
        for _ in range(8):
            look = points - position
            misses = np.stack(
                [
                    (look * velocity).sum(axis=1) / _SPEED,
                    ((look**2).sum(axis=1) - slant**2) / (2 * slant),
                    (((points / axes) ** 2).sum(axis=1) - 1) * _A / 2,
                ],
                axis=1,
            )
            slopes = np.stack([velocity / _SPEED, look / slant[:, None], points / axes**2 * _A], axis=1)
            points = points - np.linalg.solve(slopes, misses[..., None])[..., 0]
        return points
