"""`CerraData4MM`: a dataset on disk as tensors, ours or a copy of the published download."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchgeo.datasets import NonGeoDataset

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.core.types import SPLITS, SplitName
from cerradata.data.normalise import PUBLISHED_STATISTICS, BandStatistics
from cerradata.data.picture import paint, picture
from cerradata.legend import Legend, Level, load_legend
from cerradata.patches.copy import CopyFacts, copy_radiometries, labelled_levels
from cerradata.patches.index import ids_of_split, read_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import (
    INDEX_FILE,
    INFO_FILE,
    JOURNAL_FILE,
    Layout,
    discover,
    edge_layer,
    semantic_layer,
)
from cerradata.patches.statistics import valid_pixels
from cerradata.patches.stored import read_layer
from cerradata.scenes import Radiometry

Modality = Literal["msi", "sar", "msi+sar"]
Sample = dict[str, Any]


class CerraData4MM(NonGeoDataset):
    """Patches of Sentinel-2 and Sentinel-1 with labels and class boundaries.

    It reads what `cerradata build` wrote, and a copy of the published download, with `msi_images` or `opt_images`, with
    train/val/test folders or without. Files are joined on the id in their names, never on their order.

    A sample is a dictionary:
        image: (bands, H, W) float32 stored numbers (see `radiometry`), NaN = no data.
        mask: (H, W) int64 class ids of `level`, 255 = unlabelled.
        edge: (H, W) int64, 1 = boundary of two classes of `level`; only with `edges`.
        id: the patch's id.
    """

    def __init__(
        self,
        root: str | Path,
        split: SplitName | None = None,
        modality: Modality = "msi+sar",
        level: int | None = None,
        *,
        bands: Sequence[str] | None = None,
        edges: bool = False,
        transforms: Callable[[Sample], Sample] | None = None,
    ) -> None:
        """Find the files of a split; read no image.

        Args:
            root: The dataset's folder.
            split: "train", "val" or "test"; None takes every patch.
            modality: "msi", "sar" or "msi+sar" (MSI bands first).
            level: Level of the labels, counted from coarse = 1; the finest by default.
            bands: Bands to give, by name and in this order; by default all of the modality.
            edges: Give the boundary masks too.
            transforms: Called with each sample.

        Raises:
            DatasetError: If files or splits are missing, saying which.
            ConfigError: If the modality or a band does not exist.
            LegendError: If the legend has no such level.
        """
        self.root = Path(root)
        self.modality = modality
        self.transforms = transforms
        self.layout, self.legend, self.radiometry, levels, self.statistics = _open(self.root, modality)
        self.level: Level = self.legend.level(max(levels) if level is None else level)
        if self.level.number not in levels:
            raise DatasetError(f"{self.root} has no labels of level {self.level.number}: it has {list(levels)}.")
        self.bands = tuple(bands) if bands is not None else all_bands(self.radiometry)
        self._picks = _pick_bands(self.bands, self.radiometry)
        self._layers = [semantic_layer(self.level), *([edge_layer(self.level)] if edges else [])]
        self.ids = self._ids(split)
        self._require_files(self.ids)

    def __len__(self) -> int:
        """Number of patches."""
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        """The sample at a position in id order, see the class.

        Raises:
            DatasetError: If a file cannot be read.
        """
        patch_id = self.ids[index]
        sample: Sample = {
            "image": self._image(patch_id),
            "mask": self._label(self._layers[0], patch_id),
            "id": patch_id,
        }
        if len(self._layers) > 1:
            sample["edge"] = self._label(self._layers[1], patch_id)
        return sample if self.transforms is None else self.transforms(sample)

    def plot(self, sample: Sample, *, show_titles: bool = True, suptitle: str | None = None) -> Figure:
        """A figure of a sample: the image, its labels, and its prediction where there is one (`prediction`)."""
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        labels = [name for name in ("mask", "prediction") if name in sample]
        axes = figure.subplots(1, 1 + len(labels), squeeze=False)[0]
        axes[0].imshow(picture(np.asarray(sample["image"]), self.bands))
        for axis, name in zip(axes[1:], labels, strict=True):
            axis.imshow(paint(np.asarray(sample[name]), self.level))
        for axis, title in zip(axes, ["image", *labels], strict=True):
            axis.set_axis_off()
            if show_titles:
                axis.set_title(title)
        if suptitle is not None:
            figure.suptitle(suptitle)
        return figure

    def _image(self, patch_id: int) -> Tensor:
        parts = []
        for layer, positions in self._picks:
            pixels = read_layer(self.layout.path(layer, patch_id))[0]
            numbers = pixels[positions].astype(np.float32)
            valid = valid_pixels(pixels[positions], self.radiometry[layer].nodata)
            if not valid.all():
                numbers[~valid] = np.nan
            parts.append(numbers)
        return torch.from_numpy(np.concatenate(parts)[self._order])

    def _label(self, layer: str, patch_id: int) -> Tensor:
        return torch.from_numpy(read_layer(self.layout.path(layer, patch_id))[0][0].astype(np.int64))

    @property
    def _order(self) -> list[int]:
        """Position of each wanted band among the bands as they are read, layer by layer."""
        read = [self.radiometry[layer].bands[i] for layer, positions in self._picks for i in positions]
        return [read.index(band) for band in self.bands]

    def _ids(self, split: SplitName | None) -> list[int]:
        if split is None and (self.root / INDEX_FILE).exists():
            return sorted(int(i) for i in read_index(self.root)["id"])
        if split is None:
            return self.layout.ids
        if split not in SPLITS:
            raise DatasetError(f"There is no split {split!r}: splits are {', '.join(SPLITS)}.")
        if (self.root / INFO_FILE).exists():
            return ids_of_split(read_index(self.root), split)
        ids = sorted(patch_id for patch_id, own in self.layout.splits.items() if own == split)
        if not ids:
            raise DatasetError(
                f"{self.root} has no split {split!r}: it has no {split}/ folder with patches and no index. Run `cerradata "
                f"index {self.root}` and `cerradata split {self.root}`."
            )
        return ids

    def _require_files(self, ids: Sequence[int]) -> None:
        if self.layout.doubled:
            raise DatasetError(
                f"{self.root}: {self.layout.doubled[0]} ({len(self.layout.doubled)} such problems), so it is not known "
                f"which file belongs to the patch. Run `cerradata verify {self.root}` and remove the wrong ones."
            )
        wanted = [*(layer for layer, _ in self._picks), *self._layers]
        for layer in wanted:
            files = self.layout.files.get(layer, {})
            missing = [patch_id for patch_id in ids if patch_id not in files]
            if missing:
                raise DatasetError(
                    f"{self.root}: layer {layer} lacks {len(missing)} of {len(ids)} patches (ids {missing[:5]}"
                    f"{' ...' if len(missing) > 5 else ''}). Run `cerradata verify {self.root}` for the whole list."
                )


def all_bands(radiometry: dict[str, Radiometry]) -> tuple[str, ...]:
    """Every band of some layers, in their order."""
    return tuple(band for own in radiometry.values() for band in own.bands)


def _open(
    root: Path, modality: Modality
) -> tuple[Layout, Legend, dict[str, Radiometry], tuple[int, ...], BandStatistics]:
    if (root / INFO_FILE).exists():
        info = DatasetInfo.read(root)
        layout = discover(root, {name: layer.folder for name, layer in info.layers.items()})
        known = {name: layer.radiometry for name, layer in info.layers.items()}
        statistics = {band: values for layer in info.layers.values() for band, values in layer.statistics.items()}
        return layout, info.legend, _of_modality(known, modality, root), info.labels, statistics
    if (root / JOURNAL_FILE).exists():
        raise DatasetError(f"{root} is an unfinished build: run the same `cerradata build` again and it goes on.")
    layout = discover(root)
    legend = load_legend("cerradata-4mm")
    known = copy_radiometries(layout, CopyFacts())
    return layout, legend, _of_modality(known, modality, root), labelled_levels(layout, legend), PUBLISHED_STATISTICS


def _of_modality(known: dict[str, Radiometry], modality: Modality, root: Path) -> dict[str, Radiometry]:
    layers = modality.split("+")
    if modality not in ("msi", "sar", "msi+sar"):
        raise ConfigError(f"There is no modality {modality!r}: there are msi, sar and msi+sar.")
    missing = [layer for layer in layers if layer not in known]
    if missing:
        raise DatasetError(
            f"{root} has no {missing[0]} images, so the modality {modality!r} is impossible: it has {', '.join(known)}."
        )
    return {layer: known[layer] for layer in layers}


def _pick_bands(bands: Sequence[str], radiometry: dict[str, Radiometry]) -> list[tuple[str, list[int]]]:
    known = all_bands(radiometry)
    unknown = [band for band in bands if band not in known]
    if unknown or not bands:
        raise ConfigError(f"The dataset has no band {unknown[0] if unknown else ''!r}: it has {', '.join(known)}.")
    picks = [(layer, [own.bands.index(b) for b in bands if b in own.bands]) for layer, own in radiometry.items()]
    return [(layer, positions) for layer, positions in picks if positions]
