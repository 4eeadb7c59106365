"""Towns, and the roads between them."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist

from cerradata.core.types import BoolArray, FloatArray
from cerradata.simulation.area import PIXEL, Area
from cerradata.simulation.drainage import CELL, Terrain
from cerradata.simulation.noise import Window, draw, key_of, smooth_noise
from cerradata.simulation.parameters import Parameters
from cerradata.simulation.places import Places, choose_cells

_CELL_KM = CELL * PIXEL / 1000
_BENDS = 5  # halvings of a road between two towns


@dataclass(frozen=True)
class Settlement:
    """Towns and roads.

    Attributes:
        towns: The towns, the largest first in each region.
        road_x: (points,) world column of points on the roads, less than 10 m apart.
        road_y: (points,) world row of them.
        road_km: (rows, columns) float32 distance of each coarse cell from the nearest road in km.
        town_km: The same from the nearest town.
    """

    towns: Places
    road_x: FloatArray
    road_y: FloatArray
    road_km: FloatArray
    town_km: FloatArray


def simulate_settlement(area: Area, terrain: Terrain, parameters: Parameters, seed: int) -> Settlement:
    """Towns on flat land near rivers, by Zipf's rule of sizes, and roads along the tree that joins them."""
    window = terrain.window
    river = distance_km(terrain.catchment > parameters.number("settlement.river_km2"))
    trunk = distance_km(terrain.catchment > 0.5 * parameters.number("terrain.trunk_catchment_km2"))
    potential = -0.35 * np.log1p(river) - 12 * terrain.slope + 0.5 * smooth_noise(key_of(seed, "towns"), window, 900)
    potential[trunk < 0.9] = -9.0  # not in the water
    share = float(parameters.table("demand.share_percent")["UA"]) / 100
    towns = choose_cells(area, window, potential, share, _town_sizes(parameters), key_of(seed, "town"), apart_km=4.0)
    x, y = _roads(towns, seed)
    cells = np.zeros(window.shape, bool)
    rows = ((y - window.row) // CELL).astype(int)
    columns = ((x - window.col) // CELL).astype(int)
    inside = (rows >= 0) & (rows < window.rows) & (columns >= 0) & (columns < window.columns)
    cells[rows[inside], columns[inside]] = True
    return Settlement(towns, x, y, distance_km(cells), distance_km(_cells_of(towns, window)))


def _town_sizes(p: Parameters) -> FloatArray:
    """Areas of towns in km2, the largest first, over and over."""
    largest = p.number("settlement.largest_town_km2")
    return np.asarray([max(0.08, largest / rank**0.9) for rank in range(1, 30)])


def distance_km(places: BoolArray) -> FloatArray:
    """Distance of each coarse cell from the nearest cell of `places`, in km; 50 km where there is none."""
    if not places.any():
        return np.full(places.shape, 50.0, np.float32)
    return np.asarray(distance_transform_edt(~places) * _CELL_KM, np.float32)


def _cells_of(places: Places, window: Window) -> BoolArray:
    cells = np.zeros(window.shape, bool)
    rows = np.clip((places.y - window.row) // CELL, 0, window.rows - 1).astype(int)
    columns = np.clip((places.x - window.col) // CELL, 0, window.columns - 1).astype(int)
    cells[rows, columns] = True
    return cells


def _roads(towns: Places, seed: int) -> tuple[FloatArray, FloatArray]:
    """Points along the roads: each edge of the spanning tree, bent at random by halves."""
    if len(towns.x) < 2:
        return np.zeros(0), np.zeros(0)
    where = np.stack([towns.x, towns.y], axis=1)
    tree = minimum_spanning_tree(cdist(where, where)).tocoo()
    parts = []
    for a, b in zip(tree.row.tolist(), tree.col.tolist(), strict=True):
        line = where[[a, b]]
        for halving in range(_BENDS):
            middle = (line[:-1] + line[1:]) / 2
            along = line[1:] - line[:-1]
            sideways = draw(key_of(seed, "road", a, b, halving), np.arange(len(middle)))[:, None] - 0.5
            middle = middle + 0.22 * sideways * np.stack([-along[:, 1], along[:, 0]], axis=1)
            line = np.insert(line, np.arange(1, len(line)), middle, axis=0)
        steps = np.r_[0, np.cumsum(np.hypot(*np.diff(line, axis=0).T))]
        at = np.arange(0, steps[-1], 0.7)
        parts.append(np.stack([np.interp(at, steps, line[:, k]) for k in (0, 1)]))
    x, y = np.concatenate(parts, axis=1)
    return x, y
