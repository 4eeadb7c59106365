"""Statistics over all dates of a sensor, pixel by pixel."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from odc.geo.geobox import GeoBox

from cerradata.core.errors import ConfigError
from cerradata.core.types import FloatArray, Sensor
from cerradata.cube.variables.config import Statistic
from cerradata.cube.variables.indices import (
    SpectralIndex,
    find_index,
    index_parameters,
    index_source,
    sensor_of_band,
)
from cerradata.cube.variables.variable import Request, Variable, VariableInputs
from cerradata.scenes.radiometry import Unit

_STRIP: Final = 256
"""Rows of which a median holds every date at once: 74 dates of 1024 columns are 78 MB."""

_SPREADS: Final = ("std", "range")
"""Statistics that say something from two observations on."""

_TITLES: Final[dict[Statistic, str]] = {
    "mean": "Mean",
    "std": "Standard deviation",
    "min": "Minimum",
    "max": "Maximum",
    "median": "Median",
    "range": "Range (maximum - minimum)",
    "count": "Number of observations",
}


@dataclass(frozen=True)
class TemporalStatistic:
    """A statistic of a band or an index over the dates.

    Attributes:
        statistic: Which one.
        sensor: Whose dates.
        bands: Bands to read.
        index: Index to make of them, or None for the band itself.
    """

    statistic: Statistic
    sensor: Sensor
    bands: tuple[str, ...]
    index: SpectralIndex | None = None

    def compute(self, window: GeoBox, inputs: VariableInputs) -> FloatArray:
        """(1, rows, columns), see `Variable.compute`."""
        if self.statistic != "median":
            return self._running(window, inputs)[np.newaxis]
        rows, columns = window.shape
        strips = [window[top : min(top + _STRIP, rows), :] for top in range(0, rows, _STRIP)]
        return np.concatenate([median(self._series(strip, inputs), (strip.shape[0], columns)) for strip in strips])[
            np.newaxis
        ]

    def _running(self, window: GeoBox, inputs: VariableInputs) -> FloatArray:
        shape = (window.shape[0], window.shape[1])
        if self.statistic in ("mean", "std"):
            moments = RunningMoments(shape)
            for values in self._series(window, inputs):
                moments.add(values)
            return moments.mean() if self.statistic == "mean" else moments.std()
        extremes = RunningExtremes(shape)
        for values in self._series(window, inputs):
            extremes.add(values)
        match self.statistic:
            case "min":
                return extremes.least
            case "max":
                return extremes.largest
            case "range":
                return np.where(extremes.count < 2, np.float32(np.nan), extremes.largest - extremes.least)
            case _:
                return extremes.count.astype(np.float32)

    def _series(self, window: GeoBox, inputs: VariableInputs) -> Iterator[FloatArray]:
        for bands in inputs.observations(self.sensor, window, self.bands):
            yield bands[0] if self.index is None else self.index.compute(bands)


class RunningMoments:
    """Mean and standard deviation of a series of images in constant memory.

    Welford's method: B. P. Welford (1962), Note on a method for calculating corrected sums of squares and products,
    Technometrics 4(3). It does not lose digits where the mean is large against the spread.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        """Start with no image of `shape`."""
        self._count = np.zeros(shape, np.int32)
        self._mean = np.zeros(shape, np.float64)
        self._squares = np.zeros(shape, np.float64)  # sum of squared differences from the mean

    def add(self, values: FloatArray) -> None:
        """Take another image (rows, columns); NaN does not count."""
        valid = ~np.isnan(values)
        self._count += valid
        difference = np.where(valid, values - self._mean, 0.0)
        self._mean += difference / np.maximum(self._count, 1)
        self._squares += difference * np.where(valid, values - self._mean, 0.0)

    def mean(self) -> FloatArray:
        """(rows, columns) float32, NaN without observation."""
        return np.where(self._count > 0, self._mean, np.nan).astype(np.float32)

    def std(self) -> FloatArray:
        """Standard deviation of the population, (rows, columns) float32, NaN below two observations."""
        found = np.sqrt(self._squares / np.maximum(self._count, 1))
        return np.where(self._count > 1, found, np.nan).astype(np.float32)


class RunningExtremes:
    """Minimum, maximum and number of observations of a series of images in constant memory.

    Attributes:
        count: (rows, columns) int32.
        least: (rows, columns) float32, NaN without observation.
        largest: (rows, columns) float32, NaN without observation.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        """Start with no image of `shape`."""
        self.count = np.zeros(shape, np.int32)
        self.least: FloatArray = np.full(shape, np.nan, np.float32)
        self.largest: FloatArray = np.full(shape, np.nan, np.float32)

    def add(self, values: FloatArray) -> None:
        """Take another image (rows, columns); NaN does not count."""
        self.count += ~np.isnan(values)
        self.least = np.fmin(self.least, values)
        self.largest = np.fmax(self.largest, values)


def median(series: Iterator[FloatArray], shape: tuple[int, int]) -> FloatArray:
    """Median of a series of images, pixel by pixel; of an even number the mean of the two in the middle.

    Args:
        series: (rows, columns) each, NaN does not count.
        shape: Rows and columns.

    Returns:
        (rows, columns) float32, NaN without observation.
    """
    images = list(series)
    if not images:
        return np.full(shape, np.nan, np.float32)
    ordered = np.sort(np.stack(images), axis=0)  # NaN goes last
    count = (~np.isnan(ordered)).sum(axis=0)
    lower, upper = np.maximum(count - 1, 0) // 2, count // 2
    upper = np.minimum(upper, np.maximum(count - 1, 0))
    pair = np.take_along_axis(ordered, np.stack([lower, upper]), axis=0)
    return np.asarray(pair.mean(axis=0), dtype=np.float32)


def temporal_variable(request: Request) -> Variable:
    """A statistic over the dates.

    Raises:
        ConfigError: If there is no such index or band, or too few dates for the statistic.
    """
    config = request.config
    statistic: Statistic = config.statistic or "mean"  # a declaration without is refused at its construction
    if config.index is not None:
        index = find_index(config.index, config.constants)
        sensor, bands, what = index.sensor, index.bands, index.name
        parameters, source = index_parameters(index), index_source(index)
        unit: Unit = "one"
    else:
        index, what = None, str(config.band)
        sensor, bands = sensor_of_band(what), (what,)
        parameters, source = {"band": what}, f"Band {what} of {sensor}"
        unit = "reflectance" if sensor == "sentinel-2" else "linear"
    _require_dates(request, sensor, statistic)
    return Variable(
        request.name,
        "temporal",
        f"{_TITLES[statistic]} of {what} over all dates",
        "one" if statistic == "count" else unit,
        {sensor: bands},
        {"statistic": statistic, **parameters},
        source,
        TemporalStatistic(statistic, sensor, bands, index),
    )


def _require_dates(request: Request, sensor: Sensor, statistic: Statistic) -> None:
    dates = request.available.dates.get(sensor)
    if statistic in _SPREADS and dates is not None and dates < 2:
        raise ConfigError(
            f"Variable {request.name!r}: the statistic {statistic!r} needs two dates of {sensor}, there is {dates}. Add "
            "scenes, or leave the variable out."
        )
