"""`World`: what is solved once for a whole area, on the coarse grid; windows of 10 m pixels are drawn from it."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from cerradata.core.types import FloatArray
from cerradata.simulation.area import Area
from cerradata.simulation.drainage import Terrain, simulate_terrain
from cerradata.simulation.history import History, simulate_history
from cerradata.simulation.noise import fractal_noise, key_of
from cerradata.simulation.parameters import Parameters
from cerradata.simulation.places import Places, choose_cells
from cerradata.simulation.settlement import distance_km


@dataclass(frozen=True)
class World:
    """A simulated area.

    Attributes:
        area: Its extent.
        seed: Decides the landscape, the weather and the noise.
        parameters: The parameters in its world.
        terrain: Relief and rivers.
        history: How the land came to be used.
        places: Small and rare things by kind.
    """

    area: Area
    seed: int
    parameters: Parameters = field(repr=False)
    terrain: Terrain = field(repr=False)
    history: History = field(repr=False)
    places: dict[str, Places] = field(repr=False)

    @cached_property
    def label(self) -> str:
        """What the simulated files say of themselves."""
        return self.parameters.label(self.seed)


def simulate_world(area: Area, parameters: Parameters, seed: int) -> World:
    """Solve relief, drainage, settlement and land-use history of an area on the coarse grid of 240 m.

    Memory and time grow with the area: 20 bytes and about 10 microseconds a cell.
    """
    terrain = simulate_terrain(area, parameters, seed)
    history = simulate_history(area, terrain, parameters, seed)
    places = _places(area, terrain, history, parameters, seed)
    return World(area, seed, parameters, terrain, history, places)


def _places(area: Area, terrain: Terrain, history: History, p: Parameters, seed: int) -> dict[str, Places]:
    window = terrain.window
    share = {name: float(value) / 100 for name, value in p.table("demand.share_percent").items()}
    fields = fractal_noise(key_of(seed, "crops"), window, p.number("history.crop_km") * 100, octaves=3)
    open_land = np.where(history.cleared > 0, 0.0, -6.0)
    road, town, slope = history.settlement.road_km, history.settlement.town_km, terrain.slope
    trunk = distance_km(terrain.catchment > 0.5 * p.number("terrain.trunk_catchment_km2"))
    stream = distance_km(terrain.catchment > p.number("terrain.channel_km2"))
    dry = np.where(trunk < 0.75, -9.0, 0.0)
    flat = open_land + dry - 30 * slope
    kinds: dict[str, tuple[FloatArray, float, list[float], float, float]] = {
        # potential, share of the land, sizes in km2, distance apart in km, ratio of the sides
        "pivots": (flat + 1.5 * fields + np.where(stream < 1, 0, -1), 0.12 * share["T1+"], [0.95, 0.6, 0.75], 1.3, 1.0),
        "semi-perennial": (flat + 1.2 * fields - 0.5 * np.log1p(road), share["SP"], [0.42, 0.25, 0.33], 0.8, 2.2),
        "perennial": (flat + 0.5 * fields - 0.4 * np.log1p(town), share["PR"], [0.12, 0.05, 0.22, 0.08], 0.6, 2.0),
        "one cycle": (flat + fields - 0.5 * np.log1p(road), 0.4 * share["T1"], [0.35, 0.2, 0.5, 0.15], 0.6, 2.0),
        "other built": (
            dry - 20 * slope - 1.2 * np.log1p(town) - 0.8 * np.log1p(road) + 0.5 * open_land, share["OB"],
            [0.012, 0.03, 0.007, 0.05, 0.018, 0.009], 0.0, 2.5,
        ),
        "mines": (dry + 0.6 * open_land - 0.3 * np.log1p(road) + 8 * slope, share["Mg"], [0.035, 0.02, 0.05], 0.0, 1.8),
        "other uses": (np.where(trunk < 1.2, 1.0, -1.0) + 25 * slope + dry, share["OU"], [0.02, 0.013, 0.03], 0.0, 3.0),
        "ponds": (open_land - 2.5 * stream + dry, share["ponds"], [0.006, 0.015, 0.004, 0.03, 0.009], 0.0, 2.5),
        "lakes": (np.where((trunk > 0.7) & (trunk < 3.5), 0.0, -7.0), share["lakes"], [0.12, 0.4, 0.06, 0.2], 0.8, 6.0),
        "fires": (
            -0.3 * open_land + dry - 2.0 * (history.tree_cover > 0.7), p.number("vegetation.burnt_percent") / 100,
            [2.5, 0.7, 5.0, 0.3, 1.2], 0.0, 2.5,
        ),
    }  # fmt: skip
    return {
        kind: choose_cells(
            area, window, potential, part, np.asarray(sizes), key_of(seed, kind), apart_km=apart, longer=longer
        )
        for kind, (potential, part, sizes, apart, longer) in kinds.items()
    }
