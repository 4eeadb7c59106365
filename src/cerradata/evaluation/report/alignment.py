"""How well the layers of the patches lie on each other."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np

from cerradata.core.types import BoolArray, FloatArray
from cerradata.evaluation.report.page import share_of
from cerradata.patches.alignment import PAIRS

_TITLES = {"sar": "Sentinel-1", "labels": "Labels"}
_FAR = 1.0
"""Pixels from which on a patch is off."""
_TOLERATED = 0.5
"""Pixels that all patches may be off together: up to half a pixel, most of a pixel is still on its own ground."""


@dataclass(frozen=True)
class AlignmentRow:
    """A layer in a table; shifts are seen from the Sentinel-2 image.

    Attributes:
        title: The layer, for people.
        measured: Patches in which it was compared.
        determined: Patches in which the shift is determined.
        determined_share: Percent of the measured ones.
        down: Median shift along the rows in pixels; None where no patch is determined, like the following.
        right: Median shift along the columns in pixels.
        far: Percent of the determined patches that are off by more than a pixel.
    """

    title: str
    measured: int
    determined: int
    determined_share: float | None
    down: float | None
    right: float | None
    far: float | None

    @property
    def distance(self) -> float:
        """Length of the median shift in pixels; 0 where no patch is determined."""
        return float(np.hypot(self.down or 0.0, self.right or 0.0))

    @property
    def off(self) -> bool:
        """Whether the median shift is more than half a pixel."""
        return self.distance > _TOLERATED

    @property
    def uneven(self) -> bool:
        """Whether most patches are more than a pixel off, though not all to the same side."""
        return not self.off and self.far is not None and self.far > 50


def describe_alignment(index: gpd.GeoDataFrame) -> tuple[AlignmentRow, ...]:
    """The alignment that a build measured: one row a layer, none where nothing was measured.

    Args:
        index: The index, with the columns `alignment_<pair>_rows`, `_columns` and `_determined`, or without.
    """
    rows = (_row(index, pair) for pair in PAIRS if f"alignment_{pair}_determined" in index)
    return tuple(row for row in rows if row.measured)


def _row(index: gpd.GeoDataFrame, pair: str) -> AlignmentRow:
    flags = index[f"alignment_{pair}_determined"].astype("boolean")
    determined: BoolArray = flags.fillna(False).to_numpy(bool)
    down, right = (
        index[f"alignment_{pair}_{axis}"].astype("Float64").to_numpy(np.float64, na_value=np.nan)[determined]
        for axis in ("rows", "columns")
    )
    measured, known = int(flags.notna().sum()), int(determined.sum())
    return AlignmentRow(
        title=_TITLES[pair],
        measured=measured,
        determined=known,
        determined_share=share_of(known, measured),
        down=_median(down),
        right=_median(right),
        far=share_of(int((np.hypot(down, right) > _FAR).sum()), known),
    )


def _median(values: FloatArray) -> float | None:
    return float(np.median(values)) if values.size else None
