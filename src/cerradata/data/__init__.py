"""Dataset on disk to tensors."""

from cerradata.data.augment import Augmentation
from cerradata.data.datamodule import CerraData4MMDataModule
from cerradata.data.dataset import CerraData4MM, Modality
from cerradata.data.normalise import PUBLISHED_STATISTICS, NormalisationName, Normalise

__all__ = [
    "PUBLISHED_STATISTICS",
    "Augmentation",
    "CerraData4MM",
    "CerraData4MMDataModule",
    "Modality",
    "NormalisationName",
    "Normalise",
]
