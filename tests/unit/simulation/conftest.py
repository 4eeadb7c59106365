"""A small world, solved once, and the smallest simulation, written once."""

from pathlib import Path

import pytest

from cerradata.simulation.area import Area
from cerradata.simulation.parameters import Parameters
from cerradata.simulation.simulate import Simulation, SimulationConfig, simulate_area
from cerradata.simulation.world import World, simulate_world


@pytest.fixture(scope="session")
def world() -> World:
    """6 x 5 km, seed 1."""
    return simulate_world(Area.parse("6x5"), Parameters.load(), 1)


@pytest.fixture(scope="session")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    """2.4 x 2.1 km, written by one process. Do not change it."""
    root: Path = tmp_path_factory.mktemp("simulation") / "area"
    return simulate_area(SimulationConfig("2.4x2.1", seed=3), root, workers=1, quiet=True)
