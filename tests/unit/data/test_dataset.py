from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cerradata.core.errors import CerradataError, ConfigError, DatasetError, LegendError
from cerradata.data import PUBLISHED_STATISTICS, CerraData4MM
from cerradata.labels.edges import edge_mask
from cerradata.legend import load_legend
from cerradata.patches.index import ids_of_split, read_index
from cerradata.patches.layout import id_of_file
from cerradata.scenes.bands import MSI_BANDS

SIZE, COLUMNS = 32, 6
CODES = (1, 11, 14, 23, 2, 17)  # of the golden dataset: rectangles of 24 x 40 pixels


def corner(patch_id: int) -> tuple[int, int]:
    row, col = divmod(patch_id, COLUMNS)
    return row * SIZE, col * SIZE


def numbers(patch_id: int, start: int) -> np.ndarray:
    """start + 100 * row + col, as the golden dataset holds it."""
    top, left = corner(patch_id)
    return start + 100 * np.arange(top, top + SIZE)[:, None] + np.arange(left, left + SIZE)[None]


def labels(patch_id: int) -> np.ndarray:
    top, left = corner(patch_id)
    rows, columns = np.mgrid[top : top + SIZE, left : left + SIZE]
    classes = load_legend("cerradata-4mm").source("terraclass-cerrado-2022").classes
    found = np.array([classes[code] for code in CODES])[(rows // 24 + columns // 40) % len(CODES)]
    return np.where((rows >= 5) & (rows < 8), 255, found)


def test_image_mask_and_edge_of_each_sample_belong_together(golden_dataset: Path) -> None:
    dataset = CerraData4MM(golden_dataset, bands=("VV", "B02"), edges=True)
    assert dataset.ids == list(range(36))
    for position, patch_id in enumerate(dataset.ids):
        sample = dataset[position]
        assert sample["id"] == patch_id
        np.testing.assert_allclose(sample["image"][0], numbers(patch_id, 1), rtol=1e-6)
        np.testing.assert_array_equal(sample["image"][1], numbers(patch_id, 1000))
        np.testing.assert_array_equal(sample["mask"], labels(patch_id))
        inner = (slice(1, -1), slice(1, -1))
        np.testing.assert_array_equal(sample["edge"][inner], edge_mask(labels(patch_id))[inner])
    assert sample["image"].dtype == torch.float32
    assert sample["mask"].dtype == sample["edge"].dtype == torch.int64


@pytest.mark.parametrize("layer", ["msi_images", "sar_images", "semantic_14c"])
def test_missing_file_is_an_error_and_never_a_mispair(dataset_copy: Path, layer: str) -> None:
    next(path for path in (dataset_copy / layer).iterdir() if id_of_file(path.name) == 7).unlink()
    with pytest.raises(DatasetError, match=r"lacks 1 of 36 patches \(ids \[7\]\)"):
        CerraData4MM(dataset_copy)


def test_patch_of_which_every_file_is_gone_is_missed_too(dataset_copy: Path) -> None:
    for path in dataset_copy.rglob("*_7.tif"):
        path.unlink()
    with pytest.raises(DatasetError, match=r"\[7\]"):
        CerraData4MM(dataset_copy)


def test_id_that_stands_twice_is_refused(dataset_copy: Path) -> None:
    (dataset_copy / "msi_images" / "another_ms_7.tif").write_bytes(
        (dataset_copy / "msi_images" / "cerradata_ms_8.tif").read_bytes()
    )
    with pytest.raises(DatasetError, match="id 7 twice in layer msi"):
        CerraData4MM(dataset_copy)


def test_copy_with_prefixes_that_sort_otherwise_is_paired_by_id(dataset_copy: Path) -> None:
    (dataset_copy / "index.parquet").unlink()
    (dataset_copy / "dataset.json").unlink()
    (dataset_copy / "msi_images").rename(dataset_copy / "opt_images")
    for path in list((dataset_copy / "semantic_14c").iterdir()):
        patch_id = id_of_file(path.name)
        path.rename(path.with_name(f"{'zyxwvutsrq'[patch_id % 10]}_mask_{patch_id}.tif"))
    dataset = CerraData4MM(dataset_copy, bands=("VV",))
    for position, patch_id in enumerate(dataset.ids):
        sample = dataset[position]
        np.testing.assert_allclose(sample["image"][0], numbers(patch_id, 1), rtol=1e-6)
        np.testing.assert_array_equal(sample["mask"], labels(patch_id))
    assert dataset.statistics == PUBLISHED_STATISTICS
    assert CerraData4MM(dataset_copy).bands == (*MSI_BANDS, "VV", "VH")


def test_unfinished_build_is_no_copy(dataset_copy: Path) -> None:
    (dataset_copy / "dataset.json").unlink()
    (dataset_copy / "build-journal.jsonl").write_text('{"configuration": "..."}\n')
    with pytest.raises(DatasetError, match="unfinished build"):
        CerraData4MM(dataset_copy)


def test_split_folders_of_a_copy_are_its_splits(dataset_copy: Path) -> None:
    (dataset_copy / "index.parquet").unlink()
    (dataset_copy / "dataset.json").unlink()
    for folder in [path for path in dataset_copy.iterdir() if path.is_dir()]:
        for path in list(folder.iterdir()):
            split = ("train", "train", "val", "test")[id_of_file(path.name) % 4]
            (dataset_copy / split / folder.name).mkdir(parents=True, exist_ok=True)
            path.rename(dataset_copy / split / folder.name / path.name)
        folder.rmdir()
    assert CerraData4MM(dataset_copy, "val").ids == list(range(2, 36, 4))
    assert len(CerraData4MM(dataset_copy, "train")) == 18
    assert len(CerraData4MM(dataset_copy)) == 36
    np.testing.assert_array_equal(CerraData4MM(dataset_copy, "val")[0]["mask"], labels(2))


def test_splits_are_those_of_the_index(split_dataset: Path) -> None:
    index = read_index(split_dataset)
    own = {split: CerraData4MM(split_dataset, split).ids for split in ("train", "val", "test")}
    assert own == {split: ids_of_split(index, split) for split in own}
    assert sorted(i for ids in own.values() for i in ids) == list(range(36))


def test_dataset_without_splits_says_what_to_do(golden_dataset: Path) -> None:
    with pytest.raises(DatasetError, match="cerradata split"):
        CerraData4MM(golden_dataset, "train")


def test_modality_and_bands_decide_the_image(golden_dataset: Path) -> None:
    assert CerraData4MM(golden_dataset, modality="msi").bands == MSI_BANDS
    assert CerraData4MM(golden_dataset, modality="sar").bands == ("VV", "VH")
    whole = CerraData4MM(golden_dataset)[9]["image"]
    assert whole.shape == (14, SIZE, SIZE)
    chosen = ("VH", "B12", "B02", "VV")
    picked = CerraData4MM(golden_dataset, bands=chosen)[9]["image"]
    torch.testing.assert_close(picked, whole[[13, 11, 1, 12]])
    only_sar = CerraData4MM(golden_dataset, modality="sar")[9]["image"]
    torch.testing.assert_close(only_sar, whole[12:])


def test_coarse_labels_come_from_their_own_files(dataset_copy: Path) -> None:
    for level, fine in ((1, False), (2, True)):
        mask = CerraData4MM(dataset_copy, level=level, modality="sar")[20]["mask"]
        expected = labels(20) if fine else load_legend("cerradata-4mm").lookup(2, 1)[labels(20)]
        np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"modality": "optical"}, ConfigError, "no modality 'optical'"),
        ({"bands": ("B10",)}, ConfigError, "no band 'B10'"),
        ({"bands": ()}, ConfigError, "no band"),
        ({"modality": "sar", "bands": ("B04",)}, ConfigError, "no band 'B04'"),
        ({"level": 3}, LegendError, "3"),
        ({"split": "holdout"}, DatasetError, "holdout"),
    ],
)
def test_what_does_not_exist_is_refused(
    golden_dataset: Path, options: dict[str, object], error: type[CerradataError], message: str
) -> None:
    with pytest.raises(error, match=message):
        CerraData4MM(golden_dataset, **options)


def test_modality_that_a_dataset_lacks_is_refused(dataset_copy: Path) -> None:
    for path in (dataset_copy / "index.parquet", dataset_copy / "dataset.json"):
        path.unlink()
    for path in (dataset_copy / "sar_images").iterdir():
        path.unlink()
    (dataset_copy / "sar_images").rmdir()
    with pytest.raises(DatasetError, match="no sar images"):
        CerraData4MM(dataset_copy)
    assert len(CerraData4MM(dataset_copy, modality="msi")) == 36


def test_pixels_without_data_are_not_a_number(dataset_copy: Path, make_raster: Callable[..., Path]) -> None:
    image = np.full((12, SIZE, SIZE), 2000, np.uint16)
    image[3, 4, 5] = 0
    make_raster(dataset_copy / "msi_images" / "cerradata_ms_7.tif", image)
    found = CerraData4MM(dataset_copy, modality="msi")[7]["image"]
    assert torch.isnan(found).nonzero().tolist() == [[3, 4, 5]]


def test_transforms_are_called_with_the_sample(golden_dataset: Path) -> None:
    dataset = CerraData4MM(golden_dataset, transforms=lambda sample: {**sample, "image": sample["image"] * 0})
    assert not dataset[3]["image"].any()


def test_damaged_file_is_named(dataset_copy: Path) -> None:
    (dataset_copy / "msi_images" / "cerradata_ms_7.tif").write_bytes(b"not a GeoTIFF")
    with pytest.raises(DatasetError, match=r"cerradata_ms_7\.tif cannot be read"):
        CerraData4MM(dataset_copy)[7]


@pytest.mark.parametrize("modality", ["msi", "sar", "msi+sar"])
def test_plot_shows_image_mask_and_prediction(golden_dataset: Path, modality: str) -> None:
    dataset = CerraData4MM(golden_dataset, modality=modality)
    sample = dataset[0]
    figure = dataset.plot({**sample, "prediction": sample["mask"]}, suptitle="patch 0")
    assert [axis.get_title() for axis in figure.axes] == ["image", "mask", "prediction"]
    painted = figure.axes[1].images[0].get_array()
    assert (painted[6] == 255).all(), "unlabelled rows are white"
    assert tuple(painted[0, 0]) == dataset.level.classes[int(sample["mask"][0, 0])].colour
    figure.canvas.draw()
