"""Random fields that depend on the place alone: any window of them is the same, whoever computes it.

A field is white noise on a lattice of absolute world coordinates, made smooth by a cubic B-spline. The weights are
separable, so a window costs two small matrix products.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cerradata.core.types import Array, FloatArray

_MIX_1, _MIX_2, _STEP = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB), np.uint64(0x9E3779B97F4A7C15)
_SPLINE_POWER = 151 / 315
"""Mean over a lattice cell of the sum of squares of the four cubic B-spline weights: the variance that is left."""


@dataclass(frozen=True)
class Window:
    """A rectangle of world pixels of 10 m.

    World pixels have absolute numbers: the column is easting / 10 m, the row is -northing / 10 m of the world's
    projection, so that windows of any task agree on what a pixel is.

    Attributes:
        row: First row.
        col: First column.
        rows: Number of rows.
        columns: Number of columns.
        step: Pixels of 10 m a pixel of this window: 3 for a window of 30 m pixels. Row and column stay in pixels of 10 m.
    """

    row: int
    col: int
    rows: int
    columns: int
    step: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns

    @property
    def y(self) -> FloatArray:
        """(rows,) world row of each pixel's centre, float64."""
        return self.row + (np.arange(self.rows) + 0.5) * self.step

    @property
    def x(self) -> FloatArray:
        """(columns,) world column of each pixel's centre, float64."""
        return self.col + (np.arange(self.columns) + 0.5) * self.step

    def pad(self, pixels: int) -> "Window":
        """The window and `pixels` of its own pixels around it."""
        return Window(
            self.row - pixels * self.step,
            self.col - pixels * self.step,
            self.rows + 2 * pixels,
            self.columns + 2 * pixels,
            self.step,
        )


def key_of(*parts: object) -> np.uint64:
    """A 64-bit key of a name and numbers, the same on every machine."""
    text = "\x1f".join(str(part) for part in parts)
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def mix(key: np.uint64 | Array, *numbers: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """Hash integers into 64 random bits (the finaliser of SplitMix64, Steele et al. 2014), element by element.

    Args:
        key: Key, or an array of keys.
        numbers: Integer arrays that broadcast; negative ones are allowed.
    """
    with np.errstate(over="ignore"):
        state = np.asarray(key, np.uint64)
        for number in numbers:
            state = state + _STEP * (np.asarray(number).astype(np.int64).view(np.uint64) + np.uint64(1))
            state = (state ^ (state >> np.uint64(30))) * _MIX_1
            state = (state ^ (state >> np.uint64(27))) * _MIX_2
            state = state ^ (state >> np.uint64(31))
    return np.asarray(state, np.uint64)


def uniform(bits: npt.NDArray[np.uint64]) -> FloatArray:
    """64 random bits as a number from 0 up to 1, float32."""
    return (bits >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


def draw(key: np.uint64, *numbers: npt.ArrayLike) -> FloatArray:
    """A uniform number from 0 to 1 for each tuple of integers."""
    return uniform(mix(key, *numbers))


def smooth_noise(key: np.uint64, window: Window, wavelength: float) -> FloatArray:
    """Smooth noise with mean 0 and variance 1.

    Args:
        key: Which field.
        window: Where.
        wavelength: Lattice spacing in world pixels of 10 m.

    Returns:
        (rows, columns) float32, about normal.
    """
    first_row, down = _weights(window.y, wavelength)
    first_col, across = _weights(window.x, wavelength)
    rows = first_row + np.arange(down.shape[1])
    columns = first_col + np.arange(across.shape[1])
    lattice = (draw(key, rows[:, None], columns[None, :]) - np.float32(0.5)) * np.float32(12**0.5 / _SPLINE_POWER)
    return np.asarray(down @ lattice @ across.T, np.float32)


def fractal_noise(
    key: np.uint64, window: Window, wavelength: float, *, octaves: int = 4, gain: float = 0.5
) -> FloatArray:
    """Sum of smooth noises, each with half the wavelength and `gain` times the amplitude of the one before.

    Returns:
        (rows, columns) float32, mean 0, variance 1.
    """
    total = np.zeros(window.shape, np.float32)
    power = 0.0
    for octave in range(octaves):
        amplitude = gain**octave
        own = smooth_noise(key_of(key, octave), window, wavelength / 2**octave)
        own *= np.float32(amplitude)
        total += own
        power += amplitude**2
    total *= np.float32(power**-0.5)
    return total


def white_noise(key: np.uint64, window: Window) -> FloatArray:
    """A uniform number from 0 to 1 for each pixel, independent of its neighbours: (rows, columns) float32."""
    rows = (window.row + np.arange(window.rows) * window.step)[:, None]
    columns = (window.col + np.arange(window.columns) * window.step)[None, :]
    return draw(key, rows, columns)


def _weights(positions: FloatArray, wavelength: float) -> tuple[int, FloatArray]:
    """First lattice point that matters, and (positions, lattice points) float32 cubic B-spline weights."""
    scaled = np.asarray(positions, np.float64) / wavelength
    base = np.floor(scaled).astype(np.int64)
    t = scaled - base
    four = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
    ) / 6  # fmt: skip
    first = int(base[0]) - 1
    weights = np.zeros((len(scaled), int(base[-1]) + 2 - first + 1), np.float32)
    index = np.arange(len(scaled))
    for k in range(4):
        weights[index, base - 1 + k - first] = four[:, k]
    return first, weights
