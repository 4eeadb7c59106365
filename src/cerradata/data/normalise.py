"""Normalisation of images by band statistics, as a module that works on whole batches."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn

from cerradata.core.errors import ConfigError
from cerradata.scenes.bands import SENTINEL1, SENTINEL2, base_band

NormalisationName = Literal["none", "0to1", "1to1"]
BandStatistics = Mapping[str, Mapping[str, float]]

_LEAST: Final = 1e-6
"""Numbers are raised to this before the logarithm, as in the published experiments."""

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

    The arithmetic is that of the published experiments:
    `none` gives the numbers as they are; `0to1` gives (x - min) / (max - min);
    `1to1` gives (ln(max(x, 1e-6)) - ln(mean)) / ln(std), which needs a positive mean and a std that is not 1.

    What may be negative, or means nothing on a log scale, has no published normalisation: for variables (elevation, slope,
    indices, ...) and for radar in decibels `1to1` gives the z-score (x - mean) / std, see `on_log_scale`.
    """

    def __init__(self, bands: Sequence[str], statistics: BandStatistics, name: NormalisationName) -> None:
        """Take the statistics of the bands.

        Args:
            bands: Bands of the images, in order.
            statistics: mean, std, min and max of each, of the numbers that the images hold.
            name: Which normalisation.

        Raises:
            ConfigError: If statistics of a band are missing or do not allow the normalisation.
        """
        super().__init__()
        if name not in get_args(NormalisationName):
            raise ConfigError(
                f"There is no normalisation {name!r}: there are {', '.join(get_args(NormalisationName))}."
            )
        self.name = name
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

    def forward(self, image: Tensor) -> Tensor:
        """Normalise.

        Args:
            image: (..., bands, H, W) numbers, NaN = no data.

        Returns:
            float32 of the same shape without NaN: 0 where there was no data.
        """
        image = image.float()
        missing = torch.isnan(image)
        if self._all:
            image = image.clamp_min(_LEAST).log()
        elif self._any:
            image = torch.where(self.logarithms, image.clamp_min(_LEAST).log(), image)
        return ((image - self.shift) * self.factor).masked_fill(missing, 0.0)


class NormaliseBatch(nn.Module):
    """`Normalise` on the `image` of a batch: what TorchGeo's data modules call an augmentation."""

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
            return {**batch, "image": self.normalise(image)}
        return {**batch, "image": self.normalise(image.flatten(1, 2)).reshape(image.shape)}


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
    if name == "none":
        return 0.0, 1.0
    if band not in statistics:
        raise ConfigError(
            f"There are no statistics of band {band!r}: there are those of {', '.join(statistics)}. Run `cerradata index`."
        )
    values = {key: torch.tensor(statistics[band][key], dtype=torch.float64) for key in ("mean", "std", "min", "max")}
    if name == "0to1":
        spread = values["max"] - values["min"]
        return float(values["min"]), 1.0 if spread == 0 else float(1 / spread)
    if not on_log_scale(band, statistics):
        return float(values["mean"]), 1.0 if values["std"] == 0 else float(1 / values["std"])
    if values["mean"] <= 0 or values["std"] <= 0 or values["std"] == 1:
        raise ConfigError(
            f"Band {band!r} has mean {values['mean']:.4g} and std {values['std']:.4g}: the logarithms of `1to1` need a positive "
            "mean and a std that is positive and not 1. Use `0to1`."
        )
    return float(values["mean"].log()), float(1 / values["std"].log())
