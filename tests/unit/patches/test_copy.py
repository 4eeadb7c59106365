import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from cerradata.core.errors import ConfigError, DatasetError, LegendError, OutputError
from cerradata.data import CerraData4MM
from cerradata.legend import LegendName
from cerradata.patches.copy import CopyFacts, index_copy
from cerradata.patches.index import class_counts, ids_of_split, lacking, read_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import id_of_file
from cerradata.patches.record import content_hash
from cerradata.patches.stored import read_layer
from cerradata.patches.verify import verify_dataset

SIZE = 32
PREFIXES = {
    "msi_images": "parrot_beak_ms",
    "sar_images": "sar_parrot_beak",
    "semantic_7c": "mask_parrot_beak_7classes",
    "semantic_14c": "parrot_beak_terraclass_classes_14c",
    "edge_7c": "edge",
    "edge_14c": "zz_edge_14",
}
FOUND_ANEW = ["id", "valid_share", "pixels_l1", "pixels_l2", "objects_l1", "objects_l2", "content_hash", "transform"]


@pytest.fixture
def copy(dataset_copy: Path) -> Path:
    """The golden dataset as a copy of the published download: other prefixes, no index."""
    for name in ("index.parquet", "dataset.json", "build-log.jsonl"):
        (dataset_copy / name).unlink()
    for folder, prefix in PREFIXES.items():
        for path in list((dataset_copy / folder).iterdir()):
            path.rename(path.with_name(f"{prefix}_{id_of_file(path.name)}.tif"))
    return dataset_copy


def plain(index: pd.DataFrame) -> pd.DataFrame:
    return index[FOUND_ANEW].map(lambda value: tuple(value) if isinstance(value, list | np.ndarray) else value)


def overwrite_pixels(path: Path, pixels: np.ndarray) -> None:
    with rasterio.open(path, "r+") as file:
        file.write(pixels)


def test_copy_gives_the_records_and_statistics_of_the_build(copy: Path, golden_dataset: Path) -> None:
    (copy / "msi_images").rename(copy / "opt_images")
    info = index_copy(copy, quiet=True)
    built = DatasetInfo.read(golden_dataset)
    pd.testing.assert_frame_equal(plain(read_index(copy)), plain(read_index(golden_dataset)))
    assert (info.patches, info.patch_size, info.labels) == (36, 32, (1, 2))
    assert info.legend.to_dict() == built.legend.to_dict()
    for name in ("msi", "sar"):
        ours, theirs = info.layers[name], built.layers[name]
        assert ours.dtype == theirs.dtype
        assert ours.radiometry.quantiles == theirs.radiometry.quantiles
        assert (ours.radiometry.unit, ours.radiometry.offset) == (theirs.radiometry.unit, theirs.radiometry.offset)
        assert ours.statistics.keys() == theirs.statistics.keys()
        for band, values in ours.statistics.items():
            assert values == pytest.approx(theirs.statistics[band])
    assert info.layers["msi"].folder == "opt_images"
    index = read_index(copy)
    assert index["row"].isna().all()
    assert index["split"].isna().all()
    assert verify_dataset(copy) == []
    np.testing.assert_array_equal(CerraData4MM(copy)[9]["mask"], CerraData4MM(golden_dataset)[9]["mask"])


def test_split_folders_become_the_splits(copy: Path) -> None:
    for folder in PREFIXES:
        for path in list((copy / folder).iterdir()):
            split = ("train", "train", "val", "test")[id_of_file(path.name) % 4]
            (copy / split / folder).mkdir(parents=True, exist_ok=True)
            path.rename(copy / split / folder / path.name)
        (copy / folder).rmdir()
    index_copy(copy, quiet=True)
    assert ids_of_split(read_index(copy), "val") == list(range(2, 36, 4))
    assert ids_of_split(read_index(copy), "test") == list(range(3, 36, 4))
    assert verify_dataset(copy) == []
    assert CerraData4MM(copy, "test").ids == list(range(3, 36, 4))


def test_coarse_labels_rasterised_apart_are_accepted(copy: Path) -> None:
    path = copy / "semantic_7c" / f"{PREFIXES['semantic_7c']}_20.tif"
    other = np.full((1, SIZE, SIZE), 6, np.int32)
    overwrite_pixels(path, other)
    index_copy(copy, quiet=True)
    row = read_index(copy).set_index("id").loc[20]
    assert list(row["pixels_l1"]) == [0, 0, 0, 0, 0, 0, SIZE * SIZE]
    assert row["pixels_l2"][12] == 0
    assert class_counts(read_index(copy), 1)[6] == SIZE * SIZE


def test_copy_without_edges_or_radar_is_indexed_as_it_is(copy: Path) -> None:
    for folder in ("edge_7c", "edge_14c", "sar_images", "semantic_7c"):
        shutil.rmtree(copy / folder)
    info = index_copy(copy, quiet=True)
    assert (set(info.layers), info.labels) == ({"msi"}, (2,))
    assert verify_dataset(copy) == []


def test_copy_without_georeference_is_indexed_without_places(copy: Path, make_raster: Callable[..., Path]) -> None:
    for folder in PREFIXES:
        for path in (copy / folder).iterdir():
            with rasterio.open(path) as file:
                pixels = file.read()
            make_raster(path, pixels, crs=None, transform=rasterio.Affine(1, 0, 0, 0, 1, 0))
    assert index_copy(copy, quiet=True).patches == 36
    index = read_index(copy)
    assert index.geometry.isna().all()
    assert index["crs"].isna().all()
    assert verify_dataset(copy) == []


@pytest.mark.parametrize("folder", list(PREFIXES))
def test_missing_file_is_refused(copy: Path, folder: str) -> None:
    (copy / folder / f"{PREFIXES[folder]}_7.tif").unlink()
    with pytest.raises(DatasetError, match=r"not whole: patch 7 has no .*cerradata verify"):
        index_copy(copy, quiet=True)
    assert not (copy / "index.parquet").exists()


def test_id_that_stands_twice_is_refused(copy: Path) -> None:
    shutil.copy(copy / "msi_images" / "parrot_beak_ms_7.tif", copy / "msi_images" / "again_7.tif")
    with pytest.raises(DatasetError, match="id 7 twice in layer msi"):
        index_copy(copy, quiet=True)


@pytest.mark.parametrize(("folder", "value"), [("semantic_14c", 14), ("semantic_14c", -1), ("semantic_7c", 11)])
def test_values_of_another_legend_are_refused(copy: Path, folder: str, value: int) -> None:
    overwrite_pixels(copy / folder / f"{PREFIXES[folder]}_7.tif", np.full((1, SIZE, SIZE), value, np.int32))
    with pytest.raises(DatasetError, match=rf"_7\.tif holds {value} \(1024 pixels\).*right legend"):
        index_copy(copy, quiet=True)


def test_number_of_classes_of_no_level_is_refused(copy: Path) -> None:
    with pytest.raises(LegendError, match="not one level with"):
        index_copy(copy, CopyFacts(legend=LegendName("terramesh-lulc")), quiet=True)


def test_truncated_file_is_named(copy: Path) -> None:
    path = copy / "msi_images" / "parrot_beak_ms_7.tif"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DatasetError, match=r"parrot_beak_ms_7\.tif cannot be read"):
        index_copy(copy, quiet=True)


@pytest.mark.parametrize("shape", [(31, 31), (16, 32), (32, 16)])
def test_patch_of_another_shape_is_refused(
    copy: Path, make_raster: Callable[..., Path], shape: tuple[int, int]
) -> None:
    make_raster(copy / "sar_images" / "sar_parrot_beak_7.tif", np.ones((2, *shape), np.float32))
    with pytest.raises(DatasetError, match=f"{shape[0]} x {shape[1]} pixels|other layers|one size"):
        index_copy(copy, quiet=True)


def test_whole_patch_of_another_size_is_refused(copy: Path, make_raster: Callable[..., Path]) -> None:
    for folder, prefix in PREFIXES.items():
        with rasterio.open(copy / folder / f"{prefix}_7.tif") as file:
            pixels = file.read()[:, :16, :16]
        make_raster(copy / folder / f"{prefix}_7.tif", pixels)
    with pytest.raises(DatasetError, match="patch 7 has 16 pixels"):
        index_copy(copy, quiet=True)


def test_other_bands_must_be_declared(copy: Path, make_raster: Callable[..., Path]) -> None:
    for path in (copy / "msi_images").iterdir():
        make_raster(path, np.full((3, SIZE, SIZE), 1500, np.uint16))
    with pytest.raises(DatasetError, match="has 3 bands: say which they are"):
        index_copy(copy, quiet=True)
    facts = CopyFacts(msi_bands=("B04", "B03", "B02"), msi_offset=0, sar_unit="db", name="declared")
    info = index_copy(copy, facts, quiet=True)
    assert info.layers["msi"].radiometry.bands == ("B04", "B03", "B02")
    assert info.layers["msi"].radiometry.offset == 0
    assert (info.layers["sar"].radiometry.unit, info.name) == ("db", "declared")


def test_float_images_of_a_copy_keep_their_type(copy: Path, make_raster: Callable[..., Path]) -> None:
    for path in (copy / "msi_images").iterdir():
        with rasterio.open(path) as file:
            pixels = file.read().astype(np.float32)
        make_raster(path, pixels)
    assert index_copy(copy, quiet=True).layers["msi"].dtype == "float32"


def test_index_is_replaced_only_on_request(copy: Path) -> None:
    index_copy(copy, quiet=True)
    with pytest.raises(OutputError, match="--overwrite"):
        index_copy(copy, quiet=True)
    assert index_copy(copy, CopyFacts(name="anew"), overwrite=True, quiet=True).name == "anew"


def test_unfinished_build_is_no_copy(copy: Path) -> None:
    (copy / "build-journal.jsonl").write_text("{}\n")
    with pytest.raises(OutputError, match="unfinished build"):
        index_copy(copy, overwrite=True, quiet=True)


def test_copy_without_labels_or_images_is_refused(copy: Path, tmp_path: Path) -> None:
    only_labels = tmp_path / "labels"
    shutil.copytree(copy / "semantic_14c", only_labels / "semantic_14c")
    with pytest.raises(DatasetError, match="has no images"):
        index_copy(only_labels, quiet=True)
    only_images = tmp_path / "images"
    shutil.copytree(copy / "msi_images", only_images / "msi_images")
    with pytest.raises(DatasetError, match="no label folder"):
        index_copy(only_images, quiet=True)


def remove(copy: Path, folder: str, *ids: int) -> None:
    for patch_id in ids:
        (copy / folder / f"{PREFIXES[folder]}_{patch_id}.tif").unlink()


def test_copy_whose_patches_may_lack_images_is_indexed(copy: Path, golden_dataset: Path) -> None:
    remove(copy, "sar_images", 7, 8)
    remove(copy, "msi_images", 20)
    info = index_copy(copy, CopyFacts(may_lack=("sar", "msi")), quiet=True)
    index, whole = read_index(copy), read_index(golden_dataset)
    assert info.optional == ("msi", "sar")
    assert lacking(index) == {"msi": frozenset({20}), "sar": frozenset({7, 8})}
    assert list(index["lacks"][0]) == []
    left = ~index["id"].isin([7, 8, 20])
    pd.testing.assert_frame_equal(plain(index[left]), plain(whole[left]))
    same = [column for column in FOUND_ANEW if column != "content_hash"]  # the valid share among them
    pd.testing.assert_frame_equal(plain(index)[same], plain(whole)[same])
    assert (index["content_hash"] != whole["content_hash"]).tolist() == (~left).tolist()
    pixels = {
        folder.removesuffix("_images"): read_layer(copy / folder / f"{prefix}_7.tif")[0]
        for folder, prefix in PREFIXES.items()
        if folder != "sar_images"
    }
    assert index["content_hash"][7] == content_hash(pixels)


def test_statistics_of_a_layer_are_of_the_patches_that_have_it(copy: Path) -> None:
    ids = [i for i in range(36) if i not in (3, 4)]
    remove(copy, "sar_images", *ids)
    info = index_copy(copy, CopyFacts(may_lack=("sar",)), quiet=True)
    both = np.stack([read_layer(copy / "sar_images" / f"sar_parrot_beak_{i}.tif")[0] for i in (3, 4)])
    for band, numbers in zip(("VV", "VH"), both.swapaxes(0, 1), strict=True):
        own = info.layers["sar"].statistics[band]
        assert (own["min"], own["max"]) == (numbers.min(), numbers.max())
        assert own["mean"] == pytest.approx(numbers.mean(dtype=np.float64))
        assert own["std"] == pytest.approx(numbers.std(dtype=np.float64))
        assert info.layers["sar"].radiometry.quantiles[band] == pytest.approx(np.quantile(numbers, (0.05, 0.5, 0.95)))
    assert not info.layers["msi"].optional


def test_valid_share_is_over_the_layers_that_a_patch_has(copy: Path) -> None:
    for folder, rows in (("msi_images", 4), ("sar_images", 16)):
        path = copy / folder / f"{PREFIXES[folder]}_7.tif"
        pixels = read_layer(path)[0]
        pixels[:, :rows] = 0 if folder == "msi_images" else np.nan
        overwrite_pixels(path, pixels)
    index_copy(copy, quiet=True)
    assert read_index(copy)["valid_share"][7] == 1 - 16 / SIZE
    remove(copy, "sar_images", 7)
    index_copy(copy, CopyFacts(may_lack=("sar",)), overwrite=True, quiet=True)
    assert read_index(copy)["valid_share"][7] == 1 - 4 / SIZE


def test_whole_copy_may_be_declared_to_lack_images(copy: Path) -> None:
    index_copy(copy, quiet=True)
    undeclared = (copy / "dataset.json").read_text()
    assert "lacks" not in read_index(copy)
    info = index_copy(copy, CopyFacts(may_lack=("sar",)), overwrite=True, quiet=True)
    assert info.optional == ("sar",)
    assert lacking(read_index(copy)) == {}
    assert len(read_index(copy)["lacks"]) == 36
    index_copy(copy, overwrite=True, quiet=True)
    assert (copy / "dataset.json").read_text() == undeclared


def test_missing_images_are_refused_with_the_option_that_allows_them(copy: Path) -> None:
    remove(copy, "sar_images", 7)
    with pytest.raises(DatasetError, match=r"patch 7 has no sar .*--may_lack '\[sar\]'"):
        index_copy(copy, quiet=True)
    remove(copy, "msi_images", 8)
    with pytest.raises(DatasetError, match=r"patch 8 has no msi \(1 problems\).*--may_lack '\[msi, sar\]'"):
        index_copy(copy, CopyFacts(may_lack=("sar",)), quiet=True)
    remove(copy, "semantic_7c", 9)
    with pytest.raises(DatasetError, match=r"patch 9 has no semantic_7c \(1 problems\)") as caught:
        index_copy(copy, CopyFacts(may_lack=("sar", "msi")), quiet=True)
    assert "may_lack" not in str(caught.value)
    assert not (copy / "index.parquet").exists()


@pytest.mark.parametrize("layer", ["semantic_7c", "edge_14c", "elevation", "radar"])
def test_only_image_layers_of_the_copy_may_lack(copy: Path, layer: str) -> None:
    with pytest.raises(ConfigError, match=f"has no images of '{layer}' .*it has msi, sar"):
        index_copy(copy, CopyFacts(may_lack=("sar", layer)), quiet=True)


def test_patch_without_any_sensor_is_refused(copy: Path) -> None:
    remove(copy, "sar_images", 7)
    remove(copy, "msi_images", 7)
    with pytest.raises(DatasetError, match="patch 7 has no image of msi or sar"):
        index_copy(copy, CopyFacts(may_lack=("sar", "msi")), quiet=True)


def test_split_folder_may_have_no_image_of_an_optional_layer(copy: Path) -> None:
    for folder in PREFIXES:
        for path in list((copy / folder).iterdir()):
            patch_id = id_of_file(path.name)
            split = ("train", "train", "val", "test")[patch_id % 4]
            if folder == "sar_images" and split == "test":
                path.unlink()
                continue
            (copy / split / folder).mkdir(parents=True, exist_ok=True)
            path.rename(copy / split / folder / path.name)
        (copy / folder).rmdir()
    index_copy(copy, CopyFacts(may_lack=("sar",)), quiet=True)
    assert lacking(read_index(copy)) == {"sar": frozenset(range(3, 36, 4))}
    assert verify_dataset(copy, deep=True) == []
