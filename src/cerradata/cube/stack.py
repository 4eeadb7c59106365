"""Scenes of one sensor as one stack on the target grid, read window by window."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry
from odc.geo.xr import xr_coords

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.types import Array, FloatArray
from cerradata.cube.composite import SEVERAL, Composite, CompositeConfig, compose
from cerradata.cube.composite.config import ordered
from cerradata.cube.resample import MeasurementResampling
from cerradata.cube.windows import (
    OrbitRule,
    TimeWindows,
    band_names,
    group_names,
    scenes_by_orbit,
    scenes_by_window,
    window_span,
)
from cerradata.scenes import Scene
from cerradata.scenes.files import place_of


@dataclass(frozen=True)
class StackConfig:
    """How scenes become a stack.

    Attributes:
        resampling: Kernel for measurements. Radar is resampled in linear power.
        composite: How several observations of a pixel become one value.
        windows: Time windows; each gives all bands once (`B04@dry`).
        orbits: Whether passes and relative orbits of radar may meet in one image.
    """

    resampling: MeasurementResampling = "bilinear"
    composite: CompositeConfig = field(default_factory=CompositeConfig)
    windows: TimeWindows = field(default_factory=dict)
    orbits: OrbitRule = "mixed"


@dataclass(frozen=True)
class StackWindow:
    """One window of a stack.

    Attributes:
        values: (bands, rows, columns) float32 in the unit that may be averaged, NaN = no data; group by group.
        source: (groups, rows, columns) uint16: 1 + place of the scene among the stack's, 0 = none, 65535 = several.
        observations: (groups, rows, columns) uint16: scenes that show the ground; None where they were not counted.
    """

    values: FloatArray
    source: Array
    observations: Array | None


@dataclass(frozen=True)
class Stack:
    """Scenes of one sensor on a target grid. Nothing is read before `read`; it can be sent to other processes.

    Attributes:
        grid: The target grid.
        bands: Bands of the scenes that each group gives.
        scenes: All scenes, in the order given.
        groups: By name, the place among `scenes` of each group's scenes, in the order of preference. A group is a time
            window, or a pass and orbit of radar within one; the only group may have no name.
        config: How the scenes become a stack.
    """

    grid: GeoBox
    bands: tuple[str, ...]
    scenes: tuple[Scene, ...]
    groups: Mapping[str, tuple[int, ...]]
    config: StackConfig

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of all bands: `B04`, or `B04@dry` for each group."""
        return band_names(self.bands, self.group_names)

    @property
    def group_names(self) -> tuple[str, ...]:
        """Names of the groups; empty where the only group has none."""
        return tuple(name for name in self.groups if name)

    def covers(self, scene: int, window: GeoBox) -> bool:
        """Whether a scene, by its place, takes part in some group and its footprint touches a window."""
        return any(scene in own for own in self.groups.values()) and touches(self.scenes[scene], window)

    def read(self, window: GeoBox, *, bands: Sequence[str] | None = None, count: bool = False) -> StackWindow:
        """Read a window of the target grid; it may reach beyond the scenes.

        Args:
            window: The window, as a grid.
            bands: Bands to take; by default all.
            count: Count the observations of each pixel.

        Raises:
            SceneError: If a file cannot be read.
        """
        wanted = self.bands if bands is None else tuple(bands)
        parts = [self.read_group(name, window, wanted, count=count) for name in self.groups]
        observations = [part.observations for part in parts if part.observations is not None]
        return StackWindow(
            np.concatenate([part.values for part in parts]) if len(parts) > 1 else parts[0].values,
            np.stack([part.source for part in parts]),
            np.stack(observations) if observations else None,
        )

    def read_group(self, name: str, window: GeoBox, bands: Sequence[str], *, count: bool = False) -> Composite:
        """One group of a window; the composite's source counts places among the stack's scenes."""
        near = [i for i in self.groups[name] if touches(self.scenes[i], window)]
        found = compose(
            [self.scenes[i] for i in near],
            bands,
            window,
            self.config.composite.method,
            resampling=self.config.resampling,
            count=count,
        )
        places = np.zeros(SEVERAL + 1, np.uint16)
        places[1 : len(near) + 1] = np.asarray(near, np.uint16) + 1
        places[SEVERAL] = SEVERAL
        return Composite(found.values, places[found.source], found.observations)

    def to_xarray(self, chunk: int = 1024) -> xr.DataArray:
        """The stack as a lazy array.

        Args:
            chunk: Rows and columns of a dask chunk.

        Returns:
            (band, y, x) float32, chunked all bands by `chunk` by `chunk`; reflectance, linear power or metres (attribute
            `unit`), NaN = no data. Chunks leave no seams (`resample_window`).
        """

        def block(block_info: dict[int | None, dict[str, list[tuple[int, int]]]]) -> FloatArray:
            _, (top, bottom), (left, right) = block_info[None]["array-location"]
            return self.read(self.grid[top:bottom, left:right]).values

        names = self.band_names
        chunks = da.core.normalize_chunks((-1, chunk, chunk), (len(names), *self.grid.shape))
        coords = {"band": list(names), **{k: v for k, v in xr_coords(self.grid).items() if k != "spatial_ref"}}
        return xr.DataArray(
            da.map_blocks(block, chunks=chunks, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32)),
            dims=("band", "y", "x"),
            coords=coords,
            attrs={"unit": self.scenes[0].radiometry.averaging_unit, "crs": str(self.grid.crs)},
            name=self.scenes[0].sensor,
        )


def build_stack(
    scenes: Sequence[Scene], grid: GeoBox, bands: Sequence[str], config: StackConfig | None = None
) -> Stack:
    """Bring scenes of one sensor onto one grid, lazily.

    Args:
        scenes: Scenes of one sensor, in the order of preference.
        grid: The target grid.
        bands: Bands to take, one or more, in stored order; every scene must have them.
        config: How. Clouds are read here where the composite prefers scenes by them, nothing else.

    Raises:
        ConfigError: If scenes of several sensors are mixed, passes or orbits are that must not be, a time window holds no
            scene, or the composite does not fit the sensor.
        SceneError: If a scene lacks a band or does not touch the grid.
    """
    config = config or StackConfig()
    sensors = {scene.sensor for scene in scenes}
    if len(sensors) != 1:
        raise ConfigError(f"A stack holds one sensor; these scenes are of {', '.join(sorted(sensors)) or 'none'}.")
    config.composite.check(scenes[0].sensor)
    for scene in scenes:
        _require_bands(scene, bands)
        _require_overlap(scene, grid)
    return Stack(grid, tuple(bands), tuple(scenes), _groups(scenes, grid, config), config)


def touches(scene: Scene, window: GeoBox) -> bool:
    """Whether the footprint of a scene touches a window."""
    return bool(_footprint(scene.footprint_grid, str(window.crs)).intersects(window.extent))


def stack_to_dict(config: StackConfig) -> dict[str, Any]:
    """How a stack is made, as plain values for JSON; without its time windows, which hold for all sensors."""
    return {"resampling": config.resampling, "composite": asdict(config.composite), "orbits": config.orbits}


def stack_from_dict(plain: Mapping[str, Any], windows: TimeWindows) -> StackConfig:
    """The reverse of `stack_to_dict`; what is missing is the default."""
    values = dict(plain)
    composite = CompositeConfig(**values.pop("composite", {}))
    return StackConfig(composite=composite, windows=windows, **values)


def _groups(scenes: Sequence[Scene], grid: GeoBox, config: StackConfig) -> dict[str, tuple[int, ...]]:
    by_orbit = scenes_by_orbit(scenes, config.orbits)
    by_window = scenes_by_window(scenes, config.windows)
    place = {id(scene): i for i, scene in enumerate(scenes)}
    groups = {}
    for name, window, orbit in group_names(config.windows, list(by_orbit)):
        inside = {id(scene) for scene in by_window[window]}
        own = [scene for scene in by_orbit[orbit] if id(scene) in inside]
        if not own:
            raise ConfigError(
                f"Time window {window!r} holds no scene of {orbit}: leave the window or these scenes out."
            )
        span = window_span(window, config.windows[window]) if window else None
        groups[name] = tuple(place[id(scene)] for scene in ordered(own, config.composite, grid, span))
    return groups


@lru_cache(maxsize=1024)  # 2.6 ms each between two systems, asked for each chunk
def _footprint(grid: GeoBox, crs: str) -> Geometry:
    # Four corners are not enough between two systems: the edge of a Sentinel-2 tile bends by 25 m in the next UTM zone.
    return grid.extent if str(grid.crs) == crs else grid.footprint(crs)


def _require_bands(scene: Scene, bands: Sequence[str]) -> None:
    missing = [band for band in bands if band not in scene.bands]
    if missing:
        raise SceneError(f"Scene {scene.name} has no band {missing[0]}: it has {', '.join(scene.bands)}.")


def _require_overlap(scene: Scene, grid: GeoBox) -> None:
    if not touches(scene, grid):
        raise SceneError(
            f"Scene {scene.name} does not touch the target grid: it covers {place_of(scene.footprint_grid)}, the "
            f"grid {place_of(grid)} (longitude and latitude). Check the scene, or `grid` in the configuration."
        )
