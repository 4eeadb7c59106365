import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerradata.core.errors import ConfigError
from cerradata.core.types import BoolArray, FloatArray
from cerradata.mapping.merge import Strip, StripMerger, blend_weights, merge_strips
from cerradata.mapping.plan import Tile, TilePlan, plan_tiles

CLASSES = 3
# A plan with an overlap of crop - 1 has thousands of tiles: right, and slow.
many_tiles = settings(deadline=None, max_examples=60)

OUTSIDE = 1e6  # what a tile holds outside the scene: it must not leak into the result


@st.composite
def plans(draw: st.DrawFn) -> TilePlan:
    crop = draw(st.integers(1, 32))
    sizes = st.integers(1, 5 * crop) | st.sampled_from([crop, crop + 1, max(1, crop - 1)])
    return plan_tiles(draw(sizes), draw(sizes), crop=crop, overlap=draw(st.integers(0, crop - 1)))


def readable_scene(plan: TilePlan) -> FloatArray:
    """(K, H, W): a number that tells the pixel, and functions of it as the other classes."""
    rows, cols = np.mgrid[: plan.height, : plan.width]
    share = ((100 * rows + cols) % 97 / 97).astype(np.float32)
    return np.stack([share, 1 - share, share**2]).astype(np.float32)


def cut(scene: FloatArray, tile: Tile, fill: float) -> FloatArray:
    """The tile of a scene (..., H, W), filled outside of it."""
    inside = scene[..., tile.row : tile.row + tile.height, tile.col : tile.col + tile.width]
    missing = [(0, 0)] * (scene.ndim - 2)
    missing += [(0, tile.height - inside.shape[-2]), (0, tile.width - inside.shape[-1])]
    return np.pad(inside, missing, constant_values=fill)


def tiles_of(scene: FloatArray, valid: BoolArray, plan: TilePlan) -> Iterator[tuple[Tile, FloatArray, BoolArray]]:
    for tile in plan:
        yield tile, cut(scene, tile, OUTSIDE), cut(valid, tile, False)


def assembled(strips: list[Strip]) -> FloatArray:
    return np.concatenate([strip.probabilities for strip in strips], axis=1)


@many_tiles
@given(plans())
def test_pointwise_model_merged_from_tiles_equals_the_dense_result(plan: TilePlan) -> None:
    scene = readable_scene(plan)
    valid = scene[0] > 0.3
    strips = list(merge_strips(tiles_of(scene, valid, plan), plan, classes=CLASSES))
    np.testing.assert_allclose(assembled(strips), scene, atol=1e-5)
    np.testing.assert_array_equal(np.concatenate([strip.valid for strip in strips]), valid)


@many_tiles
@given(plans())
def test_strips_follow_each_other_without_gap_or_overlap(plan: TilePlan) -> None:
    scene = np.ones((CLASSES, *plan.shape), np.float32)
    row = 0
    for strip in merge_strips(tiles_of(scene, scene[0] > 0, plan), plan, classes=CLASSES):
        assert strip.row == row
        assert strip.probabilities.shape == (CLASSES, *strip.valid.shape)
        assert strip.probabilities.dtype == np.float32
        assert strip.valid.shape[1] == plan.width
        row += strip.valid.shape[0]
    assert row == plan.height


@many_tiles
@given(plans(), st.floats(0.125, 1024, width=32))
def test_constant_stays_constant_so_the_weights_sum_to_one(plan: TilePlan, value: float) -> None:
    scene = np.full((1, *plan.shape), value, np.float32)
    strips = list(merge_strips(tiles_of(scene, scene[0] > 0, plan), plan, classes=1))
    np.testing.assert_allclose(assembled(strips), scene, rtol=1e-5)


@many_tiles
@given(plans())
def test_blend_is_the_mean_of_the_tiles_by_their_weights(plan: TilePlan) -> None:
    weights = blend_weights(plan.crop, plan.overlap).astype(float)
    total, weighted = np.zeros(plan.shape), np.zeros(plan.shape)
    tiles = []
    for number, tile in enumerate(plan):  # tile i says i everywhere: they disagree wherever they overlap
        rows, cols = min(tile.height, plan.height - tile.row), min(tile.width, plan.width - tile.col)
        window = np.s_[tile.row : tile.row + rows, tile.col : tile.col + cols]
        total[window] += weights[:rows, :cols]
        weighted[window] += number * weights[:rows, :cols]
        said = np.full((1, plan.crop, plan.crop), number, np.float32)
        tiles.append((tile, said, np.ones((plan.crop, plan.crop), bool)))
    strips = list(merge_strips(tiles, plan, classes=1))
    np.testing.assert_allclose(assembled(strips)[0], weighted / total, rtol=1e-4, atol=1e-4)


@many_tiles
@given(plans())
def test_rows_held_never_exceed_the_height_of_a_tile(plan: TilePlan) -> None:
    merger = StripMerger(plan, CLASSES)
    finished = 0
    scene = np.ones((CLASSES, *plan.shape), np.float32)
    for tile, probabilities, valid in tiles_of(scene, scene[0] > 0, plan):
        touched = min(tile.row + tile.height, plan.height)
        assert touched - finished <= merger.held_rows <= plan.crop
        strip = merger.add(tile, probabilities, valid)
        finished += 0 if strip is None else strip.valid.shape[0]
    assert finished == plan.height


def test_memory_does_not_grow_with_the_height_of_the_scene() -> None:
    def peak(height: int) -> int:
        plan = plan_tiles(height, 200, crop=32, overlap=8)
        tile = np.ones((CLASSES, 32, 32), np.float32)
        tracemalloc.start()
        rows = sum(
            strip.valid.shape[0]
            for strip in merge_strips(((t, tile, tile[0] > 0) for t in plan), plan, classes=CLASSES)
        )
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert rows == height
        return most

    low, high = peak(120), peak(2400)
    # 20 times the rows: what may grow is the plan's list of row starts and one number a row. All of the scene's
    # probabilities would be 5.8 MB.
    assert high < low + 2400 * 24
    assert high < 4 * CLASSES * 32 * 200 * 4


@given(st.integers(1, 64).flatmap(lambda crop: st.tuples(st.just(crop), st.integers(0, crop - 1))))
def test_weights_are_positive_symmetric_and_one_in_the_middle(sizes: tuple[int, int]) -> None:
    crop, overlap = sizes
    weights = blend_weights(crop, overlap)
    assert weights.shape == (crop, crop)
    assert weights.dtype == np.float32
    assert (weights > 0).all()
    assert weights.max() <= 1
    np.testing.assert_array_equal(weights, weights.T)
    np.testing.assert_array_equal(weights, weights[::-1])
    np.testing.assert_allclose(weights[overlap : crop - overlap, overlap : crop - overlap], 1)


def test_weights_of_regular_neighbours_sum_to_one_and_rise_smoothly() -> None:
    line = blend_weights(12, 4)[6]
    np.testing.assert_allclose(line[-4:] + line[:4], 1, atol=1e-6)
    assert (np.diff(line[:5]) > 0).all()


def test_rows_come_out_as_soon_as_no_tile_touches_them() -> None:
    plan = plan_tiles(10, 4, crop=4, overlap=1)
    merger = StripMerger(plan, 1)
    ones = np.ones((1, 4, 4), np.float32)
    given_rows = []
    for tile in plan:
        strip = merger.add(tile, ones, ones[0] > 0)
        given_rows.append(None if strip is None else (strip.row, strip.valid.shape[0]))
    assert given_rows == [(0, 3), (3, 3), (6, 4)]


def test_strip_keeps_its_values_when_further_tiles_are_added() -> None:
    plan = plan_tiles(8, 4, crop=4, overlap=0)
    merger = StripMerger(plan, 1)
    first, second = plan
    strip = merger.add(first, np.full((1, 4, 4), 0.25, np.float32), np.ones((4, 4), bool))
    merger.add(second, np.full((1, 4, 4), 0.75, np.float32), np.zeros((4, 4), bool))
    assert strip is not None
    np.testing.assert_allclose(strip.probabilities, 0.25)
    assert strip.valid.all()


def test_tiles_out_of_order_are_refused() -> None:
    plan = plan_tiles(4, 8, crop=4, overlap=0)
    left, right = plan
    ones = np.ones((1, 4, 4), np.float32)
    merger = StripMerger(plan, 1)
    with pytest.raises(ConfigError, match="in the order of their plan"):
        merger.add(right, ones, ones[0] > 0)
    merger.add(left, ones, ones[0] > 0)
    merger.add(right, ones, ones[0] > 0)
    with pytest.raises(ConfigError, match="None is next"):
        merger.add(left, ones, ones[0] > 0)


@pytest.mark.parametrize(("classes", "size"), [(2, 4), (1, 3)])
def test_arrays_of_another_shape_are_refused(classes: int, size: int) -> None:
    plan = plan_tiles(4, 4, crop=4, overlap=0)
    with pytest.raises(ConfigError, match=r"\(1, 4, 4\) and \(4, 4\) are needed"):
        StripMerger(plan, 1).add(next(iter(plan)), np.ones((classes, size, size), np.float32), np.ones((4, 4), bool))


def test_tiles_that_end_too_early_are_an_error_after_the_finished_strips() -> None:
    plan = plan_tiles(8, 4, crop=4, overlap=0)
    ones = np.ones((1, 4, 4), np.float32)
    strips = merge_strips([(plan.band(0)[0], ones, ones[0] > 0)], plan, classes=1)
    assert next(strips).row == 0
    with pytest.raises(ConfigError, match="end at row 4 of 8"):
        next(strips)


def test_pixel_is_valid_if_any_tile_had_data_there() -> None:
    plan = plan_tiles(6, 4, crop=4, overlap=2)
    ones = np.ones((1, 4, 4), np.float32)
    masks = [np.ones((4, 4), bool), np.zeros((4, 4), bool)]
    tiles = [(tile, ones, mask) for tile, mask in zip(plan, masks, strict=True)]
    valid = np.concatenate([strip.valid for strip in merge_strips(tiles, plan, classes=1)])
    assert valid[:, 0].tolist() == [True, True, True, True, False, False]
