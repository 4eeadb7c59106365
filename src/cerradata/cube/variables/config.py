"""`VariableConfig`: how a user declares a variable."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Literal, get_args

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location

VariableKind = Literal["elevation", "slope", "aspect", "index", "sar-ratio", "temporal", "distance-to-water"]
Statistic = Literal["mean", "std", "min", "max", "median", "range", "count"]

DEFAULT_MAX_DISTANCE: Final = 2000.0
"""Distance in metres at which distance to water is cut where `max_distance` is not given."""
DEFAULT_THRESHOLD: Final = 0.0
"""A pixel is water where the index is above this; the usual one of NDWI (McFeeters 1996) and MNDWI (Xu 2006)."""

_FIELDS: Final[Mapping[VariableKind, tuple[str, ...]]] = {
    "elevation": (),
    "slope": (),
    "aspect": (),
    "index": ("index", "constants"),
    "sar-ratio": (),
    "temporal": ("index", "constants", "band", "statistic"),
    "distance-to-water": ("vector", "layer", "index", "constants", "threshold", "max_distance", "target_only"),
}
"""The fields that each kind takes."""


@dataclass(frozen=True)
class VariableConfig:
    """A variable as it is declared in a configuration. Each kind takes the fields that it needs and no others.

    Attributes:
        kind: "elevation" (metres), "slope" and "aspect" (degrees), "index" (a spectral index), "sar-ratio" (VH / VV in
            decibels), "temporal" (a statistic over the dates) or "distance-to-water" (metres).
        index: Name of a spectral index of `spyndex` ("NDVI"): for `index`; for `temporal` instead of `band`; for
            `distance-to-water` instead of `vector` ("MNDWI").
        constants: Values of constants of the index by name, where they shall not be the default of `spyndex` (`{L: 0.5}`).
        band: Band of Sentinel-2 or Sentinel-1, for `temporal`.
        statistic: For `temporal`: "mean", "std", "min", "max", "median", "range" (max - min) or "count" (of observations).
        vector: For `distance-to-water`: file with lines or polygons of water.
        layer: Layer of the vector file, where it has several.
        threshold: For `distance-to-water` with an index: water is where the index is above this; default 0.
        max_distance: For `distance-to-water`: larger distances become this, in metres; default 2000.
        target_only: For `distance-to-water`: the vector file is the reference map itself, so that the variable would tell
            the labels; it can be a target and never an input.
    """

    kind: VariableKind
    index: str | None = None
    constants: Mapping[str, float] = field(default_factory=dict)
    band: str | None = None
    statistic: Statistic | None = None
    vector: Location | None = None
    layer: str | None = None
    threshold: float | None = None
    max_distance: float | None = None
    target_only: bool = False

    def __post_init__(self) -> None:
        """Check the fields against the kind.

        Raises:
            ConfigError: If a field is missing, is not one of the kind, or has an impossible value.
        """
        if self.kind not in get_args(VariableKind):
            raise ConfigError(
                f"There is no variable of kind {self.kind!r}: kinds are {', '.join(get_args(VariableKind))}."
            )
        allowed = _FIELDS[self.kind]
        strange = [name for name in self._given() if name not in allowed]
        if strange:
            takes = ", ".join(allowed) or "nothing else"
            raise ConfigError(f"A variable of kind {self.kind!r} takes no `{strange[0]}`: it takes {takes}.")
        if self.kind == "index" and self.index is None:
            raise ConfigError(
                "A variable of kind 'index' needs `index`: the name of a spectral index, NDVI for example."
            )
        if self.constants and self.index is None:
            raise ConfigError(f"`constants` {', '.join(self.constants)} belong to an index: give `index` too.")
        if self.kind == "temporal":
            self._check_temporal()
        if self.kind == "distance-to-water":
            self._check_distance()

    def _given(self) -> list[str]:
        return [f.name for f in fields(self) if f.name != "kind" and getattr(self, f.name) not in (None, {}, False)]

    def _check_temporal(self) -> None:
        if (self.index is None) == (self.band is None):
            raise ConfigError(
                "A variable of kind 'temporal' needs either `index` or `band`: what to take the statistic of."
            )
        if self.statistic not in get_args(Statistic):
            found = "none" if self.statistic is None else repr(self.statistic)
            raise ConfigError(
                f"A variable of kind 'temporal' needs a `statistic`, found {found}: give {', '.join(get_args(Statistic))}."
            )

    def _check_distance(self) -> None:
        if (self.vector is None) == (self.index is None):
            raise ConfigError(
                "A variable of kind 'distance-to-water' needs either `vector` (a file with lines or polygons of water) or "
                "`index` (a water index, MNDWI for example)."
            )
        if self.vector is not None and self.threshold is not None:
            raise ConfigError("`threshold` is for a water `index`, not for a `vector` file.")
        if self.vector is None and (self.layer is not None or self.target_only):
            raise ConfigError("`layer` and `target_only` are for a `vector` file, not for a water `index`.")
        if self.max_distance is not None and not 0 < self.max_distance < float("inf"):
            raise ConfigError(f"`max_distance` is {self.max_distance}: give metres above 0, 2000 for example.")
