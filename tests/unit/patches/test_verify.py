import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine

from cerradata.commands.main import main
from cerradata.core.errors import DatasetError
from cerradata.legend import load_legend
from cerradata.patches.assign import assign_splits
from cerradata.patches.index import read_index, write_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.record import content_hash
from cerradata.patches.split import SplitOptions
from cerradata.patches.verify import Problem, verify_dataset
from cerradata.patches.verify import dataset as verify_module
from cerradata.patches.verify.header import HeaderReader, gdal_header
from cerradata.patches.verify.splits import check_splits

SIZE = 32


def only(problems: list[Problem], kind: str) -> Problem:
    assert [problem.kind for problem in problems] == [kind], problems
    return problems[0]


def rewrite(path: Path, pixels: np.ndarray | None = None, **changes: object) -> None:
    """Write a patch's file again with other pixels or another profile."""
    with rasterio.open(path) as file:
        profile, old, tags, descriptions = file.profile, file.read(), file.tags(), file.descriptions
    pixels = old if pixels is None else pixels
    profile |= {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2], **changes}
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels)
        file.update_tags(**tags)
        if len(descriptions) == len(pixels):
            file.descriptions = descriptions


def without_index(root: Path) -> Path:
    (root / "index.parquet").unlink()
    (root / "dataset.json").unlink()
    return root


def into_split_folders(root: Path) -> Path:
    """As a split copy of the published download: train/, val/ and test/ above the folders."""
    for folder in [path for path in root.iterdir() if path.is_dir()]:
        for path in list(folder.iterdir()):
            split = ("train", "train", "val", "test")[int(path.stem.rsplit("_", 1)[1]) % 4]
            (root / split / folder.name).mkdir(parents=True, exist_ok=True)
            path.rename(root / split / folder.name / path.name)
        folder.rmdir()
    return root


def test_whole_dataset_has_no_problem(golden_dataset: Path, split_dataset: Path) -> None:
    assert verify_dataset(golden_dataset) == []
    assert verify_dataset(split_dataset, workers=1) == []
    assert verify_dataset(golden_dataset, deep=True) == []


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("prepare", [without_index, lambda root: into_split_folders(without_index(root))])
def test_whole_copy_has_no_problem(dataset_copy: Path, prepare: Callable[[Path], Path], deep: bool) -> None:
    assert verify_dataset(prepare(dataset_copy), deep=deep) == []


@pytest.mark.parametrize("layer", ["msi_images", "sar_images", "semantic_7c", "edge_14c"])
def test_missing_file_is_named(dataset_copy: Path, layer: str) -> None:
    next((dataset_copy / layer).glob("*_7.tif")).unlink()
    found = only(verify_dataset(dataset_copy), "missing")
    assert found.patch_id == 7
    assert {"msi_images": "msi", "sar_images": "sar"}.get(layer, layer) in found.message


def test_patch_of_which_every_file_is_gone_is_missing(dataset_copy: Path) -> None:
    for path in dataset_copy.rglob("*_7.tif"):
        path.unlink()
    assert only(verify_dataset(dataset_copy), "missing").patch_id == 7


def test_folder_that_is_gone_is_missing_for_every_patch(dataset_copy: Path) -> None:
    shutil.rmtree(dataset_copy / "edge_7c")
    found = verify_dataset(dataset_copy)
    assert {problem.kind for problem in found} == {"missing"}
    assert [problem.patch_id for problem in found] == list(range(36))


def test_file_of_no_patch_is_extra(dataset_copy: Path) -> None:
    shutil.copy(dataset_copy / "msi_images" / "cerradata_ms_7.tif", dataset_copy / "msi_images" / "cerradata_ms_99.tif")
    found = only(verify_dataset(dataset_copy), "extra")
    assert "cerradata_ms_99.tif" in found.message


def test_unpaired_file_of_a_copy_is_named(dataset_copy: Path) -> None:
    (without_index(dataset_copy) / "semantic_14c" / "cerradata_semantic_14c_7.tif").unlink()
    found = only(verify_dataset(dataset_copy), "unpaired")
    assert found.patch_id == 7
    assert "semantic_14c" in found.message


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("another nodata value", {"nodata": 7}),
        ("another type", {"dtype": "int32"}),
        ("another coordinate system", {"crs": "EPSG:32723"}),
    ],
)
def test_what_a_file_says_of_itself_is_compared(dataset_copy: Path, what: str, change: dict[str, object]) -> None:
    rewrite(dataset_copy / "msi_images" / "cerradata_ms_7.tif", **change)
    found = only(verify_dataset(dataset_copy), "wrong type" if "dtype" in change else "changed")
    assert (found.patch_id, "cerradata_ms_7.tif" in found.message) == (7, True), what


@pytest.mark.parametrize(
    "change", [{"tiled": True, "blockxsize": 16, "blockysize": 16}, {"compress": "none"}, {"BIGTIFF": "YES"}]
)
def test_a_file_may_be_written_otherwise(dataset_copy: Path, change: dict[str, object]) -> None:
    path = dataset_copy / "msi_images" / "cerradata_ms_7.tif"
    rewrite(path, **change)
    assert verify_dataset(dataset_copy) == []
    path.write_bytes(path.read_bytes()[:3000])
    only(verify_dataset(dataset_copy), "corrupt")


def test_a_file_without_its_last_pixels_is_corrupt(dataset_copy: Path) -> None:
    """GDAL writes the directory of a file first where nothing is added later: its end is pixels then."""
    path = dataset_copy / "edge_7c" / "cerradata_edge_7c_7.tif"
    with rasterio.open(path) as file:
        profile, pixels, tags = file.profile, file.read(), file.tags()
    with rasterio.open(path, "w", **profile) as file:
        file.update_tags(**tags)
        file.write(pixels)
    whole = path.read_bytes()
    assert verify_dataset(dataset_copy) == []
    path.write_bytes(whole[:-1])
    found = only(verify_dataset(dataset_copy), "corrupt")
    assert f"the file at byte {len(whole) - 1:,}" in found.message


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_truncated_file_is_corrupt(dataset_copy: Path, share: float) -> None:
    path = dataset_copy / "msi_images" / "cerradata_ms_7.tif"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    found = only(verify_dataset(dataset_copy), "corrupt")
    assert (found.patch_id, "cerradata_ms_7.tif" in found.message) == (7, True)


def test_file_cut_short_behind_its_pixels_is_changed(dataset_copy: Path) -> None:
    path = dataset_copy / "semantic_14c" / "cerradata_semantic_14c_7.tif"
    path.write_bytes(path.read_bytes()[:-200])  # the tags stand last
    assert any("cerradata_semantic_14c_7.tif" in problem.message for problem in verify_dataset(dataset_copy))


def test_wrong_size_is_named(dataset_copy: Path) -> None:
    path = dataset_copy / "sar_images" / "cerradata_sar_7.tif"
    rewrite(path, np.ones((2, SIZE, SIZE - 1), np.float32))
    only(verify_dataset(dataset_copy), "wrong size")
    found = verify_dataset(dataset_copy, deep=True)
    assert [p.kind for p in found] == ["wrong size", "changed"]
    assert "cerradata_sar_7.tif has 32 x 31 pixels, 32 x 32 are right" in found[0].message


def test_wrong_number_of_bands_is_named(dataset_copy: Path) -> None:
    rewrite(dataset_copy / "msi_images" / "cerradata_ms_7.tif", np.ones((11, SIZE, SIZE), np.uint16))
    found = verify_dataset(dataset_copy)
    assert "cerradata_ms_7.tif has 11 bands, 12 are right" in found[0].message


@pytest.mark.parametrize(("layer", "value"), [("semantic_14c", 14), ("semantic_7c", 7), ("edge_7c", 2)])
def test_value_outside_the_legend_is_named(dataset_copy: Path, layer: str, value: int) -> None:
    path = dataset_copy / layer / f"cerradata_{layer}_7.tif"
    with rasterio.open(path) as file:
        pixels = file.read()
    pixels[0, 3, 4] = value
    rewrite(path, pixels)
    assert verify_dataset(dataset_copy) == []
    found = verify_dataset(dataset_copy, deep=True)
    assert [p.kind for p in found] == ["wrong value", "changed"]
    assert path.name in found[0].message
    assert str(value) in found[0].message
    only(verify_dataset(without_index(dataset_copy), deep=True), "wrong value")


@pytest.mark.parametrize("layer", ["msi_images/cerradata_ms", "semantic_14c/cerradata_semantic_14c"])
def test_changed_pixel_is_found(dataset_copy: Path, layer: str) -> None:
    path = dataset_copy / f"{layer}_7.tif"
    with rasterio.open(path) as file:
        pixels = file.read()
    pixels[0, 3, 4] = 5
    rewrite(path, pixels)
    found = only(verify_dataset(dataset_copy, deep=True), "changed")
    assert found.patch_id == 7


def test_file_moved_to_another_place_is_found(dataset_copy: Path) -> None:
    path = dataset_copy / "sar_images" / "cerradata_sar_7.tif"
    with rasterio.open(path) as file:
        transform = file.transform
    rewrite(path, transform=Affine.translation(10, 0) @ transform)
    found = only(verify_dataset(dataset_copy), "changed")
    assert "cerradata_sar_7.tif lies at" in found.message


def test_two_files_of_one_patch_are_named(dataset_copy: Path) -> None:
    shutil.copy(dataset_copy / "msi_images" / "cerradata_ms_7.tif", dataset_copy / "msi_images" / "other_ms_7.tif")
    assert "id 7 twice" in only(verify_dataset(dataset_copy), "name").message


@pytest.mark.parametrize("name", ["notes.docx", "cerradata_ms.tif"])
def test_file_that_is_no_patch_is_named(dataset_copy: Path, name: str) -> None:
    (dataset_copy / "msi_images" / name).write_bytes(b"")
    assert name in only(verify_dataset(dataset_copy), "name").message


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 2}'])
def test_bad_information_is_named(dataset_copy: Path, text: str) -> None:
    (dataset_copy / "dataset.json").write_text(text)
    assert "dataset.json" in only(verify_dataset(dataset_copy), "dataset").message


def test_bad_index_is_named(dataset_copy: Path) -> None:
    (dataset_copy / "index.parquet").write_bytes(b"PAR1")
    assert "index.parquet" in only(verify_dataset(dataset_copy), "dataset").message


def test_counts_that_disagree_are_named(dataset_copy: Path) -> None:
    plain = json.loads((dataset_copy / "dataset.json").read_text())
    (dataset_copy / "dataset.json").write_text(json.dumps({**plain, "patches": 35}))
    assert "counts 35 patches" in only(verify_dataset(dataset_copy), "dataset").message


def test_index_that_lacks_a_patch_is_noticed(dataset_copy: Path) -> None:
    write_index(dataset_copy, read_index(dataset_copy).iloc[1:])
    kinds = [problem.kind for problem in verify_dataset(dataset_copy)]
    assert kinds == ["dataset", *["extra"] * 6]


def test_unfinished_build_is_named(dataset_copy: Path) -> None:
    (dataset_copy / "dataset.json").unlink()
    (dataset_copy / "build-journal.jsonl").write_text("{}\n")
    assert "unfinished build" in only(verify_dataset(dataset_copy), "dataset").message


def test_labels_of_another_legend_are_a_problem_beside_the_others(dataset_copy: Path) -> None:
    without_index(dataset_copy)
    (dataset_copy / "sar_images" / "cerradata_sar_7.tif").unlink()
    found = verify_dataset(dataset_copy, legend="terramesh-lulc")
    assert [problem.kind for problem in found] == ["dataset", "unpaired"]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_missing_split_folder_is_named(dataset_copy: Path, split: str) -> None:
    root = into_split_folders(without_index(dataset_copy))
    shutil.rmtree(root / split)
    assert f"no {split}/" in only(verify_dataset(root), "missing").message


@pytest.mark.parametrize("damage", ["folder gone", "folder empty", "only a note"])
def test_split_without_a_layer_is_named(dataset_copy: Path, damage: str) -> None:
    root = into_split_folders(without_index(dataset_copy))
    if damage == "only a note":
        shutil.rmtree(root / "val")
        (root / "val").mkdir()
        (root / "val" / "README.txt").write_text("to be copied")
    else:
        shutil.rmtree(root / "val" / "sar_images")
        if damage == "folder empty":
            (root / "val" / "sar_images").mkdir()
    found = [problem for problem in verify_dataset(root) if problem.kind == "missing"]
    assert len(found) == 1
    assert f"{root / 'val'} has no files of" in found[0].message
    assert "sar" in found[0].message


def test_no_dataset_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no dataset"):
        verify_dataset(tmp_path)
    with pytest.raises(DatasetError, match="no dataset folder"):
        verify_dataset(tmp_path / "nowhere")


def test_problem_is_plain_for_json() -> None:
    assert Problem("missing", "patch 7", 7).to_dict() == {"kind": "missing", "patch_id": 7, "message": "patch 7"}


@pytest.mark.parametrize(
    "layer", ["msi_images/cerradata_ms", "sar_images/cerradata_sar", "semantic_7c/cerradata_semantic_7c"]
)
def test_headers_are_those_of_gdal(golden_dataset: Path, layer: str) -> None:
    path = golden_dataset / f"{layer}_7.tif"
    ours, theirs = HeaderReader().read(path), gdal_header(path)
    assert ours is not None
    assert (ours.bands, ours.height, ours.width, ours.dtype) == (theirs.bands, SIZE, SIZE, theirs.dtype)
    assert str(ours.nodata) == str(theirs.nodata)
    assert (ours.crs, ours.transform, ours.names) == (theirs.crs, theirs.transform, theirs.names)
    assert ours.tags.items() <= theirs.tags.items()
    assert {name for name in theirs.tags if name.startswith("CERRADATA")} <= set(ours.tags)


def test_a_grid_that_only_gdal_reads_is_left_to_it(make_raster: Callable[..., Path], tmp_path: Path) -> None:
    path = make_raster(tmp_path / "a.tif", transform=Affine(8, 6, 700_000, 6, -8, 9_000_000))
    assert HeaderReader().read(path) is None
    assert gdal_header(path).transform == (8, 6, 700_000, 6, -8, 9_000_000)


def test_processes_find_what_threads_find(dataset_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rewrite(dataset_copy / "msi_images" / "cerradata_ms_7.tif", np.ones((12, SIZE, SIZE), np.uint16))
    (dataset_copy / "edge_7c" / "cerradata_edge_7c_30.tif").write_bytes(b"II*")
    here = verify_dataset(dataset_copy, deep=True)
    monkeypatch.setattr(verify_module, "_MANY", {True: 1, False: 1})
    monkeypatch.setattr(verify_module, "_CHUNK", 10)
    assert verify_dataset(dataset_copy, deep=True) == here
    assert [(problem.kind, problem.patch_id) for problem in here] == [("changed", 7), ("corrupt", 30)]


def edit_info(root: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    plain = json.loads((root / "dataset.json").read_text())
    edit(plain)
    (root / "dataset.json").write_text(json.dumps(plain))


def edit_index(root: Path, edit: Callable[[gpd.GeoDataFrame], object]) -> None:
    index = read_index(root)
    edit(index)
    write_index(root, index)


def b02(plain: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = plain["layers"]["msi"]["statistics"]["B02"]
    return found


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda plain: b02(plain).update(mean=-5.0), "the mean does not lie between min and max"),
        (lambda plain: b02(plain).update(std=1e6), "half of the range"),
        (lambda plain: b02(plain).update(min=0.0), "no data was counted"),
        (lambda plain: b02(plain).update(max=70_000.0), "no numbers of uint16"),
        (lambda plain: plain["layers"]["msi"]["statistics"].update(B99=b02(plain)), "B99"),
        (lambda plain: plain["selection"]["patches"].update(kept=30), "30 patches were kept"),
        (lambda plain: plain["selection"]["pixels"]["kept"].__setitem__(0, 1), "pixels of the classes"),
        (lambda plain: plain["selection"].update(max_unlabelled=0.0), "more than 0% unlabelled"),
    ],
)
def test_statistics_that_cannot_be_are_named(
    dataset_copy: Path, edit: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit_info(dataset_copy, edit)
    assert message in only(verify_dataset(dataset_copy), "statistics").message


def test_statistics_that_are_plausible_and_wrong_are_found_in_the_pixels(dataset_copy: Path) -> None:
    edit_info(dataset_copy, lambda plain: b02(plain).update(mean=b02(plain)["mean"] * 1.001))
    assert verify_dataset(dataset_copy) == []
    assert "band B02 of msi has mean" in only(verify_dataset(dataset_copy, deep=True), "statistics").message


def move(index: gpd.GeoDataFrame, column: str, value: object, row: int = 7) -> None:
    index.at[row, column] = value


@pytest.mark.parametrize(
    ("edit", "kind", "message"),
    [
        (lambda index: move(index, "col", 2), "dataset", "row \\* 6"),
        (lambda index: move(index, "valid_share", 1.5), "statistics", "valid share"),
        (lambda index: move(index, "objects_l1", [0] * 7), "statistics", "objects of level 1"),
        (lambda index: move(index, "scenes", ["nowhere"]), "dataset", "scenes .*nowhere"),
        (lambda index: move(index, "content_hash", "12"), "dataset", "SHA-256"),
        (lambda index: move(index, "geometry", index.geometry[8]), "dataset", "footprint: patch 7"),
        (lambda index: index.insert(0, "id", index.pop("id") + 0.5), "dataset", "no integers"),
        (lambda index: index.pop("scenes"), "dataset", "lacks the columns scenes"),
        (lambda index: move(index, "pixels_l1", [1, 2]), "dataset", "2, 7 numbers a patch"),
        (lambda index: move(index, "split", "training"), "split", "unknown split 'training'"),
    ],
)
def test_rows_of_the_index_that_are_wrong_are_named(
    dataset_copy: Path, edit: Callable[[gpd.GeoDataFrame], object], kind: str, message: str
) -> None:
    edit_index(dataset_copy, edit)
    found = verify_dataset(dataset_copy)
    assert any(problem.kind == kind and re.search(message, problem.message) for problem in found), found


def test_class_pixels_of_two_levels_must_agree(dataset_copy: Path) -> None:
    def swap(index: gpd.GeoDataFrame) -> None:
        move(index, "pixels_l1", index["pixels_l1"][7][::-1])
        move(index, "objects_l1", index["objects_l1"][7][::-1])

    edit_index(dataset_copy, swap)
    assert "level 1 are not those of level 2" in only(verify_dataset(dataset_copy), "statistics").message
    found = verify_dataset(dataset_copy, deep=True)
    assert [problem.kind for problem in found] == ["statistics"] * 3  # pixels and objects beside it
    assert "the index says" in found[-1].message


def test_a_transform_of_the_index_that_is_not_on_the_grid(dataset_copy: Path) -> None:
    edit_index(dataset_copy, lambda index: move(index, "transform", [10.0, 0.0, 700_000.0, 0.0, -10.0, 9_000_000.0]))
    found = verify_dataset(dataset_copy)
    assert [problem.kind for problem in found] == ["dataset", *["changed"] * 6]
    assert "transform is not that of row and column" in found[0].message


def test_a_row_twice_and_in_two_splits(dataset_copy: Path, split_dataset: Path) -> None:
    index = read_index(split_dataset)
    index = pd.concat([index, index.iloc[[7]]], ignore_index=True)
    others = {"train": "val", "val": "test", "test": "train"}
    index.loc[36, "split"] = others.get(index["split"][7], "test")
    index.loc[7, "split"] = index["split"][7] or "train"
    write_index(dataset_copy, index)
    messages = [problem.message for problem in verify_dataset(dataset_copy)]
    assert any("more than one row in index.parquet: patch 7" in message for message in messages)
    assert any("in more than one split of the index: patch 7" in message for message in messages)


def test_a_certificate_of_other_splits(dataset_copy: Path) -> None:
    assign_splits(dataset_copy, SplitOptions("random"))
    assert verify_dataset(dataset_copy) == []
    edit_index(dataset_copy, lambda index: move(index, "split", None if index["split"][7] else "train"))
    assert "certificate of other splits" in only(verify_dataset(dataset_copy), "split").message
    (dataset_copy / "split-certificate.json").write_text("[]")
    assert "is no certificate" in only(verify_dataset(dataset_copy), "split").message


@pytest.mark.parametrize(
    ("stride", "splits", "told"),
    [
        (32, ("train", "val", "val", "test"), []),
        (24, ("train", "val", "val", "test"), ["train and val", "val and test"]),
        (16, ("train", "train", None, "test"), []),
        (15, ("train", "train", None, "test"), ["train and test"]),
        (15, ("train", "train", "train", None), []),
    ],
)
def test_overlapping_patches_of_two_splits(
    golden_dataset: Path, stride: int, splits: tuple[str | None, ...], told: list[str]
) -> None:
    """Four patches in one row, 32 pixels wide."""
    info, index = DatasetInfo.read(golden_dataset), read_index(golden_dataset)
    info = replace(info, grid={**(info.grid or {}), "stride": stride})
    index = index.iloc[:4].assign(split=list(splits))
    found = [problem.message for problem in check_splits(golden_dataset, index, info)]
    assert [message.split(" share ground")[0] for message in found] == told
    if stride == 24:
        assert "1 pairs of their patches overlap (0 and 1, say), by 256 pixels" in found[0]


def test_overlap_is_counted_as_footprints_say(golden_dataset: Path) -> None:
    """Beside an independent count: the footprints, one pair after the other."""
    info, index = DatasetInfo.read(golden_dataset), read_index(golden_dataset)
    stride, size = 12, info.patch_size
    splits = np.random.default_rng(0).choice(["train", "val", "test"], len(index))
    expected: dict[tuple[str, str], tuple[int, int]] = {}
    places = list(zip(index["row"], index["col"], splits, strict=True))
    for (row, col, one), (row2, col2, other) in combinations(places, 2):
        down, right = (max(0, size - stride * abs(a - b)) for a, b in ((row, row2), (col, col2)))
        if one != other and down * right:
            key = (
                (one, other)
                if ("train", "val", "test").index(one) < ("train", "val", "test").index(other)
                else (other, one)
            )
            pairs, pixels = expected.get(key, (0, 0))
            expected[key] = (pairs + 1, pixels + down * right)
    info = replace(info, grid={**(info.grid or {}), "stride": stride})
    messages = " ".join(p.message for p in check_splits(golden_dataset, index.assign(split=splits), info))
    for (one, other), (pairs, pixels) in expected.items():
        assert f"{one} and {other} share ground: {pairs:,} pairs" in messages
        assert f"by {pixels:,} pixels" in messages
    assert messages.count("share ground") == len(expected) == 3


@pytest.mark.parametrize(
    "name", [".lock", "build-journal.jsonl", "msi_images/.cerradata_ms_7.123-4.tif", ".index.99-0.parquet"]
)
def test_what_a_killed_process_left_is_told(dataset_copy: Path, name: str) -> None:
    (dataset_copy / name).write_bytes(b"")
    assert name in only(verify_dataset(dataset_copy, deep=True), "leftover").message


def test_files_of_the_system_are_no_leftovers(dataset_copy: Path) -> None:
    (dataset_copy / "msi_images" / "._cerradata_ms_7.tif").write_bytes(b"")
    (dataset_copy / ".DS_Store").write_bytes(b"")
    assert verify_dataset(dataset_copy) == []


def test_names_that_are_not_those_of_the_build(dataset_copy: Path) -> None:
    folder = dataset_copy / "msi_images"
    (folder / "cerradata_ms_7.tif").rename(folder / "cerradata_sar_7.tif")
    assert "<prefix>_ms_7.tif is right" in only(verify_dataset(dataset_copy), "name").message
    (folder / "cerradata_sar_7.tif").rename(folder / "mine_ms_7.tif")
    assert "1 files named mine_" in only(verify_dataset(dataset_copy), "name").message


def test_a_folder_that_is_none_of_the_dataset(dataset_copy: Path) -> None:
    shutil.copytree(dataset_copy / "edge_7c", dataset_copy / "edge_5c")
    assert "edge_5c" in only(verify_dataset(dataset_copy), "extra").message


def with_hash(root: Path, patch_id: int) -> None:
    """Make the index agree with the pixels of a patch, as software that builds wrongly would."""
    layers = {"msi_images": "msi", "sar_images": "sar"}
    pixels = {}
    for folder in (path for path in root.iterdir() if path.is_dir()):
        with rasterio.open(next(folder.glob(f"*_{patch_id}.tif"))) as file:
            pixels[layers.get(folder.name, folder.name)] = file.read()
    edit_index(root, lambda index: move(index, "content_hash", content_hash(pixels), patch_id))


@pytest.mark.parametrize(("place", "told"), [((10, 20), True), ((0, 0), False)])
def test_edges_that_the_labels_do_not_explain(dataset_copy: Path, place: tuple[int, int], told: bool) -> None:
    """At the border of a patch an edge may come of a neighbour that another patch has."""
    path = dataset_copy / "edge_7c" / "cerradata_edge_7c_7.tif"
    with rasterio.open(path) as file:
        edges = file.read()
    edges[0, *place] = 1 - edges[0, *place]
    assert edges[0, *place] == 1
    rewrite(path, edges)
    with_hash(dataset_copy, 7)
    found = verify_dataset(dataset_copy, deep=True)
    assert ["differs in 1 pixels from the boundaries of level 1" in p.message for p in found] == [True] * told


def test_a_boundary_at_the_border_must_be_an_edge(dataset_copy: Path) -> None:
    path = dataset_copy / "edge_14c" / "cerradata_edge_14c_7.tif"
    with rasterio.open(path) as file:
        edges = file.read()
    missing = int(edges[0, 0].sum())
    edges[0, 0] = 0
    rewrite(path, edges)
    with_hash(dataset_copy, 7)
    assert missing > 0
    assert "boundaries of level 2" in only(verify_dataset(dataset_copy, deep=True), "wrong value").message


def test_levels_that_do_not_fit_each_other(dataset_copy: Path) -> None:
    legend = load_legend("cerradata-4mm")
    path = dataset_copy / "semantic_7c" / "cerradata_semantic_7c_7.tif"
    with rasterio.open(path) as file:
        labels = file.read()
    labels[0, 10, 10] = (labels[0, 10, 10] + 1) % len(legend.level(1))
    rewrite(path, labels)
    with_hash(dataset_copy, 7)
    messages = [problem.message for problem in verify_dataset(dataset_copy, deep=True)]
    assert any("differs in 1 pixels from level 2 mapped to it" in message for message in messages)
    assert any("pixels of the classes of level 1; the index says" in message for message in messages)


@pytest.mark.parametrize("words", [[], ["--deep"]])
def test_the_command_tells_machines(
    golden_dataset: Path, dataset_copy: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["verify", str(golden_dataset), "--format", "json", "--quiet", *words]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain == {"whole": True, "deep": bool(words), "simulated": [], "problems": []}
    edit_info(dataset_copy, lambda plain: plain["provenance"].update(simulated=["a world of blocks"]))
    (dataset_copy / ".lock").touch()
    assert main(["verify", str(dataset_copy), "--format", "json", "--quiet", *words]) == 1
    plain = json.loads(capsys.readouterr().out)
    assert plain["simulated"] == ["a world of blocks"]
    assert [problem["kind"] for problem in plain["problems"]] == ["leftover"]
