"""How many patches lack an image layer, in all and in each split."""

from dataclasses import dataclass

import geopandas as gpd

from cerradata.core.types import SPLITS
from cerradata.evaluation.report.layers import SENSORS
from cerradata.evaluation.report.page import share_of
from cerradata.patches.index import lacking
from cerradata.patches.info import DatasetInfo


@dataclass(frozen=True)
class AbsentRow:
    """A layer that patches may lack in a table.

    Attributes:
        title: The layer, for people.
        name: Its name in the dataset.
        patches: Patches that lack it.
        share: Percent of all patches.
        by_split: Patches of each split that lack it; empty without splits.
    """

    title: str
    name: str
    patches: int
    share: float | None
    by_split: tuple[int, ...]


def describe_absent(info: DatasetInfo, index: gpd.GeoDataFrame, *, splits: bool) -> tuple[AbsentRow, ...]:
    """The layers that patches may lack; none where every patch has every layer by declaration.

    Args:
        info: What the dataset is.
        index: Its index.
        splits: Whether it is split.
    """
    absent = lacking(index)
    rows = []
    for name in info.optional:
        own = index["id"].isin(absent.get(name, frozenset()))
        sensor = info.layers[name].radiometry.sensor
        rows.append(
            AbsentRow(
                title=SENSORS.get(sensor, f"Variable {name}"),
                name=name,
                patches=int(own.sum()),
                share=share_of(int(own.sum()), len(index)),
                by_split=tuple(int((own & (index["split"] == split)).sum()) for split in SPLITS) if splits else (),
            )
        )
    return tuple(rows)


def whole_and_lacking(rows: tuple[AbsentRow, ...], index: gpd.GeoDataFrame) -> str:
    """How many patches are whole and what the others lack, in a few words; "" where all are whole by declaration."""
    if not rows:
        return ""
    whole = len(index) - len(frozenset[int]().union(*lacking(index).values()))
    return "; ".join([f"{whole:,} whole", *(f"{row.patches:,} without {row.name}" for row in rows if row.patches)])
