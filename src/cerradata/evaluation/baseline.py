"""A per-pixel baseline: is a network worth its trouble?"""

from pathlib import Path

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


def random_forest_scores(record: RunRecord, data: Path, *, split: SplitName = "test", seed: int = 0) -> Scores:
    """Scores of a random forest on the same split, bands and level as a run: it sees one pixel at a time.

    It is trained on at most 40,000 labelled pixels of the training split, drawn at random, so that classes keep their
    frequencies.

    Args:
        record: The run to compare with.
        data: The dataset's folder.
        split: Split to test on.
        seed: Decides the pixels and the trees.

    Raises:
        DatasetError: If there is no labelled pixel to train on.
    """
    train = _open(record, data, "train")
    numbers, labels = _pixels(train)
    if not len(labels):
        raise DatasetError(f"{data}: the training split has no labelled pixel.")
    chosen = np.random.default_rng(seed).permutation(len(labels))[:_PIXELS]
    forest = RandomForestClassifier(_TREES, min_samples_leaf=2, n_jobs=-1, random_state=seed)
    forest.fit(numbers[chosen], labels[chosen])
    test = _open(record, data, split)
    matrix: CountArray = np.zeros((len(test.level), len(test.level)), np.int64)
    numbers, labels = _pixels(test)
    matrix += confusion_matrix(labels, forest.predict(numbers).astype(np.uint8), len(test.level))
    objects = class_counts(read_index(data), test.level.number, what="objects", split=split)
    return score_confusion(matrix, test.level.names, objects)


def _open(record: RunRecord, data: Path, split: SplitName) -> CerraData4MM:
    return CerraData4MM(data, split, record.modality, record.level, bands=record.bands)  # type: ignore[arg-type]


def _pixels(dataset: CerraData4MM) -> tuple[FloatArray, LabelArray]:
    """Labelled pixels with their numbers: (pixels, bands) float32 with 0 for no data, (pixels,) uint8."""
    numbers, labels = [], []
    for i in range(len(dataset)):
        sample = dataset[i]
        mask = sample["mask"].numpy()
        labelled = mask != UNLABELLED
        numbers.append(np.nan_to_num(sample["image"].numpy()[:, labelled].T))
        labels.append(mask[labelled].astype(np.uint8))
    return np.concatenate(numbers), np.concatenate(labels)
