"""Reflectance of a surface on a day: shares of pure materials, mixed linearly."""

import datetime as dt
from functools import cache

import numpy as np

from cerradata.core.types import FloatArray
from cerradata.legend import load_legend
from cerradata.simulation.classes import LEGEND, Cover
from cerradata.simulation.noise import Window, draw, fractal_noise, key_of, mix, smooth_noise, uniform
from cerradata.simulation.parameters import Parameters
from cerradata.simulation.surface import Surface

BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
_MATERIALS = (
    "leaves", "grass", "straw", "latosol", "sand", "clear", "turbid", "tiles", "metal", "asphalt", "char", "shade",
)  # fmt: skip
_M = {name: i for i, name in enumerate(_MATERIALS)}
_WOODED = (Cover.PRIMARY, Cover.SECONDARY, Cover.FORESTRY, Cover.PERENNIAL)


def reflectance(surface: Surface, date: dt.date, parameters: Parameters, seed: int) -> FloatArray:
    """Surface reflectance without atmosphere, clouds and noise of the sensor.

    Args:
        surface: The land cover.
        date: Day of 2022.
        parameters: Spectra and calendars.
        seed: The world's seed.

    Returns:
        (12, rows, columns) float32, 1 = 100 %.
    """
    shares = materials(surface, date, parameters, seed)
    table = parameters.table("spectra.surface")
    spectra = np.stack([table[name] for name in _MATERIALS])
    values = (spectra.T @ shares.reshape(len(_MATERIALS), -1)).reshape(len(BANDS), *surface.window.shape)
    tilt = parcel_normal(surface, 21) * np.float32(parameters.number("spectra.tilt"))
    bright = 1 + np.float32(parameters.number("spectra.bright")) * parcel_normal(surface, 22)
    for i, value in enumerate(np.linspace(-0.6, 0.6, len(BANDS), dtype=np.float32)):
        values[i] *= bright + tilt * value
    moist = np.float32(parameters.number("spectra.moisture")) * parcel_normal(surface, 34)
    values[BANDS.index("B11")] *= 1 + np.float32(0.4) * moist
    values[BANDS.index("B12")] *= 1 + moist
    return np.asarray(values, np.float32)


def materials(surface: Surface, date: dt.date, parameters: Parameters, seed: int) -> FloatArray:
    """Shares of the pure materials: (12 materials, rows, columns) float32, from 0 to 1, with the sum 1."""
    window, day = surface.window, date.timetuple().tm_yday
    cover = _cover_on(surface, day)
    texture = fractal_noise(key_of(seed, "texture"), window, 9, octaves=3, gain=0.75)
    green = _green(surface, cover, day, parameters, texture)
    canopy = _canopy(surface, cover, parameters, seed, day)
    shares = np.zeros((len(_MATERIALS), *window.shape), np.float32)
    shade = np.float32(parameters.number("phenology.tree_shade")) * canopy * (1 + np.float32(0.22) * texture)
    foliage = np.interp(
        day, parameters.numbers("phenology.days"), parameters.numbers("phenology.tree_green"), period=365
    )
    shares[_M["shade"]] = np.clip(shade, 0, 0.6)
    lit = 1 - shares[_M["shade"]]
    shares[_M["leaves"]] = canopy * np.float32(foliage) * lit
    below = lit - shares[_M["leaves"]]
    straw = _straw(surface, cover, parameters)
    shares[_M["grass"]] = below * green
    shares[_M["straw"]] = below * (1 - green) * straw
    soil = below * (1 - green) * (1 - straw)
    sandy = np.clip(0.28 - 0.22 * surface.fertility + 0.15 * parcel_normal(surface, 23), 0, 1)
    shares[_M["latosol"]], shares[_M["sand"]] = soil * (1 - sandy), soil * sandy
    _burn(shares, surface, day, parameters)
    _lay_roads(shares, surface)
    _replace_mineral(shares, surface, cover, seed)
    _replace_water(shares, surface, cover, day, seed)
    return shares


def _cover_on(surface: Surface, day: int) -> FloatArray:
    """The cover on a day: what is cleared later in the year still stands."""
    return np.where(
        surface.clear_day > day,
        np.where(surface.cover == Cover.DEFORESTATION, Cover.PRIMARY, surface.cover),
        surface.cover,
    )


def parcel_normal(surface: Surface, number: int) -> FloatArray:
    """A standard normal number for each parcel; where natural vegetation knows no parcels, a smooth field.

    Args:
        surface: The land cover.
        number: Which of the many numbers.

    Returns:
        (rows, columns) float32.
    """
    first, second = uniform(mix(surface.parcel, number, 0)), uniform(mix(surface.parcel, number, 1))
    own = np.sqrt(-2 * np.log(first + np.float32(1e-7))) * np.cos(np.float32(2 * np.pi) * second)
    natural = (surface.cover == Cover.PRIMARY) | (surface.cover == Cover.SECONDARY)
    if natural.any():
        stands = fractal_noise(key_of(surface.seed, "stands", number), surface.window, 55, octaves=3, gain=0.6)
        own[natural] = stands[natural]
    return np.asarray(own, np.float32)


def _green(surface: Surface, cover: FloatArray, day: int, p: Parameters, texture: FloatArray) -> FloatArray:
    """Share of green in what grows below the trees, or in the field."""
    days, table = p.numbers("phenology.days"), p.table("phenology.green")
    calendar = _by_class({name: np.interp(np.arange(366), days, own, period=365) for name, own in table.items()}, 366)
    shift = _lookup(p.table("phenology.shift_days"), cover) * parcel_normal(surface, 24)
    at = np.mod(day + shift, 365).astype(np.int32)
    green = calendar[cover, at]
    irrigated = (surface.cover == Cover.MORE_CYCLES) & (uniform(mix(surface.parcel, 25)) < 0.12)
    green = np.where(irrigated & (at > 150) & (at < 265), 0.75, green)  # a third crop in the dry season
    cane = (surface.cover == Cover.SEMI_PERENNIAL) & (
        np.mod(day - (140 + 180 * uniform(mix(surface.parcel, 26))), 365) < 55
    )
    green = np.where(cane, 0.12, green)
    green = green + _lookup(p.table("phenology.spread"), cover) * parcel_normal(surface, 27)
    green += _lookup(p.table("phenology.texture"), cover) * texture
    since = day - surface.clear_day.astype(np.float32)
    fresh = (surface.cover == Cover.DEFORESTATION) & (since >= 0)
    green = np.where(fresh, green * np.clip(since / 90, 0, 1), green)
    return np.asarray(np.clip(green, 0.0, 0.97), np.float32)


def _canopy(surface: Surface, cover: FloatArray, p: Parameters, seed: int, day: int) -> FloatArray:
    """Share of the ground under trees."""
    crowns = fractal_noise(key_of(seed, "crowns"), surface.window, 4, octaves=2, gain=0.8)
    canopy = np.zeros(surface.window.shape, np.float32)
    natural = cover == Cover.PRIMARY
    open_ = np.clip(surface.trees * 1.25 - 0.2, 0, 1)
    canopy[natural] = np.clip(open_ + 0.13 * crowns * (1.15 - open_), 0, 1)[natural]
    regrown = cover == Cover.SECONDARY
    closing = np.clip(surface.age / np.float32(p.number("phenology.regrowth_years")), 0.08, 1)
    own = closing * (0.45 + 0.5 * surface.trees) + 0.10 * crowns + 0.07 * parcel_normal(surface, 28)
    canopy[regrown] = np.clip(own, 0, 0.95)[regrown]
    planted = cover == Cover.FORESTRY
    canopy[planted] = np.clip(surface.age / 3.0 + 0.03 * crowns, 0.03, 0.93)[planted]
    orchard = cover == Cover.PERENNIAL
    canopy[orchard] = np.clip(0.42 + 0.12 * parcel_normal(surface, 29) + 0.06 * crowns, 0.05, 0.85)[orchard]
    scattered = cover == Cover.PASTURE
    canopy[scattered] = np.clip(0.03 + 0.09 * uniform(mix(surface.parcel, 30)) + 0.06 * crowns, 0, 0.5)[scattered]
    return canopy


def _straw(surface: Surface, cover: FloatArray, p: Parameters) -> FloatArray:
    return np.asarray(
        np.clip(_lookup(p.table("phenology.straw"), cover) + 0.15 * parcel_normal(surface, 31), 0, 1), np.float32
    )


def _burn(shares: FloatArray, surface: Surface, day: int, p: Parameters) -> None:
    """Fire turns what grows near the ground into char, which fades."""
    since = day - surface.burn_day.astype(np.float32)
    patchy = 0.55 + 0.4 * uniform(mix(surface.parcel, 32))
    charred = np.where(
        since >= 0, patchy * np.float32(0.5) ** (np.maximum(since, 0) / np.float32(p.number("phenology.char_days"))), 0
    )
    low = shares[_M["grass"]] + shares[_M["straw"]] + 0.4 * shares[_M["leaves"]] + 0.5 * shares[_M["latosol"]]
    for name, part in (("grass", 1.0), ("straw", 1.0), ("leaves", 0.4), ("latosol", 0.5)):
        shares[_M[name]] *= 1 - np.float32(part) * charred
    shares[_M["char"]] += charred * low


def _lay_roads(shares: FloatArray, surface: Surface) -> None:
    """Roads and tracks cover part of a pixel with bare earth."""
    bare = surface.bare
    shares *= 1 - bare
    shares[_M["latosol"]] += 0.6 * bare
    shares[_M["sand"]] += 0.4 * bare


def _replace_mineral(shares: FloatArray, surface: Surface, cover: FloatArray, seed: int) -> None:
    """Towns, buildings, mines, rock and sand."""
    chance, grain = uniform(mix(surface.parcel, 33)), _grain(surface.window, seed)
    green = 0.25 * chance
    street = surface.built == 0
    roofs = np.where(street, 0.05, 0.30 + 0.45 * grain) * (1 - green)
    town = cover == Cover.URBAN
    parts: dict[str, FloatArray] = {
        "tiles": roofs * 0.62, "metal": roofs * 0.38,
        "asphalt": np.where(street, 0.45, 0.06), "leaves": np.where(street, 0.06, green + 0.10 * (1 - grain)),
        "grass": np.full_like(chance, 0.06), "shade": np.full_like(chance, 0.07),
    }  # fmt: skip
    _put(shares, town, parts, rest="latosol")
    hall = 0.25 + 0.6 * (grain > 0.45)
    built = {
        "metal": hall * 0.55,
        "tiles": hall * 0.25,
        "asphalt": 0.08 + 0 * hall,
        "grass": 0.15 * chance,
        "shade": 0.05 + 0 * hall,
    }
    _put(shares, cover == Cover.OTHER_BUILT, built, rest="latosol")
    pit = {
        "sand": 0.35 + 0.35 * grain,
        "turbid": np.where(grain > 0.9, 0.5, 0.0),
        "shade": 0.06 + 0 * grain,
        "grass": 0.04 + 0 * grain,
    }
    _put(shares, cover == Cover.MINING, pit, rest="latosol")
    rock = {
        "sand": 0.45 + 0.35 * grain,
        "grass": 0.12 * chance,
        "leaves": 0.10 * (1 - grain),
        "asphalt": 0.10 + 0 * grain,
    }
    _put(shares, cover == Cover.OTHER_USES, rock, rest="straw")


def _replace_water(shares: FloatArray, surface: Surface, cover: FloatArray, day: int, seed: int) -> None:
    """Water: rivers carry mud in the wet season; ponds differ; banks and shallows mix with what lies beside."""
    wet_season = 0.5 + 0.5 * np.cos(2 * np.pi * (day - 60) / 365)
    patch = smooth_noise(key_of(seed, "mud"), surface.window, 60)
    turbid = np.clip(0.15 + 0.55 * wet_season + 0.16 * patch, 0.02, 1)
    _put(shares, cover == Cover.WATER, {"turbid": turbid}, rest="clear")
    # sandbanks lie dry in the dry season where the river is shallow
    dry = (
        np.clip((surface.shore + 25) / 25, 0, 1)
        * (1 - wet_season)
        * (smooth_noise(key_of(seed, "banks dry"), surface.window, 25) > 0.6)
    )
    beach = (cover == Cover.WATER) & (dry > 0)
    for i in range(len(_MATERIALS)):
        shares[i][beach] *= (1 - 0.7 * dry)[beach]
    shares[_M["sand"]][beach] += (0.7 * dry)[beach]


def _put(shares: FloatArray, where: FloatArray, parts: dict[str, FloatArray], *, rest: str) -> None:
    """Replace all shares of some pixels; what `parts` leave up to 1 is `rest`."""
    if not where.any():
        return
    total = np.minimum(sum(np.clip(part[where], 0, 1) for part in parts.values()), 0.98)
    for own in shares:
        own[where] = 0
    for name, part in parts.items():
        shares[_M[name]][where] = np.clip(part[where], 0, 1)
    excess = np.maximum(sum(shares[_M[name]][where] for name in parts) / 0.98, 1)
    for name in parts:
        shares[_M[name]][where] /= excess
    shares[_M[rest]][where] += 1 - np.minimum(total, 0.98)


def _grain(window: Window, seed: int) -> FloatArray:
    """A number from 0 to 1 for each pixel, half of it shared with its neighbours."""
    rows, columns = np.arange(window.rows)[:, None] + window.row, np.arange(window.columns)[None, :] + window.col
    own = draw(key_of(seed, "grain"), rows, columns)
    shared = draw(key_of(seed, "grain of four"), rows // 2, columns // 2)
    return np.asarray(0.5 * own + 0.5 * shared, np.float32)


def _lookup(table: dict[str, FloatArray], cover: FloatArray) -> FloatArray:
    return np.asarray(_by_class(table, 1)[cover, 0])


def _by_class(table: dict[str, FloatArray], length: int) -> FloatArray:
    found = np.zeros((len(Cover), length), np.float32)
    for name, values in table.items():
        found[_id_of(name)] = values
    return found


@cache
def _id_of(short: str) -> int:
    return load_legend(LEGEND).finest.find(short).id
