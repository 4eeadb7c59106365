"""Scores of a confusion matrix: for each class, and over the classes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cerradata.core.errors import DatasetError
from cerradata.core.types import CountArray
from cerradata.scores.confusion import check_matrix, class_names


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class. Figures are percent; None where a figure is undefined.

    A class that has support and is never predicted has no precision, and an F1 and IoU of 0, as in the published
    figures. A class without support has no recall, F1 or IoU.

    Attributes:
        id: Class id.
        name: Class name.
        support: Pixels of the class in the truth.
        objects: Connected parts of the class in the truth, or None where nobody counted them.
        predicted: Pixels predicted as the class.
        precision: Share of the predicted pixels that are right.
        recall: Share of the true pixels that were found.
        f1: Harmonic mean of precision and recall.
        iou: Intersection over union of the true and the predicted pixels.
    """

    id: int
    name: str
    support: int
    objects: int | None
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None
    iou: float | None


@dataclass(frozen=True)
class AbsentClass:
    """A class without support.

    Attributes:
        id: Class id.
        name: Class name.
        false_positives: Pixels that were predicted as the class all the same.
    """

    id: int
    name: str
    false_positives: int


@dataclass(frozen=True)
class Scores:
    """Scores of a confusion matrix. Figures are percent, but for kappa.

    Attributes:
        per_class: One entry a class, in the order of the ids, absent classes too.
        macro_f1: Mean F1 of the classes with support.
        mean_iou: Mean IoU of the classes with support.
        overall_accuracy: Share of the pixels that are right.
        weighted_f1: Mean F1, weighted with the support.
        kappa: Cohen's kappa, -1 to 1 as in the literature (it is no share, so it is not given in percent). None where
            it is undefined: truth and prediction are one and the same class everywhere.
        classes_averaged: Number of classes in the two means.
        absent: Classes without support, which the means leave out, with their false positives.
    """

    per_class: tuple[ClassScores, ...]
    macro_f1: float
    mean_iou: float
    overall_accuracy: float
    weighted_f1: float
    kappa: float | None
    classes_averaged: int
    absent: tuple[AbsentClass, ...]

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values: percent, kappa -1 to 1, null where undefined, never NaN."""
        return {
            "macro_f1": self.macro_f1,
            "mean_iou": self.mean_iou,
            "overall_accuracy": self.overall_accuracy,
            "weighted_f1": self.weighted_f1,
            "kappa": self.kappa,
            "classes_averaged": self.classes_averaged,
            "per_class": [asdict(c) for c in self.per_class],
            "absent": [asdict(c) for c in self.absent],
        }


def score_confusion(
    matrix: CountArray, names: Sequence[str] | None = None, objects: Sequence[int] | CountArray | None = None
) -> Scores:
    """Every score of a confusion matrix.

    Args:
        matrix: (classes, classes) pixel counts, rows truth, columns prediction.
        names: Class names in the order of the ids; the ids by default.
        objects: Number of connected parts of each class in the truth.

    Raises:
        DatasetError: If the matrix is no matrix of counts or is empty, or names or objects do not fit it.
    """
    check_matrix(matrix)
    labels = class_names(matrix, names)
    if objects is not None and len(objects) != len(matrix):
        raise DatasetError(
            f"Numbers of objects of {len(objects)} classes were given for a confusion matrix of {len(matrix)}."
        )
    if not matrix.any():
        raise DatasetError("The confusion matrix holds no pixel: nothing was labelled, so there is nothing to score.")
    per_class = tuple(
        _score_class(matrix, class_id, name, None if objects is None else int(objects[class_id]))
        for class_id, name in enumerate(labels)
    )
    f1 = [c.f1 for c in per_class if c.f1 is not None]
    iou = [c.iou for c in per_class if c.iou is not None]
    support = [c.support for c in per_class if c.f1 is not None]
    return Scores(
        per_class=per_class,
        macro_f1=float(np.mean(f1)),
        mean_iou=float(np.mean(iou)),
        overall_accuracy=100 * int(np.trace(matrix)) / int(matrix.sum()),
        weighted_f1=float(np.average(f1, weights=support)),
        kappa=_kappa(matrix),
        classes_averaged=len(f1),
        absent=tuple(AbsentClass(c.id, c.name, c.predicted) for c in per_class if not c.support),
    )


def _score_class(matrix: CountArray, class_id: int, name: str, objects: int | None) -> ClassScores:
    right = int(matrix[class_id, class_id])
    support = int(matrix[class_id].sum())
    predicted = int(matrix[:, class_id].sum())
    return ClassScores(
        id=class_id,
        name=name,
        support=support,
        objects=objects,
        predicted=predicted,
        precision=100 * right / predicted if predicted else None,
        recall=100 * right / support if support else None,
        f1=100 * 2 * right / (support + predicted) if support else None,
        iou=100 * right / (support + predicted - right) if support else None,
    )


def _kappa(matrix: CountArray) -> float | None:
    """Cohen's kappa: agreement beyond that of chance, (observed - expected) / (1 - expected)."""
    # Python integers: the products of pixel counts of a whole scene do not fit in 64 bits.
    support = [int(n) for n in matrix.sum(axis=1)]
    predicted = [int(n) for n in matrix.sum(axis=0)]
    total = sum(support)
    by_chance = sum(s * p for s, p in zip(support, predicted, strict=True))
    if by_chance == total * total:
        return None
    return (total * int(np.trace(matrix)) - by_chance) / (total * total - by_chance)
