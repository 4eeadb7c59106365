from dataclasses import replace
from pathlib import Path

import pytest

from cerradata.core.errors import DatasetError
from cerradata.patches.index import (
    class_counts,
    ids_of_split,
    lacking,
    make_index,
    patch_polygon,
    read_index,
    write_index,
)
from cerradata.patches.record import PatchRecord


def record(patch_id: int, **changes: object) -> PatchRecord:
    row, col = divmod(patch_id, 4)
    place = (10.0, 0.0, 700_000.0 + 320 * col, 0.0, -10.0, 9_000_000.0 - 320 * row)
    plain = PatchRecord(
        *(patch_id, row, col, "EPSG:32722", place, 1.0),
        pixels={1: (patch_id, 10)},
        objects={1: (1, 2)},
        scenes=("scene",),
        dates=("2022-07-10",),
        content_hash=f"hash {patch_id}",
    )
    return replace(plain, **changes)


def test_index_is_in_id_order_and_comes_back(tmp_path: Path) -> None:
    index = make_index([record(i) for i in (5, 0, 11, 2)], 32)
    assert list(index["id"]) == [0, 2, 5, 11]
    index["split"] = ["train", "val", None, "test"]
    write_index(tmp_path, index)
    again = read_index(tmp_path)
    assert list(again["split"]) == ["train", "val", None, "test"]
    assert [list(own) for own in again["pixels_l1"]] == [[0, 10], [2, 10], [5, 10], [11, 10]]
    assert list(again["content_hash"]) == [f"hash {i}" for i in (0, 2, 5, 11)]
    assert again.geometry.equals(index.geometry)
    assert again.crs == "EPSG:4326"
    bounds = again.to_crs("EPSG:32722").geometry.iloc[2].bounds
    assert bounds == pytest.approx((700_320, 8_999_360, 700_640, 8_999_680), abs=1e-3)


def test_what_patches_lack_comes_back(tmp_path: Path) -> None:
    lacks = {0: (), 2: ("sar",), 5: ("elevation", "sar"), 11: ("msi",)}
    write_index(tmp_path, make_index([record(i, lacks=own) for i, own in lacks.items()], 32))
    again = read_index(tmp_path)
    assert [tuple(own) for own in again["lacks"]] == list(lacks.values())
    assert lacking(again) == {"elevation": frozenset({5}), "msi": frozenset({11}), "sar": frozenset({2, 5})}
    write_index(tmp_path, again)  # as `cerradata split` does
    assert lacking(read_index(tmp_path)) == lacking(again)


def test_index_of_whole_patches_lacks_nothing(tmp_path: Path) -> None:
    index = make_index([record(0), record(1)], 32)
    assert "lacks" not in index
    assert lacking(index) == {}
    write_index(tmp_path, make_index([record(0, lacks=()), record(1, lacks=())], 32))
    assert list(map(len, read_index(tmp_path)["lacks"])) == [0, 0]
    assert lacking(read_index(tmp_path)) == {}


def test_patches_of_two_zones_get_their_own_footprints() -> None:
    index = make_index([record(0), record(1, crs="EPSG:32723"), record(2, crs=None, transform=None)], 32)
    assert index.geometry.iloc[1].centroid.x - index.geometry.iloc[0].centroid.x == pytest.approx(6, abs=0.01)
    assert index.geometry.iloc[2] is None


def test_splits_are_asked_by_name(tmp_path: Path) -> None:
    index = make_index([record(i) for i in range(4)], 32)
    with pytest.raises(DatasetError, match="has no splits: run `cerradata split"):
        ids_of_split(index, "train")
    index["split"] = ["val", "train", None, "train"]
    assert ids_of_split(index, "train") == [1, 3]
    with pytest.raises(DatasetError, match="no patch in split 'test'"):
        ids_of_split(index, "test")
    with pytest.raises(DatasetError, match="no split 'holdout'"):
        ids_of_split(index, "holdout")
    assert class_counts(index, 1).tolist() == [6, 40]
    assert class_counts(index, 1, split="train").tolist() == [4, 20]
    assert class_counts(index, 1, what="objects", split="val").tolist() == [1, 2]
    assert class_counts(index, 1, split="test").tolist() == [0, 0]
    with pytest.raises(DatasetError, match="no labels of level 2"):
        class_counts(index, 2)


def test_index_of_nothing_is_refused() -> None:
    with pytest.raises(DatasetError, match="no patches"):
        make_index([], 32)


def test_missing_and_damaged_index_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cerradata index"):
        read_index(tmp_path)
    (tmp_path / "index.parquet").write_bytes(b"no parquet")
    with pytest.raises(DatasetError, match=r"cannot be read .*--overwrite"):
        read_index(tmp_path)
    write_index(tmp_path, make_index([record(0)], 32).drop(columns="content_hash"))
    with pytest.raises(DatasetError, match="lacks the column 'content_hash'"):
        read_index(tmp_path)


def test_index_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_index(tmp_path / name, make_index([record(i) for i in range(6)], 32))
    assert (tmp_path / "a" / "index.parquet").read_bytes() == (tmp_path / "b" / "index.parquet").read_bytes()


def test_polygon_follows_the_transform() -> None:
    assert patch_polygon((10, 0, 100, 0, -10, 200), 4).bounds == (100, 160, 140, 200)
