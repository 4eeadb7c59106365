"""Some patches of a dataset as pictures, chosen so that its classes are seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np

from cerradata.data.dataset import CerraData4MM, Modality, paint, picture
from cerradata.evaluation.report.page import percent
from cerradata.evaluation.report.pictures import Picture, image_uri
from cerradata.legend import Level
from cerradata.patches.info import DatasetInfo

_SAMPLES = 9
_NAMED_CLASSES = 3
_LOOKS: dict[Modality, str] = {"msi": "true colour", "sar": "radar, VV and VH"}


@dataclass(frozen=True)
class SampleView:
    """A patch on a page.

    Attributes:
        title: Its id and split.
        pictures: Its images, then its labels.
        words: Its largest classes.
    """

    title: str
    pictures: tuple[Picture, ...]
    words: str


def sample_patches(root: Path, info: DatasetInfo, index: gpd.GeoDataFrame, level: Level) -> tuple[SampleView, ...]:
    """Up to nine patches with their labels.

    Args:
        root: The dataset's folder.
        info: What the dataset is.
        index: Its index.
        level: Level of the labels to show.

    Raises:
        DatasetError: If files are missing or cannot be read.
    """
    modalities = [modality for modality in _LOOKS if modality in info.layers]
    datasets = {modality: CerraData4MM(root, modality=modality, level=level.number) for modality in modalities}
    pixels = np.stack([np.asarray(row, np.int64) for row in index[f"pixels_l{level.number}"]])
    views = []
    for position in choose_patches(pixels):
        patch_id = int(index["id"].iloc[position])
        split = index["split"].iloc[position]
        pictures = [_image(dataset, modality, patch_id) for modality, dataset in datasets.items()]
        if datasets:
            pictures.append(_labels(next(iter(datasets.values())), patch_id))
        title = f"Patch {patch_id}" if split is None else f"Patch {patch_id}, {split}"
        views.append(SampleView(title, tuple(pictures), _largest(pixels[position], level)))
    return tuple(views)


def choose_patches(pixels: np.ndarray[tuple[int, int], np.dtype[np.int64]], wanted: int = _SAMPLES) -> list[int]:
    """Patches in which every class is seen sooner or later: each one adds the most of what was shown the least.

    Args:
        pixels: (patches, classes) pixels of each class.
        wanted: Number of patches to choose.

    Returns:
        Positions, at most `wanted`, without patches that have no label; the same for the same pixels.
    """
    shares = pixels / np.maximum(pixels.sum(axis=1, keepdims=True), 1)
    shown = np.zeros(pixels.shape[1])
    free = pixels.sum(axis=1) > 0
    chosen: list[int] = []
    while len(chosen) < wanted and free.any():
        # The square root prefers patches of several classes to those of one.
        gain = (np.sqrt(shares) / (1 + 4 * shown)).sum(axis=1)
        best = int(np.argmax(np.where(free, gain, -1)))
        chosen.append(best)
        shown += shares[best]
        free[best] = False
    return chosen


def _image(dataset: CerraData4MM, modality: Modality, patch_id: int) -> Picture:
    image = dataset[dataset.ids.index(patch_id)]["image"].numpy()
    look = _LOOKS[modality]
    return Picture(image_uri(picture(image, dataset.bands)), f"Patch {patch_id} in {look}", look)


def _labels(dataset: CerraData4MM, patch_id: int) -> Picture:
    mask = dataset[dataset.ids.index(patch_id)]["mask"].numpy()
    return Picture(image_uri(paint(mask, dataset.level)), f"Labels of patch {patch_id}", "labels")


def _largest(pixels: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.int64]], level: Level) -> str:
    order = np.argsort(-np.asarray(pixels), kind="stable")[:_NAMED_CLASSES]
    total = int(np.sum(pixels))
    return ", ".join(f"{level.classes[i].name} {percent(100 * pixels[i] / total)} %" for i in order if pixels[i])
