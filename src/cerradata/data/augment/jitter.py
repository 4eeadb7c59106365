"""Changes of numbers by sensor: gains of reflectance and backscatter, and modalities that are lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cerradata.core.errors import ConfigError
from cerradata.data.augment.config import AugmentationConfig
from cerradata.data.draws import generator
from cerradata.scenes import Radiometry
from cerradata.scenes.bands import SENTINEL2, base_band

Numbers = npt.NDArray[np.float64]

_DECIBELS_OF_A_FACTOR_10: Final = {"amplitude": 20, "linear": 10}
"""A factor k of power is 10 log10(k) dB, of amplitude 20 log10(k) dB."""

_ORDER: Final = {band: position for position, band in enumerate(SENTINEL2)}


@dataclass(frozen=True)
class Jitter:
    """Gains of the bands of an image.

    A gain is a factor of what was measured, never of the stored number: with `value = number * scale + offset` a factor k
    makes the number `k * number + (k - 1) * offset / scale`. Time windows share their gains: the ratio of one window to
    another is what a time series tells of the vegetation.

    Attributes:
        config: The largest gains.
        origins: Radiometry of the layer of each of the C bands.
        bands: Their names.
    """

    config: AugmentationConfig
    origins: tuple[Radiometry, ...]
    bands: tuple[str, ...]

    @staticmethod
    def of(config: AugmentationConfig, bands: Sequence[str], radiometry: Mapping[str, Radiometry]) -> "Jitter":
        """Gains of some bands.

        Args:
            config: The largest gains.
            bands: The bands of the image, in order; of a time series window by window.
            radiometry: Of each layer.

        Raises:
            ConfigError: If a band is in no layer.
        """
        of_band = {band: own for own in radiometry.values() for band in own.bands}
        unknown = [band for band in bands if band not in of_band]
        if unknown:
            raise ConfigError(f"augmentation: band {unknown[0]!r} is in no layer: there are {', '.join(of_band)}.")
        jitter = Jitter(config, tuple(of_band[band] for band in bands), tuple(bands))
        foreign = [bands[i] for i in jitter.positions("sentinel-2") if base_band(bands[i]) not in SENTINEL2]
        if config.msi_band_gain and foreign:
            raise ConfigError(
                f"augmentation: msi_band_gain knows the bands {', '.join(SENTINEL2)}, but the dataset calls one "
                f"{foreign[0]!r}. Name the bands so (`cerradata index --msi_bands`), or leave msi_band_gain 0."
            )
        return jitter

    def positions(self, sensor: str) -> list[int]:
        """Which bands are of a sensor."""
        return [position for position, own in enumerate(self.origins) if own.sensor == sensor]

    def draw(self, seed: int, epoch: int, ids: Sequence[int]) -> tuple[Numbers, Numbers]:
        """What the numbers of each sample and band are multiplied by, and what is added then.

        Args:
            seed: Of the training.
            epoch: Counted from 0.
            ids: The patches.

        Returns:
            Two arrays (B, C); exactly 1 and 0 for bands that have no gain.
        """
        factor, shift = np.ones((len(ids), len(self.bands))), np.zeros((len(ids), len(self.bands)))
        if not self.config.jitters:
            return factor, shift
        # Always as many numbers, -1 to 1, so that neither other bands nor other gains change the draws
        draws = 2 * np.stack([generator(seed, epoch, i, "gain").random(2 + len(SENTINEL2)) for i in ids]) - 1
        decibels = self.config.sar_gain * draws[:, 0]
        whole = 1 + self.config.msi_gain * draws[:, 1]
        single = 1 + self.config.msi_band_gain * draws[:, 2:]
        for position, (band, own) in enumerate(zip(self.bands, self.origins, strict=True)):
            if own.sensor == "sentinel-1" and own.unit == "db":
                shift[:, position] = decibels / own.scale
                continue
            if own.sensor == "sentinel-1":
                gain = 10 ** (decibels / _DECIBELS_OF_A_FACTOR_10[own.unit])
            elif own.sensor == "sentinel-2":
                gain = whole * single[:, _ORDER[base_band(band)]] if self.config.msi_band_gain else whole
            else:
                continue
            factor[:, position] = gain
            shift[:, position] = (gain - 1) * own.offset / own.scale
        return factor, shift

    def lose(self, image: Tensor, seed: int, epoch: int, ids: Sequence[int]) -> list[list[int]]:
        """Which bands of each sample get lost.

        Args:
            image: (B, C, H, W) numbers, NaN = no data.
            seed: Of the training.
            epoch: Counted from 0.
            ids: The patches.

        Returns:
            Positions of bands, of each sample: those of MSI, of SAR, or none.
        """
        modalities = [self.positions("sentinel-2"), self.positions("sentinel-1")]
        lost: list[list[int]] = [[] for _ in ids]
        if not self.config.modality_dropout or not all(modalities):
            return lost
        for sample, patch_id in enumerate(ids):
            chance, which = generator(seed, epoch, patch_id, "modality").random(2)
            if chance >= self.config.modality_dropout:
                continue
            if all(_has_data(image[sample], positions) for positions in modalities):
                lost[sample] = modalities[int(2 * which)]
        return lost

    def apply(self, image: Tensor, seed: int, epoch: int, ids: Sequence[int], out: Tensor | None = None) -> Tensor:
        """Numbers with gains, and NaN where a modality is lost.

        Args:
            image: (B, C, H, W) stored numbers, NaN = no data.
            seed: Of the training.
            epoch: Counted from 0.
            ids: The patches.
            out: Where to write them, may be `image`; by default a new tensor.
        """
        factor, shift = self.draw(seed, epoch, ids)
        for sample, positions in enumerate(self.lose(image, seed, epoch, ids)):
            shift[sample, positions] = nan
        options: dict[str, Any] = {"dtype": image.dtype, "device": image.device}
        factors, shifts = (torch.tensor(one, **options)[..., None, None] for one in (factor, shift))
        # Two steps take a third of the time of torch.addcmul, which is not vectorised over factors of (B, C, 1, 1)
        return torch.mul(image, factors, out=out).add_(shifts)


def _has_data(image: Tensor, positions: Sequence[int]) -> bool:
    """Whether one of some bands of (C, H, W) has a pixel with data; stops at the first that has."""
    return any(not bool(torch.isnan(image[position]).all()) for position in positions)
