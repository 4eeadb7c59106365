"""`CerraData4MM`: a dataset on disk as tensors, ours or a copy of the published download."""

from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torchgeo.datasets import NonGeoDataset

from cerradata.core.errors import DatasetError
from cerradata.core.types import SplitName
from cerradata.data.assembly import Assemble
from cerradata.data.batches import StoredBatches
from cerradata.data.picture import paint, picture
from cerradata.data.selection import Modality, choose_inputs, choose_targets, open_dataset
from cerradata.legend import Level
from cerradata.patches.class_table import ClassTable, class_table
from cerradata.patches.index import read_columns
from cerradata.patches.store.remote import dataset_folder

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
            root: The dataset's folder, or the URI of a packed one in an object store (`s3://bucket/dataset`).
            split: "train", "val" or "test"; None takes every patch. Patches that lack every sensor of the image are left out.
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
        opened = open_dataset(dataset_folder(root))
        self.root = opened.root
        self.modality = modality
        self.transforms = transforms
        self.legend, self.statistics, self.descriptions = opened.legend, opened.statistics, opened.descriptions
        self.level: Level = self.legend.level(max(opened.levels) if level is None else level)
        if self.level.number not in opened.levels:
            raise DatasetError(f"{self.root} has no labels of level {self.level.number}: it has {list(opened.levels)}.")
        inputs = choose_inputs(opened, modality, bands, variables)
        chosen_targets = choose_targets(opened, targets, inputs)
        self.time_windows: tuple[str, ...] = ()
        if time_axis:
            inputs, self.time_windows = inputs.by_time()
        self.bands, self.targets = inputs.bands, chosen_targets.bands
        self.radiometry = opened.of_modality(modality) | dict(inputs.layers)
        self.ids = [patch_id for patch_id in opened.ids(split) if not opened.is_empty(patch_id, inputs)]
        self.stored = StoredBatches(opened, inputs, chosen_targets, self.level, edges=edges)
        self.stored.require(self.ids)
        self.assemble = Assemble(inputs, chosen_targets, windows=len(self.time_windows))

    @property
    def patch_size(self) -> int:
        """Rows and columns of a patch."""
        return self.stored.patch_size(self.ids)

    def class_table(self) -> ClassTable:
        """Labelled pixels of each class in each of these patches, from the index; no image is read.

        Raises:
            DatasetError: If the dataset has no index.
        """
        return class_table(read_columns(self.root, (f"pixels_l{self.level.number}",)), self.level.number).of(self.ids)

    def only(self, ids: Sequence[int]) -> "CerraData4MM":
        """The same dataset with some of its patches.

        Raises:
            DatasetError: If one of them is not among its patches.
        """
        strange = sorted(set(ids) - set(self.ids))
        if strange:
            raise DatasetError(f"Patch {strange[0]} is not among the {len(self.ids)} patches of this dataset.")
        chosen = copy(self)
        chosen.ids = sorted(ids)
        return chosen

    def __len__(self) -> int:
        """Number of patches."""
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        """The sample at a position in id order, see the class.

        Raises:
            DatasetError: If a file cannot be read.
        """
        batch = self.assemble(self.stored.read([self.ids[index]]))
        sample: Sample = {name: layer[0] for name, layer in batch.items()} | {"id": self.ids[index]}
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
