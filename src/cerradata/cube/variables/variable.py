"""`Variable`: a named quantity on the target grid, computed window by window."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from odc.geo.geobox import GeoBox

from cerradata.core.locations import Location
from cerradata.core.types import FloatArray, Sensor
from cerradata.cube.variables.config import VariableConfig, VariableKind
from cerradata.cube.windows import band_names
from cerradata.scenes.radiometry import Unit

Needs = Mapping[Sensor, tuple[str, ...]]
"""The bands that are needed of each sensor."""


@dataclass(frozen=True)
class Availability:
    """What a build has that variables can be computed from.

    Attributes:
        bands: Bands by sensor that every scene of the sensor has.
        resolution: Pixel size of the target grid in metres.
        time_windows: Names of the time windows; empty where there are none.
        vertical_datum: What heights of the elevation model are above, where declared.
        dates: Number of dates of each sensor, where known.
        taken: Names that no variable may have: folders and names of other layers.
        reference: The reference map, so that no input is made of it by mistake.
    """

    bands: Needs
    resolution: float
    time_windows: tuple[str, ...] = ()
    vertical_datum: str | None = None
    dates: Mapping[Sensor, int] = field(default_factory=dict)
    taken: Collection[str] = ()
    reference: Location | None = None


class VariableInputs(Protocol):
    """Where variables get their numbers from."""

    def composite(self, sensor: Sensor, window: GeoBox, bands: Sequence[str], time_window: str) -> FloatArray:
        """The composite of a sensor in a time window.

        Args:
            sensor: Which sensor.
            window: A window of the target grid, or of the grid continued beyond its border.
            bands: Bands to give, in this order.
            time_window: Name of the time window; "" where there are none, and for elevation.

        Returns:
            (bands, rows, columns) float32 in reflectance, linear power or metres; NaN = no data.
        """

    def observations(self, sensor: Sensor, window: GeoBox, bands: Sequence[str]) -> Iterator[FloatArray]:
        """The scenes of a sensor, one date at a time in the order of dates, masked.

        Args:
            sensor: Which sensor.
            window: A window of the target grid.
            bands: Bands to give, in this order.

        Yields:
            (bands, rows, columns) float32 as `composite` gives them. A date that shows nothing may be left out.
        """


class Computation(Protocol):
    """How a variable is computed. Frozen and picklable."""

    def compute(self, window: GeoBox, inputs: VariableInputs) -> FloatArray:
        """See `Variable.compute`."""


@dataclass(frozen=True)
class Variable:
    """A named quantity on the target grid.

    Attributes:
        name: Name of the variable, of its layer and of its folder.
        kind: What kind of variable.
        title: What it is, for people.
        bands: Names of the stored bands: the variable's name, with `@window` for each time window where it has them.
        unit: Unit of its values.
        margin: Pixels around a window that it reads too.
        needs: Sensors and bands that it is computed from.
        parameters: What it was declared with, as plain values.
        source: Where the formula or the data come from, one sentence.
        computation: How it is computed.
        time_windows: Its time windows; empty for what has none (terrain, statistics over all dates).
        vertical_datum: What heights it was computed from are above, where declared.
        target_only: It was made from the reference map, so it must not be an input.
    """

    name: str
    kind: VariableKind
    title: str
    unit: Unit
    needs: Needs
    parameters: Mapping[str, Any]
    source: str
    computation: Computation
    margin: int = 0
    time_windows: tuple[str, ...] = ()
    vertical_datum: str | None = None
    target_only: bool = False
    bands: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Name the bands."""
        object.__setattr__(self, "bands", band_names((self.name,), self.time_windows))

    def compute(self, window: GeoBox, inputs: VariableInputs) -> FloatArray:
        """The variable in a window.

        Args:
            window: A window of the target grid.
            inputs: Where the numbers come from; it is asked for up to `margin` pixels more on each side.

        Returns:
            (bands, rows, columns) float32 in `unit`, NaN = no data. The result does not depend on how an area is divided
            into windows, as far as the inputs do not.

        Raises:
            SceneError: If a scene or a vector file cannot be read.
        """
        return np.asarray(self.computation.compute(window, inputs), dtype=np.float32)

    def describe(self) -> dict[str, Any]:
        """Plain values for `dataset.json`. Nothing in it depends on the machine: of files it tells the name."""
        return {
            "kind": self.kind,
            "title": self.title,
            "bands": list(self.bands),
            "unit": self.unit,
            "parameters": dict(self.parameters),
            "needs": {sensor: list(bands) for sensor, bands in self.needs.items()},
            "source": self.source,
            "vertical_datum": self.vertical_datum,
            "target_only": self.target_only,
        }


@dataclass(frozen=True)
class Request:
    """A declaration and what there is to fulfil it.

    Attributes:
        name: Name of the variable.
        config: Its declaration.
        available: What there is.
    """

    name: str
    config: VariableConfig
    available: Availability
