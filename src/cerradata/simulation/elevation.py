"""Elevation of the simulated area on pixels of 30 m: the coarse relief, refined, with valleys that follow the rivers."""

import datetime as dt
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window as RasterWindow

from cerradata.core.files import atomic_path
from cerradata.core.types import SIMULATED_TAG, FloatArray
from cerradata.simulation.area import grid_of
from cerradata.simulation.catalog import SceneFiles
from cerradata.simulation.channels import draw_channels
from cerradata.simulation.noise import Window, fractal_noise, key_of
from cerradata.simulation.surface import upsample
from cerradata.simulation.world import World

STEP = 3
_BANK = 0.03  # rise over run of the valley sides


def elevation_of(world: World, window: Window) -> FloatArray:
    """Elevation above the vertical datum.

    Args:
        world: The world.
        window: Where, of any step.

    Returns:
        (rows, columns) float32 metres. Water lies at the level of its bed; from there the land rises.
    """
    channels = draw_channels(world, window)
    bank = np.maximum(channels.distance - np.maximum(channels.width, 8) / 2, 0)
    away = np.minimum(bank / 300, 1)
    detail = fractal_noise(key_of(world.seed, "detail"), window, 60, octaves=4, gain=0.5)
    relief = upsample(world.terrain.elevation, world, window) + 1.8 * detail * away
    valley = channels.level + np.float32(_BANK) * bank
    known = channels.width > 0
    carved = np.where(known, np.minimum(relief, valley), relief)
    wet = known & (bank == 0)
    return np.where(
        wet, channels.level, np.where(known, np.maximum(carved, channels.level + 0.02 * away), carved)
    ).astype(np.float32)


def write_elevation(world: World, folder: Path) -> SceneFiles:
    """Write the elevation, strip by strip.

    Raises:
        OutputError: If there is no space or no permission.
    """
    whole = world.area.window
    frame = 20
    window = Window(
        whole.row - frame * STEP, whole.col - frame * STEP,
        whole.rows // STEP + 2 * frame, whole.columns // STEP + 2 * frame, STEP,
    )  # fmt: skip
    grid, path = grid_of(window), folder / "elevation_30m.tif"
    with (
        atomic_path(path) as temporary,
        rasterio.open(
            temporary, "w", driver="GTiff", count=1, height=grid.shape[0], width=grid.shape[1], dtype="float32",
            crs=str(grid.crs), transform=Affine(*grid.transform[:6]), nodata=-9999, compress="deflate", predictor=3,
        ) as file,
    ):  # fmt: skip
        file.update_tags(**{SIMULATED_TAG: world.label})
        file.set_band_description(1, "elevation")
        for strip in world.area.strips(window):
            left, top = (strip.col - window.col) // STEP, (strip.row - window.row) // STEP
            place = RasterWindow(left, top, strip.columns, strip.rows)
            file.write(elevation_of(world, strip), 1, window=place)
    return SceneFiles(
        id="elevation_30m", sensor="elevation", folder=folder, files={"elevation": path},
        datetime=dt.datetime(2013, 1, 1, tzinfo=dt.UTC), properties={}, unit="metre", nodata=-9999, simulated=world.label,
    )  # fmt: skip
