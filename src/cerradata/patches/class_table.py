"""`ClassTable`: how many pixels of each class each patch has, from the index. No image is read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from cerradata.core.errors import DatasetError
from cerradata.core.types import BoolArray, CountArray
from cerradata.patches.index import ids_of_split


@dataclass(frozen=True)
class ClassTable:
    """Labelled pixels of each class in each patch.

    Attributes:
        ids: (patches,) int64.
        pixels: (patches, classes) int64, one row an id. Unlabelled pixels are not counted.
    """

    ids: CountArray
    pixels: CountArray

    def __len__(self) -> int:
        """Number of patches."""
        return len(self.ids)

    @property
    def totals(self) -> CountArray:
        """(classes,) int64, pixels of each class over all patches."""
        return np.asarray(self.pixels.sum(axis=0))

    @property
    def present(self) -> BoolArray:
        """(classes,) bool, which classes have a pixel at all."""
        return np.asarray(self.totals > 0)

    def of(self, ids: Sequence[int]) -> "ClassTable":
        """The rows of some patches, in the order of `ids`.

        Raises:
            DatasetError: If a patch is not in the table.
        """
        wanted = np.asarray(ids, dtype=np.int64)
        if not len(wanted):
            return ClassTable(wanted, self.pixels[:0])
        order = np.argsort(self.ids)
        places = np.searchsorted(self.ids, wanted, sorter=order)
        found = order[np.minimum(places, len(order) - 1)]
        strange = wanted[self.ids[found] != wanted]
        if len(strange):
            raise DatasetError(f"Patch {strange[0]} is not in the index: make it again with `cerradata index`.")
        return ClassTable(wanted, self.pixels[found])


def class_table(index: pd.DataFrame, level: int, split: str | None = None) -> ClassTable:
    """The class table of a split, or of all patches, in the order of ascending ids.

    Args:
        index: The index, rows in any order.
        level: Level, counted from coarse = 1.
        split: "train", "val" or "test"; by default every patch.

    Raises:
        DatasetError: If the index has no counts of that level, no splits or no patch in that split, or if its rows do not have
            the same number of classes.
    """
    column = f"pixels_l{level}"
    if column not in index.columns:
        known = [name.removeprefix("pixels_l") for name in index.columns if str(name).startswith("pixels_l")]
        raise DatasetError(
            f"The index has no labels of level {level}: it has those of level {', '.join(known) or 'none'}."
        )
    rows = index if split is None else index[index["id"].isin(ids_of_split(index, split))]
    ids = rows["id"].to_numpy(np.int64)
    try:
        pixels = np.stack(rows[column].to_list()).astype(np.int64, copy=False)
    except ValueError as error:
        raise DatasetError(
            f"Column {column} of the index has rows of different lengths ({error}): make the index again with "
            "`cerradata index`."
        ) from error
    order = np.argsort(ids)
    return ClassTable(ids[order], pixels[order])
