"""`open_variables`: variables from their declarations, with all that is missing told before anything is read."""

import re
from collections.abc import Mapping
from typing import Final

from cerradata.core.errors import ConfigError
from cerradata.core.types import SPLITS
from cerradata.cube.variables.config import VariableConfig
from cerradata.cube.variables.indices import index_variable, require_available
from cerradata.cube.variables.radar import sar_ratio_variable
from cerradata.cube.variables.temporal import temporal_variable
from cerradata.cube.variables.terrain import terrain_variable
from cerradata.cube.variables.variable import Availability, Request, Variable
from cerradata.cube.variables.water import distance_variable
from cerradata.scenes.bands import BANDS

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_LABELS: Final = re.compile(r"(?:semantic|edge)_\d+c")


def open_variables(configs: Mapping[str, VariableConfig], available: Availability) -> tuple[Variable, ...]:
    """The variables that a build declares, in the order of the declaration.

    Args:
        configs: Declarations by the name of the variable.
        available: What the build has.

    Raises:
        ConfigError: If a name cannot be one, an index or band does not exist, or sensors, bands, dates or files are missing.
    """
    _check_names(configs, available)
    return tuple(_open(Request(name, config, available)) for name, config in configs.items())


def _open(request: Request) -> Variable:
    try:
        variable = _of_kind(request)
    except ConfigError as error:
        if f"Variable {request.name!r}" in str(error):
            raise
        raise ConfigError(f"Variable {request.name!r}: {error}") from error
    require_available(variable.name, variable.needs, request.available)
    return variable


def _of_kind(request: Request) -> Variable:
    match request.config.kind:
        case "elevation" | "slope" | "aspect" as kind:
            return terrain_variable(request, kind)
        case "index":
            return index_variable(request)
        case "sar-ratio":
            return sar_ratio_variable(request)
        case "temporal":
            return temporal_variable(request)
        case "distance-to-water":
            return distance_variable(request)


def _check_names(configs: Mapping[str, VariableConfig], available: Availability) -> None:
    reserved = {*SPLITS, *BANDS, *available.taken, *(band for bands in BANDS.values() for band in bands)}
    taken = {name.lower(): name for name in reserved}  # some file systems do not tell apart `NDVI` and `ndvi`
    for name in configs:
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"Variable {name!r}: a name has letters, digits, _ and - and begins with a letter or digit; it names a folder."
            )
        if _LABELS.fullmatch(name) or name.lower() in taken:
            hint = " Elevation is stored without being declared." if name == "elevation" else ""
            known = taken.get(name.lower(), name)
            raise ConfigError(f"Variable {name!r}: {known} is the name of another layer, variable or band.{hint}")
        taken[name.lower()] = name
