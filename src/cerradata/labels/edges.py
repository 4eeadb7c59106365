"""Edge masks: where one class meets another."""

import numpy as np
from scipy import ndimage

from cerradata.core.errors import ConfigError
from cerradata.core.types import UNLABELLED, LabelArray


def edge_mask(labels: LabelArray, width: int = 1) -> LabelArray:
    """Pixels at the boundary between two classes.

    A labelled pixel is an edge pixel if a labelled pixel of another class lies within `width` pixels of it, as the
    crow flies between pixel centres. So a boundary is marked on both of its sides, `width` pixels deep (width 1: the
    four neighbours). Unlabelled pixels are never edges, and make none: the border of the reference is no boundary.

    Args:
        labels: (rows, columns) class ids, 255 = unlabelled. Beyond the array nothing is known: no edge comes of it.
        width: Depth of the edge on each side of a boundary, in pixels, from 1.

    Returns:
        (rows, columns) uint8: 1 = edge, 0 = not.

    Raises:
        ConfigError: If the width is below 1.
    """
    if width < 1:
        raise ConfigError(f"An edge width of {width} pixels marks nothing: give 1 or more.")
    labelled = labels != UNLABELLED
    disc = _disc(width)
    # The largest and the smallest class nearby; unlabelled neighbours are made to lose both contests.
    highest = ndimage.maximum_filter(np.where(labelled, labels, 0), footprint=disc, mode="nearest")
    lowest = ndimage.minimum_filter(np.where(labelled, labels, UNLABELLED), footprint=disc, mode="nearest")
    return np.asarray(labelled & ((highest > labels) | (lowest < labels)), dtype=np.uint8)


def _disc(radius: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(rows**2 + columns**2 <= radius**2)
