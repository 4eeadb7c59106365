import json
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest

from cerradata.core.errors import DatasetError
from cerradata.legend import LandCoverClass, Legend, Level, load_legend
from cerradata.patches.autocorrelation import footprints, label_range, variogram
from cerradata.patches.certificate import PUBLISHED_TEST_PIXELS, Certificate, certificate_lines, certify
from cerradata.patches.split import SplitOptions, split_hash

SIZE = 4  # pixels a side of a patch
WIDTH = 40.0  # metres: pixels of 10 m


def make_legend() -> Legend:
    coarse = (("Green", None), ("Blue", None))
    fine = (("Grass", 0), ("Wood", 0), ("Lake", 1))
    levels = tuple(
        Level(n, tuple(LandCoverClass(i, name, name, (i, i, i), parent) for i, (name, parent) in enumerate(classes)))
        for n, classes in enumerate((coarse, fine), start=1)
    )
    return Legend("made", "Made", levels, {})


def make_index(lefts: list[float], splits: list[str | None], fine: list[list[int]]) -> gpd.GeoDataFrame:
    """Patches of one row with their left edges `lefts` metres from the first, and pixels of grass, wood and lake."""
    pixels = np.array(fine, dtype=np.int64)
    coarse = np.stack([pixels[:, 0] + pixels[:, 1], pixels[:, 2]], axis=1)
    return gpd.GeoDataFrame(
        {
            "id": np.arange(len(lefts)),
            "crs": ["EPSG:32722"] * len(lefts),
            "transform": [[10.0, 0.0, 500_000 + left, 0.0, -10.0, 9_300_000.0] for left in lefts],
            "pixels_l1": list(coarse),
            "pixels_l2": list(pixels),
            "objects_l1": list((coarse > 0).astype(np.int64)),
            "objects_l2": list((pixels > 0) * 2),
            "split": np.array(splits, dtype=object),
        }
    )


GRASS, WOOD, LAKE, MIXED = [16, 0, 0], [0, 16, 0], [0, 0, 16], [10, 4, 2]


@pytest.fixture
def index() -> gpd.GeoDataFrame:
    """Train at 0 and 40, a gap of 40, val at 120, a gap of 90, test at 250, left out at 300."""
    lefts = [0.0, 40.0, 120.0, 250.0, 300.0]
    return make_index(lefts, ["train", "train", "val", "test", None], [GRASS, MIXED, WOOD, MIXED, LAKE])


def examine(index: gpd.GeoDataFrame, options: SplitOptions | None = None) -> Certificate:
    return certify(index, make_legend(), SIZE, options)


class TestDistances:
    def test_patches_and_least_distances(self, index: gpd.GeoDataFrame) -> None:
        found = examine(index)
        assert found.patches == {"train": 2, "val": 1, "test": 1, "left_out": 1}
        assert found.least_distance_m == {"train-val": 40.0, "train-test": 170.0, "val-test": 90.0}
        assert found.shared_pixels == {"train-val": 0, "train-test": 0, "val-test": 0}

    def test_distance_between_corners(self) -> None:
        index = make_index([0.0, 70.0, 400.0], ["train", "test", "val"], [MIXED] * 3)
        index["transform"] = [[*t[:5], t[5] - 80.0 * (i == 1)] for i, t in enumerate(index["transform"])]
        assert examine(index).least_distance_m["train-test"] == 50.0  # 30 east, 40 south

    def test_shared_pixels_of_patches_that_overlap(self) -> None:
        # Test covers one of the four columns of train; a left-out patch on top of test counts for nobody.
        index = make_index([0.0, 30.0, 200.0, 30.0], ["train", "test", "val", None], [MIXED] * 4)
        found = examine(index)
        assert found.shared_pixels == {"train-val": 0, "train-test": 4, "val-test": 0}
        assert found.least_distance_m["train-test"] == 0.0
        assert "train and test share 4 pixels." in found.notes

    def test_two_utm_zones(self) -> None:
        index = make_index([0.0, 40.0, 80.0], ["train", "val", "test"], [MIXED] * 3)
        # The same place in both zones, and one 500 m east of it, by pyproj.
        here = gpd.GeoSeries.from_xy([800_000.0], [9_300_000.0], crs="EPSG:32722").to_crs("EPSG:32723").iloc[0]
        index["crs"] = ["EPSG:32722", "EPSG:32723", "EPSG:32723"]
        index["transform"] = [
            [10.0, 0.0, 800_000.0, 0.0, -10.0, 9_300_000.0],
            [10.0, 0.0, here.x, 0.0, -10.0, here.y],
            [10.0, 0.0, here.x + 500, 0.0, -10.0, here.y],
        ]
        found = examine(index)
        assert found.shared_pixels["train-val"] in (
            14,
            15,
            16,
        )  # the zones are turned against each other by 0.6 degrees
        assert found.least_distance_m["val-test"] == 460.0
        assert found.least_distance_m["train-test"] == pytest.approx(460.0, abs=3)

    def test_patches_in_degrees(self) -> None:
        index = make_index([0.0, 40.0, 80.0], ["train", "val", "test"], [MIXED] * 3)
        index["crs"] = "EPSG:4326"
        index["transform"] = [[0.0001, 0, -48 + 0.01 * i, 0, -0.0001, 0.0] for i in range(3)]
        # 0.0096 degrees of the equator between neighbours, at 111.32 km a degree.
        assert examine(index).least_distance_m["train-val"] == pytest.approx(0.0096 * 111_320, rel=1e-3)

    def test_without_georeference(self, index: gpd.GeoDataFrame) -> None:
        index["crs"] = None
        found = examine(index)
        assert set(found.least_distance_m.values()) == set(found.shared_pixels.values()) == {None}
        assert found.autocorrelation_range_m is None
        assert "no georeference" in found.autocorrelation_note
        assert json.loads(json.dumps(found.to_dict()))["least_distance_m"]["train-val"] is None
        assert any("least distance not known, shared pixels not known" in line for line in certificate_lines(found))


class TestClasses:
    def test_pixels_and_objects_of_each_split(self, index: gpd.GeoDataFrame) -> None:
        support = {(s.level, s.name): s for s in examine(index).classes}
        assert list(support) == [(1, "Green"), (1, "Blue"), (2, "Grass"), (2, "Wood"), (2, "Lake")]
        assert support[1, "Green"].pixels == {"train": 30, "val": 16, "test": 14}
        assert support[1, "Green"].objects == {"train": 2, "val": 1, "test": 1}
        assert support[2, "Wood"].pixels == {"train": 4, "val": 16, "test": 4}
        assert support[2, "Wood"].objects == {"train": 2, "val": 2, "test": 2}

    def test_missing_and_what_cannot_be_everywhere(self, index: gpd.GeoDataFrame) -> None:
        found = examine(index)
        assert [(s.level, s.name, s.missing_in, s.coverable) for s in found.missing] == [
            (1, "Blue", ("val",), True),
            (2, "Grass", ("val",), True),
            (2, "Lake", ("val",), True),
        ]
        index["pixels_l2"] = [GRASS, MIXED, WOOD, GRASS, GRASS]  # lake and wood in fewer than three patches
        lake = examine(index).classes[-1]
        assert (lake.missing_in, lake.coverable) == (("val", "test"), False)
        assert "Level 2, class 2 Lake: missing in val, test (it cannot be in all three)" in certificate_lines(
            examine(index)
        )

    def test_blocks_decide_what_cannot_be_everywhere(self) -> None:
        lefts = [WIDTH * i for i in range(12)]
        splits = ["train"] * 5 + [None] + ["val"] * 2 + [None] + ["test"] * 3
        # Lake in three patches, all in one block of 160 m, so in one split only.
        index = make_index(lefts, splits, [MIXED] * 3 + [[12, 4, 0]] * 9)
        found = examine(index, SplitOptions("blocks", seed=5, block_size=4 * WIDTH))
        lake = found.classes[-1]
        assert (lake.missing_in, lake.coverable) == (("val", "test"), False)
        assert (found.strategy, found.seed, found.block_size_m, found.buffer_m) == ("blocks", 5, 160.0, WIDTH)

    def test_an_index_with_one_level_only(self, index: gpd.GeoDataFrame) -> None:
        found = examine(index.drop(columns=["pixels_l2", "objects_l1", "objects_l2"]))
        assert [(s.name, s.objects) for s in found.classes] == [("Green", None), ("Blue", None)]


class TestDuplicates:
    def test_counts_patches_whose_content_is_in_another_split(self, index: gpd.GeoDataFrame) -> None:
        index["content_hash"] = ["a", "b", "a", "a", "b"]  # the second b is left out
        found = examine(index)
        assert found.duplicates == 3
        assert "3 patches have the same content as a patch of another split." in found.notes

    def test_within_a_split_or_unknown_is_none(self, index: gpd.GeoDataFrame) -> None:
        index["content_hash"] = ["a", "a", None, None, "a"]
        assert examine(index).duplicates == 0

    def test_not_known_without_hashes(self, index: gpd.GeoDataFrame) -> None:
        assert examine(index).duplicates is None


class TestPublished:
    @staticmethod
    def copy_of(level_1: tuple[int, ...], level_2: tuple[int, ...]) -> gpd.GeoDataFrame:
        """Two test patches that add up to these pixels, and one patch for each of the other splits."""
        index = make_index([0.0, 40.0, 80.0, 120.0], ["test", "test", "train", "val"], [MIXED] * 4)
        for level, totals in ((1, level_1), (2, level_2)):
            total = np.array(totals)
            index[f"pixels_l{level}"] = [total - 7, np.full(len(total), 7), total, total]
        return index.drop(columns=["objects_l1", "objects_l2"])

    @pytest.mark.parametrize(
        ("change_1", "change_2", "answer"), [(0, 0, "yes"), (1, 0, "yes"), (0, 1, "yes"), (1, 1, "no")]
    )
    def test_is_decided_by_the_pixels_of_every_class_at_one_level(
        self, change_1: int, change_2: int, answer: str
    ) -> None:
        first, second = PUBLISHED_TEST_PIXELS[1], PUBLISHED_TEST_PIXELS[2]
        index = self.copy_of((first[0] + change_1, *first[1:]), (*second[:-1], second[-1] - change_2))
        found = certify(index, load_legend("cerradata-4mm"), SIZE)
        assert found.published_test_set == answer

    def test_published_totals_are_those_of_3028_patches(self) -> None:
        assert [sum(pixels) for pixels in PUBLISHED_TEST_PIXELS.values()] == [3028 * 128 * 128] * 2
        assert [len(pixels) for pixels in PUBLISHED_TEST_PIXELS.values()] == [7, 14]

    def test_same_pixels_under_another_legend_are_not_it(self, index: gpd.GeoDataFrame) -> None:
        found = examine(index)
        assert found.published_test_set == "no"
        assert "legend is made" in found.published_reason

    def test_reason_warns_of_published_proportions(self) -> None:
        index = self.copy_of((1,) * 7, (1,) * 14)
        index["pixels_l1"], index["pixels_l2"] = [[9] * 7] * 4, [[9] * 14] * 4
        found = certify(index, load_legend("cerradata-4mm"), SIZE, SplitOptions("published-ratios"))
        assert "published proportions is not the published split" in found.published_reason


class TestVariogram:
    def test_four_patches_by_hand(self) -> None:
        centres = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0], [30.0, 0.0]])
        fractions = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
        lags, semivariances, sill = variogram(centres, fractions, 10.0, least_pairs=1)
        # Lag 10: one of three pairs differs, each by half of (1 + 1). Lags above 15, half the largest, are not used.
        np.testing.assert_allclose(lags, [10.0])
        np.testing.assert_allclose(semivariances, [1 / 3])
        assert sill == pytest.approx(4 / 6)

    def test_lags_with_few_pairs_are_left_out(self) -> None:
        centres = np.array([[0.0, 0.0], [10.0, 0.0], [40.0, 0.0], [50.0, 0.0], [200.0, 0.0]])
        fractions = np.array([[1.0], [0.0], [1.0], [0.0], [0.5]])
        assert variogram(centres, fractions, 10.0, least_pairs=2)[0].tolist() == [10.0, 40.0]

    @pytest.mark.parametrize("tile", [1, 4, 8])
    def test_range_of_random_squares_is_about_their_side(self, tile: int) -> None:
        # Squares of `tile` patches with independent classes: nothing is shared beyond their side (times root of 2).
        rng = np.random.default_rng(3)
        classes = np.kron(rng.integers(0, 3, (48 // tile, 48 // tile)), np.ones((tile, tile), dtype=np.int64)).ravel()
        index = make_index([0.0] * 2304, ["train"] * 2304, (16 * np.eye(3, dtype=np.int64)[classes]).tolist())
        index["transform"] = [[10.0, 0, WIDTH * (i % 48), 0, -10.0, -WIDTH * (i // 48)] for i in range(2304)]
        places = footprints(index, SIZE)
        found = label_range(places, np.stack(index["pixels_l2"]))
        assert found.metres is not None
        assert 0.75 * tile * WIDTH <= found.metres <= 1.5 * tile * WIDTH

    def test_a_linear_gradient_along_a_line_by_hand(self) -> None:
        # With length n: semivariance (h / n)^2, mean over all pairs 1/6, so 95 % are reached at h = n sqrt(0.95 / 6) = 39.8.
        index = make_index([WIDTH * i for i in range(100)], ["train"] * 100, [[100 - i, i, 0] for i in range(100)])
        assert label_range(footprints(index, SIZE), np.stack(index["pixels_l2"])).metres == 40 * WIDTH

    def test_two_places_far_apart_do_not_reach_the_sill(self) -> None:
        lefts = [WIDTH * i for i in range(50)]
        index = make_index([*lefts, *(left + 90_000 for left in lefts)], ["train"] * 100, [GRASS] * 50 + [LAKE] * 50)
        found = label_range(footprints(index, SIZE), np.stack(index["pixels_l2"]))
        # 50 - k pairs at lag k in each place: 30 pairs together up to lag 35.
        assert (found.metres, found.note) == (None, "longer than 1400 m, the widest lag examined")

    @pytest.mark.parametrize(
        ("fine", "note"), [([GRASS] * 60, "same labels"), ([GRASS, LAKE], "2 patches are too few"), ([GRASS], "same")]
    )
    def test_says_why_there_is_none(self, fine: list[list[int]], note: str) -> None:
        index = make_index([WIDTH * i for i in range(len(fine))], ["train"] * len(fine), fine)
        found = label_range(footprints(index, SIZE), np.stack(index["pixels_l2"]))
        assert found.metres is None
        assert note in found.note


class TestCertificate:
    def test_blocks_smaller_than_the_range_are_called_so(self, index: gpd.GeoDataFrame) -> None:
        lefts = [WIDTH * i for i in range(120)]
        splits = ["train"] * 80 + ["val"] * 20 + ["test"] * 20
        fine = [(GRASS, WOOD, LAKE)[i // 10 * 7 % 3] for i in range(120)]  # stretches of 400 m
        far = examine(make_index(lefts, splits, fine), SplitOptions("blocks", block_size=2 * WIDTH))
        assert far.autocorrelation_range_m is not None
        assert 200 <= far.autocorrelation_range_m <= 440
        words = f"Blocks of 80 m are smaller than the {far.autocorrelation_range_m:g} m"
        assert any(note.startswith(words) for note in far.notes)
        near = examine(make_index(lefts, splits, fine), SplitOptions("blocks", block_size=800.0))
        assert not any(note.startswith("Blocks") for note in near.notes)

    def test_hash_is_that_of_the_assignment_in_any_row_order(self, index: gpd.GeoDataFrame) -> None:
        expected = split_hash(range(5), ["train", "train", "val", "test", None])
        assert examine(index).hash == examine(index.iloc[::-1]).hash == expected

    def test_same_certificate_for_any_row_order(self, index: gpd.GeoDataFrame) -> None:
        assert examine(index.sample(frac=1, random_state=1)) == examine(index)

    def test_json_holds_every_field(self, index: gpd.GeoDataFrame) -> None:
        found = examine(index, SplitOptions("random", seed=3))
        plain = found.to_dict()
        assert plain == json.loads(json.dumps(plain, allow_nan=False))
        assert set(plain) == set(Certificate.__dataclass_fields__)
        assert plain["classes"][1]["missing_in"] == ["val"]
        assert (plain["strategy"], plain["seed"], plain["block_size_m"]) == ("random", 3, None)

    def test_lines(self, index: gpd.GeoDataFrame) -> None:
        lines = certificate_lines(examine(index))
        assert lines[:5] == [
            "Split: not known",
            "Patches: train 2 (40.0 %), val 1 (20.0 %), test 1 (20.0 %), left out 1 (20.0 %)",
            "train-val: least distance 40 m, shared pixels 0",
            "train-test: least distance 170 m, shared pixels 0",
            "val-test: least distance 90 m, shared pixels 0",
        ]
        assert "Level 2, class 2 Lake: missing in val" in lines

    def test_classes_that_are_in_no_split_share_a_line(self, index: gpd.GeoDataFrame) -> None:
        found = examine(index)
        gone = replace(found.classes[-1], missing_in=("train", "val", "test"), coverable=False)
        lines = certificate_lines(replace(found, classes=(*found.classes[:-1], replace(gone, name="Reef"), gone)))
        assert "Level 2, in no split, for want of patches: Reef, Lake" in lines
        assert not any("class 2 Lake" in line for line in lines)

    def test_lines_where_nothing_is_missing(self, index: gpd.GeoDataFrame) -> None:
        found = examine(index)
        whole = replace(found, classes=tuple(replace(support, missing_in=()) for support in found.classes))
        assert "Classes: every class is in every split" in certificate_lines(whole)

    def test_an_empty_split_is_called_so(self, index: gpd.GeoDataFrame) -> None:
        index["split"] = np.array(["train", "train", "train", "test", None], dtype=object)
        found = examine(index)
        assert "val is empty." in found.notes
        assert found.least_distance_m["train-val"] is None

    def test_touching_patches_are_called_so(self) -> None:
        index = make_index([0.0, 40.0, 120.0], ["train", "test", "val"], [MIXED] * 3)
        assert any(note.startswith("Patches of train-test touch") for note in examine(index).notes)

    @pytest.mark.parametrize(
        ("splits", "words"), [([None] * 5, "has no splits"), (["train", "val", "test", "dev", None], "split 'dev'")]
    )
    def test_refuses_an_index_without_splits(
        self, index: gpd.GeoDataFrame, splits: list[str | None], words: str
    ) -> None:
        index["split"] = np.array(splits, dtype=object)
        with pytest.raises(DatasetError, match=words):
            examine(index)

    def test_refuses_an_index_without_labels(self, index: gpd.GeoDataFrame) -> None:
        with pytest.raises(DatasetError, match="no pixels of classes"):
            examine(index.drop(columns=["pixels_l1", "pixels_l2"]))
