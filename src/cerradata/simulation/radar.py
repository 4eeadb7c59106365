"""Backscatter of a surface, and the speckle of the radar."""

import datetime as dt

import numpy as np
from scipy.ndimage import gaussian_filter

from cerradata.core.types import FloatArray
from cerradata.legend import load_legend
from cerradata.simulation.classes import LEGEND, Cover
from cerradata.simulation.noise import draw, fractal_noise, key_of
from cerradata.simulation.optics import parcel_normal
from cerradata.simulation.parameters import Parameters
from cerradata.simulation.surface import NEVER, Surface

POLARISATIONS = ("VV", "VH")
_NATURAL = ("forest", "savanna", "grassland")


def backscatter(surface: Surface, date: dt.date, parameters: Parameters, seed: int) -> FloatArray:
    """Gamma nought of a surface on a day, without speckle and noise.

    Args:
        surface: The land cover.
        date: Day of 2022.
        parameters: Backscatter of the covers.
        seed: The world's seed.

    Returns:
        (2, rows, columns) float32 linear power of VV and VH.
    """
    day = date.timetuple().tm_yday
    wet = np.float32(0.5 + 0.5 * np.cos(2 * np.pi * (day - 45) / 365))
    kinds, shares = _kinds(surface, day)
    means, parcel, texture = (parameters.table(f"radar.{name}") for name in ("gamma0_db", "parcel_db", "texture_db"))
    own, rough = (
        parcel_normal(surface, 41),
        fractal_noise(key_of(seed, "roughness"), surface.window, 5, octaves=2, gain=0.8),
    )
    soil = np.float32(parameters.number("radar.moisture_db")) * _date_normal(date, seed)
    result = np.zeros((2, *surface.window.shape), np.float32)
    for number, name in enumerate(_names()):
        where = kinds == number
        if not where.any():
            continue
        spread = parcel[name] * own[where] + texture[name] * rough[where]
        spread += soil * (0.3 if name in ("forest", "UA", "Wt") else 1.0)
        for band in (0, 1):
            dry_db, wet_db = means[name][band], means[name][band + 2]
            result[band][where] = _power(dry_db + (wet_db - dry_db) * wet + spread * (1.0 - 0.15 * band))
    _blend_natural(result, kinds, shares, means, wet)
    return result


def _names() -> tuple[str, ...]:
    return (*(c.short for c in load_legend(LEGEND).finest.classes), *_NATURAL)


def _kinds(surface: Surface, day: int) -> tuple[FloatArray, FloatArray]:
    """Number of the kind of cover of each pixel, and the place of natural vegetation between grassland and forest."""
    standing = (surface.cover == Cover.DEFORESTATION) & (surface.clear_day > day) & (surface.clear_day < NEVER)
    cover = np.where(standing, Cover.PRIMARY, surface.cover).astype(np.int16)
    first = len(Cover)
    natural = cover == Cover.PRIMARY
    kinds = np.where(
        natural, np.where(surface.trees > 0.6, first, np.where(surface.trees > 0.25, first + 1, first + 2)), cover
    )
    return kinds, surface.trees


def _blend_natural(
    result: FloatArray, kinds: FloatArray, trees: FloatArray, means: dict[str, FloatArray], wet: np.float32
) -> None:
    """From grassland over savanna to forest without a step: replace the steps between the three by a line."""
    natural = kinds >= len(Cover)
    if not natural.any():
        return
    at = np.asarray([0.1, 0.42, 0.8])
    for band in (0, 1):
        levels = np.asarray([means[k][band] + (means[k][band + 2] - means[k][band]) * wet for k in reversed(_NATURAL)])
        step = levels[2 - (kinds[natural] - len(Cover))]
        result[band][natural] *= _power(np.interp(trees[natural], at, levels) - step)


def _power(db: FloatArray) -> FloatArray:
    return np.asarray(np.exp(np.asarray(db, np.float32) * np.float32(np.log(10) / 10)))


def _date_normal(date: dt.date, seed: int) -> float:
    first, second = (float(draw(key_of(seed, "moisture", date), k)) for k in (0, 1))
    return float(np.sqrt(-2 * np.log(first + 1e-7)) * np.cos(2 * np.pi * second))


def speckle(key: int, shape: tuple[int, int], looks: float) -> FloatArray:
    """Multiplicative speckle of multilooked intensity: mean 1, variance 1 / looks, neighbours correlated a little.

    The resolution of IW products is about 20 m, their pixels are 10 m: gamma noise of fewer looks is smoothed by a
    Gaussian of 0.85 pixels and keeps its mean.

    Args:
        key: Seed; the same key and shape give the same speckle.
        shape: Rows and columns.
        looks: Equivalent number of looks after smoothing.
    """
    sigma = 0.85
    random = np.random.Generator(np.random.SFC64(key))
    kernel = gaussian_filter(np.pad([[1.0]], 4), sigma)
    before = looks * float((kernel**2).sum())
    noise = random.standard_gamma(before, shape, np.float32)
    noise /= np.float32(before)
    return np.asarray(gaussian_filter(noise, sigma, mode="mirror"), np.float32)
