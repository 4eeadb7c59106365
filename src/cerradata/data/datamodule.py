"""`CerraData4MMDataModule`: the splits of a dataset as loaders of normalised batches."""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler
from torchgeo.datamodules import NonGeoDataModule

from cerradata.core.errors import ConfigError
from cerradata.data.augment import Augmentation, Flips, move
from cerradata.data.dataset import CerraData4MM, Modality, Sample
from cerradata.data.normalise import NormalisationName, Normalise, NormaliseBatch
from cerradata.scenes.bands import base_band


class _EpochOrder(Sampler[int]):
    """An order of patches that follows from the seed and the epoch alone.

    A generator in the loader would not do: Lightning makes its iterator twice when it resumes a training.
    """

    def __init__(self, module: "CerraData4MMDataModule", size: int) -> None:
        self.module = module
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        trainer = self.module.trainer
        epoch = trainer.current_epoch if trainer else 0
        generator = torch.Generator().manual_seed(self.module.seed * 1_000_003 + epoch)
        yield from torch.randperm(self.size, generator=generator).tolist()


class _MoveTargets(nn.Module):
    """Moves the regression targets of each sample as `Flips` moved its image."""

    def __init__(self, flips: Flips) -> None:
        super().__init__()
        self.flips = flips

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The batch with `targets` (B, T, H, W) moved, where it has some."""
        if "targets" not in batch:
            return batch
        pairs = zip(batch["targets"], batch["id"], strict=True)
        moved = [move(targets, self.flips.choice(int(patch_id))) for targets, patch_id in pairs]
        return {**batch, "targets": torch.stack(moved)}


class CerraData4MMDataModule(NonGeoDataModule):
    """Loaders of the train, val and test split, by TorchGeo's conventions.

    Batches are normalised after they are moved to the device. The order of training patches follows from the seed alone.
    """

    def __init__(
        self,
        root: str | Path,
        modality: Modality = "msi+sar",
        level: int | None = None,
        *,
        bands: tuple[str, ...] | None = None,
        variables: tuple[str, ...] = (),
        targets: tuple[str, ...] = (),
        time_axis: bool = False,
        normalisation: NormalisationName = "1to1",
        batch_size: int = 32,
        workers: int = 0,
        augmentation: Augmentation = "none",
        seed: int = 666,
    ) -> None:
        """Open the training split, to know bands, legend and statistics.

        Args:
            root: The dataset's folder.
            modality: "msi", "sar" or "msi+sar".
            level: Level of the labels, counted from coarse = 1; the finest by default.
            bands: Bands by name, variables among them; by default all of the modality.
            variables: Variables whose bands follow, see `CerraData4MM`.
            targets: Variables as targets of a regression; they are not normalised.
            time_axis: Images (B, T, C, H, W), see `CerraData4MM`.
            normalisation: "none", "0to1" or "1to1", see `Normalise`.
            batch_size: Patches in a batch.
            workers: Processes that read; 0 reads in the training process.
            augmentation: Of training batches: "none", or "flips" (quarter turns too).
            seed: Decides the order of training patches in each epoch.

        Raises:
            CerradataError: If the dataset cannot be read or has no splits, or `flips` would turn an aspect.
        """
        chosen = {"bands": bands, "variables": variables, "targets": targets, "time_axis": time_axis}
        super().__init__(CerraData4MM, batch_size, workers, root=root, modality=modality, level=level, **chosen)
        self.seed = seed
        self.train_dataset: CerraData4MM = CerraData4MM(split="train", **self.kwargs)
        self.normalise = Normalise(self.train_dataset.bands, self.train_dataset.statistics, normalisation)
        self.aug = NormaliseBatch(self.normalise)
        self.flips = Flips(seed) if augmentation == "flips" else None
        if self.flips is not None:
            _refuse_directions(self.train_dataset)
            self.train_aug = nn.Sequential(self.flips, _MoveTargets(self.flips), self.aug)

    def setup(self, stage: str) -> None:
        """Open the splits that a stage ("fit", "validate", "test") needs."""
        if stage in ("fit", "validate"):
            self.val_dataset = CerraData4MM(split="val", **self.kwargs)
        if stage == "test":
            self.test_dataset = CerraData4MM(split="test", **self.kwargs)

    def on_after_batch_transfer(self, batch: dict[str, Tensor], dataloader_idx: int) -> dict[str, Tensor]:
        """The batch augmented (in training) and normalised."""
        if self.flips is not None and self.trainer:
            self.flips.epoch = self.trainer.current_epoch
        augmented: dict[str, Tensor] = super().on_after_batch_transfer(batch, dataloader_idx)
        return augmented

    def train_dataloader(self) -> DataLoader[Sample]:
        """Training patches in an order that the seed and the epoch decide."""
        return DataLoader(
            self.train_dataset,
            batch_size=min(self.batch_size, len(self.train_dataset)),
            sampler=_EpochOrder(self, len(self.train_dataset)),
            num_workers=self.num_workers,
            # A last batch of one patch would break batch normalisation
            drop_last=len(self.train_dataset) % self.batch_size == 1 and len(self.train_dataset) > self.batch_size,
            persistent_workers=False,
        )


def _refuse_directions(dataset: CerraData4MM) -> None:
    for band in (*dataset.bands, *dataset.targets):
        if dataset.descriptions.get(base_band(band), {}).get("kind") == "aspect":
            raise ConfigError(
                f"{band!r} is a direction: `flips` would turn the image and not the numbers. Leave it out, or give "
                "`augmentation` none."
            )
