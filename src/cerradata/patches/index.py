"""`index.parquet`: one row a patch, in id order."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from affine import Affine
from shapely.geometry import Polygon

from cerradata.core.errors import DatasetError
from cerradata.core.files import atomic_path
from cerradata.core.types import SPLITS, CountArray
from cerradata.patches.layout import INDEX_FILE
from cerradata.patches.record import PatchRecord

GEOGRAPHIC = "EPSG:4326"
_NEEDED: Final = ("id", "split", "content_hash", "valid_share")

Table = TypeVar("Table", pd.DataFrame, gpd.GeoDataFrame)


def make_index(records: Iterable[PatchRecord], patch_size: int) -> gpd.GeoDataFrame:
    """The index of patches.

    Args:
        records: Records in any order.
        patch_size: Rows and columns of a patch.

    Returns:
        One row a patch in id order with the columns id, row, col, crs, transform, valid_share, pixels_l<level>,
        objects_l<level>, scenes, scene_pixels, dates, observations_<layer>, alignment_*, lacks (where some layer is
        optional), content_hash, split, fold (both empty) and geometry (footprint in EPSG:4326).
    """
    rows = [record.to_dict() for record in sorted(records, key=lambda record: record.id)]
    if not rows:
        raise DatasetError("An index of no patches is of no use: nothing was kept or found.")
    table = pd.DataFrame(rows)
    table = table.astype({"row": "Int64", "col": "Int64"})
    for column in [name for name in table.columns if name.startswith("alignment_")]:
        table[column] = table[column].astype("boolean" if column.endswith("_determined") else "Float64")
    table["split"] = pd.Series([None] * len(table), dtype="object")
    table["fold"] = pd.Series([pd.NA] * len(table), dtype="Int64")
    geometry = _footprints(table, patch_size)
    return gpd.GeoDataFrame(table, geometry=geometry, crs=GEOGRAPHIC)


def write_index(root: Path, index: gpd.GeoDataFrame) -> None:
    """Write `index.parquet` (GeoParquet) atomically.

    Raises:
        OutputError: If it cannot be written.
    """
    with atomic_path(root / INDEX_FILE) as temporary:
        index.to_parquet(temporary, index=False, write_covering_bbox=False)


def read_index(root: Path) -> gpd.GeoDataFrame:
    """Read `index.parquet`.

    Raises:
        DatasetError: If it is missing or damaged.
    """
    index: gpd.GeoDataFrame = _read(root, gpd.read_parquet)
    return index


def read_columns(root: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read some columns of `index.parquet`, those that it has; with `id`, `split`, `content_hash` and `valid_share`.

    The whole index of 30,000 patches takes 130 MB, most of it footprints and lists.

    Raises:
        DatasetError: If it is missing or damaged.
    """

    def read(path: Path) -> pd.DataFrame:
        there = pq.read_schema(path).names
        wanted = [name for name in dict.fromkeys((*_NEEDED, *columns)) if name in there]
        return pd.read_parquet(path, columns=wanted)

    table: pd.DataFrame = _read(root, read)
    return table


def _read(root: Path, read: Callable[[Path], Table]) -> Table:
    path = root / INDEX_FILE
    if not root.is_dir():
        raise DatasetError(f"There is no dataset folder {root}.")
    if not path.is_file():
        raise DatasetError(f"{root} has no {INDEX_FILE}: run `cerradata index {root}` to make it for a copy.")
    try:
        index = read(path)
    except Exception as error:  # pyarrow and geopandas raise many classes on damaged files
        raise DatasetError(f"{path} cannot be read ({error}): run `cerradata index {root} --overwrite`.") from error
    missing = [column for column in _NEEDED if column not in index.columns]
    if missing:
        raise DatasetError(f"{path} lacks the column {missing[0]!r}: run `cerradata index {root} --overwrite`.")
    index["split"] = index["split"].astype("object").where(index["split"].notna(), None)
    return index


def ids_of_split(index: pd.DataFrame, split: str) -> list[int]:
    """Ids of the patches of a split, ascending.

    Raises:
        DatasetError: If the index has no splits, or none of that name.
    """
    if split not in SPLITS:
        raise DatasetError(f"There is no split {split!r}: splits are {', '.join(SPLITS)}.")
    if index["split"].isna().all():
        raise DatasetError("The dataset has no splits: run `cerradata split DIR --strategy blocks` first.")
    ids = index.loc[index["split"] == split, "id"]
    if ids.empty:
        raise DatasetError(f"The dataset has no patch in split {split!r}: run `cerradata split DIR` again.")
    return [int(i) for i in ids]


def lacking(index: pd.DataFrame) -> dict[str, frozenset[int]]:
    """Ids of the patches that lack each optional layer, by layer; empty where every patch has every layer.

    Args:
        index: The index; without a column `lacks` no patch lacks anything.
    """
    if "lacks" not in index.columns:
        return {}
    found: dict[str, set[int]] = {}
    for patch_id, layers in zip(index["id"], index["lacks"], strict=True):
        for layer in layers:
            found.setdefault(str(layer), set()).add(int(patch_id))
    return {layer: frozenset(ids) for layer, ids in sorted(found.items())}


def class_counts(index: pd.DataFrame, level: int, *, what: str = "pixels", split: str | None = None) -> CountArray:
    """Pixels (or objects) of each class, summed over patches.

    Args:
        index: The index.
        level: Level, counted from coarse = 1.
        what: "pixels" or "objects".
        split: Only the patches of this split.

    Returns:
        (classes,) int64.

    Raises:
        DatasetError: If the index has no counts of that level.
    """
    column = f"{what}_l{level}"
    if column not in index.columns:
        raise DatasetError(f"The index has no labels of level {level}: it has no column {column}.")
    rows = index[column] if split is None else index.loc[index["split"] == split, column]
    if not len(rows):
        return np.zeros(len(index[column].iloc[0]), np.int64)
    return np.asarray(np.stack([np.asarray(row, dtype=np.int64) for row in rows]).sum(axis=0))


def patch_polygon(transform: Sequence[float], patch_size: int) -> Polygon:
    """Footprint of a patch in its own CRS."""
    affine = Affine(*transform)
    return Polygon([affine * corner for corner in ((0, 0), (patch_size, 0), (patch_size, patch_size), (0, patch_size))])


def _footprints(table: pd.DataFrame, patch_size: int) -> list[Any]:
    polygons: list[Any] = [None] * len(table)
    for crs, group in table[table["crs"].notna()].groupby("crs", sort=True):
        own = gpd.GeoSeries([patch_polygon(t, patch_size) for t in group["transform"]], index=group.index, crs=crs)
        for position, polygon in zip(group.index, own.to_crs(GEOGRAPHIC), strict=True):
            polygons[int(position)] = polygon
    return polygons
