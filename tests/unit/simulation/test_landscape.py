"""Terrain, history and the surface drawn from them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerradata.legend import load_legend
from cerradata.simulation.area import Area
from cerradata.simulation.channels import draw_channels
from cerradata.simulation.classes import CODES, LEGEND, Cover
from cerradata.simulation.drainage import fill_sinks
from cerradata.simulation.elevation import elevation_of
from cerradata.simulation.noise import Window
from cerradata.simulation.parameters import Parameters
from cerradata.simulation.parcels import parcels_of
from cerradata.simulation.reference import code_table
from cerradata.simulation.surface import NEVER, draw_surface
from cerradata.simulation.world import World, simulate_world


def test_the_classes_are_those_of_the_legend() -> None:
    shorts = ["Pa", "V1", "V2", "Wt", "Mg", "UA", "OB", "Ft", "PR", "SP", "T1", "T1+", "OU", "Df"]
    finest = load_legend(LEGEND).finest
    assert [c.short for c in finest.classes] == shorts
    assert [cover.value for cover in Cover] == list(range(14))
    words = {
        Cover.WATER: "Water",
        Cover.FORESTRY: "Forestry",
        Cover.DEFORESTATION: "Deforestation",
        Cover.URBAN: "Urban",
    }
    assert all(finest.classes[cover].name.startswith(word) for cover, word in words.items())


def test_codes_go_back_to_the_classes() -> None:
    legend = load_legend(LEGEND)
    table = code_table(legend)
    codes = legend.source(CODES)
    assert all(codes.classes[int(table[cover])] == cover for cover in Cover)
    assert table[255] == 0
    assert table[125] == 25


def test_filled_relief_drains_from_everywhere() -> None:
    rng = np.random.default_rng(4)
    relief = rng.normal(100, 10, (30, 40))
    filled = fill_sinks(relief, np.full(relief.shape, 0.01))
    assert (filled >= relief).all()
    inner = filled[1:-1, 1:-1]
    around = np.stack(
        [filled[1 + r : 29 + r, 1 + c : 39 + c] for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]
    )
    assert (around.min(axis=0) < inner).all()  # each cell has a lower neighbour


def test_rivers_fall_and_gather_water_on_their_way(world: World) -> None:
    rivers = world.terrain.rivers
    level = rivers.level.reshape(-1, 48)  # the points between two cells
    width = rivers.width.reshape(-1, 48)
    assert len(level) > 20
    assert (np.diff(level, axis=1) <= 1e-3).all()
    assert (np.diff(width, axis=1) >= -1e-3).all()
    steps = np.hypot(np.diff(rivers.x.reshape(-1, 48), axis=1), np.diff(rivers.y.reshape(-1, 48), axis=1))
    assert steps.max() < 1.5  # no gaps of more than a pixel


def test_the_elevation_follows_the_rivers(world: World) -> None:
    window = Window(world.area.window.row, world.area.window.col, 170, 200, step=3)
    z, channels = elevation_of(world, window), draw_channels(world, window)
    water = (channels.width > 9) & (channels.distance < channels.width / 2)
    beside = (channels.width > 9) & (channels.distance - channels.width / 2 > 300) & (channels.distance < 900)
    assert water.any()
    above = z - channels.level
    assert np.abs(above[water]).max() < 0.5
    assert (above[beside] > 0).mean() > 0.95


windows = st.tuples(st.integers(0, 300), st.integers(0, 400), st.integers(20, 90), st.integers(20, 90))


@settings(max_examples=8)
@given(windows, st.integers(1, 30))
def test_overlapping_windows_show_the_same_land(world: World, place: tuple[int, int, int, int], more: int) -> None:
    row, col, rows, columns = place
    whole = world.area.window
    window = Window(whole.row + row, whole.col + col, rows, columns)
    inner = (slice(more, -more), slice(more, -more))
    small, large = draw_surface(world, window), draw_surface(world, window.pad(more))
    np.testing.assert_array_equal(small.cover, large.cover[inner])
    np.testing.assert_array_equal(small.parcel, large.parcel[inner])
    np.testing.assert_array_equal(small.burn_day, large.burn_day[inner])
    np.testing.assert_allclose(small.trees, large.trees[inner], atol=1e-5)
    np.testing.assert_allclose(small.shore, large.shore[inner], atol=1e-2)


def test_parcels_are_rectangles_that_know_their_middle() -> None:
    parcels = parcels_of(Window(1000, 2000, 300, 300), seed=1)
    ids, counts = np.unique(parcels.id, return_counts=True)
    assert 5 < len(ids) < 2000
    largest = parcels.id == ids[counts.argmax()]
    rows, columns = np.nonzero(largest)
    assert np.ptp(parcels.x[largest]) < 0.1  # all pixels of a parcel name the same middle
    assert np.ptp(parcels.y[largest]) < 0.1
    if rows.min() > 0 and columns.min() > 0 and rows.max() < 299 and columns.max() < 299:
        assert abs(parcels.x[largest][0] - columns.mean()) < np.ptp(columns)
    assert (parcels.edge >= -1e-3).all()


def test_a_small_area_has_every_class(world: World) -> None:
    counts = np.bincount(draw_surface(world, world.area.window).cover.ravel(), minlength=14)
    assert (counts > 0).all(), [cover.name for cover in Cover if counts[cover] == 0]
    share = counts / counts.sum()
    assert 0.25 < share[Cover.PASTURE] < 0.55
    assert 0.3 < share[Cover.PRIMARY] < 0.65


def test_days_of_clearing_and_fire_are_days_of_the_year(world: World) -> None:
    surface = draw_surface(world, world.area.window)
    cleared = surface.cover == Cover.DEFORESTATION
    assert (surface.clear_day[cleared] < 366).all()
    assert (surface.clear_day[~cleared] == NEVER).all()
    burnt = surface.burn_day[surface.burn_day < NEVER]
    assert len(burnt)
    assert burnt.min() >= 80


@pytest.mark.parametrize("seed", [1, 2])
def test_the_demanded_shares_are_met(seed: int) -> None:
    """On the coarse grid, where the demand is allocated: the published shares of crops, forestry and clearing."""
    world = simulate_world(Area.parse("40x40"), Parameters.load(), seed)
    demand = world.parameters.table("demand.share_percent")
    use = world.history.use
    for short, cover in (("Ft", Cover.FORESTRY), ("T1+", Cover.MORE_CYCLES), ("Df", Cover.DEFORESTATION)):
        assert 100 * (use == cover).mean() == pytest.approx(float(demand[short]), rel=0.06)
    other = simulate_world(Area.parse("40x40"), Parameters.load(), seed + 10)
    assert (other.history.use != use).mean() > 0.2


def test_another_world_is_another_landscape(world: World) -> None:
    other = simulate_world(world.area, Parameters.load(1), world.seed)
    assert other.label != world.label
    assert (other.history.use != world.history.use).any()
