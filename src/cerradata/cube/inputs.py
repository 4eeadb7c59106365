"""What variables are computed from: composites and dates of the stacks, with what was read already kept at hand."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
from odc.geo.geobox import GeoBox

from cerradata.core.types import FloatArray, Sensor
from cerradata.cube.composite import first_valid
from cerradata.cube.stack import Stack, StackWindow, touches
from cerradata.scenes import Scene


@dataclass(frozen=True)
class StackInputs:
    """`VariableInputs` of the stacks of a build.

    Attributes:
        stacks: The stack of each sensor.
        window: A window that was read already.
        known: What was read of it.
    """

    stacks: Mapping[Sensor, Stack]
    window: GeoBox
    known: Mapping[Sensor, StackWindow] = field(default_factory=dict)

    def composite(self, sensor: Sensor, window: GeoBox, bands: Sequence[str], time_window: str) -> FloatArray:
        """See `VariableInputs.composite`."""
        stack = self.stacks[sensor]
        if sensor in self.known and window == self.window:
            first = list(stack.groups).index(time_window) * len(stack.bands)
            return self.known[sensor].values[[first + stack.bands.index(band) for band in bands]]
        return stack.read_group(time_window, window, bands).values

    def observations(self, sensor: Sensor, window: GeoBox, bands: Sequence[str]) -> Iterator[FloatArray]:
        """See `VariableInputs.observations`."""
        stack = self.stacks[sensor]

        def day(scene: Scene) -> str:
            return "" if scene.date is None else str(scene.date)

        near = sorted((scene for scene in stack.scenes if touches(scene, window)), key=day)
        for _, scenes in groupby(near, key=day):
            values = first_valid(list(scenes), bands, window, stack.config.resampling).values
            if not np.isnan(values).all():
                yield values
