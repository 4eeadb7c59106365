"""Composites that weigh all observations of a pixel: mean, median, medoid."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from odc.geo.geobox import GeoBox

from cerradata.core.types import Array, BoolArray, FloatArray
from cerradata.cube.composite.first import hidden, read_bands
from cerradata.cube.composite.image import SEVERAL, Composite
from cerradata.cube.resample import MeasurementResampling
from cerradata.scenes import Scene

Statistic = Literal["mean", "median", "medoid"]

_BUDGET = 400_000_000
"""Bytes of observations held at once: windows of many scenes are worked through in strips of rows."""


def reduce_scenes(
    scenes: Sequence[Scene],
    bands: Sequence[str],
    window: GeoBox,
    statistic: Statistic,
    *,
    resampling: MeasurementResampling = "bilinear",
) -> Composite:
    """One window of the target grid from all observations of each pixel.

    An observation is a scene that does not mask the pixel and has data there in every band. Where there is none, what
    scenes have in some bands is taken band by band.

    Args:
        scenes: The scenes.
        bands: Bands to take; every scene has them.
        window: The window, as a grid.
        statistic: `mean` and `median` of each band; `medoid`: all bands of the observation whose sum of Euclidean distances
            to the others is the smallest, the first of equals (Flood 2013, Remote Sensing 5(12), 6481-6500).
        resampling: Kernel.

    Returns:
        The composite, its observations counted.

    Raises:
        SceneError: If a file cannot be read.
    """
    height, width = window.shape
    values = np.full((len(bands), height, width), np.nan, np.float32)
    source = np.zeros((height, width), np.uint16)
    counts = np.zeros((height, width), np.uint16)
    rows = max(1, min(height, _BUDGET // max(1, 4 * len(scenes) * len(bands) * width)))
    for top in range(0, height if scenes else 0, rows):
        part = slice(top, min(top + rows, height))
        seen = _observations(scenes, bands, window[part, :], resampling)
        values[:, part], source[part], counts[part] = _reduced(seen, statistic)
    return Composite(values, source, counts)


def _observations(
    scenes: Sequence[Scene], bands: Sequence[str], window: GeoBox, resampling: MeasurementResampling
) -> FloatArray:
    """(scenes, bands, rows, columns), NaN = masked or no data."""
    seen = np.full((len(scenes), len(bands), *window.shape), np.nan, np.float32)
    for layer, scene in zip(seen, scenes, strict=True):
        mask = hidden(scene, window)
        if not mask.all():
            layer[...] = read_bands(scene, bands, window, resampling, {})
            layer[:, mask] = np.nan
    return seen


def _reduced(seen: FloatArray, statistic: Statistic) -> tuple[FloatArray, Array, Array]:
    whole: BoolArray = np.asarray(~np.isnan(seen).any(axis=1))  # (scenes, rows, columns)
    counts = whole.sum(axis=0, dtype=np.uint16)
    beside = (counts > 0) & ~whole  # parts count only where no observation is whole
    for layer, dropped in zip(seen, beside, strict=True):
        layer[:, dropped] = np.nan
    if statistic == "medoid":
        values, source = _medoid(seen, whole)
        return values, source, counts
    values = _mean(seen) if statistic == "mean" else _median(seen)
    given = ~np.isnan(seen).all(axis=1)
    source = np.where(given.sum(axis=0) > 1, SEVERAL, np.where(given.any(axis=0), given.argmax(axis=0) + 1, 0))
    return values, source.astype(np.uint16), counts


def _mean(seen: FloatArray) -> FloatArray:
    valid = ~np.isnan(seen)
    number = valid.sum(axis=0)
    total = np.where(valid, seen, 0).sum(axis=0, dtype=np.float64)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)


def _median(seen: FloatArray) -> FloatArray:
    number = (~np.isnan(seen)).sum(axis=0)
    ranked = np.sort(seen, axis=0)  # NaN goes to the end
    lower, upper = (np.maximum(number - step, 0) // 2 for step in (1, 0))
    upper = np.minimum(upper, len(seen) - 1)
    pair = (np.take_along_axis(ranked, place[np.newaxis], axis=0)[0] for place in (lower, upper))
    return np.asarray(sum(pair) / 2, dtype=np.float32)


def _medoid(seen: FloatArray, whole: BoolArray) -> tuple[FloatArray, Array]:
    """Values and source: of whole observations the most central, else the first that has anything."""
    cost = np.zeros(whole.shape, np.float32)
    for i in range(len(seen)):
        for j in range(i + 1, len(seen)):
            distance = np.sqrt(np.square(seen[i] - seen[j]).sum(axis=0))
            np.nan_to_num(distance, copy=False)  # to a masked observation there is none
            cost[i] += distance
            cost[j] += distance
    cost[~whole] = np.inf
    some = ~np.isnan(seen).all(axis=1)
    chosen = np.where(whole.any(axis=0), cost.argmin(axis=0), some.argmax(axis=0))
    values = np.take_along_axis(seen, chosen[np.newaxis, np.newaxis], axis=0)[0]
    return values, np.where(some.any(axis=0), chosen + 1, 0).astype(np.uint16)
