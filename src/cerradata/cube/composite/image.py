"""`Composite`: an image of several scenes, with what each pixel came from."""

from dataclasses import dataclass
from typing import Final

from cerradata.core.types import Array, FloatArray

SEVERAL: Final = 65535
"""Source of a pixel that several scenes gave together."""


@dataclass(frozen=True)
class Composite:
    """One window of one time window.

    Attributes:
        values: (bands, rows, columns) float32 in the unit that may be averaged, NaN = no data.
        source: (rows, columns) uint16: 1 + place of the scene in the order given, 0 = none, 65535 = several together.
        observations: (rows, columns) uint16: scenes that show the ground there; None where they were not counted.
    """

    values: FloatArray
    source: Array
    observations: Array | None
