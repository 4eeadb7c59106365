"""Which bands a dataset gives, by name: those of its sensors, and the variables that were computed beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.core.types import SPLITS, SplitName
from cerradata.data.normalise import PUBLISHED_STATISTICS, BandStatistics
from cerradata.legend import Legend, load_legend
from cerradata.patches.copy import CopyFacts, copy_radiometries, labelled_levels
from cerradata.patches.index import ids_of_split, lacking, read_columns
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import INFO_FILE, JOURNAL_FILE, SENSOR_LAYERS, discover
from cerradata.patches.source import GeoTiffPatches, PatchSource, open_source
from cerradata.scenes import Radiometry

Modality = Literal["msi", "sar", "msi+sar"]


@dataclass(frozen=True)
class OpenedDataset:
    """What a dataset's folder holds.

    Attributes:
        root: The folder.
        source: Its pixels.
        legend: Its legend.
        layers: Radiometry of each image layer by name.
        levels: Levels that have labels, coarse to fine.
        statistics: Statistics of the stored numbers by band, over all layers: mean, std, min, max, and the quantiles q05
            and q95 where they are known.
        descriptions: What `dataset.json` says of each variable that was computed.
        index: Ids and splits of its index, or None.
        splits: Split of each id where folders tell it, of a copy without index.
        all_ids: Ids of all patches, ascending.
        lacks: Ids that lack a layer, by layer.
    """

    root: Path
    source: PatchSource
    legend: Legend
    layers: Mapping[str, Radiometry]
    levels: tuple[int, ...]
    statistics: BandStatistics
    descriptions: Mapping[str, Mapping[str, Any]]
    index: pd.DataFrame | None
    splits: Mapping[int, SplitName]
    all_ids: tuple[int, ...]
    lacks: Mapping[str, frozenset[int]]

    def ids(self, split: SplitName | None) -> list[int]:
        """Ids of a split, or of all patches, ascending.

        Raises:
            DatasetError: If there is no such split.
        """
        if split is None:
            return list(self.all_ids)
        if split not in SPLITS:
            raise DatasetError(f"There is no split {split!r}: splits are {', '.join(SPLITS)}.")
        if self.index is not None:
            return ids_of_split(self.index, split)
        ids = sorted(patch_id for patch_id, own in self.splits.items() if own == split)
        if not ids:
            raise DatasetError(
                f"{self.root} has no split {split!r}: it has no {split}/ folder with patches and no index. Run `cerradata "
                f"index {self.root}` and `cerradata split {self.root}`."
            )
        return ids

    def is_empty(self, patch_id: int, inputs: "BandSelection") -> bool:
        """Whether a patch lacks every layer of a sensor that the image has."""
        sensors = [layer for layer in inputs.layers if layer in SENSOR_LAYERS]
        return bool(sensors) and all(patch_id in self.lacks.get(layer, ()) for layer in sensors)

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
                f"{self.root} has no {missing[0]} images, so the modality {modality!r} is impossible: it has "
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
    """Open a dataset's folder: ours, packed or not, or a copy of the published download. No image is read.

    Raises:
        DatasetError: If it is none, or an unfinished build.
    """
    if (root / INFO_FILE).exists():
        return _open_described(root)
    if (root / JOURNAL_FILE).exists():
        raise DatasetError(f"{root} is an unfinished build: run the same `cerradata build` again and it goes on.")
    layout = discover(root)
    legend = load_legend("cerradata-4mm")
    return OpenedDataset(
        root=root,
        source=GeoTiffPatches(layout, {}),
        legend=legend,
        layers=copy_radiometries(layout, CopyFacts()),
        levels=labelled_levels(layout, legend),
        statistics={band: dict(values) for band, values in PUBLISHED_STATISTICS.items()},
        descriptions={},
        index=None,
        splits=layout.splits,
        all_ids=tuple(layout.ids),
        lacks={},
    )


def _open_described(root: Path) -> OpenedDataset:
    info = DatasetInfo.read(root)
    index = read_columns(root, ("lacks",))
    layers = {name: layer.radiometry for name, layer in info.layers.items()}
    statistics = {
        band: {**values, **_quantiles(layers[name], band)}
        for name, layer in info.layers.items()
        for band, values in layer.statistics.items()
    }
    return OpenedDataset(
        root=root,
        source=open_source(root, info, index),
        legend=info.legend,
        layers=layers,
        levels=info.labels,
        statistics=statistics,
        descriptions=info.provenance.get("variables", {}),
        index=index[["id", "split"]],
        splits={},
        all_ids=tuple(sorted(int(i) for i in index["id"])),
        lacks=lacking(index),
    )


def _quantiles(radiometry: Radiometry, band: str) -> dict[str, float]:
    if band not in radiometry.quantiles:
        return {}
    low, _, high = radiometry.quantiles[band]
    return {"q05": low, "q95": high}


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
