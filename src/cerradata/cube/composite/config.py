"""How a composite is declared, and the order in which it prefers scenes."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from odc.geo.geobox import GeoBox

from cerradata.core.errors import ConfigError
from cerradata.core.types import Sensor
from cerradata.cube.composite.first import hidden, probe_band, resampled
from cerradata.scenes import Scene
from cerradata.scenes.source import parse_date

CompositeMethod = Literal["first", "least-cloudy", "nearest", "mean", "median", "medoid"]

_COARSE = 512
"""Rows or columns on which the cloud cover of a scene is measured."""


@dataclass(frozen=True)
class CompositeConfig:
    """How several observations of a pixel become one value.

    Attributes:
        method: `first`: the first scene in the list that shows the ground gives a pixel in all bands. `least-cloudy`: the
            same, scenes with the smallest share of masked pixels first. `nearest`: the same, scenes nearest to a date first.
            `mean`, `median`: of each band over all observations. `medoid`: the observation with the smallest sum of
            distances to the others, in all bands. Radar is averaged in linear power.
        date: For `nearest`: the date (YYYY-MM-DD); by default the middle of each time window.
    """

    method: CompositeMethod = "first"
    date: str | None = None

    def __post_init__(self) -> None:
        """Raise `ConfigError` if the date is none, or another method is given one."""
        if self.date is not None:
            parse_date(self.date)
            if self.method != "nearest":
                raise ConfigError(f"composite: `date` is for the method nearest, not for {self.method}: leave it out.")

    def check(self, sensor: Sensor) -> None:
        """Raise `ConfigError` if the method makes no sense for a sensor."""
        if self.method == "least-cloudy" and sensor != "sentinel-2":
            raise ConfigError(
                f"composite: {sensor} has no clouds to prefer scenes by: give first, nearest, mean, median or medoid."
            )


def ordered(
    scenes: Sequence[Scene], config: CompositeConfig, grid: GeoBox, span: tuple[dt.date, dt.date] | None
) -> tuple[Scene, ...]:
    """Scenes of one time window in the order of preference; ties stay in the order given.

    Args:
        scenes: The scenes.
        config: The composite.
        grid: The target grid: clouds elsewhere do not count.
        span: First and last day of the time window, if there is one.

    Raises:
        ConfigError: If `nearest` has no date to go by, or a scene has none.
        SceneError: If a mask cannot be read.
    """
    match config.method:
        case "least-cloudy":
            return tuple(sorted(scenes, key=lambda scene: masked_share(scene, grid)))
        case "nearest":
            target = _target(config, span)
            undated = [scene.name for scene in scenes if scene.date is None]
            if undated:
                raise ConfigError(f"Scene {undated[0]} has no date, but the composite is the nearest: give its `date`.")
            return tuple(sorted(scenes, key=lambda scene: abs((scene.date or target) - target)))
        case _:
            return tuple(scenes)


def masked_share(scene: Scene, grid: GeoBox) -> float:
    """Share of a scene's own ground on a grid that its masks hide, 0 to 1; 1 where it has no ground there.

    Raises:
        SceneError: If a file cannot be read.
    """
    if not scene.masks:
        return 0.0
    factor = max(1.0, max(grid.shape) / _COARSE)
    coarse = grid.zoom_out(factor)
    data = ~np.isnan(resampled(scene, probe_band(scene, tuple(scene.bands)), coarse, "bilinear"))
    return float(hidden(scene, coarse)[data].mean()) if data.any() else 1.0


def _target(config: CompositeConfig, span: tuple[dt.date, dt.date] | None) -> dt.date:
    if config.date is not None:
        return parse_date(config.date)
    if span is None:
        raise ConfigError("composite: the method nearest needs a `date`, or time windows whose middle is taken.")
    return span[0] + (span[1] - span[0]) / 2
