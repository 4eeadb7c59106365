from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.data import AugmentationConfig, BatchConfig, CerraData4MM, CerraData4MMDataModule, Normalise, datamodule
from cerradata.data.samplers import RareClasses

FLIPS = AugmentationConfig(flips=True, turns=True)


def trainer(epoch: int = 0, stage: str = "training") -> SimpleNamespace:
    """As much of a Lightning trainer as a data module asks for."""
    stages = ("training", "validating", "testing", "predicting", "sanity_checking")
    return SimpleNamespace(current_epoch=epoch, global_rank=0, world_size=1, **{name: name == stage for name in stages})


def batches(module: CerraData4MMDataModule, epoch: int = 0, stage: str = "training") -> list[dict[str, torch.Tensor]]:
    module.trainer = trainer(epoch, stage)
    loader = module.train_dataloader() if stage == "training" else module.val_dataloader()
    return [module.on_after_batch_transfer(batch, 0) for batch in loader]


@pytest.mark.parametrize("stage", ["training", "validating"])
def test_batches_are_normalised(split_dataset: Path, stage: str) -> None:
    module = CerraData4MMDataModule(split_dataset, BatchConfig(4))
    module.setup("fit")
    dataset = module.train_dataset if stage == "training" else module.val_dataset
    normalise = Normalise(dataset.bands, dataset.statistics, "1to1")
    found = batches(module, stage=stage)
    assert sorted(int(i) for batch in found for i in batch["id"]) == dataset.ids
    for batch in found:
        assert len(batch["id"]) <= 4
        for image, mask, patch_id in zip(batch["image"], batch["mask"], batch["id"], strict=True):
            sample = dataset[dataset.ids.index(int(patch_id))]
            torch.testing.assert_close(image, normalise(sample["image"]))
            torch.testing.assert_close(mask, sample["mask"])


def test_statistics_are_those_of_the_dataset(split_dataset: Path) -> None:
    module = CerraData4MMDataModule(split_dataset, BatchConfig(36, normalisation="0to1"), modality="sar")
    images = torch.cat([module.normalise(sample["image"]) for sample in CerraData4MM(split_dataset, modality="sar")])
    assert float(images.min()) == pytest.approx(0, abs=1e-6)
    assert float(images.max()) == pytest.approx(1, abs=1e-6)


def order(module: CerraData4MMDataModule, epoch: int) -> list[int]:
    return [int(i) for batch in batches(module, epoch) for i in batch["id"]]


def test_order_follows_from_seed_and_epoch(split_dataset: Path) -> None:
    module = CerraData4MMDataModule(split_dataset, BatchConfig(4), modality="sar", seed=1)
    first, second = order(module, 0), order(module, 1)
    assert first != second
    assert sorted(first) == sorted(second)
    torch.manual_seed(12345)
    assert order(CerraData4MMDataModule(split_dataset, BatchConfig(4), modality="sar", seed=1), 1) == second
    assert order(CerraData4MMDataModule(split_dataset, BatchConfig(4), modality="sar", seed=2), 0) != first


def test_flips_change_training_batches_in_each_epoch_and_no_others(split_dataset: Path) -> None:
    plain = CerraData4MMDataModule(split_dataset, BatchConfig(4), modality="sar")
    module = CerraData4MMDataModule(split_dataset, BatchConfig(4, augmentation=FLIPS), modality="sar")
    module.setup("fit")
    plain.setup("fit")
    samples = {int(i): m for batch in batches(plain) for i, m in zip(batch["id"], batch["mask"], strict=True)}
    moved = []
    for epoch in (0, 1):
        for batch in batches(module, epoch):
            for patch_id, mask in zip(batch["id"], batch["mask"], strict=True):
                placement = module.augment.placement(int(patch_id))
                moved.append((epoch, int(patch_id), placement.symmetry))
                torch.testing.assert_close(mask, placement.apply(samples[int(patch_id)]))
    choices = [{i: c for e, i, c in moved if e == epoch} for epoch in (0, 1)]
    assert choices[0] != choices[1]
    for ours, theirs in zip(batches(module, stage="validating"), batches(plain, stage="validating"), strict=True):
        torch.testing.assert_close(ours["image"], theirs["image"])


def test_last_batch_of_a_single_patch_is_left_out(split_dataset: Path) -> None:
    patches = len(CerraData4MM(split_dataset, "train"))
    sizes = [
        len(b["id"]) for b in batches(CerraData4MMDataModule(split_dataset, BatchConfig(patches - 1), modality="sar"))
    ]
    assert sizes == [patches - 1]
    sizes = [len(b["id"]) for b in batches(CerraData4MMDataModule(split_dataset, BatchConfig(1), modality="sar"))]
    assert sum(sizes) == patches, "batches of one that were asked for are kept"


def test_setup_opens_the_split_of_its_stage(split_dataset: Path) -> None:
    module = CerraData4MMDataModule(split_dataset)
    module.setup("test")
    assert module.test_dataset.ids == CerraData4MM(split_dataset, "test").ids
    assert not set(module.test_dataset.ids) & set(module.train_dataset.ids)


def test_dataset_without_splits_is_refused(golden_dataset: Path) -> None:
    with pytest.raises(DatasetError, match="cerradata split"):
        CerraData4MMDataModule(golden_dataset)


def test_unknown_normalisation_is_refused(split_dataset: Path) -> None:
    with pytest.raises(ConfigError, match="no normalisation"):
        CerraData4MMDataModule(split_dataset, BatchConfig(normalisation="whitening"))


def test_a_rare_patch_looks_different_each_time_it_comes(split_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datamodule, "RareClasses", partial(RareClasses, below=0.1))
    how = BatchConfig(8, augmentation=FLIPS, rare_share=1.0)
    module = CerraData4MMDataModule(split_dataset, how, modality="sar", seed=2)
    views: dict[int, list[torch.Tensor]] = {}
    for batch in batches(module):
        for patch_id, image in zip(batch["id"].tolist(), batch["image"], strict=True):
            views.setdefault(patch_id, []).append(image)
    repeated = [own for own in views.values() if len(own) > 1]
    assert repeated
    assert any(not torch.equal(own[0], other) for own in repeated for other in own[1:])
