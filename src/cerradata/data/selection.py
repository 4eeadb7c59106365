"""Which bands a dataset gives, by name: those of its sensors, and the variables that were computed beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.core.types import FloatArray
from cerradata.data.normalise import PUBLISHED_STATISTICS, BandStatistics
from cerradata.legend import Legend, load_legend
from cerradata.patches.copy import CopyFacts, copy_radiometries, labelled_levels
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import INFO_FILE, JOURNAL_FILE, Layout, discover
from cerradata.patches.statistics import valid_pixels
from cerradata.patches.stored import read_layer
from cerradata.scenes import Radiometry

Modality = Literal["msi", "sar", "msi+sar"]


@dataclass(frozen=True)
class OpenedDataset:
    """What a dataset's folder holds.

    Attributes:
        layout: Its files.
        legend: Its legend.
        layers: Radiometry of each image layer by name.
        levels: Levels that have labels, coarse to fine.
        statistics: Statistics of the stored numbers by band, over all layers.
        descriptions: What `dataset.json` says of each variable that was computed.
    """

    layout: Layout
    legend: Legend
    layers: Mapping[str, Radiometry]
    levels: tuple[int, ...]
    statistics: BandStatistics
    descriptions: Mapping[str, Mapping[str, Any]]

    @property
    def variables(self) -> dict[str, Radiometry]:
        """Radiometry of each layer that is no image of a sensor: elevation and what was computed."""
        return {name: own for name, own in self.layers.items() if own.sensor in ("elevation", "derived")}

    def of_modality(self, modality: Modality) -> dict[str, Radiometry]:
        """Radiometry of each layer of a modality.

        Raises:
            ConfigError: If there is no such modality.
            DatasetError: If the dataset lacks a layer of it.
        """
        if modality not in ("msi", "sar", "msi+sar"):
            raise ConfigError(f"There is no modality {modality!r}: there are msi, sar and msi+sar.")
        missing = [layer for layer in modality.split("+") if layer not in self.layers]
        if missing:
            raise DatasetError(
                f"{self.layout.root} has no {missing[0]} images, so the modality {modality!r} is impossible: it has "
                f"{', '.join(self.layers)}."
            )
        return {layer: self.layers[layer] for layer in modality.split("+")}

    def bands_of(self, name: str) -> tuple[str, ...]:
        """Bands of a variable: all of a layer (`ndvi`), or one (`ndvi@dry`).

        Raises:
            ConfigError: If there is no such variable, saying which there are.
        """
        variables = self.variables
        if name in variables:
            return variables[name].bands
        if any(name in own.bands for own in variables.values()):
            return (name,)
        raise ConfigError(f"The dataset has no variable {name!r}: it has {_listed(variables)}.")


@dataclass(frozen=True)
class BandSelection:
    """Bands of one layer or more, in a wanted order.

    Attributes:
        bands: Names of the bands.
        layers: Radiometry of each layer that has some of them.
    """

    bands: tuple[str, ...]
    layers: Mapping[str, Radiometry]

    @staticmethod
    def of(bands: Sequence[str], layers: Mapping[str, Radiometry]) -> "BandSelection":
        """Some bands of some layers; layers without any are left out."""
        return BandSelection(tuple(bands), {name: own for name, own in layers.items() if set(own.bands) & set(bands)})

    def read(self, layout: Layout, patch_id: int) -> FloatArray:
        """(bands, H, W) float32 stored numbers of a patch, NaN = no data.

        Raises:
            DatasetError: If a file cannot be read.
        """
        found: list[FloatArray] = []
        names: list[str] = []
        for layer, radiometry in self.layers.items():
            positions = [i for i, band in enumerate(radiometry.bands) if band in self.bands]
            pixels = read_layer(layout.path(layer, patch_id))[0][positions]
            numbers = pixels.astype(np.float32)
            valid = valid_pixels(pixels, radiometry.nodata)
            if not valid.all():
                numbers[~valid] = np.nan
            found.append(numbers)
            names += [radiometry.bands[i] for i in positions]
        return np.concatenate(found)[[names.index(band) for band in self.bands]]

    def by_time(self) -> tuple["BandSelection", tuple[str, ...]]:
        """The same bands ordered time window by time window, and the names of the windows.

        Raises:
            ConfigError: If a band has no time window, or the windows have different bands.
        """
        timeless = [band for band in self.bands if "@" not in band]
        if timeless:
            raise ConfigError(
                f"time_axis: band {timeless[0]!r} has no time window. Choose bands that all have the same ones, of "
                f"{', '.join(self.bands)}."
            )
        parts = [band.split("@", 1) for band in self.bands]
        bases, windows = (tuple(dict.fromkeys(column)) for column in zip(*parts, strict=True))
        ordered = tuple(f"{base}@{window}" for window in windows for base in bases)
        missing = [band for band in ordered if band not in self.bands]
        if missing:
            raise ConfigError(
                f"time_axis: there is no {missing[0]!r} among {', '.join(self.bands)}: all bands need the same time windows."
            )
        return BandSelection(ordered, self.layers), windows


def open_dataset(root: Path) -> OpenedDataset:
    """Open a dataset's folder: ours, or a copy of the published download. No image is read.

    Raises:
        DatasetError: If it is none, or an unfinished build.
    """
    if (root / INFO_FILE).exists():
        info = DatasetInfo.read(root)
        layout = discover(root, {name: layer.folder for name, layer in info.layers.items()})
        layers = {name: layer.radiometry for name, layer in info.layers.items()}
        statistics = {band: values for layer in info.layers.values() for band, values in layer.statistics.items()}
        return OpenedDataset(layout, info.legend, layers, info.labels, statistics, info.provenance.get("variables", {}))
    if (root / JOURNAL_FILE).exists():
        raise DatasetError(f"{root} is an unfinished build: run the same `cerradata build` again and it goes on.")
    layout = discover(root)
    legend = load_legend("cerradata-4mm")
    layers = copy_radiometries(layout, CopyFacts())
    return OpenedDataset(layout, legend, layers, labelled_levels(layout, legend), PUBLISHED_STATISTICS, {})


def choose_inputs(
    opened: OpenedDataset, modality: Modality, bands: Sequence[str] | None, variables: Sequence[str]
) -> BandSelection:
    """The bands of the image.

    Args:
        opened: The dataset.
        modality: Whose bands.
        bands: Bands by name, in order, variables among them; None: all of the modality.
        variables: Variables whose bands follow.

    Raises:
        ConfigError: If a band or variable does not exist, or must not be an input.
        DatasetError: If the dataset lacks a layer of the modality.
    """
    sensors = opened.of_modality(modality)
    known = all_bands(sensors)
    chosen: list[str] = []
    for name in known if bands is None else bands:
        chosen += (name,) if name in known else _bands_of_either(opened, name, known)
    for name in variables:
        chosen += [band for band in opened.bands_of(name) if band not in chosen]
    if not chosen:
        raise ConfigError(f"The image needs a band, but no band is chosen: there are {', '.join(known)}.")
    selection = BandSelection.of(chosen, {**sensors, **opened.variables})
    for layer in selection.layers:
        if opened.descriptions.get(layer, {}).get("target_only"):
            raise ConfigError(
                f"Variable {layer!r} was made from the reference map: as an input it would tell the labels. Take it as a "
                "target (`targets`), or leave it out."
            )
    return selection


def choose_targets(opened: OpenedDataset, targets: Sequence[str], inputs: BandSelection) -> BandSelection:
    """The bands of the regression targets.

    Args:
        opened: The dataset.
        targets: Variables by name.
        inputs: The bands of the image.

    Raises:
        ConfigError: If a variable does not exist, or is in the image too.
    """
    bands = tuple(dict.fromkeys(band for name in targets for band in opened.bands_of(name)))
    both = [band for band in bands if band in inputs.bands]
    if both:
        raise ConfigError(
            f"{both[0]!r} is an input and a target: a network would copy it. Leave it out of one of them."
        )
    return BandSelection.of(bands, opened.variables)


def all_bands(layers: Mapping[str, Radiometry]) -> tuple[str, ...]:
    """Every band of some layers, in their order."""
    return tuple(band for own in layers.values() for band in own.bands)


def _bands_of_either(opened: OpenedDataset, name: str, known: Sequence[str]) -> tuple[str, ...]:
    try:
        return opened.bands_of(name)
    except ConfigError as error:
        raise ConfigError(
            f"The dataset has no band {name!r}: it has {', '.join(known)}; variables: {_listed(opened.variables)}."
        ) from error


def _listed(variables: Mapping[str, Radiometry]) -> str:
    """Names of variables, with their bands where these have other names."""
    listed = [name if own.bands == (name,) else f"{name} ({', '.join(own.bands)})" for name, own in variables.items()]
    return ", ".join(listed) or "none"
