"""Normalisation of images by band statistics, as a module that works on whole batches."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from cerradata.core.errors import ConfigError
from cerradata.data.kernel import LEAST as _LEAST
from cerradata.data.kernel import BandKernel
from cerradata.scenes.bands import SENTINEL1, SENTINEL2, base_band

NormalisationName = Literal["none", "0to1", "1to1", "z-score", "percentile"]
BandStatistics = Mapping[str, Mapping[str, float]]

_MSI_NAMES = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
_PUBLISHED = {
    "mean": (
        *(1331.30, 1422.62, 1648.74, 1811.04, 2243.64, 2862.47, 3158.72, 3253.58, 3464.19, 3463.53, 3635.66, 2740.64),
        *(104.879, 95.527),
    ),
    "std": (
        *(436.05, 484.33, 549.13, 741.27, 788.80, 860.97, 963.30, 1000.27, 1087.11, 1063.00, 1373.61, 1125.52),
        *(79.802, 63.257),
    ),
    "min": (
        *(99.79, 332.66, 347.16, 331.42, 196.89, 240.98, 261.35, 342.51, 277.88, 246.41, 265.91, 226.24),
        *(0.168, 0.186),
    ),
    "max": (
        *(
            7349.04,
            8987.99,
            8906.38,
            9027.44,
            9090.25,
            8949.61,
            8955.64,
            9491.95,
            9026.07,
            11857.61,
            11817.38,
            13970.69,
        ),
        *(1877.85, 1303.79),
    ),
}
PUBLISHED_STATISTICS: Final[BandStatistics] = MappingProxyType(
    {
        band: MappingProxyType({name: values[i] for name, values in _PUBLISHED.items()})
        for i, band in enumerate((*_MSI_NAMES, "VV", "VH"))
    }
)
"""Statistics of the published CerraData-4MM patches (digital numbers with the offset; SAR as published)."""


class Normalise(nn.Module):
    """Normalise the bands of a batch; what is no data becomes 0.

    `none` gives the numbers as they are.
    `0to1` gives (x - min) / (max - min), and `1to1` gives (ln(max(x, 1e-6)) - ln(mean)) / ln(std), which needs a positive mean
    and a std that is not 1: the arithmetic of the published experiments.
    `z-score` gives (x - mean) / std.
    `percentile` gives (x - q05) / (q95 - q05) with the quantiles of 5 % and 95 %: bright clouds and wet shadows do not decide
    where the middle lies, and nothing is cut off.

    What may be negative, or means nothing on a log scale, has no published normalisation: for variables (elevation, slope,
    indices, ...) and for radar in decibels `1to1` gives the z-score, see `on_log_scale`.
    """

    def __init__(
        self, bands: Sequence[str], statistics: BandStatistics, name: NormalisationName, *, validity: bool = False
    ) -> None:
        """Take the statistics of the bands.

        Args:
            bands: Bands of the images, in order.
            statistics: mean, std, min and max of each, of the numbers that the images hold; q05 and q95 for `percentile`.
            name: Which normalisation.
            validity: Append a channel for each sensor of the bands, MSI first: 1 where all of its bands have data, else 0.
                A network then tells a gap from a value, and one that lacks a whole sensor from one that does not.

        Raises:
            ConfigError: If statistics of a band are missing or do not allow the normalisation.
        """
        super().__init__()
        if name not in get_args(NormalisationName):
            raise ConfigError(
                f"There is no normalisation {name!r}: there are {', '.join(get_args(NormalisationName))}."
            )
        self.name = name
        self.bands = tuple(bands)
        self.sensors = bands_of_sensors(bands) if validity else {}
        self.shift: Tensor
        self.factor: Tensor
        shifts, factors = zip(*(_shift_and_factor(band, statistics, name) for band in bands), strict=True)
        self.register_buffer("shift", torch.tensor(shifts, dtype=torch.float32)[:, None, None])
        self.register_buffer("factor", torch.tensor(factors, dtype=torch.float32)[:, None, None])
        # Derived from names and statistics, which a run keeps, so it is no part of the weights
        logarithms = [name == "1to1" and on_log_scale(band, statistics) for band in bands]
        self.logarithms: Tensor
        self.register_buffer("logarithms", torch.tensor(logarithms)[:, None, None], persistent=False)
        self._all, self._any = all(logarithms), any(logarithms)
        constants = [-shift * factor for shift, factor in zip(shifts, factors, strict=True)]
        self.kernel = BandKernel(np.array(factors, np.float32), np.array(constants, np.float32), tuple(logarithms))

    @property
    def channels(self) -> int:
        """Number of channels of what `forward` gives: bands and validity channels."""
        return len(self.bands) + len(self.sensors)

    def forward(self, image: Tensor) -> Tensor:
        """Normalise.

        Args:
            image: (..., bands, H, W) numbers, NaN = no data.

        Returns:
            (..., channels, H, W) float32 without NaN: 0 where there was no data.
        """
        return self.overwriting(image.to(torch.float32, copy=True))

    def overwriting(self, image: Tensor) -> Tensor:
        """The same in the place of `image` (float32), which is gone afterwards: half the memory to walk through."""
        validity = [self._validity(image, places) for places in self.sensors.values()]
        if _is_plain(image):
            self.kernel.overwrite(image)
        else:
            self._overwrite(image)
        return torch.cat([image, *validity], dim=-3) if validity else image

    def _overwrite(self, image: Tensor) -> None:
        missing = image.isnan()
        if self._all:
            image.clamp_min_(_LEAST).log2_()
        elif self._any:
            image.copy_(torch.where(self.logarithms, image.clamp_min(_LEAST).log2(), image))
        image.sub_(self.shift).mul_(self.factor).masked_fill_(missing, 0)

    def _validity(self, image: Tensor, places: Sequence[int]) -> Tensor:
        valid: Tensor = image[..., list(places), :, :].isnan().any(dim=-3, keepdim=True).logical_not().float()
        return valid


class NormaliseBatch(nn.Module):
    """`Normalise` as the last step of a batch's transforms, in the place of its image."""

    def __init__(self, normalise: Normalise) -> None:
        """Wrap a normalisation."""
        super().__init__()
        self.normalise = normalise

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Replace `image` by its normalisation.

        Args:
            batch: `image` (B, bands, H, W), or (B, T, C, H, W) whose T * C bands are those of the normalisation, time
                window by time window. All else is passed on.
        """
        image = batch["image"]
        if image.ndim < 5:
            return {**batch, "image": self.normalise.overwriting(image)}
        return {**batch, "image": self.normalise.overwriting(image.flatten(1, 2)).reshape(image.shape)}


def _is_plain(image: Tensor) -> bool:
    """Whether NumPy may do it: on the processor, in one piece, and nobody records the steps for gradients or an export."""
    recorded = image.requires_grad or torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None
    return image.device.type == "cpu" and image.is_contiguous() and not recorded


def bands_of_sensors(bands: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Places of the bands of each modality ("msi", "sar") that has some; variables belong to none."""
    places = {
        "msi": tuple(i for i, band in enumerate(bands) if base_band(band) in SENTINEL2),
        "sar": tuple(i for i, band in enumerate(bands) if base_band(band) in SENTINEL1),
    }
    return {modality: own for modality, own in places.items() if own}


def best_normalisation(statistics: BandStatistics, bands: Sequence[str]) -> NormalisationName:
    """`1to1`, the published one, where every band of a sensor has positive numbers; else `0to1` (decibels).

    Variables do not decide: `1to1` gives their z-score.
    """
    positive = all(
        statistics[band]["min"] > 0 and statistics[band]["std"] > 1
        for band in bands
        if band in statistics and _is_of_sensor(band)
    )
    return "1to1" if positive else "0to1"


def on_log_scale(band: str, statistics: BandStatistics) -> bool:
    """Whether `1to1` takes the logarithm of a band: one of Sentinel-2 or Sentinel-1 that is not in decibels.

    Args:
        band: Its name, with its time window or without.
        statistics: mean, std, min and max by band. Radar with negative numbers is in decibels: neither amplitude nor
            power can be negative.
    """
    decibels = base_band(band) in SENTINEL1 and band in statistics and statistics[band]["min"] < 0
    return _is_of_sensor(band) and not decibels


def _is_of_sensor(band: str) -> bool:
    return base_band(band) in SENTINEL2 or base_band(band) in SENTINEL1


def _shift_and_factor(band: str, statistics: BandStatistics, name: NormalisationName) -> tuple[float, float]:
    """What is subtracted from a number, or its binary logarithm, and what it is then multiplied with."""
    if name == "none":
        return 0.0, 1.0
    if band not in statistics:
        raise ConfigError(
            f"There are no statistics of band {band!r}: there are those of {', '.join(statistics)}. Run `cerradata index`."
        )
    own = statistics[band]
    if name == "percentile":
        if "q05" not in own or "q95" not in own:
            raise ConfigError(
                f"There are no quantiles of band {band!r}, which `percentile` needs: none were published; of a dataset "
                "`cerradata index --overwrite` finds them. Or choose another normalisation."
            )
        return own["q05"], _reciprocal(own["q95"] - own["q05"])
    if name == "0to1":
        return own["min"], _reciprocal(own["max"] - own["min"])
    if name == "z-score" or not on_log_scale(band, statistics):
        return own["mean"], _reciprocal(own["std"])
    if own["mean"] <= 0 or own["std"] <= 0 or own["std"] == 1:
        raise ConfigError(
            f"Band {band!r} has mean {own['mean']:.4g} and std {own['std']:.4g}: the logarithms of `1to1` need a positive "
            "mean and a std that is positive and not 1. Use `0to1`."
        )
    # A ratio of logarithms is the same in every base, and the binary one is fastest
    return math.log2(own["mean"]), 1 / math.log2(own["std"])


def _reciprocal(spread: float) -> float:
    """1 / spread; 1 for a band of one value."""
    return 1.0 if spread == 0 else 1 / spread
