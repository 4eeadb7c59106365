"""How often the ground was seen: observations of a pixel that went into the images."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np

from cerradata.evaluation.report.footprints import plot_shaded
from cerradata.evaluation.report.layers import SENSORS
from cerradata.evaluation.report.pictures import Picture, figure_uri
from cerradata.patches.info import DatasetInfo

_PREFIX = "observations_"
_LEAST_RANGE = 0.5
"""Observations by which patches differ at least, for a map that shows more than one colour."""


@dataclass(frozen=True)
class ObservationRow:
    """A layer in a table; all figures are means over the pixels of a patch.

    Attributes:
        title: The layer, for people.
        least: Observations in the patch that has the fewest.
        median: Observations in the median patch.
        most: Observations in the patch that has the most.
    """

    title: str
    least: float
    median: float
    most: float


@dataclass(frozen=True)
class ObservationsView:
    """Observations on a page.

    Attributes:
        rows: One row a layer.
        maps: Maps of the patches, for the layers whose patches differ.
        windows: Number of time windows, each of which counts for itself.
    """

    rows: tuple[ObservationRow, ...]
    maps: tuple[Picture, ...]
    windows: int


def describe_observations(index: gpd.GeoDataFrame, info: DatasetInfo) -> ObservationsView | None:
    """The observations that a build counted; None where none are in the index."""
    rows, maps = [], []
    for name, layer in info.layers.items():
        column = f"{_PREFIX}{name}"
        if column not in index or index[column].isna().all():
            continue
        title = SENSORS[layer.radiometry.sensor]
        least, median, most = (float(value) for value in np.nanquantile(index[column].astype(float), (0, 0.5, 1)))
        rows.append(ObservationRow(title, least, median, most))
        if most - least >= _LEAST_RANGE and index.geometry.notna().any():
            maps.append(_map(index, column, title, (least, most)))
    if not rows:
        return None
    return ObservationsView(tuple(rows), tuple(maps), len(info.provenance.get("time_windows", {})))


def _map(index: gpd.GeoDataFrame, column: str, title: str, span: tuple[float, float]) -> Picture:
    return Picture(
        figure_uri(plot_shaded(index, column, "observations of a pixel")),
        f"Map of the patches, shaded by their observations of {title}, {span[0]:.1f} to {span[1]:.1f}.",
        f"{title}: mean number of observations of a pixel, patch by patch.",
    )
