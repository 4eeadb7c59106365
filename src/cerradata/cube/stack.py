"""Scenes as one lazy stack on the target grid."""

from collections.abc import Sequence
from functools import lru_cache

import dask.array as da
import numpy as np
import xarray as xr
from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry
from odc.geo.xr import xr_coords

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.types import FloatArray
from cerradata.cube.composite import first_valid
from cerradata.cube.resample import MeasurementResampling
from cerradata.cube.windows import TimeWindows, band_names, scenes_by_window
from cerradata.scenes import Scene
from cerradata.scenes.files import place_of


def build_stack(
    scenes: Sequence[Scene],
    grid: GeoBox,
    bands: Sequence[str],
    *,
    resampling: MeasurementResampling = "bilinear",
    windows: TimeWindows | None = None,
    chunk: int = 1024,
) -> xr.DataArray:
    """Bring scenes of one sensor onto one grid, lazily.

    Where several scenes of a time window cover a pixel, the first one that shows the ground gives it in all bands
    (`first_valid`).

    Args:
        scenes: Scenes of one sensor, in the order of preference.
        grid: The target grid.
        bands: Bands to take, one or more, in stored order; every scene must have them.
        resampling: Kernel for measurements. Radar is resampled in linear power.
        windows: Time windows; each gives all bands once (`B04@dry`).
        chunk: Rows and columns of a dask chunk.

    Returns:
        (band, y, x) float32, chunked all bands of a time window by `chunk` by `chunk`; reflectance, linear power or
        metres (attribute `unit`), NaN = no data. Chunks leave no seams (`resample_window`).

    Raises:
        ConfigError: If scenes of several sensors are mixed, or time windows hold no scene.
        SceneError: If a scene lacks a band, or no scene touches the grid.
    """
    sensors = {scene.sensor for scene in scenes}
    if len(sensors) != 1:
        raise ConfigError(f"A stack holds one sensor; these scenes are of {', '.join(sorted(sensors)) or 'none'}.")
    _require_overlap(scenes, grid)
    groups = scenes_by_window(scenes, windows or {})
    layers = [_layer(group, tuple(bands), grid, resampling, chunk) for group in groups.values()]
    names = band_names(bands, [name for name in groups if name])
    coords = {"band": list(names), **{k: v for k, v in xr_coords(grid).items() if k != "spatial_ref"}}
    return xr.DataArray(
        da.concatenate(layers),
        dims=("band", "y", "x"),
        coords=coords,
        attrs={"unit": scenes[0].radiometry.averaging_unit, "crs": str(grid.crs)},
        name=scenes[0].sensor,
    )


def read_window(
    scenes: Sequence[Scene],
    window: GeoBox,
    bands: Sequence[str],
    *,
    resampling: MeasurementResampling = "bilinear",
    windows: TimeWindows | None = None,
) -> FloatArray:
    """One window of what `build_stack` gives, read at once.

    Args:
        scenes: Scenes of one sensor, in the order of preference.
        window: The window, as a grid; it may reach beyond the scenes.
        bands: Bands to take, in stored order.
        resampling: Kernel for measurements.
        windows: Time windows.

    Returns:
        (bands, rows, columns) float32, NaN = no data.

    Raises:
        ConfigError: If time windows hold no scene.
        SceneError: If a file cannot be read.
    """
    groups = scenes_by_window(scenes, windows or {})
    return np.concatenate(
        [first_valid(overlapping(group, window), bands, window, resampling) for group in groups.values()]
    )


def overlapping(scenes: Sequence[Scene], window: GeoBox) -> list[Scene]:
    """The scenes whose footprint touches a window."""
    area = window.extent
    crs = str(window.crs)
    return [scene for scene in scenes if _footprint(scene.footprint_grid, crs).intersects(area)]


@lru_cache(maxsize=1024)  # 2.6 ms each between two systems, asked for each chunk
def _footprint(grid: GeoBox, crs: str) -> Geometry:
    # Four corners are not enough between two systems: the edge of a Sentinel-2 tile bends by 25 m in the next UTM zone.
    return grid.extent if str(grid.crs) == crs else grid.footprint(crs)


def _layer(
    scenes: Sequence[Scene], bands: tuple[str, ...], grid: GeoBox, resampling: MeasurementResampling, chunk: int
) -> da.Array:
    for scene in scenes:
        missing = [band for band in bands if band not in scene.bands]
        if missing:
            raise SceneError(f"Scene {scene.name} has no band {missing[0]}: it has {', '.join(scene.bands)}.")

    def block(block_info: dict[int | None, dict[str, list[tuple[int, int]]]]) -> FloatArray:
        _, (top, bottom), (left, right) = block_info[None]["array-location"]
        window = grid[top:bottom, left:right]
        return first_valid(overlapping(scenes, window), bands, window, resampling)

    height, width = grid.shape
    chunks = da.core.normalize_chunks((-1, chunk, chunk), (len(bands), height, width))
    return da.map_blocks(block, chunks=chunks, dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))


def _require_overlap(scenes: Sequence[Scene], grid: GeoBox) -> None:
    for scene in scenes:
        if not overlapping([scene], grid):
            raise SceneError(
                f"Scene {scene.name} does not touch the target grid: it covers {place_of(scene.footprint_grid)}, the "
                f"grid {place_of(grid)} (longitude and latitude). Check the scene, or `grid` in the configuration."
            )
