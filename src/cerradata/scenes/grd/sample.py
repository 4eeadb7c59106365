"""Values of an image between its pixels."""

import numpy as np
import numpy.typing as npt

from cerradata.core.types import BoolArray, FloatArray

_Indices = npt.NDArray[np.intp]


def bilinear(values: FloatArray, valid: BoolArray, line: FloatArray, pixel: FloatArray) -> FloatArray:
    """Interpolate between the four pixels around each place, those without data left out.

    A place has data if the pixel in which it lies has. So the edge of the data stays where it is.

    Args:
        values: (lines, pixels) float32; anything where there is no data.
        valid: (lines, pixels), where there is data.
        line: Fractional lines of the places, 0 = centre of the first; NaN is outside.
        pixel: Fractional pixels, same shape.

    Returns:
        float32 in the shape of `line`; NaN = no data.
    """
    height, width = values.shape
    inside = np.isfinite(line)
    down, v = _split(line, inside, height)
    across, u = _split(pixel, inside, width)
    corner = down * width + across
    step_down, step_across = width * (height > 1), int(width > 1)
    inside &= np.take(valid, corner + step_down * (v >= 0.5) + step_across * (u >= 0.5))
    if valid.all():
        total = _blend(values, corner, (step_down, step_across), (v, u))
    else:
        weight = _blend(valid.astype(np.float32), corner, (step_down, step_across), (v, u))
        total = _blend(np.where(valid, values, np.float32(0)), corner, (step_down, step_across), (v, u))
        total /= np.where(weight > 0, weight, 1)
    return np.where(inside, total, np.float32(np.nan))


def block_mean(values: FloatArray, valid: BoolArray, factors: tuple[int, int]) -> tuple[FloatArray, BoolArray]:
    """Mean of the data in blocks of pixels.

    Args:
        values: (lines, pixels), whole multiples of `factors`.
        valid: (lines, pixels), where there is data.
        factors: Lines and pixels of a block.

    Returns:
        (lines / factor, pixels / factor) float32, and where at least half of a block is data.
    """
    if factors == (1, 1):
        return values, valid
    shape = (values.shape[0] // factors[0], factors[0], values.shape[1] // factors[1], factors[1])
    count = valid.reshape(shape).sum(axis=(1, 3))
    total = np.where(valid, values, np.float32(0)).reshape(shape).sum(axis=(1, 3), dtype=np.float64)
    mean = (total / np.maximum(count, 1)).astype(np.float32)
    return mean, np.asarray(2 * count >= factors[0] * factors[1])


def _split(position: FloatArray, inside: BoolArray, size: int) -> tuple[_Indices, FloatArray]:
    """Whole number of the pixel before each place, and the part of the way to the next one."""
    held = np.clip(np.where(inside, position, 0), 0, size - 1)
    whole = np.minimum(held.astype(np.intp), max(size - 2, 0))
    return whole, (held - whole).astype(np.float32)


def _blend(
    values: FloatArray, corner: _Indices, steps: tuple[int, int], parts: tuple[FloatArray, FloatArray]
) -> FloatArray:
    (down, across), (v, u) = steps, parts
    upper = np.take(values, corner)
    upper += u * (np.take(values, corner + across) - upper)
    lower = np.take(values, corner + down)
    lower += u * (np.take(values, corner + (down + across)) - lower)
    return np.asarray(upper + v * (lower - upper))
