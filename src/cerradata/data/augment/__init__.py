"""Augmentation of training batches, on the device: geometry that moves all layers alike, and jitter by sensor.

`config` says what is done, `geometry` moves pixels, `jitter` changes numbers, `module` does both to a batch.
"""

from cerradata.data.augment.config import AugmentationConfig
from cerradata.data.augment.geometry import aspect_bands
from cerradata.data.augment.module import Augment

__all__ = ["Augment", "AugmentationConfig", "aspect_bands"]
