"""Sentinel-1 scenes of the simulated area: geocoded swaths of two passes, VV and VH, one GeoTIFF a polarisation."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.windows import Window as RasterWindow

from cerradata.core.files import atomic_path
from cerradata.core.types import SIMULATED_TAG, FloatArray
from cerradata.simulation.area import PIXEL, Area, grid_of
from cerradata.simulation.catalog import SceneFiles
from cerradata.simulation.noise import Window, draw, key_of
from cerradata.simulation.radar import POLARISATIONS, backscatter, speckle
from cerradata.simulation.surface import draw_surface
from cerradata.simulation.world import World

SarUnits = Literal["amplitude", "linear", "db"]
_PASSES = ("descending", "ascending")
_ORBITS = (68, 119)
_TIMES = (dt.time(9, 5, 11), dt.time(21, 17, 42))
_LEAN = np.tan(np.radians(11.0))  # of the ground track from north
_OVERLAP = 0.12  # of the area's height that two slices of one pass share
_INCIDENCE = (31.0, 45.0)  # degrees at the near and the far edge


@dataclass(frozen=True)
class Swath:
    """A slice of a swath: what one product holds.

    Attributes:
        date: Day of acquisition.
        ascending: Whether the satellite flew north.
        number: 0 for the northern slice, 1 for the southern one.
        window: World pixels of its raster.
    """

    date: dt.date
    ascending: bool
    number: int
    window: Window

    @property
    def name(self) -> str:
        """Name of the scene."""
        time = _TIMES[self.ascending]
        return (
            f"S1A_IW_GRDH_1SDV_{self.date:%Y%m%d}T{time:%H%M%S}_{_PASSES[self.ascending][:4].upper()}_{self.number + 1}"
        )


def swaths_of(world: World) -> list[Swath]:
    """Two overlapping slices for each date and pass; together they cover the area."""
    found = []
    for day, values in sorted(world.parameters.table("radar.sentinel1").items()):
        for number in (0, 1):
            window = _slice_window(world.area, number)
            found.append(Swath(dt.date.fromisoformat(day), bool(values[0]), number, window))
    return found


def _slice_window(area: Area, number: int) -> Window:
    whole = area.window
    half, shared = whole.rows // 2, int(whole.rows * _OVERLAP / 2 + _LEAN * whole.columns / 2)
    top = whole.row if number == 0 else max(whole.row, whole.row + half - shared)
    bottom = min(whole.row + whole.rows, whole.row + half + shared) if number == 0 else whole.row + whole.rows
    frame = 60
    return Window(top - frame, whole.col - frame, bottom - top + 2 * frame, whole.columns + 2 * frame)


def write_swath(world: World, swath: Swath, folder: Path, units: SarUnits) -> SceneFiles:
    """Write the scene of a swath, strip by strip.

    Args:
        world: The world.
        swath: The swath.
        folder: Where the scene's folder goes.
        units: What the numbers are; no data is 0, in decibels NaN.

    Returns:
        The scene written.

    Raises:
        OutputError: If there is no space or no permission.
    """
    own = folder / swath.name
    own.mkdir(parents=True, exist_ok=True)
    files = {p: own / f"{swath.name}_{p}.tif" for p in POLARISATIONS}
    nodata = float("nan") if units == "db" else 0.0
    with (
        atomic_path(files["VV"]) as vv,
        atomic_path(files["VH"]) as vh,
        _open(vv, swath, nodata, world.label, "VV") as vv_file,
        _open(vh, swath, nodata, world.label, "VH") as vh_file,
    ):
        for strip in world.area.strips(swath.window, 700_000):
            numbers = _numbers(world, swath, strip, units)
            place = RasterWindow(strip.col - swath.window.col, strip.row - swath.window.row, strip.columns, strip.rows)
            for file, pixels in ((vv_file, numbers[0]), (vh_file, numbers[1])):
                file.write(pixels, 1, window=place)
    time = _TIMES[swath.ascending]
    return SceneFiles(
        id=swath.name,
        sensor="sentinel-1",
        folder=own,
        files=files,
        datetime=dt.datetime.combine(swath.date, time, dt.UTC),
        properties={
            "sat:orbit_state": _PASSES[swath.ascending],
            "sat:relative_orbit": _ORBITS[swath.ascending],
            "sar:looks_equivalent_number": world.parameters.number("radar.looks"),
            "sar:product_type": "GRD",
        },
        unit=units,
        nodata=nodata,
        simulated=world.label,
    )


def _open(path: Path, swath: Swath, nodata: float, label: str, band: str) -> rasterio.io.DatasetWriter:
    grid: GeoBox = grid_of(swath.window)
    file = rasterio.open(
        path, "w", driver="GTiff", count=1, height=grid.shape[0], width=grid.shape[1], dtype="float32", crs=str(grid.crs),
        transform=Affine(*grid.transform[:6]), nodata=nodata, compress="deflate", zlevel=1, predictor=3,
    )  # fmt: skip
    file.update_tags(**{SIMULATED_TAG: label})
    file.set_band_description(1, band)
    return file


def _numbers(world: World, swath: Swath, strip: Window, units: SarUnits) -> FloatArray:
    """(2, rows, columns) float32 numbers of a strip as the product holds them."""
    p = world.parameters
    surface = draw_surface(world, strip)
    power = backscatter(surface, swath.date, p, world.seed)
    inside, across = _footprint(world.area, swath, strip)
    incidence = _INCIDENCE[0] + (_INCIDENCE[1] - _INCIDENCE[0]) * across
    power *= np.float32(10.0) ** (-np.float32(p.number("radar.incidence_db")) * (incidence - 38.0) / 10)
    part = strip.col - swath.window.col  # other than 0 where rows are drawn in parts
    floor = np.float32(10 ** (p.number("radar.noise_db") / 10))
    for band in (0, 1):
        key = int(key_of(world.seed, "speckle", swath.name, band, strip.row, *([part] if part else [])))
        power[band] = (power[band] + floor) * speckle(key, strip.shape, p.number("radar.looks"))
    border = inside < p.number("radar.border_m")
    chance = draw(
        key_of(world.seed, "border", swath.name),
        np.arange(strip.rows)[:, None] + strip.row,
        np.arange(strip.columns) + part,
    )
    power *= np.where(border, 10.0 ** (-2.2 - 1.5 * chance), 1).astype(np.float32)
    numbers = _in_units(power, units)
    numbers[:, inside < 0] = np.nan if units == "db" else 0
    return np.asarray(numbers, np.float32)


def _in_units(power: FloatArray, units: SarUnits) -> FloatArray:
    match units:
        case "linear":
            return power
        case "amplitude":
            return np.asarray(np.sqrt(power))
        case "db":
            return np.asarray(10 * np.log10(power))


def _footprint(area: Area, swath: Swath, strip: Window) -> tuple[FloatArray, FloatArray]:
    """Metres from the slice's edge, negative outside; and the place across the swath, 0 near to 1 far.

    Slices are parallelograms: their sides lean with the ground track, their ends lie across it.
    """
    lean = _LEAN if swath.ascending else -_LEAN
    whole = area.window
    middle_x, middle_y = whole.col + whole.columns / 2, whole.row + whole.rows / 2
    x = (strip.x - middle_x)[None, :].astype(np.float32)
    y = (strip.y - middle_y)[:, None].astype(np.float32)
    along_x = x + np.float32(lean) * y  # constant along the ground track
    along_y = y - np.float32(lean) * x
    # a swath is 250 km wide; its near side cuts a corner off the area
    half = whole.columns / 2 + abs(lean) * whole.rows / 2
    left, right = along_x + np.float32(0.90 * half), np.float32(25_000) - along_x
    edge = np.float32(whole.rows * _OVERLAP / 2)
    ends = edge - along_y if swath.number == 0 else along_y + edge
    inside = np.minimum(np.minimum(left, right), ends) * np.float32(PIXEL)
    width = np.float32(25_000)
    across = np.clip((along_x + np.float32(half)) / width, 0, 1)
    return inside, across if not swath.ascending else 1 - across
