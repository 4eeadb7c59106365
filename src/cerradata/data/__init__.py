"""Dataset on disk to tensors."""

from cerradata.data.augment import AugmentationConfig
from cerradata.data.datamodule import BatchConfig, CerraData4MMDataModule
from cerradata.data.dataset import CerraData4MM, Modality
from cerradata.data.normalise import PUBLISHED_STATISTICS, NormalisationName, Normalise
from cerradata.data.statistics import StatisticsName

__all__ = [
    "PUBLISHED_STATISTICS",
    "AugmentationConfig",
    "BatchConfig",
    "CerraData4MM",
    "CerraData4MMDataModule",
    "Modality",
    "NormalisationName",
    "Normalise",
    "StatisticsName",
]
