"""A per-pixel baseline: is a network worth its trouble?"""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from cerradata.core.errors import DatasetError
from cerradata.core.types import UNLABELLED, CountArray, FloatArray, LabelArray, SplitName
from cerradata.data import CerraData4MM
from cerradata.patches.index import class_counts, read_index
from cerradata.runs import RunRecord
from cerradata.scores.confusion import confusion_matrix
from cerradata.scores.scores import Scores, score_confusion

_TREES = 100
_PIXELS = 40_000
_PATCHES = 16  # predicted at once


class LabelReader(Protocol):
    """Labels of patches from somewhere else than the dataset."""

    def read(self, patch_id: int, /) -> LabelArray:
        """Labels of a patch: (rows, columns) uint8 class ids of the level in question, 255 = unlabelled."""
        ...


def fit_random_forest(record: RunRecord, data: Path, *, seed: int = 0) -> RandomForestClassifier:
    """A random forest on single pixels of the training split, with the bands and level of a run.

    It is trained on at most 40,000 labelled pixels, drawn at random, so that classes keep their frequencies.

    Args:
        record: The run whose bands and level to take.
        data: The dataset's folder.
        seed: Decides the pixels and the trees.

    Raises:
        DatasetError: If there is no labelled pixel to train on.
    """
    forest = RandomForestClassifier(_TREES, min_samples_leaf=2, n_jobs=-1, random_state=seed)
    forest.fit(*_draw_pixels(_open(record, data, "train"), data, seed))
    forest.set_params(n_jobs=1)  # several threads add the trees' votes in any order, so that ties fall either way
    return forest


def random_forest_scores(
    record: RunRecord,
    data: Path,
    *,
    split: SplitName = "test",
    seed: int = 0,
    forest: RandomForestClassifier | None = None,
    labels: LabelReader | None = None,
) -> Scores:
    """Scores of a random forest on the same split, bands and level as a run: it sees one pixel at a time.

    Args:
        record: The run to compare with.
        data: The dataset's folder.
        split: Split to test on.
        seed: Decides the pixels and the trees, where the forest is fitted here.
        forest: What `fit_random_forest` gave; fitted here by default.
        labels: The truth to score against; by default the dataset's own labels.

    Raises:
        DatasetError: If there is no labelled pixel to train on.
    """
    fitted = fit_random_forest(record, data, seed=seed) if forest is None else forest
    test = _open(record, data, split)

    def confusion(start: int) -> CountArray:
        parts = [_pixels(test, i, labels) for i in range(start, min(start + _PATCHES, len(test)))]
        numbers, truth = (np.concatenate(part) for part in zip(*parts, strict=True))
        found = fitted.predict(numbers).astype(np.uint8) if len(truth) else truth
        return confusion_matrix(truth, found, len(test.level))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        matrix = sum(pool.map(confusion, range(0, len(test), _PATCHES)), np.zeros(2 * (len(test.level),), np.int64))
    objects = None
    if labels is None:
        objects = class_counts(read_index(data), test.level.number, what="objects", split=split)
    return score_confusion(matrix, test.level.names, objects)


def _draw_pixels(train: CerraData4MM, data: Path, seed: int) -> tuple[FloatArray, LabelArray]:
    """At most 40,000 labelled pixels, each as likely as any other; only those are held in memory."""
    counts = read_index(data).set_index("id").loc[train.ids, f"pixels_l{train.level.number}"]
    ends = np.cumsum([int(np.sum(own)) for own in counts])
    if not ends[-1]:
        raise DatasetError(f"{data}: the training split has no labelled pixel.")
    drawn = np.random.default_rng(seed).choice(ends[-1], min(_PIXELS, int(ends[-1])), replace=False)
    patch_of = np.searchsorted(ends, drawn, side="right")
    numbers, labels = [], []
    for i in np.unique(patch_of):
        own = np.sort(drawn[patch_of == i]) - (ends[i - 1] if i else 0)
        patch_numbers, patch_labels = _pixels(train, int(i))
        numbers.append(patch_numbers[own])
        labels.append(patch_labels[own])
    return np.concatenate(numbers), np.concatenate(labels)


def _open(record: RunRecord, data: Path, split: SplitName) -> CerraData4MM:
    return CerraData4MM(data, split, record.modality, record.level, bands=record.bands)  # type: ignore[arg-type]


def _pixels(dataset: CerraData4MM, position: int, labels: LabelReader | None = None) -> tuple[FloatArray, LabelArray]:
    """Labelled pixels of a patch: (pixels, bands) float32 with 0 for no data, (pixels,) uint8 class ids."""
    sample = dataset[position]
    mask = sample["mask"].numpy() if labels is None else labels.read(dataset.ids[position])
    labelled = mask != UNLABELLED
    return np.nan_to_num(sample["image"].numpy()[:, labelled].T), mask[labelled].astype(np.uint8)
