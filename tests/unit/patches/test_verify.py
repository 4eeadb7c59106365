import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from cerradata.core.errors import DatasetError
from cerradata.patches.index import read_index, write_index
from cerradata.patches.verify import Problem, verify_dataset

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


@pytest.mark.parametrize("prepare", [without_index, lambda root: into_split_folders(without_index(root))])
def test_whole_copy_has_no_problem(dataset_copy: Path, prepare: Callable[[Path], Path]) -> None:
    assert verify_dataset(prepare(dataset_copy)) == []


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
    found = verify_dataset(dataset_copy)
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
    found = verify_dataset(dataset_copy)
    assert [p.kind for p in found] == ["wrong value", "changed"]
    assert path.name in found[0].message
    assert str(value) in found[0].message
    only(verify_dataset(without_index(dataset_copy)), "wrong value")


@pytest.mark.parametrize("layer", ["msi_images/cerradata_ms", "semantic_14c/cerradata_semantic_14c"])
def test_changed_pixel_is_found(dataset_copy: Path, layer: str) -> None:
    path = dataset_copy / f"{layer}_7.tif"
    with rasterio.open(path) as file:
        pixels = file.read()
    pixels[0, 3, 4] = 5
    rewrite(path, pixels)
    found = only(verify_dataset(dataset_copy), "changed")
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
