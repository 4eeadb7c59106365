"""`TrainConfig`: everything that decides what a training gives."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import lightning

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.data import AugmentationConfig, BatchConfig, Modality, NormalisationName, StatisticsName
from cerradata.patches.class_weights import ClassWeights

Schedule = Literal["constant", "cosine"]

_TAKEN = frozenset(
    {
        *("max_epochs", "logger", "callbacks", "default_root_dir", "enable_progress_bar", "enable_model_summary"),
        *("num_sanity_val_steps", "log_every_n_steps", "use_distributed_sampler", "fast_dev_run", "limit_val_batches"),
    }
)
"""Arguments of Lightning's Trainer that `train` gives itself."""


@dataclass(frozen=True)
class TrainConfig:
    """A training.

    Attributes:
        data: The dataset's folder. It must have splits.
        model: "unet", or the import path of a class (`package.module:Class`).
        encoder: Encoder of the U-Net, any name of segmentation-models-pytorch; the published one is resnet50.
        modality: "msi", "sar" or "msi+sar".
        level: Level of the labels, counted from coarse = 1; the finest by default.
        bands: Bands by name; by default all of the modality.
        normalisation: "none", "0to1", "1to1" (log scale, the published one), "z-score" or "percentile"; by default "1to1", and
            "0to1" where bands have numbers that are not positive (decibels).
        statistics: Of the normalisation: "dataset" (all patches), "train" (the training patches alone; each is read once
            more), or "published" (those of CerraData-4MM).
        validity: Give the network a channel for each sensor that says where it has data, so that one network can learn from
            patches that lack a sensor.
        fraction: Share of the training patches; fractions are nested and keep every class.
        shots: Train on so few patches of each class only.
        rare_share: Share of each batch that shows a rare class (less than 1 % of the training pixels).
        class_weights: Of the loss, from the training pixels: "none"; "inverse" frequency divided by the largest, as published;
            "median" frequency over the patches that show the class; or "effective" number of samples, which is milder.
        augmentation: Of training patches; none as published. `flips` and `turns` are good for small datasets.
        learning_rate: Of Adam.
        schedule: Of the learning rate: "constant" as published, or "cosine", which falls to 0 over the epochs and makes the
            last ones steadier.
        batch_size: Patches in a batch.
        epochs: At most so many.
        patience: Stop after so many epochs without a better validation macro F1.
        seed: Decides weights and the order of patches.
        workers: Processes that read patches; 0 reads in the training process.
        trainer: Further arguments of Lightning's Trainer (`devices`, `strategy`, `precision`, ...).
    """

    data: Location
    model: str = "unet"
    encoder: str = "resnet50"
    modality: Modality = "msi+sar"
    level: int | None = None
    bands: tuple[str, ...] | None = None
    normalisation: NormalisationName | None = None
    statistics: StatisticsName = "dataset"
    validity: bool = False
    fraction: float = 1.0
    shots: int | None = None
    rare_share: float = 0.0
    class_weights: ClassWeights = "none"
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    learning_rate: float = 1e-3
    schedule: Schedule = "constant"
    batch_size: int = 32
    epochs: int = 100
    patience: int = 20
    seed: int = 666
    workers: int = 0
    trainer: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values that cannot work."""
        for name in ("epochs", "patience"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: give 1 or more.")
        if self.learning_rate <= 0:
            raise ConfigError(f"learning_rate is {self.learning_rate}: give a number above 0.")
        self.batches()
        precision = str(self.trainer.get("precision", ""))
        if precision.endswith("-true"):
            raise ConfigError(
                f"trainer: precision {precision!r} would round the stored numbers before they are normalised: take bf16-mixed, "
                "16-mixed or 32."
            )
        known = inspect.signature(lightning.Trainer).parameters
        strange = [name for name in self.trainer if name not in known]
        if strange:
            raise ConfigError(f"trainer: Lightning's Trainer has no {strange[0]!r}: it has {', '.join(known)}.")
        taken = sorted(_TAKEN & set(self.trainer))
        if taken:
            raise ConfigError(f"trainer: {taken[0]} is set by the run itself (`epochs`, `--quiet`, the run folder).")

    def batches(self) -> BatchConfig:
        """What its batches are made of."""
        return BatchConfig(
            batch_size=self.batch_size,
            workers=self.workers,
            normalisation=self.normalisation,
            statistics=self.statistics,
            validity=self.validity,
            augmentation=self.augmentation,
            fraction=self.fraction,
            shots=self.shots,
            rare_share=self.rare_share,
        )
