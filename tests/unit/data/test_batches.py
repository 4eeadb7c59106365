import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.data import PUBLISHED_STATISTICS, BatchConfig, CerraData4MM, CerraData4MMDataModule, Normalise
from cerradata.data.assembly import fill_on_device
from cerradata.data.buffers import Buffers
from cerradata.data.kernel import BandKernel, in_parallel
from cerradata.patches.index import read_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.store import PackOptions, pack_dataset


@pytest.fixture(scope="module")
def packed(split_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden dataset packed, without GeoTIFFs."""
    out = tmp_path_factory.mktemp("packed") / "dataset"
    pack_dataset(split_dataset, out, PackOptions(quiet=True))
    return out


@pytest.mark.parametrize(
    "options", [{}, {"bands": ("VH", "B8A", "B02")}, {"modality": "sar", "level": 1, "edges": True}]
)
def test_a_batch_holds_the_samples(split_dataset: Path, options: dict[str, object]) -> None:
    dataset = CerraData4MM(split_dataset, **options)
    ids = [7, 0, 21]
    batch = dataset.assemble(dataset.stored.read(ids))
    assert batch["id"].tolist() == ids
    for place, patch_id in enumerate(ids):
        sample = dataset[dataset.ids.index(patch_id)]
        assert sample.keys() == batch.keys()
        for name in ("image", "mask", *(["edge"] if "edge" in options else [])):
            torch.testing.assert_close(batch[name][place], sample[name], equal_nan=True)


def test_packed_and_geotiff_give_the_same_samples(split_dataset: Path, packed: Path) -> None:
    for split in ("train", "val", "test"):
        ours, theirs = (CerraData4MM(root, split, edges=True) for root in (packed, split_dataset))
        assert ours.ids == theirs.ids
        for own, other in zip(ours, theirs, strict=True):
            for name in ("image", "mask", "edge"):
                torch.testing.assert_close(own[name], other[name], equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["none", "0to1", "1to1", "z-score", "percentile"])
def test_normalised_while_assembled_is_normalised_afterwards(split_dataset: Path, name: str) -> None:
    dataset = CerraData4MM(split_dataset)
    stored = dataset.stored.read(dataset.ids[:5])
    stored["layers"]["msi"][2, 3, 4, 5] = 0
    stored["layers"]["sar"][1, 0, 7, 7] = torch.nan
    stored["layers"]["sar"][1, 1, 7, 8] = torch.inf
    normalise = Normalise(dataset.bands, dataset.statistics, name)
    at_once = dataset.assemble.normalising(normalise)(stored)["image"]
    assembled = dataset.assemble(stored)["image"]
    torch.testing.assert_close(at_once, normalise(assembled), rtol=0, atol=0)
    assert assembled.isnan().sum() == 3
    assert at_once[2, 3, 4, 5] == at_once[1, 12, 7, 7] == at_once[1, 13, 7, 8] == 0


def test_processor_and_other_devices_normalise_alike(split_dataset: Path) -> None:
    """A tensor that is not contiguous goes the way of a graphics card."""
    dataset = CerraData4MM(split_dataset)
    image = dataset.assemble(dataset.stored.read(dataset.ids[:4]))["image"]
    image[0, 2, 3, 3] = torch.nan
    image[0, 13, 5, 5] = 0
    for name in ("0to1", "1to1", "percentile"):
        normalise = Normalise(dataset.bands, dataset.statistics, name)
        strided = image.permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2)
        torch.testing.assert_close(
            normalise.overwriting(strided.clone(memory_format=torch.preserve_format)), normalise(image)
        )


def test_normalising_leaves_the_given_image_alone(split_dataset: Path) -> None:
    dataset = CerraData4MM(split_dataset)
    image = dataset[0]["image"]
    before = image.clone()
    Normalise(dataset.bands, dataset.statistics, "1to1")(image)
    torch.testing.assert_close(image, before, equal_nan=True)


def test_memory_is_used_again_only_when_nobody_holds_it() -> None:
    buffers = Buffers()
    first = buffers.empty((3, 4), np.float32)
    address = first.ctypes.data
    tensor = torch.from_numpy(first)
    del first
    assert buffers.empty((3, 4), np.float32).ctypes.data != address, "a tensor holds it"
    part = tensor[0]
    del tensor
    assert buffers.empty((3, 4), np.float32).ctypes.data != address, "a part of the tensor holds it"
    del part
    held = [buffers.empty((6, 4), np.uint16) for _ in range(3)]
    assert address in [array.ctypes.data for array in held], "as many bytes, whatever they are"


def test_batches_stay_what_they_are_while_others_are_read(split_dataset: Path, packed: Path) -> None:
    module = CerraData4MMDataModule(packed, BatchConfig(3))
    kept = [module.on_after_batch_transfer(batch, 0) for batch in module.train_dataloader()]
    plain = CerraData4MM(split_dataset, "train")
    for batch in kept:
        for image, patch_id in zip(batch["image"], batch["id"], strict=True):
            sample = plain[plain.ids.index(int(patch_id))]
            torch.testing.assert_close(image, module.normalise(sample["image"]))


def test_a_dataset_walks_to_another_process(packed: Path) -> None:
    dataset = CerraData4MM(packed)
    dataset[0]
    other = pickle.loads(pickle.dumps(dataset))
    torch.testing.assert_close(other[3]["image"], dataset[3]["image"], equal_nan=True)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_no_batch(packed: Path, workers: int) -> None:
    here, there = (CerraData4MMDataModule(packed, BatchConfig(4, workers=n), modality="sar") for n in (0, workers))
    here.train_dataset[0]  # files are open in this process
    for own, other in zip(here.train_dataloader(), there.train_dataloader(), strict=True):
        assert own["id"].tolist() == other["id"].tolist()
        torch.testing.assert_close(own["layers"]["sar"], other["layers"]["sar"], equal_nan=True)


def test_work_in_parallel_is_done_once_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    patches = np.zeros((7, 2, 40_000), np.float32)

    def add(patch: np.ndarray, number: int) -> None:
        patch += number

    in_parallel(add, patches, range(1, 8))
    assert (patches == np.arange(1, 8)[:, None, None]).all()


def test_an_error_in_parallel_work_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        in_parallel(lambda _: 1 / 0, np.zeros((4, 300_000), np.float32))


def test_bands_on_a_log_scale_and_others_side_by_side() -> None:
    kernel = BandKernel(np.array([2, 1, 3], np.float32), np.array([0, 1, 0], np.float32), (True, False, True))
    image = torch.tensor([[8.0, torch.nan], [-5.0, torch.nan], [0.0, 4.0]])[None, :, None, :].contiguous()
    kernel.overwrite(image)
    expected = torch.tensor([[6.0, 0.0], [-4.0, 0.0], [3 * np.log2(1e-6), 6.0]])[None, :, None, :]
    torch.testing.assert_close(image, expected.float())


def test_statistics_of_the_training_patches_alone(packed: Path) -> None:
    module = CerraData4MMDataModule(packed, BatchConfig(statistics="train"), modality="sar")
    images = torch.stack([sample["image"] for sample in CerraData4MM(packed, "train", "sar")]).double()
    for number, band in enumerate(("VV", "VH")):
        own, numbers = module.statistics[band], images[:, number][images[:, number].isfinite()]
        assert own["mean"] == pytest.approx(float(numbers.mean()))
        assert own["std"] == pytest.approx(float(numbers.std(correction=0)))
        assert (own["min"], own["max"]) == (float(numbers.min()), float(numbers.max()))
        assert own["q05"] == pytest.approx(float(numbers.quantile(0.05)), rel=0.02)
    assert module.statistics["VV"] != CerraData4MM(packed).statistics["VV"]


def test_a_fraction_keeps_every_class_and_decides_the_batches(packed: Path) -> None:
    module = CerraData4MMDataModule(packed, BatchConfig(36, fraction=0.4), modality="sar")
    index = read_index(packed).set_index("id")
    train = index[index["split"] == "train"]
    chosen = train.loc[module.train_dataset.ids]
    assert len(chosen) < len(train)
    present, kept = (np.stack(rows["pixels_l2"]).sum(axis=0) > 0 for rows in (train, chosen))
    assert (present == kept).all()
    assert sorted(i for batch in module.train_dataloader() for i in batch["id"].tolist()) == module.train_dataset.ids


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fraction": 0}, "above 0"),
        ({"fraction": 0.5, "shots": 2}, "give one of them"),
        ({"shots": 0}, "1 patch"),
        ({"rare_share": 1.2}, "0 to 1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"workers": -1}, "workers is -1"),
    ],
)
def test_impossible_batches_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BatchConfig(**options)


def test_unknown_statistics_are_refused(packed: Path) -> None:
    with pytest.raises(ConfigError, match="dataset, train and published"):
        CerraData4MMDataModule(packed, BatchConfig(statistics="theirs"))


def test_published_statistics_repeat_the_published_numbers(packed: Path) -> None:
    module = CerraData4MMDataModule(packed, BatchConfig(statistics="published", normalisation="1to1"))
    assert module.statistics == {band: PUBLISHED_STATISTICS[band] for band in module.train_dataset.bands}
    found = module.normalise(torch.full((1, 14, 1, 1), 400.0))[0, 12, 0, 0]
    assert float(found) == pytest.approx(0.30566, abs=1e-5)


def test_other_devices_put_images_together_alike(split_dataset: Path) -> None:
    dataset = CerraData4MM(split_dataset, bands=("VH", "B8A", "B02", "VV"))
    stored = dataset.stored.read(dataset.ids[:4])
    stored["layers"]["msi"][0, 1, 2, 3] = 0
    stored["layers"]["sar"][1, 0, 7, 7] = torch.inf
    absent = {"sar": torch.tensor([False, False, True, False])}
    expected = dataset.assemble({**stored, "absent": absent})["image"]
    found = torch.empty_like(expected)
    fill_on_device(found, dataset.assemble.inputs, stored["layers"], absent)
    torch.testing.assert_close(found, expected, equal_nan=True, rtol=0, atol=0)
    assert found.isnan().any()


@pytest.mark.parametrize(
    ("layer", "changes", "message"),
    [("sar", {"unit": "linear"}, "are of amplitudes, this dataset has linear"), ("msi", {"offset": 0.0}, "offset 0")],
)
def test_published_statistics_are_refused_for_other_numbers(
    split_dataset: Path, tmp_path: Path, layer: str, changes: dict[str, object], message: str
) -> None:
    root = Path(shutil.copytree(split_dataset, tmp_path / "dataset"))
    info = DatasetInfo.read(root)
    other = replace(info.layers[layer], radiometry=replace(info.layers[layer].radiometry, **changes))
    replace(info, layers={**info.layers, layer: other}).write(root)
    with pytest.raises(ConfigError, match=message):
        CerraData4MMDataModule(root, BatchConfig(statistics="published"))


def test_only_patches_that_are_there_can_be_chosen(packed: Path) -> None:
    dataset = CerraData4MM(packed)
    assert dataset.only([5, 2]).ids == [2, 5]
    with pytest.raises(DatasetError, match="Patch 999 is not among the 36 patches"):
        dataset.only([999])
