"""`TrainConfig`: everything that decides what a training gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.data import Augmentation, Modality, NormalisationName

ClassWeights = Literal["none", "inverse"]
Schedule = Literal["constant", "cosine"]

_TAKEN = frozenset(
    {
        *("max_epochs", "logger", "callbacks", "default_root_dir", "enable_progress_bar", "enable_model_summary"),
        *("num_sanity_val_steps", "log_every_n_steps"),
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
        normalisation: "none", "0to1" or "1to1" (log scale, the published one); by default "1to1", and "0to1" where bands
            have numbers that are not positive (decibels).
        class_weights: "inverse" weighs classes by inverse frequency over the training pixels, divided by the largest.
        augmentation: Of training patches: "none" as published, or "flips" (quarter turns too), good for small datasets.
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
    class_weights: ClassWeights = "none"
    augmentation: Augmentation = "none"
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
        for name in ("batch_size", "epochs", "patience"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: give 1 or more.")
        if self.learning_rate <= 0:
            raise ConfigError(f"learning_rate is {self.learning_rate}: give a number above 0.")
        if self.workers < 0:
            raise ConfigError(f"workers is {self.workers}: give 0 or more.")
        taken = sorted(_TAKEN & set(self.trainer))
        if taken:
            raise ConfigError(f"trainer: {taken[0]} is set by the run itself (`epochs`, `--quiet`, the run folder).")
