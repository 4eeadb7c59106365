from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerradata.core.errors import ConfigError
from cerradata.mapping.plan import Tile, TilePlan, plan_tiles


@st.composite
def plans(draw: st.DrawFn) -> TilePlan:
    crop = draw(st.integers(1, 32))
    sizes = st.integers(1, 5 * crop) | st.sampled_from([crop, crop + 1, 2 * crop, 2 * crop + 1])
    return plan_tiles(draw(sizes), draw(sizes), crop=crop, overlap=draw(st.integers(0, crop - 1)))


def test_tiles_of_a_small_plan_are_the_ones_worked_out_by_hand() -> None:
    plan = plan_tiles(5, 10, crop=4, overlap=1)
    assert plan.row_starts == (0, 1)
    assert plan.col_starts == (0, 3, 6)
    assert list(plan) == [Tile(row, col, 4, 4) for row in (0, 1) for col in (0, 3, 6)]
    assert plan.band(1) == (Tile(1, 0, 4, 4), Tile(1, 3, 4, 4), Tile(1, 6, 4, 4))
    assert (plan.finished_row(0), plan.finished_row(1)) == (1, 5)
    assert plan.shape == (5, 10)


@pytest.mark.parametrize(
    ("size", "overlap", "starts"),
    [
        (3, 1, (0,)),  # smaller than the crop: one tile, over the edge
        (4, 1, (0,)),  # equal to it
        (5, 1, (0, 1)),  # one above
        (7, 1, (0, 3)),  # a whole number of strides
        (8, 1, (0, 3, 4)),  # the last one moved back
        (8, 0, (0, 4)),
        (6, 3, (0, 1, 2)),
    ],
)
def test_last_tile_ends_at_the_edge(size: int, overlap: int, starts: tuple[int, ...]) -> None:
    plan = plan_tiles(size, 4, crop=4, overlap=overlap)
    assert plan.row_starts == starts
    assert plan.col_starts == (0,)


@settings(deadline=None)
@given(plans())
def test_every_pixel_is_covered_and_tiles_stay_inside_where_they_can(plan: TilePlan) -> None:
    tiles = list(plan)
    covered = np.zeros(plan.shape, bool)
    for tile in tiles:
        covered[tile.row : tile.row + tile.height, tile.col : tile.col + tile.width] = True
        assert tile.row + tile.height <= max(plan.height, plan.crop)
        assert tile.col + tile.width <= max(plan.width, plan.crop)
    assert covered.all()
    assert len(plan) == len(tiles) == len(set(tiles))
    assert tiles == sorted(tiles, key=lambda tile: (tile.row, tile.col))


@settings(deadline=None)
@given(plans())
def test_neighbours_share_at_least_the_overlap(plan: TilePlan) -> None:
    for starts in (plan.row_starts, plan.col_starts):
        for before, after in pairwise(starts):
            assert 0 < after - before <= plan.crop - plan.overlap


@pytest.mark.parametrize(
    ("height", "width", "crop", "overlap", "words"),
    [
        (10, 10, 0, 0, "crop is 0"),
        (10, 10, -4, 0, "crop is -4"),
        (10, 10, 4, 4, "overlap is 4 pixels with a crop of 4: it must be from 0 to 3"),
        (10, 10, 4, -1, "overlap is -1"),
        (0, 10, 4, 1, "0 rows and 10 columns"),
    ],
)
def test_impossible_plans_are_refused(height: int, width: int, crop: int, overlap: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        plan_tiles(height, width, crop=crop, overlap=overlap)
