"""Whether radar numbers are in the unit that is declared, and VV and VH in their places."""

from dataclasses import dataclass
from typing import Final, get_args

import numpy as np

from cerradata.core.types import FloatArray
from cerradata.scenes.doctor.case import Case, Standard
from cerradata.scenes.doctor.finding import Fault, Finding
from cerradata.scenes.doctor.order import levels_of
from cerradata.scenes.radiometry import SarUnit, from_power, to_power

_PIXELS = 50
_NEGATIVE = 0.02
_CROSSED = 0.75
_CALIBRATED = 5.0
"""Median of a number above which it is no calibrated amplitude or power: those of land are below 1."""

_VV: Final = (-22.0, -3.0)
_VH: Final = (-29.0, -8.5)
_GAP: Final = (3.5, 11.5)
"""Medians in decibels of calibrated backscatter over whole scenes, and of VV by VH. Rough water is -20 and -28, towns are -4
and -11; savanna and forest are -14 to -8 and -20 to -14 (Sentinel-1 Mission Performance Centre; the real samples of the
tests lie at -13.9 to -7.4 and -20.1 to -12.9)."""
_SPREAD: Final = 18.0
"""Most decibels between the 5 % and the 95 % quantile of VV: 16 on the real sample that is half water."""


@dataclass(frozen=True)
class _Level:
    vv: float | None
    vh: float | None
    spread: float

    @property
    def distance(self) -> float:
        """How far from plausible, in decibels; 0 is plausible."""
        found = [_outside(self.vv, _VV), _outside(self.vh, _VH)]
        if self.vv is not None and self.vh is not None:
            found.append(_outside(self.vv - self.vh, _GAP))
        return max(found)

    def __str__(self) -> str:
        parts = [f"{name} {value:.1f} dB" for name, value in (("VV", self.vv), ("VH", self.vh)) if value is not None]
        return ", ".join([*parts, f"5 to 95 % {self.spread:.0f} dB"])


def check_radar(case: Case) -> list[Finding]:
    """Name a unit that the numbers contradict, and VV and VH that are swapped.

    Args:
        case: A Sentinel-1 scene.
    """
    if case.sample.values.shape[1] < _PIXELS:
        return []
    # powers of numbers in another unit need not be in their order
    return _unit(case) or _swapped(case)


def _unit(case: Case) -> list[Finding]:
    declared = case.radiometry.unit
    numbers = {band: case.sample.numbers[band] for band in case.sample.with_data}
    every = np.concatenate(list(numbers.values()))
    negative = float((every < 0).mean())
    if declared != "db" and negative > _NEGATIVE:
        return [_wrong(case, "db", f"{negative:.0%} of the numbers are negative", f"no negative {declared}")]
    if declared == "db" and negative < _NEGATIVE:
        unit = _best(numbers, ("amplitude", "linear"))
        return [_wrong(case, unit, _range(every) + "; hardly one is negative", "decibels of land are negative")]
    if declared == "db" or float(np.median(every)) > _CALIBRATED:
        return _digital(case, every, declared)
    own = _level(numbers, declared)
    other: SarUnit = "linear" if declared == "amplitude" else "amplitude"
    theirs = _level(numbers, other)
    # a wide spread speaks against a unit, but not for another: border noise is wide too
    if (own.distance > 0 or own.spread > _SPREAD) and theirs.distance == 0:
        return [_wrong(case, other, f"read as {declared} the medians are {own}; as {other} {theirs}", _plausible())]
    return []


def _digital(case: Case, every: FloatArray, declared: str) -> list[Finding]:
    """Numbers of a hundred or so are amplitudes that were not calibrated; as power they would be 20 dB."""
    median = float(np.median(every))
    if declared == "linear" and _CALIBRATED < median < 2_000:
        return [_wrong(case, "amplitude", f"the median is {median:.4g}, {10 * np.log10(median):.0f} dB", _plausible())]
    return []


def _swapped(case: Case) -> list[Finding]:
    if not {"VV", "VH"} <= set(case.sample.with_data):
        return []
    crossed = float((case.sample.of("VH") > case.sample.of("VV")).mean())
    if crossed < _CROSSED:
        return []
    return [
        Finding(
            Fault.BANDS_PERMUTED,
            case.name,
            f"VH is stronger than VV in {crossed:.0%} of the pixels",
            "VV is stronger than VH over land and water",
            "correct the order: VV and VH swapped. Give `bands` in the order of the file",
            band="VV and VH swapped",
        )
    ]


def check_radar_like(case: Case, standard: Standard) -> list[Finding]:
    """Name a unit under which the numbers fit a dataset or run, where the declared one does not.

    Args:
        case: A Sentinel-1 scene.
        standard: What to compare with.
    """
    theirs = standard.of_sensor("sentinel-1")
    if theirs is None or case.sample.values.shape[1] < _PIXELS:
        return []
    levels = levels_of(theirs.quantiles, theirs.scale, theirs.offset)
    bands = [band for band in case.sample.with_data if band in levels]
    if not bands:
        return []

    def distance(unit: SarUnit) -> float:
        gaps = []
        for band in bands:
            level = from_power(to_power(np.asarray(levels[band][1], np.float32), theirs.unit), "db")
            gaps.append(abs(_decibels(case.sample.numbers[band], unit) - float(level)))
        return float(np.max(gaps))

    units: tuple[SarUnit, ...] = get_args(SarUnit)
    found = {unit: distance(unit) for unit in units}
    best = min(units, key=lambda unit: found[unit])
    own = found[case.radiometry.unit]  # type: ignore[index]
    if best == case.radiometry.unit or own < 8.0 or found[best] > 3.0:
        return []
    return [
        _wrong(
            case,
            best,
            f"read as {case.radiometry.unit} the medians are {own:.1f} dB from those of {standard.name}; as {best} "
            f"{found[best]:.1f} dB",
            f"the backscatter of {standard.name}",
        )
    ]


def _best(numbers: dict[str, FloatArray], units: tuple[SarUnit, ...]) -> SarUnit:
    every = np.concatenate(list(numbers.values()))
    if float(np.median(every)) > _CALIBRATED:
        return "amplitude"
    return min(units, key=lambda unit: _level(numbers, unit).distance)


def _level(numbers: dict[str, FloatArray], unit: str) -> _Level:
    found = {band: _decibels(values, unit) for band, values in numbers.items()}
    first = next(iter(numbers.values()))
    spread = _decibels(first, unit, 0.95) - _decibels(first, unit, 0.05)
    return _Level(found.get("VV"), found.get("VH"), spread)


def _decibels(numbers: FloatArray, unit: str, quantile: float = 0.5) -> float:
    """A quantile of numbers in decibels, read in a unit; NaN where they cannot be of it."""
    middle = np.asarray(np.quantile(numbers, quantile), np.float32)
    if unit != "db" and middle <= 0:
        return float("nan")
    if unit == "db" and abs(float(middle)) > 100:
        return float("inf")
    return float(from_power(to_power(middle, unit), "db"))  # type: ignore[arg-type]


def _outside(value: float | None, allowed: tuple[float, float]) -> float:
    if value is None:
        return 0.0
    if not np.isfinite(value):
        return float("inf")
    return max(allowed[0] - value, value - allowed[1], 0.0)


def _range(values: FloatArray) -> str:
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    return f"5, 50 and 95 % of the numbers are {low:.4g}, {middle:.4g} and {high:.4g}"


def _plausible() -> str:
    return (
        f"medians of VV {_VV[0]:g} to {_VV[1]:g} dB, of VH {_VH[0]:g} to {_VH[1]:g} dB, {_GAP[0]:g} to {_GAP[1]:g} dB apart; "
        f"5 to 95 % at most {_SPREAD:g} dB"
    )


def _wrong(case: Case, unit: SarUnit, found: str, expected: str) -> Finding:
    return Finding(
        Fault.SAR_UNIT,
        case.name,
        f"declared {case.radiometry.unit}: {found}",
        expected,
        f"declare `unit: {unit}`",
        band=", ".join(case.sample.with_data),
    )
