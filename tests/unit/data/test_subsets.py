import time
from itertools import pairwise

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.data.subsets import few_shot, fraction_of

PATCH_PIXELS = 1024


def make_index(pixels: np.ndarray, split: str = "train") -> gpd.GeoDataFrame:
    """An index of patches 100, 101, ... with these (patches, classes) pixels."""
    ids = np.arange(100, 100 + len(pixels))
    return gpd.GeoDataFrame({"id": ids, "split": [split] * len(ids), "pixels_l2": list(pixels)})


def uneven(patches: int, classes: int, seed: int) -> np.ndarray:
    """Pixels of classes of which each is about half as common as the one before; some patches have no label."""
    rng = np.random.default_rng(seed)
    shown = rng.random((patches, classes)) < 0.5 ** np.arange(classes)
    raw = shown * rng.exponential(size=(patches, classes))
    raw /= np.maximum(raw.sum(axis=1, keepdims=True), 1e-12)
    return np.floor(raw * PATCH_PIXELS).astype(np.int64)


def rows(index: gpd.GeoDataFrame, ids: list[int]) -> np.ndarray:
    return np.stack(index.set_index("id").loc[ids, "pixels_l2"].to_list())


tables = st.builds(uneven, st.integers(1, 120), st.integers(1, 8), st.integers(0, 1000))


@given(tables, st.lists(st.floats(0.001, 1), min_size=2, max_size=4), st.integers(0, 5))
def test_fractions_are_nested_and_keep_every_class(pixels: np.ndarray, fractions: list[float], seed: int) -> None:
    index = make_index(pixels)
    chosen = [fraction_of(index, 2, fraction, seed) for fraction in sorted(fractions)]
    present = pixels.any(axis=0)
    for fraction, ids in zip(sorted(fractions), chosen, strict=True):
        assert ids == sorted(set(ids))
        np.testing.assert_array_equal(rows(index, ids).any(axis=0), present)
        assert round(fraction * len(pixels)) <= len(ids)
        assert len(ids) <= max(round(fraction * len(pixels)), present.sum(), 1)
    for smaller, larger in pairwise(chosen):
        assert set(smaller) <= set(larger)


def test_whole_fraction_is_the_training_split() -> None:
    index = make_index(uneven(50, 5, 0))
    index.loc[index["id"] >= 130, "split"] = "val"
    index.loc[index["id"] >= 140, "split"] = None
    assert fraction_of(index, 2, 1, 0) == list(range(100, 130))


@pytest.mark.parametrize("seed", range(5))
def test_fraction_is_a_fair_draw_of_the_classes(seed: int) -> None:
    pixels = uneven(20_000, 6, 0)
    own = rows(make_index(pixels), fraction_of(make_index(pixels), 2, 0.1, seed))
    error = pixels.std(axis=0) * np.sqrt(0.9 / len(own))  # of the mean of a draw without replacement
    assert (np.abs(own.mean(axis=0) - pixels.mean(axis=0)) < 4 * error).all()


def test_seed_alone_decides() -> None:
    index = make_index(uneven(300, 6, 0))
    reversed_rows = index.iloc[::-1]
    for select in (lambda i, seed: fraction_of(i, 2, 0.1, seed), lambda i, seed: few_shot(i, 2, 3, seed)):
        assert select(index, 1) == select(reversed_rows, 1)
        assert select(index, 1) != select(index, 2)


@given(tables, st.integers(1, 6), st.integers(0, 5), st.sampled_from([0, 0.01, 0.2, 1]))
def test_few_shot_shows_each_class_often_enough(pixels: np.ndarray, shots: int, seed: int, share: float) -> None:
    if not pixels.any():
        return
    index = make_index(pixels)
    nested: list[list[int]] = [few_shot(index, 2, s, seed, least_share=share) for s in range(1, shots + 1)]
    for count, ids in enumerate(nested, start=1):
        own, present = rows(index, ids), (pixels > 0).sum(axis=0)
        assert (np.minimum(present, count) <= (own > 0).sum(axis=0)).all()
        # As many patches as there are, up to `count`, show a good part of the class
        good = [(t > 0) & (t >= share * t.sum(axis=1, keepdims=True)) for t in (pixels, own)]
        assert (np.minimum(good[0].sum(axis=0), count) <= good[1].sum(axis=0)).all()
        assert len(ids) <= count * (present > 0).sum()
        assert rows(index, ids).sum(axis=1).all(), "a patch without labels shows nothing"
    for smaller, larger in pairwise(nested):
        assert set(smaller) <= set(larger)


def test_few_shot_takes_few_patches() -> None:
    # Patch 100 shows both rare classes at once; classes 0 and 1 are everywhere
    pixels = np.tile([500, 500, 0, 0], (40, 1))
    pixels[0, 2:], pixels[1:10, 2], pixels[10:20, 3] = 50, 50, 40
    index = make_index(pixels)
    for seed in range(10):
        assert few_shot(index, 2, 1, seed) == [100]
        assert len(few_shot(index, 2, 3, seed)) == 5


def test_slivers_do_not_count_where_there_is_better() -> None:
    pixels = np.tile([1000, 1], (30, 1))
    pixels[7] = [900, 100]
    index = make_index(pixels)
    assert few_shot(index, 2, 1, 0) == [107]
    assert few_shot(index, 2, 1, 0) == few_shot(index, 2, 1, 5)
    chosen = few_shot(index, 2, 3, 0)
    assert len(chosen) == 3, "where there is nothing better, slivers have to do"
    assert 107 in chosen
    assert {i for s in range(20) for i in few_shot(index, 2, 1, s, least_share=0)} > {107}


@pytest.mark.parametrize("fraction", [0, -0.1, 1.01, float("nan")])
def test_fraction_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        fraction_of(make_index(uneven(5, 2, 0)), 2, fraction, 0)


def test_what_cannot_be_selected_is_refused() -> None:
    index = make_index(uneven(5, 2, 0))
    with pytest.raises(ConfigError, match="shots is 0"):
        few_shot(index, 2, 0, 0)
    with pytest.raises(ConfigError, match="least_share is 2"):
        few_shot(index, 2, 1, 0, least_share=2)
    with pytest.raises(DatasetError, match="level 1: it has those of level 2"):
        few_shot(index, 1, 1, 0)
    with pytest.raises(DatasetError, match="no patch in split 'train'"):
        fraction_of(make_index(uneven(5, 2, 0), split="val"), 2, 0.5, 0)
    with pytest.raises(DatasetError, match="no labelled pixel"):
        few_shot(make_index(np.zeros((3, 2), np.int64)), 2, 1, 0)


def test_a_large_index_takes_no_time() -> None:
    index = make_index(uneven(30_000, 14, 0))
    start = time.process_time()
    fraction_of(index, 2, 0.01, 0)
    few_shot(index, 2, 10, 0)
    assert time.process_time() - start < 2, "measured: 0.06 s"
