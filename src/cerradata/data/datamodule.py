"""`CerraData4MMDataModule`: the splits of a dataset as loaders of normalised batches."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchgeo.datamodules import NonGeoDataModule

from cerradata.core.errors import ConfigError
from cerradata.data.augment import Augment, AugmentationConfig, aspect_bands
from cerradata.data.batches import BatchesOf, StoredBatch
from cerradata.data.dataset import CerraData4MM
from cerradata.data.normalise import NormalisationName, Normalise, NormaliseBatch, best_normalisation
from cerradata.data.samplers import EvaluationBatches, RareClasses, TrainingBatches
from cerradata.data.statistics import StatisticsName, choose_statistics
from cerradata.data.subsets import few_shot, fraction_of
from cerradata.patches.index import read_columns


@dataclass(frozen=True)
class BatchConfig:
    """What batches are made of, and how.

    Attributes:
        batch_size: Patches in a batch.
        workers: Processes that read; 0 reads in the training process.
        normalisation: See `Normalise`; by default "1to1", and "0to1" where bands have numbers that are not positive (decibels).
        statistics: Of which numbers: "dataset", "train" or "published", see `choose_statistics`.
        validity: Append a validity channel for each sensor, see `Normalise`.
        augmentation: Of training batches.
        fraction: Share of the training patches, above 0 to 1; fractions are nested and keep every class, see `fraction_of`.
        shots: Take only so many training patches of each class, see `few_shot`.
        rare_share: Share of each training batch that shows a rare class, see `RareClasses`; 0 draws all patches alike.
    """

    batch_size: int = 32
    workers: int = 0
    normalisation: NormalisationName | None = None
    statistics: StatisticsName = "dataset"
    validity: bool = False
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    fraction: float = 1.0
    shots: int | None = None
    rare_share: float = 0.0

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values that cannot work."""
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size}: give 1 or more.")
        if self.workers < 0:
            raise ConfigError(f"workers is {self.workers}: give 0 or more.")
        if not 0 < self.fraction <= 1:
            raise ConfigError(
                f"fraction is {self.fraction}: give a share of the training patches above 0 and at most 1."
            )
        if self.shots is not None and self.shots < 1:
            raise ConfigError(f"shots is {self.shots}: give 1 patch of each class or more.")
        if self.shots is not None and self.fraction < 1:
            raise ConfigError("fraction and shots both choose training patches: give one of them.")
        if not 0 <= self.rare_share <= 1:
            raise ConfigError(f"rare_share is {self.rare_share}: give a share of each batch, 0 to 1.")


class _LateLoader(DataLoader[StoredBatch]):
    """Asks its workers for batches when the first one is wanted.

    Lightning makes the iterator of a resumed training before it knows the epoch, and workers read ahead.
    """

    def __iter__(self) -> Iterator[StoredBatch]:  # type: ignore[override]  # an iterator all the same
        yield from super().__iter__()


class CerraData4MMDataModule(NonGeoDataModule):
    """Loaders of the train, val and test split, by TorchGeo's conventions.

    A loader reads whole batches as they are stored. On the device they become images, are augmented (in training) and
    normalised, see `on_after_batch_transfer`. In a distributed training every process has its share of each training batch, and
    of the other splits each patch comes exactly once.
    """

    train_dataset: CerraData4MM
    val_dataset: CerraData4MM
    test_dataset: CerraData4MM

    def __init__(
        self,
        root: str | Path,
        batches: BatchConfig | None = None,
        *,
        seed: int = 666,
        **dataset_options: Any,  # noqa: ANN401
    ) -> None:
        """Open the training split, to know bands, legend and statistics.

        Args:
            root: The dataset's folder.
            batches: What batches are made of.
            seed: Decides the order of training patches in each epoch, their augmentation, and which of them a fraction has.
            dataset_options: Of `CerraData4MM`: `modality`, `level`, `bands`, `variables`, `targets`, `edges`, `time_axis`.

        Raises:
            CerradataError: If the dataset cannot be read or has no splits, or the options do not fit it.
        """
        batches = batches or BatchConfig()
        super().__init__(CerraData4MM, batches.batch_size, batches.workers, root=root, **dataset_options)
        self.batches = batches
        self.seed = seed
        self.train_dataset = _chosen(CerraData4MM(root, "train", **dataset_options), batches, seed)
        dataset = self.train_dataset
        if batches.validity and dataset.time_windows:
            raise ConfigError("Validity channels have no time axis: leave `validity` or `time_axis` out.")
        statistics = choose_statistics(dataset, batches.statistics)
        name = batches.normalisation or best_normalisation(statistics, dataset.bands)
        self.statistics = {band: statistics[band] for band in dataset.bands if band in statistics}
        self.normalise = Normalise(dataset.bands, statistics, name, validity=batches.validity)
        self.steps: nn.Module = dataset.assemble.normalising(self.normalise)
        self.training_steps: nn.Module = self.steps
        self.augment: Augment | None = None
        if batches.augmentation.active:
            self.augment = Augment(
                batches.augmentation,
                seed,
                dataset.bands,
                dataset.radiometry,
                dataset.patch_size,
                target_bands=dataset.targets,
                aspects=aspect_bands((*dataset.bands, *dataset.targets), dataset.descriptions),
            )
            self.training_steps = nn.Sequential(dataset.assemble, self.augment, NormaliseBatch(self.normalise))
        self.rare = None
        if batches.rare_share:
            self.rare = RareClasses(batches.rare_share).find(dataset.class_table(), dataset.ids)
            if self.rare is None:
                raise ConfigError("rare_share: no class has less than 1 % of the training pixels. Leave it out.")

    def setup(self, stage: str) -> None:
        """Open the splits that a stage ("fit", "validate", "test") needs."""
        if stage in ("fit", "validate"):
            self.val_dataset = CerraData4MM(split="val", **self.kwargs)
        if stage == "test":
            self.test_dataset = CerraData4MM(split="test", **self.kwargs)

    def on_after_batch_transfer(self, batch: StoredBatch, dataloader_idx: int) -> dict[str, Tensor]:
        """A batch as networks take it.

        Args:
            batch: As it is stored, on the device, see `StoredBatch`.
            dataloader_idx: Not used.

        Returns:
            `image` (B, channels, H, W) or (B, T, C, H, W) float32, normalised; the others as `Assemble` gives them. Training
            batches are augmented, which needs a trainer that says that it trains.
        """
        steps = self.training_steps if self.trainer and self.trainer.training else self.steps
        if self.augment is not None and self.trainer:
            self.augment.epoch = self.trainer.current_epoch
        made: dict[str, Tensor] = steps.to(batch["id"].device)(batch)
        return made

    def train_dataloader(self) -> DataLoader[StoredBatch]:
        """Training patches in an order that the seed and the epoch decide."""
        rank, processes = self._processes()
        sampler = TrainingBatches(
            len(self.train_dataset),
            self.batches.batch_size,
            self.seed,
            rank=rank,
            processes=processes,
            rare=self.rare,
        )
        sampler.epoch = self.trainer.current_epoch if self.trainer else 0
        return self._loader(self.train_dataset, sampler)

    def val_dataloader(self) -> DataLoader[StoredBatch]:
        """Validation patches in id order."""
        return self._loader(self.val_dataset, self._in_order(self.val_dataset))

    def test_dataloader(self) -> DataLoader[StoredBatch]:
        """Test patches in id order."""
        return self._loader(self.test_dataset, self._in_order(self.test_dataset))

    def _in_order(self, dataset: CerraData4MM) -> EvaluationBatches:
        rank, processes = self._processes()
        if len(dataset) < processes:
            raise ConfigError(
                f"{len(dataset)} patches cannot be shared by {processes} processes: take fewer processes."
            )
        return EvaluationBatches(len(dataset), self.batches.batch_size, rank=rank, processes=processes)

    def _loader(self, dataset: CerraData4MM, sampler: TrainingBatches | EvaluationBatches) -> DataLoader[StoredBatch]:
        # batch_size=None: an item is a batch. Lightning sets the epoch of what is given as `sampler`
        return _LateLoader(
            BatchesOf(dataset.stored, dataset.ids),
            sampler=sampler,
            batch_size=None,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,  # they know nothing of epochs: the sampler is in this process
            pin_memory=self._on_cuda(),
        )

    def _on_cuda(self) -> bool:
        strategy = getattr(self.trainer, "strategy", None)
        return strategy is not None and bool(strategy.root_device.type == "cuda")

    def _processes(self) -> tuple[int, int]:
        """Number of this process, and of all of them."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)


def _chosen(dataset: CerraData4MM, batches: BatchConfig, seed: int) -> CerraData4MM:
    """The training patches that shall be used."""
    if batches.shots is None and batches.fraction == 1:
        return dataset
    number = dataset.level.number
    index = read_columns(dataset.root, (f"pixels_l{number}",))
    if batches.shots is not None:
        return dataset.only(few_shot(index, number, batches.shots, seed))
    return dataset.only(fraction_of(index, number, batches.fraction, seed))
