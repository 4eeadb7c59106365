"""Spectral indices by the catalogue of `spyndex`, for Sentinel-2 and Sentinel-1."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
import spyndex
from odc.geo.geobox import GeoBox

from cerradata.core.errors import ConfigError
from cerradata.core.types import FloatArray, Sensor
from cerradata.cube.variables.variable import Availability, Needs, Request, Variable, VariableInputs
from cerradata.scenes.bands import SENTINEL1, SENTINEL2

# fmt: off
_STANDARD: Final[Mapping[str, tuple[Sensor, str]]] = MappingProxyType({
    "A": ("sentinel-2", "B01"), "B": ("sentinel-2", "B02"), "G": ("sentinel-2", "B03"), "R": ("sentinel-2", "B04"),
    "RE1": ("sentinel-2", "B05"), "RE2": ("sentinel-2", "B06"), "RE3": ("sentinel-2", "B07"),
    "N": ("sentinel-2", "B08"), "N2": ("sentinel-2", "B8A"), "WV": ("sentinel-2", "B09"),
    "S1": ("sentinel-2", "B11"), "S2": ("sentinel-2", "B12"),
    "VV": ("sentinel-1", "VV"), "VH": ("sentinel-1", "VH"),
})
# fmt: on
"""Sensor and band by the name that the catalogue gives the band (`spyndex.bands`)."""


@dataclass(frozen=True)
class SpectralIndex:
    """An index of the catalogue, ready to be computed.

    Attributes:
        name: Its short name ("NDVI").
        title: Its long name.
        formula: Its formula, in the catalogue's band names.
        reference: Where it was published.
        sensor: Whose bands it takes.
        bands: The sensor's bands, in the order of `symbols`.
        symbols: Their names in the formula.
        constants: Values of the other names in the formula.
    """

    name: str
    title: str
    formula: str
    reference: str
    sensor: Sensor
    bands: tuple[str, ...]
    symbols: tuple[str, ...]
    constants: tuple[tuple[str, float], ...] = ()

    def compute(self, bands: FloatArray) -> FloatArray:
        """The index of some pixels.

        Args:
            bands: (bands, rows, columns) reflectance or linear power in the order of `bands`, NaN = no data.

        Returns:
            (rows, columns) float32; NaN where a band has no data and where the formula has no finite value, as in a
            division by zero.
        """
        parameters: dict[str, object] = dict(zip(self.symbols, bands, strict=True))
        parameters |= dict(self.constants)
        with np.errstate(all="ignore"):  # the formula's poles become NaN below
            found = np.asarray(spyndex.computeIndex(self.name, params=parameters), dtype=np.float32)
        return np.where(np.isfinite(found), found, np.float32(np.nan))


@dataclass(frozen=True)
class CompositeIndex:
    """An index of the composite of each time window."""

    index: SpectralIndex
    time_windows: tuple[str, ...]

    def compute(self, window: GeoBox, inputs: VariableInputs) -> FloatArray:
        """(time windows, rows, columns), see `Variable.compute`."""
        index = self.index
        return np.stack(
            [
                index.compute(inputs.composite(index.sensor, window, index.bands, when))
                for when in self.time_windows or ("",)
            ]
        )


def index_variable(request: Request) -> Variable:
    """A spectral index of the composite."""
    index = find_index(str(request.config.index), request.config.constants)
    windows = request.available.time_windows
    return Variable(
        request.name,
        "index",
        f"{index.title} ({index.name})",
        "one",
        {index.sensor: index.bands},
        index_parameters(index),
        index_source(index),
        CompositeIndex(index, windows),
        time_windows=windows,
    )


def find_index(name: str, constants: Mapping[str, float]) -> SpectralIndex:
    """An index of the catalogue by its name.

    Args:
        name: Its short name, exactly as the catalogue writes it.
        constants: Values of its constants where they shall not be the catalogue's default.

    Raises:
        ConfigError: If the catalogue has no such index, or Sentinel-2 and Sentinel-1 cannot compute it, or it has no such
            constant.
    """
    if name not in spyndex.indices:
        raise ConfigError(f"There is no spectral index {name!r}: {_nearest(name)}")
    entry = spyndex.indices[name]
    names = tuple(dict.fromkeys(entry.bands))  # the catalogue calls bands and constants of a formula its bands
    symbols = tuple(symbol for symbol in names if symbol in _STANDARD)
    others = [symbol for symbol in names if symbol not in _STANDARD]
    strange = [symbol for symbol in constants if symbol not in others]
    if strange:
        raise ConfigError(
            f"Index {name} has no constant {strange[0]!r}: it has {', '.join(others) or 'none'} ({entry.formula})."
        )
    values = {symbol: _constant(symbol, constants) for symbol in others}
    unknown = [symbol for symbol, value in values.items() if value is None]
    sensors = {_STANDARD[symbol][0] for symbol in symbols}
    if unknown or len(sensors) != 1:
        raise ConfigError(
            f"Index {name} cannot be computed from Sentinel-2 or Sentinel-1 alone: {entry.formula} "
            f"needs {', '.join(unknown or names)}. {_nearest(name)}"
        )
    return SpectralIndex(
        name,
        str(entry.long_name),
        str(entry.formula),
        str(entry.reference),
        sensors.pop(),
        tuple(_STANDARD[symbol][1] for symbol in symbols),
        symbols,
        tuple((symbol, float(value)) for symbol, value in values.items() if value is not None),
    )


def possible_indices() -> tuple[str, ...]:
    """Names of the indices that Sentinel-2 or Sentinel-1 can compute with the catalogue's constants, in its order."""
    return tuple(name for name, entry in spyndex.indices.items() if _possible(entry.bands))


def index_parameters(index: SpectralIndex) -> dict[str, object]:
    """The index as plain values for a description."""
    return {"index": index.name, "formula": index.formula, "symbols": dict(zip(index.symbols, index.bands, strict=True)),
            "constants": dict(index.constants)}  # fmt: skip


def index_source(index: SpectralIndex) -> str:
    """Where an index comes from, one sentence."""
    return f"Awesome Spectral Indices (spyndex), {index.name} = {index.formula}, after {index.reference}"


def sensor_of_band(band: str) -> Sensor:
    """The sensor that has a band.

    Raises:
        ConfigError: If neither Sentinel-2 nor Sentinel-1 has it.
    """
    if band in SENTINEL2:
        return "sentinel-2"
    if band in SENTINEL1:
        return "sentinel-1"
    raise ConfigError(f"There is no band {band!r}: there are {', '.join((*SENTINEL2, *SENTINEL1))}.")


def require_available(name: str, needs: Needs, available: Availability) -> None:
    """Raise `ConfigError` that says which sensor or band of a variable's needs the build lacks."""
    for sensor, bands in needs.items():
        own = available.bands.get(sensor, ())
        if not own:
            raise ConfigError(
                f"Variable {name!r} needs {sensor} ({', '.join(bands)}): there is no scene of it. Add one to `scenes`, or "
                "leave the variable out."
            )
        missing = [band for band in bands if band not in own]
        if missing:
            raise ConfigError(
                f"Variable {name!r} needs {', '.join(missing)} of {sensor}: its scenes have {', '.join(own)}. Add the band, "
                "or leave the variable out."
            )


def _possible(names: Iterable[str]) -> bool:
    bands = [name for name in names if name in _STANDARD]
    others = [name for name in names if name not in _STANDARD]
    one_sensor = len({_STANDARD[band][0] for band in bands}) == 1
    return one_sensor and all(_constant(name, {}) is not None for name in others)


def _constant(symbol: str, given: Mapping[str, float]) -> float | None:
    if symbol in given:
        return given[symbol]
    default = spyndex.constants[symbol].default if symbol in spyndex.constants else None
    return None if default is None else float(default)


def _nearest(name: str) -> str:
    possible = possible_indices()
    by_case = {known.lower(): known for known in possible}
    near = [by_case[known] for known in difflib.get_close_matches(name.lower(), by_case, n=6, cutoff=0.5)]
    said = f"Nearest are {', '.join(near)}" if near else "Usual ones are NDVI, EVI, SAVI, NDMI, MNDWI, NBR, NDBI"
    return f"{said}, of {len(possible)} that are possible (docs/variables.md tells how to list them)."
