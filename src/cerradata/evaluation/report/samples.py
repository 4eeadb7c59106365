"""Some patches of a dataset as pictures, chosen so that its classes are seen."""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np

from cerradata.core.types import CountArray
from cerradata.data.dataset import CerraData4MM, Modality
from cerradata.data.picture import paint, picture
from cerradata.evaluation.report.pictures import Picture, image_uri
from cerradata.legend import Level
from cerradata.patches.index import lacking
from cerradata.patches.info import DatasetInfo
from cerradata.scenes.bands import base_band

_SAMPLES = 9
_NAMED_CLASSES = 3
_MODALITIES: tuple[Modality, ...] = ("msi", "sar")
_NAMES: dict[Modality, str] = {"msi": "multispectral image", "sar": "radar image"}
_TRUE_COLOUR = {"B02", "B03", "B04"}
_GREY, _DARK_GREY = 235, 190


@dataclass(frozen=True)
class SampleView:
    """A patch on a page.

    Attributes:
        title: Its id and split.
        pictures: Its images, then its labels; where it lacks an image, a picture that says so.
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
    modalities = [modality for modality in _MODALITIES if modality in info.layers]
    datasets = [CerraData4MM(root, modality=modality, level=level.number) for modality in modalities]
    pixels = np.stack([np.asarray(row, np.int64) for row in index[f"pixels_l{level.number}"]])
    absent = lacking(index)
    views = []
    for position in choose_patches(pixels):
        patch_id = int(index["id"].iloc[position])
        split = index["split"].iloc[position]
        pictures = [
            _no_image(patch_id, dataset.modality, info.patch_size)
            if patch_id in absent.get(dataset.modality, ())
            else _image(dataset, patch_id)
            for dataset in datasets
        ]
        pictures += [_labels(dataset, patch_id) for dataset in [own for own in datasets if patch_id in own.ids][:1]]
        title = f"Patch {patch_id}" if split is None else f"Patch {patch_id}, {split}"
        views.append(SampleView(title, tuple(pictures), _largest(pixels[position], level)))
    return tuple(views)


def choose_patches(pixels: CountArray, wanted: int = _SAMPLES) -> list[int]:
    """Patches in which the classes are seen, the rarest first, then those that add the most of what was shown least.

    Args:
        pixels: (patches, classes) pixels of each class.
        wanted: Number of patches to choose. With as many as there are classes, every class is seen.

    Returns:
        Positions, at most `wanted`, without patches that have no label; the same for the same pixels.
    """
    shares = pixels / max(int(pixels.sum(axis=1).max(initial=0)), 1)  # of the fullest patch: well labelled ones first
    shown = np.zeros(pixels.shape[1])
    free = pixels.sum(axis=1) > 0
    chosen: list[int] = []
    while len(chosen) < wanted and free.any():
        unseen = pixels[free].sum(axis=0) * (shown == 0)
        candidates = free
        if unseen.any():
            rarest = int(np.argmin(np.where(unseen > 0, unseen, np.iinfo(np.int64).max)))
            candidates = free & (pixels[:, rarest] > 0)
        # The square root prefers patches of several classes to those of one.
        gain = (np.sqrt(shares) / (1 + 4 * shown)).sum(axis=1)
        best = int(np.argmax(np.where(candidates, gain, -1)))
        chosen.append(best)
        shown += shares[best]
        free[best] = False
    return chosen


def _image(dataset: CerraData4MM, patch_id: int) -> Picture:
    image = dataset[dataset.ids.index(patch_id)]["image"].numpy()
    true_colour = {base_band(band) for band in dataset.bands} >= _TRUE_COLOUR
    look = "radar" if dataset.modality == "sar" else "true colour" if true_colour else "first bands"
    return Picture(image_uri(picture(image, dataset.bands)), f"Patch {patch_id}, {look}", look)


def _no_image(patch_id: int, modality: Modality, size: int) -> Picture:
    """A crossed grey tile: white would be pixels without data in an image that is there."""
    tile = np.full((size, size, 3), _GREY, np.uint8)
    tile[np.eye(size, dtype=bool) | np.eye(size, dtype=bool)[::-1]] = _DARK_GREY
    return Picture(image_uri(tile), f"Patch {patch_id} has no {_NAMES[modality]}", f"no {_NAMES[modality]}")


def _labels(dataset: CerraData4MM, patch_id: int) -> Picture:
    mask = dataset[dataset.ids.index(patch_id)]["mask"].numpy()
    return Picture(image_uri(paint(mask, dataset.level)), f"Labels of patch {patch_id}", "labels")


def _largest(pixels: CountArray, level: Level) -> str:
    order = np.argsort(-pixels, kind="stable")[:_NAMED_CLASSES]
    total = int(pixels.sum())
    # A space that does not break keeps figure and sign on one line.
    return ", ".join(
        f"{level.classes[i].name} {100 * pixels[i] / total:.0f}\N{NO-BREAK SPACE}%" for i in order if pixels[i]
    )
