from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerradata.core.errors import DatasetError
from cerradata.legend import load_legend
from cerradata.patches.layout import discover, edge_layer, id_of_file, patch_file, semantic_layer


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


@given(st.text("abc_-.0123456789", min_size=1, max_size=12), st.sampled_from(["msi", "sar", "edge_7c"]), st.integers(0))
def test_id_is_read_back_from_the_name_that_we_write(prefix: str, layer: str, patch_id: int) -> None:
    assert id_of_file(patch_file(prefix, layer, patch_id)) == patch_id


@pytest.mark.parametrize(
    ("name", "patch_id"),
    [
        ("parrot_beak_ms_30290.tif", 30290),
        ("mask_parrot_beak_7classes_12.TIF", 12),
        ("parrot_beak_terraclass_classes_14c_0.tiff", 0),
        ("patch_007.tif", 7),
        ("patch7.tif", None),
        ("patch_7.png", None),
        ("patch_7c.tif", None),
        ("patch_7.tif.aux.xml", None),
    ],
)
def test_id_is_the_number_after_the_last_underscore(name: str, patch_id: int | None) -> None:
    assert id_of_file(name) == patch_id


def test_names_are_those_of_the_published_layout() -> None:
    coarse, fine = load_legend("cerradata-4mm").levels
    assert (semantic_layer(coarse), edge_layer(fine)) == ("semantic_7c", "edge_14c")
    assert patch_file("cerradata", "msi", 17) == "cerradata_ms_17.tif"
    assert patch_file("cerradata", "semantic_14c", 17) == "cerradata_semantic_14c_17.tif"


def test_files_are_joined_on_their_ids(tmp_path: Path) -> None:
    put(*(tmp_path / "opt_images" / f"{prefix}_ms_{i}.tif" for i, prefix in enumerate("zyx")))
    put(*(tmp_path / "sar_images" / f"sar_{i}.tif" for i in (0, 2, 10)))
    put(tmp_path / "msi_images_old" / "ms_0.tif", tmp_path / "sar_images" / "sar_0.tif.aux.xml")
    layout = discover(tmp_path)
    assert {layer: sorted(files) for layer, files in layout.files.items()} == {"msi": [0, 1, 2], "sar": [0, 2, 10]}
    assert layout.path("msi", 2).name == "x_ms_2.tif"
    assert layout.ids == [0, 1, 2, 10]
    assert layout.missing() == {1: ["sar"], 10: ["msi"]}
    assert layout.missing(["msi", "edge_7c"])[0] == ["edge_7c"]
    assert layout.problems == ()
    with pytest.raises(DatasetError, match="patch 1 has no file in layer sar"):
        layout.path("sar", 1)
    with pytest.raises(DatasetError, match="no layer edge_7c: it has msi, sar"):
        layout.path("edge_7c", 1)


def test_own_folder_names_are_followed(tmp_path: Path) -> None:
    put(tmp_path / "optical" / "ms_0.tif")
    assert discover(tmp_path, {"msi": "optical"}).ids == [0]
    with pytest.raises(DatasetError, match="is no dataset"):
        discover(tmp_path)


def test_split_folders_tell_the_splits(tmp_path: Path) -> None:
    put(tmp_path / "train" / "msi_images" / "ms_0.tif", tmp_path / "test" / "msi_images" / "ms_1.tif")
    put(tmp_path / "train" / "sar_images" / "sar_0.tif", tmp_path / "val" / "sar_images" / "sar_1.tif")
    layout = discover(tmp_path)
    assert layout.splits[0] == "train"
    assert len(layout.doubled) == 1
    assert layout.doubled[0].startswith("id 1 lies in val/ and in test/")
    assert layout.problems == layout.doubled


def test_what_is_wrong_with_names_is_listed(tmp_path: Path) -> None:
    folder = tmp_path / "msi_images"
    put(folder / "a_ms_1.tif", folder / "b_ms_1.tif", folder / "notes.txt", folder / "ms.tif", folder / ".hidden_3.tif")
    layout = discover(tmp_path)
    assert layout.ids == [1]
    assert layout.path("msi", 1).name == "a_ms_1.tif"
    assert layout.doubled == (f"id 1 twice in layer msi: {folder / 'a_ms_1.tif'} and {folder / 'b_ms_1.tif'}",)
    found = "; ".join(layout.problems)
    assert len(layout.problems) == 3
    assert "notes.txt is no GeoTIFF" in found
    assert "ms.tif has no id" in found


def test_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no dataset: none of the folders msi_images, opt_images"):
        discover(tmp_path)
    with pytest.raises(DatasetError, match="no dataset folder"):
        discover(tmp_path / "nowhere")
