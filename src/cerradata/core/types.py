"""Types and constants that more than one package shares."""

from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

UNLABELLED: Final = 255
"""Label of a pixel without reference, at every level, in every label raster that we write."""

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating[Any]]
LabelArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]
CountArray = npt.NDArray[np.int64]

Allocate = Callable[[tuple[int, ...], np.dtype[Any]], Array]
"""Gives an array of a shape and type with arbitrary content, as `numpy.empty` does."""

Sensor = Literal["sentinel-1", "sentinel-2", "elevation"]
SplitName = Literal["train", "val", "test"]
SPLITS: Final[tuple[SplitName, ...]] = ("train", "val", "test")

SIMULATED_TAG: Final = "CERRADATA_SIMULATED"
"""Tag of every raster that a simulation made and of every map made of one; its value says which simulation."""
