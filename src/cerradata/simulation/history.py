"""How the land came to be used: settlement, clearing since 1970, crops, forestry and regrowth on the coarse grid.

Each step has a demand (how much land changes) and a potential (where): the cells with the highest potential change
first, as in land-change models such as CLUE-S (Verburg et al. 2002, doi:10.1007/s00267-002-2630-x) and Dinamica EGO.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from cerradata.core.types import BoolArray, FloatArray, LabelArray
from cerradata.simulation.area import Area
from cerradata.simulation.classes import Cover
from cerradata.simulation.drainage import Terrain
from cerradata.simulation.noise import Window, fractal_noise, key_of, smooth_noise, white_noise
from cerradata.simulation.parameters import Parameters
from cerradata.simulation.settlement import Settlement, simulate_settlement

YEAR = 2022
_STEPS = (1970, 1978, 1985, 1990, 1995, 2000, 2004, 2008, 2012, 2016, 2019, 2021, YEAR)


@dataclass(frozen=True)
class History:
    """The land's use in 2022, and how it came about.

    Attributes:
        use: (rows, columns) uint8, a `Cover` for each coarse cell: primary, pasture, secondary, forestry, one or more
            cycles, deforestation. Water, towns and the rarer uses are drawn by the tiles.
        cleared: (rows, columns) int16, year of the first clearing; 0 where there was none.
        age: (rows, columns) float32 years since abandonment (secondary) or planting (forestry); 0 elsewhere.
        fertility: (rows, columns) float32, mean 0, variance 1.
        tree_cover: (rows, columns) float32 from 0 (grassland) to 1 (forest): of the natural vegetation.
        settlement: Towns and roads.
    """

    use: LabelArray
    cleared: LabelArray
    age: FloatArray
    fertility: FloatArray
    tree_cover: FloatArray
    settlement: Settlement


def simulate_history(area: Area, terrain: Terrain, parameters: Parameters, seed: int) -> History:
    """The land's history from 1970 to 2022, on the coarse grid of the terrain."""
    window = terrain.window
    settlement = simulate_settlement(area, terrain, parameters, seed)
    fertility = fractal_noise(key_of(seed, "fertility"), window, 1500, octaves=4)
    inner = _inside(area, window)
    cleared = np.zeros(window.shape, np.int16)
    static = _clearing_potential(terrain, settlement, fertility, parameters, seed)
    demand = parameters.table("demand.share_percent")
    final = parameters.number("demand.cleared_percent") / 100
    for step, year in enumerate(_STEPS):
        frontier = uniform_filter((cleared > 0).astype(np.float32), 5)
        chance = smooth_noise(key_of(seed, "clearing", year), window, 90)
        potential = static + parameters.number("history.contagion") * frontier + 0.45 * chance
        last = year == YEAR
        share = float(demand["Df"]) / 100 if last else _cleared_share(step, final)
        _allocate(cleared, potential, [inner, ~inner], share, year, total=not last)
    use = np.where(cleared > 0, Cover.PASTURE, Cover.PRIMARY).astype(np.uint8)
    use[cleared == YEAR] = Cover.DEFORESTATION
    age = np.zeros(window.shape, np.float32)
    for cover, potential in _use_potentials(terrain, settlement, fertility, cleared, parameters, seed):
        share = float(demand[_SHORT[cover]]) / 100
        for region in (inner, ~inner):
            _convert(use, potential, region, share, cover)
    _date_stands(use, age, cleared, window, seed)
    return History(use, cleared, age, fertility, _tree_cover(terrain, parameters, seed), settlement)


_SHORT = {Cover.FORESTRY: "Ft", Cover.MORE_CYCLES: "T1+", Cover.ONE_CYCLE: "T1", Cover.SECONDARY: "V2"}


def _inside(area: Area, window: Window) -> BoolArray:
    whole = area.window
    rows = (window.y >= whole.row) & (window.y < whole.row + whole.rows)
    columns = (window.x >= whole.col) & (window.x < whole.col + whole.columns)
    return np.asarray(rows[:, None] & columns[None, :])


def _cleared_share(step: int, final: float) -> float:
    """Share of the land cleared after a step: slow, fast from 1985 to 2008, slow again."""
    t = step / (len(_STEPS) - 2)
    return float(final * (0.06 + 0.94 * (3 * t**2 - 2 * t**3)))


def _clearing_potential(
    terrain: Terrain, settlement: Settlement, fertility: FloatArray, p: Parameters, seed: int
) -> FloatArray:
    window = terrain.window
    reserve = smooth_noise(key_of(seed, "reserve"), window, p.number("history.reserve_km") * 100)
    region = fractal_noise(key_of(seed, "frontier"), window, p.number("history.frontier_km") * 100, octaves=3)
    ragged = fractal_noise(key_of(seed, "ragged"), window, 260, octaves=3, gain=0.7)
    potential = (
        -p.number("history.road_weight") * np.log1p(settlement.road_km)
        - 0.5 * np.log1p(settlement.town_km / 4)
        - p.number("history.slope_weight") * terrain.slope
        + 0.35 * fertility
        + p.number("history.region_weight") * region
        + p.number("history.ragged_weight") * ragged
        + 0.5 * (white_noise(key_of(seed, "owner"), window) - 0.5)
    )
    protected = reserve > p.number("history.reserve_threshold")
    return np.asarray(potential - 3.0 * protected, np.float32)


def _allocate(
    cleared: LabelArray, potential: FloatArray, regions: Sequence[BoolArray], share: float, year: int, *, total: bool
) -> None:
    """Clear the uncleared cells of highest potential, until `share` of each region is cleared (or newly cleared)."""
    for region in regions:
        target = round(share * int(region.sum()))
        wanted = target - int((cleared[region] > 0).sum()) if total else max(2, target)
        _set_best(cleared, potential, region & (cleared == 0), wanted, year)


def _convert(use: LabelArray, potential: FloatArray, region: BoolArray, share: float, cover: Cover) -> None:
    _set_best(use, potential, region & (use == Cover.PASTURE), max(3, round(share * int(region.sum()))), cover)


def _set_best(array: LabelArray, potential: FloatArray, candidates: BoolArray, count: int, value: int) -> None:
    places = np.flatnonzero(candidates)
    if count <= 0 or not len(places):
        return
    order = np.argsort(potential.ravel()[places], kind="stable")[::-1]
    array.ravel()[places[order[:count]]] = value


def _use_potentials(
    terrain: Terrain, settlement: Settlement, fertility: FloatArray, cleared: LabelArray, p: Parameters, seed: int
) -> list[tuple[Cover, FloatArray]]:
    """Potential of each later use, in the order in which land is given to it."""
    window = terrain.window

    def noise(name: str, km: float, octaves: int = 3) -> FloatArray:
        return fractal_noise(key_of(seed, name), window, km * 100, octaves=octaves)

    flat = -p.number("history.crop_slope_weight") * terrain.slope
    lot = white_noise(key_of(seed, "lot"), window) - 0.5
    crops = noise("crops", p.number("history.crop_km"))
    shared = flat + 0.5 * fertility + crops - 0.3 * np.log1p(settlement.road_km)
    old = (YEAR - np.maximum(cleared, 1970)) / 50
    return [
        (Cover.FORESTRY, 1.2 * noise("forestry", p.number("history.forestry_km")) - 8 * terrain.slope + 0.5 * lot),
        (Cover.MORE_CYCLES, shared + 0.35 * lot),
        (Cover.ONE_CYCLE, shared + 0.8 * noise("one cycle", 5) + 0.9 * lot),
        (
            Cover.SECONDARY,
            9 * terrain.slope
            - 0.4 * fertility
            + 0.35 * np.log1p(settlement.road_km)
            + noise("regrowth", 3)
            + lot
            - 0.8 * old,
        ),
    ]


def _date_stands(use: LabelArray, age: FloatArray, cleared: LabelArray, window: Window, seed: int) -> None:
    chance = white_noise(key_of(seed, "stand age"), window)
    since = np.maximum(1, YEAR - np.maximum(cleared, 1970)).astype(np.float32)
    regrown = use == Cover.SECONDARY
    age[regrown] = np.clip(2 + 20 * chance**1.4, 2, np.maximum(2, since - 1))[regrown]
    planted = use == Cover.FORESTRY
    age[planted] = (0.3 + 9.7 * chance)[planted]


def _tree_cover(terrain: Terrain, p: Parameters, seed: int) -> FloatArray:
    """Tree cover of the natural vegetation: forest in the valleys and where soils are good, savanna and grassland above."""
    window = terrain.window
    region = fractal_noise(
        key_of(seed, "vegetation"), window, p.number("vegetation.wavelength_km") * 100, octaves=5, gain=0.6
    )
    high = (terrain.elevation - np.float32(p.number("terrain.base_m"))) / np.float32(100)
    cover = p.number("vegetation.mean") + p.number("vegetation.spread") * region - p.number("vegetation.height") * high
    return np.asarray(np.clip(cover, 0, 1), np.float32)
