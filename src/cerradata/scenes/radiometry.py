"""`Radiometry`: what the numbers of a scene, dataset, run or map mean."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

from cerradata.core.errors import ConfigError
from cerradata.core.types import FloatArray, Sensor

Unit = Literal["reflectance", "amplitude", "linear", "db", "metre", "degree", "one"]
SarUnit = Literal["amplitude", "linear", "db"]
Quantiles = Mapping[str, tuple[float, float, float]]
Origin = Sensor | Literal["derived"]
"""A sensor, or "derived": a variable computed from what sensors saw or from a map."""


@dataclass(frozen=True)
class Radiometry:
    """What stored numbers mean: `value = number * scale + offset`, in `unit`.

    Attributes:
        sensor: Where the numbers come from: a sensor, or "derived" for a variable computed from them.
        bands: Band names in stored order.
        unit: Unit of the value: surface or top-of-atmosphere reflectance (1 = 100 %), radar backscatter as amplitude,
            linear power or decibels, metres above the vertical datum, degrees, or "one" for what has no unit.
        scale: Factor from number to value.
        offset: Added after the scale, in `unit`.
        nodata: Number that means "no data", or None (NaN always does).
        product_level: "L1C" or "L2A" for Sentinel-2, where known.
        processing_baseline: ESA's processing baseline, where known.
        calibration: "sigma0", "gamma0", ... for Sentinel-1; None where the numbers are not calibrated or it is unknown.
        orbit_pass: "ascending" or "descending", where known.
        relative_orbit: Number of the relative orbit, where known.
        vertical_datum: What heights are above ("EGM2008", "EGM96", "WGS84 ellipsoid"), where declared.
        time_windows: Names of the time windows in the band names (`B04@dry`).
        quantiles: 5 %, 50 % and 95 % quantile of the stored numbers of each band, where computed.
    """

    sensor: Origin
    bands: tuple[str, ...]
    unit: Unit
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    product_level: str | None = None
    processing_baseline: str | None = None
    calibration: str | None = None
    orbit_pass: str | None = None
    relative_orbit: int | None = None
    vertical_datum: str | None = None
    time_windows: tuple[str, ...] = ()
    quantiles: Quantiles = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check unit against sensor.

        Raises:
            ConfigError: If the unit is not one of the sensor's.
        """
        allowed = _UNITS[self.sensor]
        if self.unit not in allowed:
            raise ConfigError(f"{self.sensor} has no unit {self.unit!r}: allowed are {', '.join(allowed)}.")
        if self.scale == 0:
            raise ConfigError(f"{self.sensor}: a scale of 0 makes every value the same.")

    @property
    def averaging_unit(self) -> Unit:
        """The unit in which values may be averaged: linear power for radar, their own unit for the others."""
        return "linear" if self.sensor == "sentinel-1" else self.unit

    def to_values(self, numbers: FloatArray | Any) -> FloatArray:  # noqa: ANN401 - any numeric array
        """Stored numbers as values in the unit that may be averaged.

        Args:
            numbers: Any shape and dtype. `nodata` is tested before anything is subtracted.

        Returns:
            float32, same shape: reflectance, linear power or metres; NaN = no data.
        """
        values = np.asarray(numbers).astype(np.float32)
        if self.nodata is not None and not np.isnan(self.nodata):
            values[np.asarray(numbers) == self.nodata] = np.nan
        if self.scale != 1.0 or self.offset != 0.0:
            values *= np.float32(self.scale)
            values += np.float32(self.offset)
        return to_power(values, self.unit) if self.sensor == "sentinel-1" else values

    def to_numbers(self, values: FloatArray) -> FloatArray:
        """The reverse of `to_values`, as float32 before any rounding; NaN stays NaN."""
        if self.sensor == "sentinel-1":
            values = from_power(values, self.unit)
        numbers = np.subtract(values, np.float32(self.offset), dtype=np.float32)
        numbers /= np.float32(self.scale)
        return numbers

    def with_bands(self, bands: tuple[str, ...], time_windows: tuple[str, ...] = ()) -> "Radiometry":
        """The same radiometry for other bands or time windows."""
        return replace(self, bands=bands, time_windows=time_windows)

    def with_quantiles(self, quantiles: Quantiles) -> "Radiometry":
        """The same radiometry with quantiles of the stored numbers."""
        return replace(self, quantiles=quantiles)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = asdict(replace(self, quantiles={}))
        if self.nodata is not None and np.isnan(self.nodata):
            plain["nodata"] = None  # NaN always means no data, and JSON has none
        plain["bands"] = list(self.bands)
        plain["time_windows"] = list(self.time_windows)
        plain["quantiles"] = {band: list(values) for band, values in self.quantiles.items()}
        return plain

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> "Radiometry":
        """The reverse of `to_dict`."""
        values = dict(plain)
        values["bands"] = tuple(values["bands"])
        values["time_windows"] = tuple(values.get("time_windows", ()))
        values["quantiles"] = {band: tuple(q) for band, q in values.get("quantiles", {}).items()}
        return Radiometry(**values)


def to_power(values: FloatArray, unit: Unit) -> FloatArray:
    """Radar backscatter in `unit` as linear power, float32. Power = amplitude squared = 10^(dB/10)."""
    match unit:
        case "linear":
            return np.asarray(values, dtype=np.float32)
        case "amplitude":
            return np.asarray(np.square(values), dtype=np.float32)
        case "db":
            # exp is about three times as fast as 10 ** x in NumPy
            return np.asarray(np.exp(values * np.float32(np.log(10) / 10)), dtype=np.float32)
        case _:
            raise ConfigError(f"{unit!r} is no unit of radar backscatter: allowed are {', '.join(get_args(SarUnit))}.")


def from_power(power: FloatArray, unit: Unit) -> FloatArray:
    """Linear power as radar backscatter in `unit`, float32. Power that is not positive has no decibels: NaN."""
    match unit:
        case "linear":
            return np.asarray(power, dtype=np.float32)
        case "amplitude":
            return np.asarray(np.sqrt(np.maximum(power, 0)), dtype=np.float32)
        case "db":
            positive = np.where(power > 0, power, np.float32(np.nan))
            return np.asarray(10 * np.log10(positive), dtype=np.float32)
        case _:
            raise ConfigError(f"{unit!r} is no unit of radar backscatter: allowed are {', '.join(get_args(SarUnit))}.")


_UNITS: dict[Origin, tuple[str, ...]] = {
    "sentinel-1": get_args(SarUnit),
    "sentinel-2": ("reflectance",),
    "elevation": ("metre",),
    "derived": get_args(Unit),
}
