"""Which statistics a normalisation uses: the dataset's, those of its training patches, or the published ones."""

from typing import Final, Literal

import numpy as np

from cerradata.core.errors import ConfigError
from cerradata.core.types import Array
from cerradata.data.dataset import CerraData4MM
from cerradata.data.normalise import PUBLISHED_STATISTICS, BandStatistics
from cerradata.patches.statistics import Moments
from cerradata.scenes.bands import base_band

StatisticsName = Literal["dataset", "train", "published"]

_AT_ONCE: Final = 32
_SAMPLED_PATCHES: Final = 256


def choose_statistics(dataset: CerraData4MM, name: StatisticsName) -> BandStatistics:
    """The statistics by their name.

    Args:
        dataset: The training patches.
        name: "dataset": those in `dataset.json`, of all patches of all splits. "train": those of the patches of `dataset`
            alone, so that nothing is known of the others; every one of them is read once. "published": those of the published
            CerraData-4MM, to repeat its experiments; time windows of a band share them.

    Returns:
        mean, std, min, max by band, with q05 and q95 (quantiles of 5 % and 95 %) where they are known.

    Raises:
        ConfigError: If there are no such statistics, or none were published of a band.
        DatasetError: If a patch cannot be read.
    """
    match name:
        case "dataset":
            return dataset.statistics
        case "train":
            return _measured(dataset)
        case "published":
            missing = [band for band in dataset.bands if base_band(band) not in PUBLISHED_STATISTICS]
            if missing:
                raise ConfigError(
                    f"No statistics of {missing[0]!r} were published: there are those of {', '.join(PUBLISHED_STATISTICS)}. "
                    "Give `statistics` dataset or train."
                )
            _require_published_numbers(dataset)
            return {band: dict(PUBLISHED_STATISTICS[base_band(band)]) for band in dataset.bands}
        case _:
            raise ConfigError(f"There are no statistics {name!r}: there are dataset, train and published.")


def _require_published_numbers(dataset: CerraData4MM) -> None:
    """The published statistics are of reflectance x 10000 + 1000 and of amplitudes."""
    for layer, own in dataset.radiometry.items():
        if own.sensor == "sentinel-1" and own.unit != "amplitude":
            raise ConfigError(
                f"The published statistics of {layer} are of amplitudes, this dataset has {own.unit}: give `statistics` "
                "dataset or train."
            )
        if own.sensor == "sentinel-2" and not np.allclose((own.scale, own.offset), (1e-4, -0.1)):
            raise ConfigError(
                f"The published statistics of {layer} are of reflectance x 10000 + 1000, this dataset has scale {own.scale:g} "
                f"and offset {own.offset:g}: give `statistics` dataset or train."
            )


def _measured(dataset: CerraData4MM) -> BandStatistics:
    """Moments of all patches, and quantiles of at most 256 of them, evenly spaced in id order."""
    moments = Moments.empty(len(dataset.bands))
    chosen = set(np.linspace(0, len(dataset) - 1, min(len(dataset), _SAMPLED_PATCHES)).astype(int).tolist())
    sample: list[Array] = []
    for first in range(0, len(dataset), _AT_ONCE):
        image = dataset.assemble(dataset.stored.read(dataset.ids[first : first + _AT_ONCE]))["image"].numpy()
        image = image.reshape(len(image), len(dataset.bands), -1)
        for place, patch in enumerate(image, first):
            moments += Moments.of(patch, None)
            if place in chosen:
                sample.append(patch[:, ::7].copy())  # every seventh pixel of them is enough for a quantile
    found = moments.statistics(dataset.bands)
    numbers = np.concatenate(sample, axis=1)
    for band, own in zip(dataset.bands, numbers, strict=True):
        if band in found:
            low, high = np.nanquantile(own, [0.05, 0.95])
            found[band] |= {"q05": float(low), "q95": float(high)}
    return found
