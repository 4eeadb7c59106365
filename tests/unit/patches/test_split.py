import hashlib
import itertools

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.legend import LandCoverClass, Legend, Level
from cerradata.patches.autocorrelation import footprints
from cerradata.patches.blocks import assign_blocks, block_table, cover_exactly
from cerradata.patches.split import SplitOptions, coverable_classes, resolve_options, split_hash, split_patches

SIZE = 4  # pixels a side of a patch
WIDTH = 40.0  # metres: pixels of 10 m
SPLITS = ("train", "val", "test")


def make_legend(classes: int) -> Legend:
    level = Level(1, tuple(LandCoverClass(i, f"Class {i}", f"C{i}", (i, i, i)) for i in range(classes)))
    return Legend("made", "Made", (level,), {})


def make_index(cells: list[tuple[int, int]], holders: list[list[int]], crs: str = "EPSG:32722") -> gpd.GeoDataFrame:
    """One patch a (row, column); class 0 is everywhere, class k + 1 in the patches `holders[k]` (positions)."""
    pixels = np.zeros((len(cells), len(holders) + 1), dtype=np.int64)
    pixels[:, 0] = SIZE * SIZE - len(holders)
    for number, positions in enumerate(holders, start=1):
        pixels[positions, number] = 1
    return gpd.GeoDataFrame(
        {
            "id": np.array([100 * row + col for row, col in cells], dtype=np.int64),
            "crs": [crs] * len(cells),
            "transform": [[10.0, 0.0, 500_000 + WIDTH * c, 0.0, -10.0, 9_300_000 - WIDTH * r] for r, c in cells],
            "pixels_l1": list(pixels),
        }
    )


def grid(rows: int, cols: int) -> list[tuple[int, int]]:
    return list(itertools.product(range(rows), range(cols)))


def split(index: gpd.GeoDataFrame, options: SplitOptions, classes: int = 1) -> "pd.Series[str]":
    return split_patches(index, make_legend(classes), SIZE, options)


def sizes(splits: "pd.Series[str]") -> tuple[int, int, int]:
    return tuple(int((splits == name).sum()) for name in SPLITS)


def boxes(index: gpd.GeoDataFrame) -> np.ndarray:
    """Footprints in the CRS of the patches, by another way than the package's."""
    return np.array([shapely.box(t[2], t[5] - WIDTH, t[2] + WIDTH, t[5]) for t in index["transform"]])


def distances(index: gpd.GeoDataFrame, first: "pd.Series[bool]", second: "pd.Series[bool]") -> np.ndarray:
    all_boxes = boxes(index)
    return shapely.distance(all_boxes[first.to_numpy()][:, None], all_boxes[second.to_numpy()][None, :])


class TestOptions:
    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"strategy": "nearest"}, "random, blocks, published-ratios"),
            ({"seed": -1}, "seed is -1"),
            ({"val_share": 0.0}, "val_share is 0.0"),
            ({"test_share": 1.0}, "test_share is 1.0"),
            ({"val_share": 0.5, "test_share": 0.5}, "leave nothing for training"),
            ({"val_share": float("nan")}, "val_share is nan"),
            ({"strategy": "blocks", "block_size": 0.0}, "block_size is 0.0"),
            ({"strategy": "blocks", "buffer": -1.0}, "buffer is -1.0"),
            ({"strategy": "blocks", "buffer": float("nan")}, "buffer is nan"),
            ({"strategy": "blocks", "buffer": 200.0, "block_size": 100.0}, "wider than block_size"),
            ({"buffer": 10.0}, "no meaning for strategy 'random'"),
        ],
    )
    def test_refuses(self, wrong: dict[str, object], words: str) -> None:
        with pytest.raises(ConfigError, match=words):
            SplitOptions(**{"strategy": "random", **wrong})

    def test_block_smaller_than_a_patch_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="less than the width of a patch"):
            split(make_index(grid(6, 6), []), SplitOptions("blocks", block_size=39.0, buffer=0.0))

    def test_default_block_makes_about_100_blocks_of_whole_patches(self) -> None:
        index = make_index(grid(40, 40), [])
        options = resolve_options(index, make_legend(1), SIZE, SplitOptions("blocks"))
        assert (options.block_size, options.buffer) == (4 * WIDTH, WIDTH)

    def test_default_block_shrinks_until_a_class_can_be_everywhere(self) -> None:
        cells = grid(30, 30)
        corner = [cells.index(cell) for cell in ((0, 0), (0, 2), (2, 0))]  # one block of 3, three blocks of 2
        index = make_index(cells, [corner])
        options = resolve_options(index, make_legend(2), SIZE, SplitOptions("blocks"))
        assert options.block_size == 2 * WIDTH
        splits = split(index, SplitOptions("blocks"), classes=2)
        assert set(splits.iloc[corner]) == set(SPLITS)


class TestRandom:
    def test_shares_are_exact(self) -> None:
        splits = split(make_index(grid(10, 10), []), SplitOptions("random"))
        assert sizes(splits) == (70, 15, 15)

    def test_published_ratios_are_10_percent_then_20_percent_of_the_rest(self) -> None:
        splits = split(make_index(grid(20, 50), []), SplitOptions("published-ratios"))
        assert sizes(splits) == (720, 180, 100)

    @given(
        count=st.integers(20, 200),
        val=st.floats(0.1, 0.4),
        test=st.floats(0.1, 0.4),
        seed=st.integers(0, 10_000),
        strategy=st.sampled_from(["random", "published-ratios"]),
    )
    @settings(max_examples=30, deadline=None)
    def test_partition_within_one_patch_of_the_shares_whatever_the_row_order(
        self, count: int, val: float, test: float, seed: int, strategy: str
    ) -> None:
        index = make_index([(0, col) for col in range(count)], [])
        options = SplitOptions(strategy, seed, val, test)
        splits = split(index, options)
        shuffled = index.sample(frac=1, random_state=seed)
        pd.testing.assert_series_equal(split(shuffled, options).sort_index(), splits)
        if strategy == "published-ratios":
            val, test = 0.18, 0.1
        assert sum(sizes(splits)) == count
        assert np.abs(np.array(sizes(splits)) - np.array([1 - val - test, val, test]) * count).max() < 1.1

    def test_seeds_give_other_splits(self) -> None:
        index = make_index(grid(10, 10), [])
        first, second = (split(index, SplitOptions("random", seed)) for seed in (1, 2))
        assert (first != second).sum() > 20

    @pytest.mark.parametrize("strategy", ["random", "published-ratios"])
    def test_needs_no_georeference_and_no_labels(self, strategy: str) -> None:
        index = gpd.GeoDataFrame({"id": range(20), "crs": [None] * 20, "transform": [None] * 20})
        assert sum(sizes(split(index, SplitOptions(strategy)))) == 20

    def test_too_few_patches(self) -> None:
        with pytest.raises(DatasetError, match=r"has 4 patches, too few .*: test would be empty"):
            split(make_index(grid(2, 2), []), SplitOptions("random", val_share=0.25, test_share=0.01))

    def test_doubled_ids(self) -> None:
        with pytest.raises(DatasetError, match="2 doubled ids, first 0"):
            split(make_index([(0, 0)] * 3, []), SplitOptions("random"))


@st.composite
def scattered(draw: st.DrawFn) -> tuple[gpd.GeoDataFrame, int]:
    """Patches of a grid with holes, two rare classes, a seed."""
    rows, cols = draw(st.integers(6, 12)), draw(st.integers(6, 12))
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    cells = [cell for cell in grid(rows, cols) if rng.random() > 0.15]
    holders = [rng.choice(len(cells), 4, replace=False).tolist() for _ in range(2)]
    return make_index(cells, holders), seed


class TestBlocks:
    @given(case=scattered(), blocks=st.integers(1, 3), buffer=st.floats(0, 60))
    @settings(max_examples=15, deadline=None)
    def test_buffer_blocks_and_left_out(self, case: tuple[gpd.GeoDataFrame, int], blocks: int, buffer: float) -> None:
        index, seed = case
        buffer = min(buffer, blocks * WIDTH)
        splits = split(index, SplitOptions("blocks", seed, block_size=blocks * WIDTH, buffer=buffer), classes=3)
        assert min(sizes(splits)) > 0
        for a, b in itertools.combinations(SPLITS, 2):
            assert distances(index, splits == a, splits == b).min() >= buffer - 1e-3
        block = boxes(index)
        x, y = shapely.get_x(shapely.centroid(block)), shapely.get_y(shapely.centroid(block))
        tiles = np.floor((x - shapely.total_bounds(block)[0]) / (blocks * WIDTH)) * 1000 + np.floor(
            (shapely.total_bounds(block)[3] - y) / (blocks * WIDTH)
        )
        in_use = pd.Series(splits[splits.notna()].to_numpy()).groupby(tiles[splits.notna()]).nunique()
        assert in_use.max() == 1
        # Nothing is left out without need: every such patch is too near to one of another block.
        for i in np.flatnonzero(splits.isna()):
            assert shapely.distance(block[i], block[tiles != tiles[i]]).min() < buffer

    @given(case=scattered())
    @settings(max_examples=5, deadline=None)
    def test_same_result_again_and_for_any_row_order(self, case: tuple[gpd.GeoDataFrame, int]) -> None:
        index, seed = case
        options = SplitOptions("blocks", seed)
        splits = split(index, options, classes=3)
        shuffled = split(index.sample(frac=1, random_state=seed), options, classes=3)
        pd.testing.assert_series_equal(shuffled.sort_index(), splits)

    def test_the_shares_of_what_is_kept_are_near_to_those_asked_for(self) -> None:
        index = make_index(grid(30, 40), [])
        kept = np.array(sizes(split(index, SplitOptions("blocks", val_share=0.1, test_share=0.2))))
        np.testing.assert_allclose(kept / kept.sum(), [0.7, 0.1, 0.2], atol=0.01)
        assert kept.sum() > 0.75 * len(index)

    def test_no_buffer_leaves_nothing_out(self) -> None:
        index = make_index(grid(12, 12), [])
        splits = split(index, SplitOptions("blocks", block_size=2 * WIDTH, buffer=0.0))
        assert splits.notna().all()

    def test_test_is_never_left_out_and_val_gives_way_to_test_only(self) -> None:
        index = make_index(grid(12, 12), [])
        splits = split(index, SplitOptions("blocks", block_size=3 * WIDTH, val_share=0.3, test_share=0.3))
        table = block_table(footprints(index, SIZE), 3 * WIDTH, WIDTH, np.ones((144, 1), dtype=bool))
        left_out, test = splits.isna(), splits == "test"
        test_blocks = set(table.block[test])
        assert not test_blocks & set(table.block[left_out])
        for block in set(table.block[splits == "val"]):
            here = (table.block == block) & left_out.to_numpy()
            if here.any():
                assert (distances(index, pd.Series(here), test).min(axis=1) < WIDTH).all()

    @pytest.mark.parametrize("seed", range(3))
    def test_a_class_in_exactly_three_blocks_is_in_every_split(self, seed: int) -> None:
        cells = grid(24, 24)
        holders = [[cells.index(cell) for cell in ((0, 0), (12, 12), (23, 5))]]
        holders += [[cells.index(cell) for cell in ((0, 23), (12, 14), (20, 20))]]
        index = make_index(cells, holders)
        splits = split(index, SplitOptions("blocks", seed, block_size=4 * WIDTH), classes=3)
        for positions in holders:
            assert set(splits.iloc[positions]) == set(SPLITS)

    def test_many_clustered_classes_of_very_different_frequency(self) -> None:
        rng = np.random.default_rng(7)
        cells = grid(40, 60)
        rows, cols = np.array(cells).T
        holders = []
        for patches in (1200, 700, 400, 200, 120, 80, 60, 40, 30, 20, 15, 12, 10):
            centres = rng.integers([0, 0], [40, 60], (5, 2))  # five clusters a class
            near = np.min([np.hypot(rows - r, cols - c) for r, c in centres], axis=0)
            holders.append(np.argsort(near, kind="stable")[:patches].tolist())
        index = make_index(cells, holders)
        splits = split(index, SplitOptions("blocks"), classes=14)
        assert coverable_classes(index, make_legend(14), SIZE, SplitOptions("blocks"))[1].all()
        for positions in holders:
            assert set(SPLITS) <= set(splits.iloc[positions])
        kept = np.array(sizes(splits))
        np.testing.assert_allclose(kept / kept.sum(), [0.7, 0.15, 0.15], atol=0.02)

    @pytest.mark.parametrize("seed", range(4))
    def test_no_assignment_of_the_blocks_covers_more(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        cells = grid(4, 6)  # 6 blocks of 2 x 2: 729 assignments
        presence = np.zeros((24, 9), dtype=bool)
        for number in range(9):
            presence[rng.choice(24, rng.integers(3, 7), replace=False), number] = True
        index = make_index(cells, [])
        block = np.array([row // 2 * 3 + col // 2 for row, col in cells])
        all_boxes = boxes(index)
        near = shapely.distance(all_boxes[:, None], all_boxes[None, :]) < WIDTH

        def covered(ranks: np.ndarray) -> np.ndarray:
            """(3, 9) classes in each split, by the rule for buffers as the documentation has it."""
            own = ranks[block]
            kept = ~(near & (own[None, :] > own[:, None])).any(axis=1)
            return np.array([presence[kept & (own == rank)].any(axis=0) for rank in range(3)])

        tries = np.array([covered(np.array(ranks)) for ranks in itertools.product(range(3), repeat=6)])
        possible = tries.all(axis=1).any(axis=0)
        most = int(tries[:, :, possible].sum(axis=(1, 2)).max())
        assert most < 3 * possible.sum()  # the classes exclude each other: the hard case

        table = block_table(footprints(index, SIZE), 2 * WIDTH, WIDTH, presence)
        np.testing.assert_array_equal(table.coverable(), possible)
        labels = assign_blocks(table, (0.7, 0.15, 0.15), seed)
        ours = np.array([presence[labels == rank].any(axis=0) for rank in range(3)])
        assert int(ours[:, possible].sum()) == most
        exact = cover_exactly(table, possible)
        assert exact is not None
        assert int(covered(exact)[:, possible].sum()) == most

    def test_a_single_column_of_patches(self) -> None:
        index = make_index([(row, 0) for row in range(60)], [[2, 30, 57]])
        splits = split(index, SplitOptions("blocks"), classes=2)
        assert set(splits.iloc[[2, 30, 57]]) == set(SPLITS)
        assert splits.notna().sum() >= 45

    def test_two_utm_zones(self) -> None:
        west = make_index(grid(12, 8), [[0, 50, 95]])
        east = make_index(grid(12, 8), [[0, 50, 95]], crs="EPSG:32723")
        # The easternmost metres of zone 22 and the westernmost of zone 23 at 6 degrees south, 48 degrees west.
        west["transform"] = [
            [10.0, 0, 833_200 - WIDTH * (8 - t[2] % 500_000 / WIDTH), *t[3:]] for t in west["transform"]
        ]
        east["transform"] = [[10.0, 0, 167_000 + t[2] % 500_000, *t[3:]] for t in east["transform"]]
        east["id"] += 50
        index = pd.concat([west, east], ignore_index=True)
        splits = split(index, SplitOptions("blocks", block_size=3 * WIDTH, buffer=WIDTH), classes=2)
        assert min(sizes(splits)) > 10
        own = [gpd.GeoSeries(boxes(part), crs=part["crs"].iloc[0]).to_crs("EPSG:32722") for part in (west, east)]
        shapes = np.concatenate([series.to_numpy() for series in own])
        for a, b in itertools.combinations(SPLITS, 2):
            least = shapely.distance(shapes[splits == a][:, None], shapes[splits == b][None, :]).min()
            assert least >= 0.995 * WIDTH  # zone 22 stretches this far east by 0.2 %

    def test_patches_that_overlap_across_splits_are_left_out_even_without_a_buffer(self) -> None:
        index = make_index(grid(8, 8), [])
        index["transform"] = [[10.0, 0, t[2] * 0.75, 0, -10.0, t[5]] for t in index["transform"]]  # a quarter shared
        splits = split(index, SplitOptions("blocks", block_size=2 * WIDTH, buffer=0.0))
        shapes = boxes(index)
        for a, b in itertools.combinations(SPLITS, 2):
            shared = shapely.intersection(shapes[splits == a][:, None], shapes[splits == b][None, :])
            assert shapely.area(shared).max() == 0

    def test_a_class_that_cannot_be_everywhere_is_named(self) -> None:
        cells = grid(12, 12)
        two_blocks = [cells.index((0, 0)), cells.index((11, 11))]
        touching = [cells.index(cell) for cell in ((1, 1), (1, 2), (2, 1))]  # three blocks, all within the buffer
        far = [cells.index(cell) for cell in ((0, 0), (6, 6), (11, 0))]
        index = make_index(cells, [two_blocks, touching, far])
        options = SplitOptions("blocks", block_size=2 * WIDTH, buffer=WIDTH)
        coverable = coverable_classes(index, make_legend(4), SIZE, options)
        np.testing.assert_array_equal(coverable[1], [True, False, False, True])
        np.testing.assert_array_equal(
            coverable_classes(index, make_legend(4), SIZE, SplitOptions("random"))[1], [True, False, True, True]
        )

    @pytest.mark.parametrize(
        ("cells", "words"),
        [
            (grid(2, 4), "8 patches in 2 blocks of 80 m .*: three splits need at least 3 blocks"),
            (grid(1, 3), "3 patches in 2 blocks"),
            ([(0, 0), (0, 2), (1, 1)], "3 patches in 2 blocks"),
        ],
    )
    def test_too_few_blocks(self, cells: list[tuple[int, int]], words: str) -> None:
        with pytest.raises(DatasetError, match=words):
            split(make_index(cells, []), SplitOptions("blocks"))

    def test_a_buffer_that_would_empty_a_split(self) -> None:
        options = SplitOptions("blocks", block_size=WIDTH, buffer=WIDTH)
        with pytest.raises(
            DatasetError, match=r"3 patches in 3 blocks of 40 m with a buffer of 40 m: .* would be empty"
        ):
            split(make_index([(0, 0), (0, 1), (0, 2)], []), options)

    def test_without_georeference(self) -> None:
        index = make_index(grid(6, 6), [])
        index["crs"] = pd.Series([None, *["EPSG:32722"] * 35], dtype=object)
        with pytest.raises(DatasetError, match=r"1 of 36 have no georeference .*Use strategy `random`"):
            split(index, SplitOptions("blocks"))

    def test_unknown_crs(self) -> None:
        with pytest.raises(DatasetError, match="unknown CRS 'EPSG:1'"):
            split(make_index(grid(6, 6), [], crs="EPSG:1"), SplitOptions("blocks"))

    def test_a_column_that_does_not_fit_the_legend(self) -> None:
        with pytest.raises(DatasetError, match=r"'pixels_l1' of the index has 1 numbers a patch: .* has 3 classes"):
            split(make_index(grid(6, 6), []), SplitOptions("blocks"), classes=3)


class TestHash:
    def test_is_that_of_the_lines_in_id_order(self) -> None:
        expected = hashlib.sha256(b"1,test\n2,\n10,train\n").hexdigest()
        assert split_hash([10, 1, 2], ["train", "test", None]) == expected

    def test_changes_with_the_assignment(self) -> None:
        assert split_hash([1, 2], ["train", "val"]) != split_hash([1, 2], ["val", "train"])
