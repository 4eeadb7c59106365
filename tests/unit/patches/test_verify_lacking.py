"""`verify` of a dataset some of whose patches lack an image layer, as declared."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from cerradata.patches.copy import CopyFacts, index_copy
from cerradata.patches.index import read_index, write_index
from cerradata.patches.verify import Problem, verify_dataset

BLIND, DARK = 7, 20
"""The patches without SAR and without MSI."""


@pytest.fixture
def dataset(dataset_copy: Path) -> Path:
    """The golden dataset as a copy: patch 7 without SAR, patch 20 without MSI."""
    image(dataset_copy, "sar", BLIND).unlink()
    image(dataset_copy, "msi", DARK).unlink()
    index_copy(dataset_copy, CopyFacts(may_lack=("sar", "msi")), overwrite=True, quiet=True)
    return dataset_copy


def image(root: Path, layer: str, patch_id: int) -> Path:
    folder, infix = {"msi": ("msi_images", "ms"), "sar": ("sar_images", "sar")}[layer]
    return root / folder / f"cerradata_{infix}_{patch_id}.tif"


def only(problems: list[Problem], kind: str) -> Problem:
    assert [problem.kind for problem in problems] == [kind], problems
    return problems[0]


def edit_lacks(root: Path, patch_id: int, lacks: object) -> None:
    index = read_index(root)
    index.at[int(np.flatnonzero(index["id"] == patch_id)[0]), "lacks"] = lacks
    write_index(root, index)


@pytest.mark.parametrize("deep", [False, True])
def test_declared_absence_is_no_problem(dataset: Path, deep: bool) -> None:
    assert verify_dataset(dataset, deep=deep) == []
    assert verify_dataset(dataset, deep=deep, workers=1) == []


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("layer", ["sar", "msi"])
def test_image_that_the_index_knows_is_missing(dataset: Path, layer: str, deep: bool) -> None:
    image(dataset, layer, 9).unlink()
    problem = only(verify_dataset(dataset, deep=deep), "missing")
    assert (problem.patch_id, problem.message) == (9, f"patch 9 has no file in {layer}")


@pytest.mark.parametrize("deep", [False, True])
def test_image_that_the_index_does_not_know_is_extra(dataset: Path, deep: bool) -> None:
    shutil.copy(image(dataset, "sar", 8), image(dataset, "sar", BLIND))
    problem = only(verify_dataset(dataset, deep=deep), "extra")
    assert problem.patch_id == BLIND
    assert problem.message.endswith("cerradata_sar_7.tif is there, but the index says that the patch lacks sar")


def test_labels_of_a_patch_without_image_are_needed(dataset: Path) -> None:
    (dataset / "semantic_7c" / f"cerradata_semantic_7c_{BLIND}.tif").unlink()
    assert only(verify_dataset(dataset), "missing").message == "patch 7 has no file in semantic_7c"


def test_changed_pixels_of_a_patch_without_image_are_found(dataset: Path) -> None:
    with rasterio.open(image(dataset, "msi", BLIND), "r+") as file:
        pixels = file.read()
        pixels[0, 0, 0] += 1
        file.write(pixels)
    assert verify_dataset(dataset) == []
    problem = only(verify_dataset(dataset, deep=True), "changed")
    assert problem.patch_id == BLIND


def test_valid_share_of_a_patch_without_image_is_compared(dataset: Path) -> None:
    index = read_index(dataset)
    index.loc[index["id"] == DARK, "valid_share"] = 0.5
    write_index(dataset, index)
    problem = only(verify_dataset(dataset, deep=True), "statistics")
    assert "patch 20 has a valid share of 1; the index says 0.5" in problem.message


def test_statistics_are_those_of_the_patches_that_have_the_layer(dataset: Path) -> None:
    plain = json.loads((dataset / "dataset.json").read_text())
    plain["layers"]["sar"]["statistics"]["VV"]["mean"] += 1
    (dataset / "dataset.json").write_text(json.dumps(plain))
    assert "band VV of sar has mean" in only(verify_dataset(dataset, deep=True), "statistics").message


def test_index_without_the_column_is_named(dataset: Path) -> None:
    write_index(dataset, read_index(dataset).drop(columns="lacks"))
    first, *others = verify_dataset(dataset)
    assert "may lack msi, sar, but index.parquet has no column lacks" in first.message
    assert [(problem.kind, problem.patch_id) for problem in others] == [("missing", BLIND), ("missing", DARK)]


@pytest.mark.parametrize("lacks", [None, "sar", [3]])
def test_index_with_a_broken_column_is_named(dataset: Path, lacks: object) -> None:
    index = read_index(dataset)
    index["lacks"] = [lacks] * len(index)
    write_index(dataset, index)
    assert "has no list of layers in each row of lacks" in verify_dataset(dataset)[0].message


@pytest.mark.parametrize("layer", ["semantic_7c", "elevation"])
def test_layer_that_no_patch_may_lack(dataset: Path, layer: str) -> None:
    edit_lacks(dataset, 9, [layer])
    if layer == "semantic_7c":
        (dataset / "semantic_7c" / "cerradata_semantic_7c_9.tif").unlink()
    problem = only(verify_dataset(dataset), "dataset")
    assert f"a patch lacks {layer}, which dataset.json lets no patch lack: patch 9" in problem.message


def test_patch_without_any_sensor_is_named(dataset: Path) -> None:
    image(dataset, "msi", BLIND).unlink()
    edit_lacks(dataset, BLIND, ["msi", "sar"])
    assert only(verify_dataset(dataset), "dataset").message == "no image of msi or sar by index.parquet: patch 7"


def test_damaged_index_leaves_optional_layers_unjudged(dataset: Path) -> None:
    (dataset / "index.parquet").write_bytes(b"PAR1")
    assert "index.parquet cannot be read" in only(verify_dataset(dataset), "dataset").message
