"""The image layers of a dataset in words, and the table of their bands."""

import math
import statistics as statistics_of
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cerradata.evaluation.report.page import MINUS, TIMES, quantity
from cerradata.patches.info import LayerInfo
from cerradata.scenes import Radiometry
from cerradata.scenes.bands import BANDS, base_band

SENSORS = {"sentinel-1": "Sentinel-1 radar", "sentinel-2": "Sentinel-2 multispectral", "elevation": "Elevation"}
_PRODUCTS = {"L1C": "top-of-atmosphere reflectance", "L2A": "surface reflectance"}
_UNITS = {
    "reflectance": "reflectance",
    "amplitude": "backscatter amplitude",
    "linear": "backscatter power",
    "db": "backscatter in decibels",
    "metre": "height in metres",
}
_DERIVED_UNITS = {
    "reflectance": "in units of reflectance",
    "amplitude": "in units of amplitude",
    "linear": "in units of linear power",
    "db": "in decibels",
    "metre": "in metres",
    "degree": "in degrees",
    "one": "without a unit",
}


@dataclass(frozen=True)
class BandRow:
    """A band in a table.

    Attributes:
        name: Name in the dataset ("B04@dry").
        title: What it measures.
        resolution: Native ground sampling distance in metres; None where it is not known.
        mean: Mean of the stored numbers; None where it is not known, like the following.
        std: Standard deviation.
        least: Least number.
        greatest: Greatest number.
        mean_value: The mean in the unit of the layer.
    """

    name: str
    title: str
    resolution: int | None
    mean: float | None
    std: float | None
    least: float | None
    greatest: float | None
    mean_value: float | None


@dataclass(frozen=True)
class LayerView:
    """An image layer on a page.

    Attributes:
        title: Its sensor, for people.
        sentences: What its numbers mean.
        unit: Unit of the values, for the head of a column; "" where the stored numbers are the values.
        bands: Its bands.
        decimals: Decimals of the stored numbers' statistics.
        value_decimals: Decimals of the values.
    """

    title: str
    sentences: tuple[str, ...]
    unit: str
    bands: tuple[BandRow, ...]
    decimals: int
    value_decimals: int


def describe_layer(layer: LayerInfo) -> LayerView:
    """An image layer of a dataset in words."""
    stored = f"Stored as {layer.dtype} in {layer.folder}."
    view = describe_radiometry(layer.radiometry, layer.statistics)
    return replace(view, sentences=(*view.sentences, stored))


def describe_radiometry(radiometry: Radiometry, statistics: Mapping[str, Mapping[str, float]]) -> LayerView:
    """Numbers of a sensor in words.

    Args:
        radiometry: What the numbers mean.
        statistics: mean, std, min and max of the stored numbers by band; bands without are allowed.
    """
    plain = radiometry.scale == 1 and radiometry.offset == 0
    sentences = (_content(radiometry), _formula(radiometry), *_acquisition(radiometry))
    rows = tuple(_band(band, radiometry, statistics.get(band, {})) for band in radiometry.bands)
    spreads = [row.std for row in rows if row.std]
    spread = statistics_of.median(spreads) if spreads else 1.0
    return LayerView(
        title=_title(radiometry),
        sentences=sentences,
        unit="" if plain else radiometry.unit,
        bands=rows,
        decimals=_decimals(spread),
        value_decimals=_decimals(spread * abs(radiometry.scale)),
    )


def _title(radiometry: Radiometry) -> str:
    if radiometry.sensor == "derived":
        return f"Variable {base_band(radiometry.bands[0])}"
    return SENSORS[radiometry.sensor]


def _decimals(spread: float) -> int:
    """Decimals that show a standard deviation with four digits."""
    return min(max(3 - math.floor(math.log10(spread)), 0), 8)


def _content(radiometry: Radiometry) -> str:
    if radiometry.sensor == "derived":
        return f"{quantity(len(radiometry.bands), 'band')} {_DERIVED_UNITS[radiometry.unit]}."
    what = _UNITS[radiometry.unit]
    if radiometry.sensor == "sentinel-2" and radiometry.product_level is not None:
        what = f"{_PRODUCTS.get(radiometry.product_level, what)} ({radiometry.product_level})"
    if radiometry.sensor == "sentinel-1":
        calibration = radiometry.calibration
        what += ", calibration not known" if calibration is None else f", calibrated to {calibration}"
    return f"{quantity(len(radiometry.bands), 'band')} of {what}."


def _formula(radiometry: Radiometry) -> str:
    if radiometry.scale == 1 and radiometry.offset == 0:
        meaning = "The stored numbers are the values themselves"
    else:
        sign = MINUS if radiometry.offset < 0 else "+"
        offset = f" {sign} {abs(radiometry.offset):g}" if radiometry.offset else ""
        meaning = f"{radiometry.unit.capitalize()} = number {TIMES} {radiometry.scale:g}{offset}"
    nodata = radiometry.nodata
    return f"{meaning}; {'NaN' if nodata is None or math.isnan(nodata) else f'{nodata:g}'} means no data."


def _acquisition(radiometry: Radiometry) -> tuple[str, ...]:
    known = []
    if radiometry.processing_baseline is not None:
        known.append(f"Processing baseline {radiometry.processing_baseline}.")
    if radiometry.orbit_pass is not None:
        known.append(f"{radiometry.orbit_pass.capitalize()} pass.")
    if radiometry.relative_orbit is not None:
        known.append(f"Relative orbit {radiometry.relative_orbit}.")
    if radiometry.vertical_datum is not None:
        known.append(f"Heights above {radiometry.vertical_datum}.")
    if radiometry.time_windows:
        known.append(f"Time windows: {', '.join(radiometry.time_windows)}.")
    return tuple(known)


def _band(name: str, radiometry: Radiometry, found: Mapping[str, float]) -> BandRow:
    band = None if radiometry.sensor == "derived" else BANDS[radiometry.sensor].get(base_band(name))
    mean = found.get("mean")
    return BandRow(
        name=name,
        title="" if band is None else band.title,
        resolution=None if band is None else band.resolution,
        mean=mean,
        std=found.get("std"),
        least=found.get("min"),
        greatest=found.get("max"),
        mean_value=None if mean is None else mean * radiometry.scale + radiometry.offset,
    )
