"""Sentinel-2 L2A scenes of the simulated area: one folder a tile and date, one GeoTIFF a band at its native resolution."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry, box
from rasterio.warp import Resampling, reproject
from scipy.ndimage import map_coordinates

from cerradata.core.raster import RasterLook, write_geotiff
from cerradata.core.types import SIMULATED_TAG, Array, FloatArray
from cerradata.simulation.area import (
    CENTRE,
    PIXEL,
    UNIT,
    WORLD_CRS,
    Area,
    grid_of,
    strips_of,
    window_around,
    world_pixels,
)
from cerradata.simulation.catalog import SceneFiles
from cerradata.simulation.noise import Window, draw, key_of
from cerradata.simulation.optics import BANDS, reflectance
from cerradata.simulation.sky import NO_DATA, Sun, classify, is_seen, sky_over, through
from cerradata.simulation.surface import draw_surface
from cerradata.simulation.world import World

RESOLUTION = dict(zip(BANDS, (60, 10, 10, 10, 20, 20, 20, 10, 20, 60, 20, 20), strict=True))
_STEP = 2000  # pixels of 10 m between tiles: a fifth of the real 100 km
_FRAME = 1  # pixels around a strip whose light spills into it
_SIDE = 2196  # pixels of 10 m a side: a fifth of the real 10,980, so that tiles overlap by 1.96 km
_ORBITS = (38, 81)
_TIME = dt.time(13, 22, 31)
_ZONES = ((32722, -54.0, -48.0), (32723, -48.0, -42.0))


@dataclass(frozen=True)
class Tile:
    """A tile of one UTM zone.

    Attributes:
        zone: EPSG code of its zone.
        column: Number of its column: its square begins at so many times 20 km east.
        row: Number of its row: its square begins at so many times 20 km north (and goes south from there).
        grid: Its grid of 10 m pixels, a multiple of six on each side.
    """

    zone: int
    column: int
    row: int
    grid: GeoBox

    @property
    def name(self) -> str:
        """Zone, and where its square begins in units of 10 km: 23x016y922."""
        return f"{self.zone % 100}x{2 * self.column:03d}y{2 * self.row:03d}"


def tiles_of(area: Area) -> list[Tile]:
    """The tiles that cover an area, each side of 48 W in its own zone; neighbours and zones overlap."""
    whole = area.grid.extent.to_crs("EPSG:4326")
    return [tile for zone in _ZONES for tile in _zone_tiles(whole, area.grid, *zone)]


def _zone_tiles(whole: Geometry, grid: GeoBox, epsg: int, west: float, east: float) -> Iterator[Tile]:
    part = whole.intersection(box(west, -80, east, 80, "EPSG:4326"))
    if part.is_empty:
        return
    crs = f"EPSG:{epsg}"
    bounds = part.to_crs(crs).boundingbox
    step = _STEP * PIXEL
    more = 0.5 * (_SIDE - _STEP) * PIXEL
    for row in range(int(np.ceil(bounds.top / step)), int(np.ceil(bounds.bottom / step)) - 1, -1):
        for column in range(int(np.floor(bounds.left / step)), int(np.floor(bounds.right / step)) + 1):
            place = Affine(PIXEL, 0, column * step - more, 0, -PIXEL, row * step + more)
            tile = _trimmed(GeoBox((_SIDE, _SIDE), place, crs), grid)
            if tile is not None:
                yield Tile(epsg, column, row, tile)


def _trimmed(tile: GeoBox, area: GeoBox) -> GeoBox | None:
    """A tile without the rows and columns that lie wholly outside of the area, in steps of 60 m; None if nothing is left."""
    own = area.extent.to_crs(str(tile.crs)).boundingbox
    box_ = tile.boundingbox
    unit = UNIT * PIXEL
    left, right = (int(np.floor((own.left - box_.left) / unit)), int(np.ceil((own.right - box_.left) / unit)))
    top, bottom = (int(np.floor((box_.top - own.top) / unit)), int(np.ceil((box_.top - own.bottom) / unit)))
    size = tile.shape[0] // UNIT
    rows, columns = (slice(max(a, 0) * UNIT, min(b, size) * UNIT) for a, b in ((top, bottom), (left, right)))
    if rows.stop - rows.start < 2 * UNIT or columns.stop - columns.start < 2 * UNIT:
        return None
    return tile[rows, columns]


def acquisitions(world: World) -> dict[dt.date, tuple[int, float]]:
    """Orbit (0 or 1) and cloud cover (0 to 1) of each date."""
    found = world.parameters.table("sky.sentinel2")
    return {dt.date.fromisoformat(day): (int(own[0]), float(own[1]) / 100) for day, own in sorted(found.items())}


def write_tile(world: World, tile: Tile, folder: Path) -> list[SceneFiles]:
    """Write the scenes of a tile, one for each date on which its orbit sees a part of it.

    Args:
        world: The world.
        tile: The tile.
        folder: Where the scenes' folders go.

    Returns:
        The scenes written.

    Raises:
        OutputError: If there is no space or no permission.
    """
    dates = acquisitions(world)
    numbers = {date: _empty(tile) for date in dates}
    for top, inner in strips_of(tile.grid, 700_000, UNIT):
        strip = inner.pad(_FRAME)
        window = _window_of(tile, strip)
        surface = draw_surface(world, window)
        for date, (orbit, cover) in dates.items():
            seen = is_seen(window, orbit, world.area.window)
            if not seen.any():
                continue
            sun = Sun.at(date.timetuple().tm_yday, CENTRE[1])
            sky = sky_over(window, date, cover, sun, world.parameters, world.seed)
            values = through(sky, reflectance(surface, date, world.parameters, world.seed), world.parameters)
            scl = classify(sky, surface, values, date, world.parameters, world.seed)
            values[:, ~seen] = np.nan
            scl[~seen] = NO_DATA
            _keep(numbers[date], top, *_onto(tile, strip, window, values, scl), world, _scene_id(tile, date))
    return [
        _write_scene(world, tile, date, dates[date][0], numbers.pop(date), folder)
        for date in dates
        if numbers[date]["SCL"].any()
    ]


def _window_of(tile: Tile, strip: GeoBox) -> Window:
    """World pixels of a strip: its own pixels in the world's zone, else those around it."""
    if tile.zone == int(WORLD_CRS.split(":")[1]):
        box_ = strip.boundingbox
        return Window(round(-box_.top / PIXEL), round(box_.left / PIXEL), *strip.shape)
    return window_around(strip, 3)


def _onto(tile: Tile, strip: GeoBox, window: Window, values: FloatArray, scl: Array) -> tuple[FloatArray, Array]:
    """Values and classes of world pixels on the tile's grid: bilinear and nearest; blurred by the sensor before."""
    if tile.zone == int(WORLD_CRS.split(":")[1]):
        return values, scl
    warped = np.full((len(values), *strip.shape), np.nan, np.float32)
    source = grid_of(window)
    reproject(
        values, warped, src_transform=source.transform, src_crs=WORLD_CRS, src_nodata=np.nan,
        dst_transform=strip.transform, dst_crs=str(strip.crs), dst_nodata=np.nan, resampling=Resampling.bilinear,
    )  # fmt: skip
    x, y = world_pixels(strip)
    place = [y - window.row - 0.5, x - window.col - 0.5]
    return warped, map_coordinates(scl, place, order=0, mode="constant", cval=NO_DATA)


def _empty(tile: Tile) -> dict[str, Array]:
    rows, columns = tile.grid.shape
    shape = {band: (rows * 10 // r, columns * 10 // r) for band, r in RESOLUTION.items()}
    numbers: dict[str, Array] = {band: np.zeros(own, np.uint16) for band, own in shape.items()}
    numbers["SCL"] = np.zeros((rows // 2, columns // 2), np.uint8)
    return numbers


def _keep(numbers: dict[str, Array], top: int, values: FloatArray, scl: Array, world: World, scene: str) -> None:
    """Bring a strip to the native resolutions, add the sensor's noise, and keep it as numbers."""
    inner = (slice(_FRAME, -_FRAME), slice(_FRAME, -_FRAME))
    scl = scl[inner]
    noise = world.parameters.numbers("spectra.noise")
    spill = np.float32(world.parameters.number("spectra.psf"))
    add = offset_of(world, scene)
    for i, band in enumerate(BANDS):
        factor = RESOLUTION[band] // 10
        own = _blurred(values[i], spill)[inner] if factor == 1 else _block_mean(values[i][inner], factor)
        first = top // factor
        key = int(key_of(world.seed, "noise", scene, band, first))
        random = np.random.Generator(np.random.SFC64(key))  # keyed on the place: any worker draws the same
        own = own + noise[i] * random.standard_normal(own.shape, np.float32)
        stored = np.rint(own * 10_000 - add)
        valid = np.isfinite(stored)
        target = numbers[band][first : first + len(own)]
        target[valid] = np.clip(stored[valid], 1, 65_535)
    half = scl.reshape(scl.shape[0] // 2, 2, scl.shape[1] // 2, 2).swapaxes(1, 2).reshape(scl.shape[0] // 2, -1, 4)
    # the worst of four pixels: a cloud before a shadow before the ground; no data only where nothing is seen
    numbers["SCL"][top // 2 : top // 2 + len(half)] = np.where((half == NO_DATA).any(axis=2), NO_DATA, _majority(half))


def _majority(four: Array) -> Array:
    """The class that fills most of a pixel of 20 m; of equals the larger number, so clouds win."""
    counts = (four[..., :, None] == four[..., None, :]).sum(axis=-1) * 32 + four
    return np.take_along_axis(four, counts.argmax(axis=-1)[..., None], axis=-1)[..., 0]


def _blurred(band: FloatArray, spill: np.float32) -> FloatArray:
    """Light of a pixel spills into its neighbours, along rows and along columns."""
    rows = band.copy()
    rows[1:-1] = band[1:-1] * (1 - 2 * spill) + (band[:-2] + band[2:]) * spill
    result = rows.copy()
    result[:, 1:-1] = rows[:, 1:-1] * (1 - 2 * spill) + (rows[:, :-2] + rows[:, 2:]) * spill
    return result


def _block_mean(band: FloatArray, factor: int) -> FloatArray:
    rows, columns = band.shape
    return np.asarray(band.reshape(rows // factor, factor, columns // factor, factor).mean(axis=(1, 3)))


def offset_of(world: World, scene: str) -> int:
    """`BOA_ADD_OFFSET` of a scene, -1000 or 0: a matter of its processing, not of its date."""
    chance = float(draw(key_of(world.seed, "baseline"), int(key_of(scene) >> np.uint64(1))))
    return -1000 if chance < world.parameters.number("sky.offset_share") else 0


def _scene_id(tile: Tile, date: dt.date) -> str:
    return f"S2A_MSIL2A_{date:%Y%m%d}T{_TIME:%H%M%S}_T{tile.name}"


def _write_scene(
    world: World, tile: Tile, date: dt.date, orbit: int, numbers: dict[str, Array], folder: Path
) -> SceneFiles:
    scene = _scene_id(tile, date)
    offset = offset_of(world, scene)
    own = folder / scene
    own.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    for band, pixels in numbers.items():
        factor = tile.grid.shape[0] // pixels.shape[0]
        files[band] = own / f"T{tile.name}_{date:%Y%m%d}T{_TIME:%H%M%S}_{band}_{10 * factor}m.tif"
        look = RasterLook(nodata=0, bands=(band,), tags={SIMULATED_TAG: world.label})
        write_geotiff(files[band], pixels[None], tile.grid.transform * Affine.scale(factor), str(tile.grid.crs), look)
    sun = Sun.at(date.timetuple().tm_yday, CENTRE[1])
    scl = numbers["SCL"]
    cloudy = np.isin(scl, (8, 9, 10)).sum() / max(1, (scl > 0).sum())
    return SceneFiles(
        id=scene,
        sensor="sentinel-2",
        folder=own,
        files=files,
        datetime=dt.datetime.combine(date, _TIME, dt.UTC),
        properties={
            "s2:processing_baseline": "05.10" if offset else "03.01",
            "processing:level": "L2A",
            "eo:cloud_cover": round(100 * float(cloudy), 2),
            "view:sun_azimuth": round(sun.azimuth, 2),
            "view:sun_elevation": round(sun.elevation, 2),
            "sat:orbit_state": "descending",
            "sat:relative_orbit": _ORBITS[orbit],
        },
        scale=1e-4,
        offset=offset * 1e-4,
        unit="reflectance",
        nodata=0,
        simulated=world.label,
    )


def military_square(scene: SceneFiles) -> str:
    """The 100 km square of the military grid (MGRS) in which a scene's upper left corner lies, as "22MGU"."""
    with rasterio.open(scene.files["B02"]) as file:
        zone = file.crs.to_epsg() % 100
        left, top = file.transform.c, file.transform.f
        latitude = file.lnglat()[1]
    column = "ABCDEFGHJKLMNPQRSTUVWXYZ"[(zone - 1) % 3 * 8 + int(left // 100_000) - 1]
    row = "ABCDEFGHJKLMNPQRSTUV"[(int(top // 100_000) + (0 if zone % 2 else 5)) % 20]
    band = "CDEFGHJKLMNPQRSTUVWX"[int((latitude + 80) // 8)]
    return f"{zone:02d}{band}{column}{row}"


def scene_order(scenes: Sequence[SceneFiles]) -> list[SceneFiles]:
    """Scenes in the order of preference for one composite: the dry season first, from its middle outwards."""
    middle = dt.date(2022, 7, 20)
    return sorted(scenes, key=lambda scene: (abs((scene.datetime.date() - middle).days), scene.id))
