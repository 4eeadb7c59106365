"""`CerraData4MM`: a dataset on disk as tensors, ours or a copy of the published download."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torchgeo.datasets import NonGeoDataset

from cerradata.core.errors import DatasetError
from cerradata.core.types import SPLITS, SplitName
from cerradata.data.picture import paint, picture
from cerradata.data.selection import Modality, choose_inputs, choose_targets, open_dataset
from cerradata.legend import Level
from cerradata.patches.index import ids_of_split, read_index
from cerradata.patches.layout import INDEX_FILE, INFO_FILE, edge_layer, semantic_layer
from cerradata.patches.stored import read_layer

Sample = dict[str, Any]

__all__ = ["CerraData4MM", "Modality", "Sample"]


class CerraData4MM(NonGeoDataset):
    """Patches of Sentinel-2 and Sentinel-1, and variables beside them, with labels and class boundaries.

    It reads what `cerradata build` wrote, and a copy of the published download, with `msi_images` or `opt_images`, with
    train/val/test folders or without. Files are joined on the id in their names, never on their order.

    A sample is a dictionary:
        image: (bands, H, W) float32 stored numbers (see `radiometry`), NaN = no data; with `time_axis` (T, C, H, W).
        mask: (H, W) int64 class ids of `level`, 255 = unlabelled.
        edge: (H, W) int64, 1 = boundary of two classes of `level`; only with `edges`.
        targets: (T, H, W) float32 values of the variables in `targets`, in their units, NaN = no data; only with `targets`.
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
        variables: Sequence[str] = (),
        targets: Sequence[str] = (),
        edges: bool = False,
        time_axis: bool = False,
        transforms: Callable[[Sample], Sample] | None = None,
    ) -> None:
        """Find the files of a split; read no image.

        Args:
            root: The dataset's folder.
            split: "train", "val" or "test"; None takes every patch.
            modality: "msi", "sar" or "msi+sar" (MSI bands first).
            level: Level of the labels, counted from coarse = 1; the finest by default.
            bands: Bands to give, by name and in this order; by default all of the modality. Variables may be among them.
            variables: Variables whose bands follow those of `bands`, by name: `slope`, `elevation`, `ndvi` for all time
                windows or `ndvi@dry` for one.
            targets: Variables to give as targets of a regression, named in the same way.
            edges: Give the boundary masks too.
            time_axis: Give the image as (time windows, bands, H, W), see `time_windows`. All bands that are chosen need the
                same time windows.
            transforms: Called with each sample.

        Raises:
            DatasetError: If files or splits are missing, saying which.
            ConfigError: If the modality, a band or a variable does not exist, is input and target, or was made from the
                reference map and is no target; or with `time_axis` if the bands have different time windows.
            LegendError: If the legend has no such level.
        """
        self.root = Path(root)
        self.modality = modality
        self.transforms = transforms
        opened = open_dataset(self.root)
        self.layout, self.legend, self.statistics = opened.layout, opened.legend, opened.statistics
        self.descriptions = opened.descriptions
        self.level: Level = self.legend.level(max(opened.levels) if level is None else level)
        if self.level.number not in opened.levels:
            raise DatasetError(f"{self.root} has no labels of level {self.level.number}: it has {list(opened.levels)}.")
        self._inputs = choose_inputs(opened, modality, bands, variables)
        self._targets = choose_targets(opened, targets, self._inputs)
        self.time_windows: tuple[str, ...] = ()
        if time_axis:
            self._inputs, self.time_windows = self._inputs.by_time()
        self.bands, self.targets = self._inputs.bands, self._targets.bands
        self.radiometry = opened.of_modality(modality) | dict(self._inputs.layers)
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
        if self.targets:
            sample["targets"] = torch.from_numpy(self._targets.read(self.layout, patch_id))
        return sample if self.transforms is None else self.transforms(sample)

    def plot(self, sample: Sample, *, show_titles: bool = True, suptitle: str | None = None) -> Figure:
        """A figure of a sample: the image, its labels, and its prediction where there is one (`prediction`)."""
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        labels = [name for name in ("mask", "prediction") if name in sample]
        axes = figure.subplots(1, 1 + len(labels), squeeze=False)[0]
        image = np.asarray(sample["image"])
        axes[0].imshow(picture(image.reshape(-1, *image.shape[-2:]), self.bands))
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
        image = torch.from_numpy(self._inputs.read(self.layout, patch_id))
        return image.reshape(len(self.time_windows), -1, *image.shape[1:]) if self.time_windows else image

    def _label(self, layer: str, patch_id: int) -> Tensor:
        return torch.from_numpy(read_layer(self.layout.path(layer, patch_id))[0][0].astype(np.int64))

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
        wanted = dict.fromkeys((*self._inputs.layers, *self._targets.layers, *self._layers))
        for layer in wanted:
            files = self.layout.files.get(layer, {})
            missing = [patch_id for patch_id in ids if patch_id not in files]
            if missing:
                raise DatasetError(
                    f"{self.root}: layer {layer} lacks {len(missing)} of {len(ids)} patches (ids {missing[:5]}"
                    f"{' ...' if len(missing) > 5 else ''}). Run `cerradata verify {self.root}` for the whole list."
                )
