from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.core.locations import Location
from cerradata.data import AugmentationConfig, BatchConfig, CerraData4MM, CerraData4MMDataModule, Normalise
from cerradata.patches.info import DatasetInfo
from cerradata.scenes.bands import MSI_BANDS

Pixels = Callable[[str, int], npt.NDArray[np.float32]]


def batches(module: CerraData4MMDataModule, stage: str = "training") -> list[dict[str, torch.Tensor]]:
    stages = ("training", "validating", "testing", "predicting", "sanity_checking")
    module.trainer = SimpleNamespace(
        current_epoch=1, global_rank=0, world_size=1, **{name: name == stage for name in stages}
    )
    loader = module.train_dataloader() if stage == "training" else module.val_dataloader()
    return [module.on_after_batch_transfer(batch, 0) for batch in loader]


def test_variables_follow_the_bands(dataset_with_variables: Path, pixels_of: Pixels) -> None:
    dataset = CerraData4MM(dataset_with_variables, bands=("VV", "B04"), variables=("ndvi", "elevation", "slope"))
    assert dataset.bands == ("VV", "B04", "ndvi@dry", "ndvi@wet", "elevation", "slope")
    plain = CerraData4MM(dataset_with_variables, bands=("VV", "B04"))
    for position in (0, 17, 35):
        image, patch_id = dataset[position]["image"], dataset.ids[position]
        torch.testing.assert_close(image[:2], plain[position]["image"])
        expected = np.concatenate([pixels_of(layer, patch_id) for layer in ("ndvi", "elevation", "slope")])
        np.testing.assert_array_equal(image[2:], expected)
    assert "targets" not in dataset[0]


def test_variables_are_appended_to_a_whole_modality(dataset_with_variables: Path) -> None:
    dataset = CerraData4MM(dataset_with_variables, modality="msi", variables=("slope",))
    assert dataset.bands == (*MSI_BANDS, "slope")
    assert CerraData4MM(dataset_with_variables).bands == (*MSI_BANDS, "VV", "VH"), "none without being asked for"


def test_one_time_window_of_a_variable(dataset_with_variables: Path, pixels_of: Pixels) -> None:
    dataset = CerraData4MM(dataset_with_variables, bands=("VV",), variables=("ndvi@wet",), targets=("ndvi@dry",))
    sample = dataset[5]
    np.testing.assert_array_equal(sample["image"][1], pixels_of("ndvi", 5)[1])
    np.testing.assert_array_equal(sample["targets"][0], pixels_of("ndvi", 5)[0])


def test_bands_that_a_run_kept_open_the_same_image(dataset_with_variables: Path) -> None:
    first = CerraData4MM(dataset_with_variables, bands=("B04", "VV"), variables=("slope", "ndvi"))
    again = CerraData4MM(dataset_with_variables, bands=first.bands)
    assert again.bands == first.bands
    assert again.radiometry == first.radiometry
    torch.testing.assert_close(again[3]["image"], first[3]["image"], equal_nan=True)


def test_targets_are_values_with_holes(dataset_with_variables: Path, pixels_of: Pixels) -> None:
    dataset = CerraData4MM(dataset_with_variables, modality="sar", targets=("ndvi_std", "elevation", "water"))
    assert dataset.targets == ("ndvi_std", "elevation", "water")
    sample = dataset[7]
    assert sample["targets"].dtype == torch.float32
    assert sample["image"].shape[0] == 2
    expected = np.concatenate([pixels_of(layer, 7) for layer in ("ndvi_std", "elevation", "water")])
    np.testing.assert_array_equal(sample["targets"], expected)
    assert torch.isnan(sample["targets"]).nonzero().tolist() == [[0, 3, 4], [1, 3, 4], [2, 3, 4]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variables": ("roughness",)}, r"no variable 'roughness': it has .*slope.*ndvi \(ndvi@dry, ndvi@wet\)"),
        ({"targets": ("ndvi@cold",)}, "no variable 'ndvi@cold'"),
        ({"variables": ("B04",)}, "no variable 'B04'"),
        ({"targets": ("VV",)}, "no variable 'VV'"),
        ({"bands": ("B04", "roughness")}, "no band 'roughness': it has B01, .*variables: .*slope"),
        ({"variables": ("slope",), "targets": ("slope",)}, "'slope' is an input and a target"),
        ({"variables": ("ndvi",), "targets": ("ndvi@wet",)}, "'ndvi@wet' is an input and a target"),
        ({"variables": ("water",)}, "'water' was made from the reference map"),
        ({"bands": ("B04", "water")}, "'water' was made from the reference map"),
    ],
)
def test_what_cannot_be_chosen_is_refused(
    dataset_with_variables: Path, options: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        CerraData4MM(dataset_with_variables, **options)


def test_dataset_without_variables_says_so(golden_dataset: Path) -> None:
    with pytest.raises(ConfigError, match="no variable 'slope': it has none"):
        CerraData4MM(golden_dataset, variables=("slope",))


@pytest.mark.parametrize("use", ["variables", "targets"])
def test_missing_file_of_a_variable_is_an_error_where_it_is_used(
    dataset_copy: Path, make_raster: Callable[..., Path], pixels_of: Pixels, use: str
) -> None:
    (dataset_copy / "dataset.json").unlink()
    (dataset_copy / "index.parquet").unlink()
    for patch_id in range(35):
        make_raster(
            dataset_copy / "elevation" / f"cerradata_elevation_{patch_id}.tif", pixels_of("elevation", patch_id)
        )
    with pytest.raises(DatasetError, match=r"elevation lacks 1 of 36 patches \(ids \[35\]\)"):
        CerraData4MM(dataset_copy, **{use: ("elevation",)})
    assert len(CerraData4MM(dataset_copy)) == 36


def test_time_axis_gives_each_window_its_bands(dataset_with_windows: Path) -> None:
    flat = CerraData4MM(dataset_with_windows, modality="msi")
    timed = CerraData4MM(dataset_with_windows, modality="msi", time_axis=True)
    assert timed.time_windows == ("dry", "wet")
    assert timed[4]["image"].shape == (2, 6, 32, 32)
    torch.testing.assert_close(timed[4]["image"].flatten(0, 1), flat[4]["image"])
    chosen = CerraData4MM(
        dataset_with_windows, modality="msi", bands=("B03@wet", "B02@dry", "B02@wet", "B03@dry"), time_axis=True
    )
    assert chosen.time_windows == ("wet", "dry")
    assert chosen.bands == ("B03@wet", "B02@wet", "B03@dry", "B02@dry")
    for w, window in enumerate(chosen.time_windows):
        for b, band in enumerate(("B03", "B02")):
            expected = flat[4]["image"][flat.bands.index(f"{band}@{window}")]
            torch.testing.assert_close(chosen[4]["image"][w, b], expected)
    chosen.plot(chosen[4]).canvas.draw()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modality": "sar"}, "band 'VV' has no time window"),
        ({"modality": "msi", "bands": ("B02@dry", "B02@wet", "B03@dry")}, "no 'B03@wet' among"),
    ],
)
def test_time_axis_needs_the_same_windows_of_all_bands(
    dataset_with_windows: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        CerraData4MM(dataset_with_windows, time_axis=True, **options)


def test_batches_have_normalised_variables_and_plain_targets(dataset_with_variables: Path) -> None:
    options = {"modality": "sar", "variables": ("slope", "ndvi"), "targets": ("ndvi_std",)}
    module = CerraData4MMDataModule(dataset_with_variables, BatchConfig(36), **options)
    module.setup("fit")
    for stage, dataset in (("training", module.train_dataset), ("validating", module.val_dataset)):
        for batch in batches(module, stage):
            for image, targets, patch_id in zip(batch["image"], batch["targets"], batch["id"], strict=True):
                sample = dataset[dataset.ids.index(int(patch_id))]
                assert torch.isfinite(image).all()
                torch.testing.assert_close(targets, sample["targets"], equal_nan=True)
                for number, band in ((2, "slope"), (3, "ndvi@dry"), (4, "ndvi@wet")):
                    own = dataset.statistics[band]
                    expected = ((sample["image"][number] - own["mean"]) / own["std"]).nan_to_num(0)
                    torch.testing.assert_close(image[number], expected, atol=1e-3, rtol=1e-4)
                published = Normalise(("VV", "VH"), dataset.statistics, "1to1")(sample["image"][:2])
                torch.testing.assert_close(image[:2], published)


def test_flips_move_targets_with_their_image(dataset_with_variables: Path) -> None:
    options = BatchConfig(36, normalisation="none", augmentation=AugmentationConfig(flips=True, turns=True))
    module = CerraData4MMDataModule(
        dataset_with_variables, options, modality="sar", variables=("slope",), targets=("ndvi_std",)
    )
    dataset = module.train_dataset
    choices = []
    for batch in batches(module):
        for image, targets, patch_id in zip(batch["image"], batch["targets"], batch["id"], strict=True):
            placement = module.augment.placement(int(patch_id))
            sample = dataset[dataset.ids.index(int(patch_id))]
            torch.testing.assert_close(targets, placement.apply(sample["targets"]), equal_nan=True)
            torch.testing.assert_close(image, placement.apply(sample["image"]).nan_to_num(0))
            choices.append(placement.symmetry)
    assert len(set(choices)) > 2


def test_directions_turn_with_their_image(dataset_with_variables: Path) -> None:
    options = BatchConfig(36, normalisation="none", augmentation=AugmentationConfig(turns=True))
    module = CerraData4MMDataModule(dataset_with_variables, options, modality="sar", targets=("aspect",))
    dataset = module.train_dataset
    turned = 0
    for batch in batches(module):
        for targets, patch_id in zip(batch["targets"], batch["id"], strict=True):
            placement = module.augment.placement(int(patch_id))
            plain = placement.apply(dataset[dataset.ids.index(int(patch_id))]["targets"])
            change = ((targets - plain) % 360).nanmedian()
            turned += int(change > 0)
            assert float(change) in (0, 90, 180, 270)
    assert turned > 2


def test_batches_with_a_time_axis_are_normalised_window_by_window(
    dataset_with_windows: Path, resplit: Callable[..., None]
) -> None:
    info = DatasetInfo.read(dataset_with_windows)
    msi = info.layers["msi"]
    shifted = {band: {**own, "min": own["min"] - 7 * i} for i, (band, own) in enumerate(msi.statistics.items())}
    replace(info, layers={**info.layers, "msi": replace(msi, statistics=shifted)}).write(dataset_with_windows)
    resplit(dataset_with_windows)
    options = {"bands": ("B02@dry", "B02@wet", "B03@dry", "B03@wet"), "modality": "msi"}
    how = BatchConfig(36, normalisation="0to1")
    flat = CerraData4MMDataModule(dataset_with_windows, how, **options)
    timed = CerraData4MMDataModule(dataset_with_windows, how, time_axis=True, **options)
    for ours, theirs in zip(batches(timed), batches(flat), strict=True):
        assert ours["image"].shape[1:] == (2, 2, 32, 32)
        for window in range(2):
            for band in range(2):
                torch.testing.assert_close(ours["image"][:, window, band], theirs["image"][:, 2 * band + window])


def test_run_trained_on_variables_is_opened_with_its_image_and_normalisation(
    dataset_with_variables: Path, tiny_training: Callable[..., Any], tmp_path: Path
) -> None:
    from cerradata.evaluation.testing import open_split
    from cerradata.training import TrainOptions, train
    from cerradata.training.weights import load_run

    bands = ("B04", "VV", "slope", "ndvi@dry")
    config = tiny_training(data=Location(dataset_with_variables), bands=bands, epochs=1)
    run = train(config, tmp_path / "run", TrainOptions(quiet=True))
    record = run.read()
    test = open_split(record, dataset_with_variables, "test")
    assert test.bands == record.bands == bands
    assert record.normalisation == "1to1"
    _, network = load_run(run)
    image = test[0]["image"][None]
    torch.testing.assert_close(network.normalise(image), Normalise(bands, test.statistics, "1to1")(image))
    assert torch.isfinite(network(image)).all()
