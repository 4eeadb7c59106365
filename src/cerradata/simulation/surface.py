"""`Surface`: the land cover of a window of 10 m pixels in 2022, the truth without any noise of observation."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from cerradata.core.types import BoolArray, FloatArray, LabelArray
from cerradata.simulation.channels import Channels, draw_channels
from cerradata.simulation.classes import Cover
from cerradata.simulation.drainage import CELL
from cerradata.simulation.noise import Window, fractal_noise, key_of, mix, smooth_noise, uniform
from cerradata.simulation.parcels import Parcels, parcels_of
from cerradata.simulation.world import World

NEVER = np.int16(9999)


@dataclass(frozen=True)
class Surface:
    """The land cover of a window.

    Attributes:
        window: The window, of 10 m pixels.
        cover: (rows, columns) uint8 `Cover`.
        trees: (rows, columns) float32 tree cover of natural vegetation, 0 (grassland) to 1 (forest).
        parcel: (rows, columns) uint64 random bits of the parcel, field or town block.
        age: (rows, columns) float32 years of regrowth or since planting.
        clear_day: (rows, columns) int16 day of 2022 on which the vegetation was cleared; `NEVER` where it was not.
        burn_day: (rows, columns) int16 day of 2022 on which it burnt; `NEVER` where it did not.
        bare: (rows, columns) float32 share of bare ground of roads and tracks, 0 to 1.
        built: (rows, columns) float32, in towns the place in the pattern of streets: 0 a street, 1 a yard.
        fertility: (rows, columns) float32, mean 0, variance 1.
        shore: (rows, columns) float32 metres from the water's edge, negative in the water; large elsewhere.
        seed: The world's seed.
    """

    window: Window
    cover: LabelArray
    trees: FloatArray
    parcel: npt.NDArray[np.uint64]
    age: FloatArray
    clear_day: npt.NDArray[np.int16]
    burn_day: npt.NDArray[np.int16]
    bare: FloatArray
    built: FloatArray
    fertility: FloatArray
    shore: FloatArray
    seed: int


def draw_surface(world: World, window: Window) -> Surface:
    """The land cover of a window. It depends on the place alone: windows that overlap agree."""
    parcels = parcels_of(window, world.seed)
    rows, columns = _coarse_cells(world, window, parcels)
    history = world.history
    cover = history.use[rows, columns]
    age = history.age[rows, columns]
    trees = _trees(world, window)
    channels = draw_channels(world, window)
    cover[_reserves(world, rows, columns, parcels) & (cover == Cover.PASTURE)] = Cover.PRIMARY
    _keep_galleries(world, window, channels, cover, trees)
    _grow_shrubs(world, window, parcels, cover, age)
    canvas = Surface(
        window,
        cover,
        trees,
        parcels.id,
        age,
        np.full(window.shape, NEVER),
        np.full(window.shape, NEVER),
        _tracks(world, window, parcels, cover),
        np.zeros(window.shape, np.float32),
        upsample(history.fertility, world, window),
        channels.distance - channels.width / 2,
        world.seed,
    )
    _set_clear_days(canvas)
    _paint_fires(world, canvas)
    _paint_fields(world, canvas)
    _paint_water(world, canvas, channels)
    _paint_settlement(world, canvas)
    return canvas


def _coarse_cells(world: World, window: Window, parcels: Parcels) -> tuple[LabelArray, LabelArray]:
    """Row and column of the coarse cell that holds each parcel's centre."""
    coarse = world.terrain.window
    rows = ((parcels.y + np.float32(window.row - coarse.row)) / CELL).astype(np.int32)
    columns = ((parcels.x + np.float32(window.col - coarse.col)) / CELL).astype(np.int32)
    return np.clip(rows, 0, coarse.rows - 1), np.clip(columns, 0, coarse.columns - 1)


def upsample(coarse: FloatArray, world: World, window: Window) -> FloatArray:
    """A field of the coarse grid on a window, bilinear."""
    grid = world.terrain.window
    rows, columns = (window.y - grid.row) / CELL - 0.5, (window.x - grid.col) / CELL - 0.5
    lines = map_coordinates(
        coarse, np.meshgrid(rows, np.arange(grid.columns), indexing="ij"), order=1, mode="nearest", output=np.float32
    )
    left = np.clip(np.floor(columns).astype(int), 0, grid.columns - 2)
    part = np.clip(columns - left, 0, 1).astype(np.float32)
    return np.asarray(lines[:, left] * (1 - part) + lines[:, left + 1] * part, np.float32)


def _trees(world: World, window: Window) -> FloatArray:
    key = key_of(world.seed, "trees")
    fine = fractal_noise(key, window, 120, octaves=4, gain=0.6)
    return np.asarray(np.clip(upsample(world.history.tree_cover, world, window) + 0.13 * fine, 0, 1), np.float32)


def _keep_galleries(world: World, window: Window, channels: Channels, cover: LabelArray, trees: FloatArray) -> None:
    """Strips of forest along streams, within cleared land too."""
    p = world.parameters
    kept = smooth_noise(key_of(world.seed, "gallery"), window, 70)
    broad = p.number("vegetation.gallery_m") * (1 + 0.5 * smooth_noise(key_of(world.seed, "gallery width"), window, 25))
    strip = channels.distance - channels.width / 2 < broad * (1 + np.minimum(channels.width, 120) / 60)
    share = p.number("vegetation.gallery_share")
    left = strip & (kept < _normal_quantile(share))
    cover[left] = Cover.PRIMARY
    wet = np.clip(1.6 - (channels.distance - channels.width / 2) / np.maximum(broad, 20), 0, 1)
    np.maximum(trees, 0.85 * wet, out=trees, where=strip)


def _reserves(world: World, rows: LabelArray, columns: LabelArray, parcels: Parcels) -> BoolArray:
    """Parcels of cleared land that were never cleared: they lie together, at the back of the properties."""
    kept = smooth_noise(key_of(world.seed, "legal reserve"), world.terrain.window, 150)
    quantile = _normal_quantile(world.parameters.number("history.legal_reserve"))
    return np.asarray(kept[rows, columns] + 0.6 * (uniform(mix(parcels.id, 15)) - 0.5) < quantile)


def _normal_quantile(share: float) -> float:
    """Below which a share of a standard normal field lies (logistic approximation, error under 0.02)."""
    return float(np.log(share / (1 - share)) / 1.702)


def _grow_shrubs(world: World, window: Window, parcels: Parcels, cover: LabelArray, age: FloatArray) -> None:
    """Irregular patches of regrowth within badly kept pasture."""
    blotch = fractal_noise(key_of(world.seed, "shrubs"), window, 45, octaves=4, gain=0.6)
    neglect = uniform(mix(parcels.id, 11))
    quantile = _normal_quantile(world.parameters.number("vegetation.shrub_share"))
    grown = (cover == Cover.PASTURE) & (blotch > -quantile + 1.1 - 2.2 * neglect)
    cover[grown] = Cover.SECONDARY
    age[grown] = 2 + 6 * neglect[grown]


def _tracks(world: World, window: Window, parcels: Parcels, cover: LabelArray) -> FloatArray:
    """Farm tracks along a part of the parcels' borders, fire breaks of planted forest."""
    used = (cover != Cover.PRIMARY) & (cover != Cover.SECONDARY)
    tracked = used & (parcels.edge < 0.8) & (uniform(mix(parcels.id, 12)) < 0.35)
    breaks = (cover == Cover.FORESTRY) & (parcels.edge < 1.0)
    return np.asarray(0.35 * tracked + 0.6 * breaks, np.float32)


def _set_clear_days(canvas: Surface) -> None:
    cleared = canvas.cover == Cover.DEFORESTATION
    day = 40 + 300 * uniform(mix(canvas.parcel[cleared], 13))
    canvas.clear_day[cleared] = day.astype(np.int16)
    burnt = uniform(mix(canvas.parcel[cleared], 14)) < 0.6  # what was felled is burnt weeks later
    canvas.burn_day[cleared] = np.where(burnt, day + 45, NEVER).astype(np.int16)


def _paint_fires(world: World, canvas: Surface) -> None:
    """Fire scars of the dry season in savanna, grassland, pasture and regrowth."""
    window = canvas.window
    fires = world.places["fires"].near(window)
    if not len(fires):
        return
    ragged = fractal_noise(key_of(world.seed, "fire edge"), window, 40, octaves=4, gain=0.6)
    fuel = (canvas.cover == Cover.PRIMARY) & (canvas.trees < 0.7) | np.isin(
        canvas.cover, (Cover.PASTURE, Cover.SECONDARY)
    )
    for i in range(len(fires)):
        part, along, across = fires.local(i, window)
        burnt = fuel[part] & (along**2 + across**2 < 1 + 0.45 * ragged[part])
        canvas.burn_day[part][burnt] = np.int16(140 + 130 * fires.chance[i])


def _paint_fields(world: World, canvas: Surface) -> None:
    """Rectangular fields and centre pivots, each one field with a number of its own."""
    kinds = (
        ("one cycle", Cover.ONE_CYCLE),
        ("perennial", Cover.PERENNIAL),
        ("semi-perennial", Cover.SEMI_PERENNIAL),
        ("pivots", Cover.MORE_CYCLES),
    )
    for kind, cover in kinds:
        places = world.places[kind].near(canvas.window)
        for i in range(len(places)):
            part, along, across = places.local(i, canvas.window)
            if kind == "pivots":
                inside = along**2 + across**2 < np.float32(np.pi / 4) ** -1
            else:
                inside = (np.abs(along) < 1) & (np.abs(across) < 1)
            # a field keeps off the forest along streams, unless it would vanish
            free = inside & ((canvas.cover[part] != Cover.PRIMARY) | (canvas.shore[part] > 120))
            inside = free if free.sum() > 0.3 * inside.sum() else inside
            canvas.cover[part][inside] = cover
            canvas.parcel[part][inside] = mix(key_of(world.seed, kind), int(places.x[i]), int(places.y[i]))
            canvas.clear_day[part][inside] = NEVER
            canvas.burn_day[part][inside] = NEVER
            canvas.bare[part][inside] = 0


def _paint_water(world: World, canvas: Surface, channels: Channels) -> None:
    window = canvas.window
    island = smooth_noise(key_of(world.seed, "islands"), window, 38)
    wide = channels.width > 250
    shoal = wide & (island > 1.55) & (channels.distance > 90)
    canvas.shore[shoal] = 15
    sway = 1 + 0.22 * smooth_noise(key_of(world.seed, "banks"), window, 30)
    shore = channels.distance - channels.width / 2 * sway
    np.copyto(canvas.shore, shore, where=~shoal)
    for kind in ("ponds", "lakes"):
        places = world.places[kind].near(window)
        for i in range(len(places)):
            part, along, across = places.local(i, window)
            bend = 0.0 if kind == "ponds" else 3.0 * (along**2 - 0.3) * (places.chance[i] - 0.5)
            radius = np.sqrt(along**2 + (across + bend) ** 2) / np.float32(np.sqrt(4 / np.pi))
            metres = (radius - 1) * np.float32(places.breadth[i] * 10)
            canvas.shore[part] = np.minimum(canvas.shore[part], metres)
    wet = (canvas.shore < 0) & ((channels.width >= 9) | (channels.distance > channels.width / 2 + 1))
    canvas.cover[wet] = Cover.WATER
    canvas.parcel[wet] = 0  # one water: it knows no parcels
    canvas.burn_day[wet] = NEVER
    canvas.clear_day[wet] = NEVER
    canvas.bare[wet] = 0


def _paint_settlement(world: World, canvas: Surface) -> None:
    window = canvas.window
    _paint_roads(world, canvas)
    ragged = fractal_noise(key_of(world.seed, "town edge"), window, 40, octaves=4, gain=0.6)
    dry = canvas.cover != Cover.WATER
    towns = world.history.settlement.towns.near(window, 2.2)
    for i in range(len(towns)):
        part, along, across = towns.local(i, window, 2.2)
        inside = dry[part] & (along**2 + across**2 < np.float32(4 / np.pi) * (1 + 0.5 * ragged[part]))
        _occupy(canvas, part, inside, Cover.URBAN)
        pattern, block = _streets(window, part, float(towns.angle[i]))
        canvas.built[part][inside] = pattern[inside]
        canvas.parcel[part][inside] = mix(key_of(world.seed, "block"), block)[inside]
    small = (
        ("mines", Cover.MINING, True),
        ("other uses", Cover.OTHER_USES, True),
        ("other built", Cover.OTHER_BUILT, False),
    )
    for kind, cover, round_ in small:
        places = world.places[kind].near(window, 2.2)
        for i in range(len(places)):
            part, along, across = places.local(i, window, 2.2)
            edge = np.float32(4 / np.pi) * (1 + 0.4 * ragged[part])
            inside = along**2 + across**2 < edge if round_ else (np.abs(along) < 1) & (np.abs(across) < 1)
            _occupy(canvas, part, dry[part] & inside, cover)
            own = mix(key_of(world.seed, kind), int(places.x[i]), int(places.y[i]))
            canvas.parcel[part][dry[part] & inside] = own


def _occupy(canvas: Surface, part: tuple[slice, slice], inside: BoolArray, cover: Cover) -> None:
    canvas.cover[part][inside] = cover
    for days in (canvas.clear_day, canvas.burn_day):
        days[part][inside] = NEVER
    canvas.bare[part][inside] = 0


def _paint_roads(world: World, canvas: Surface) -> None:
    """Roads of earth or asphalt, about 10 m wide: bare ground in part of a pixel; the class stays."""
    settlement, window = world.history.settlement, canvas.window
    rows = np.floor((settlement.road_y - window.row) / window.step).astype(int)
    columns = np.floor((settlement.road_x - window.col) / window.step).astype(int)
    inside = (rows >= 0) & (rows < window.rows) & (columns >= 0) & (columns < window.columns)
    rows, columns = rows[inside], columns[inside]
    dry = canvas.cover[rows, columns] != Cover.WATER
    canvas.bare[rows[dry], columns[dry]] = 0.75


def _streets(window: Window, part: tuple[slice, slice], angle: float) -> tuple[FloatArray, LabelArray]:
    """A pattern of streets every 90 m: 0 on a street, 1 in a block; and a number for each block of houses."""
    x, y = window.x[part[1]][None, :], window.y[part[0]][:, None]
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    column, row = np.floor(u / 9), np.floor(v / 9)
    street = (u - column * 9 < 1.1) | (v - row * 9 < 1.1)
    block = (column * 100_003 + row).astype(np.int64)
    return np.where(street, 0.0, 1.0).astype(np.float32), block
