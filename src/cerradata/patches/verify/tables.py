"""`index.parquet` and `dataset.json`: are they what they should be, and do they agree?"""

from collections.abc import Iterator, Mapping
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine

from cerradata.core.errors import DatasetError
from cerradata.core.types import Array, BoolArray, CountArray
from cerradata.patches.autocorrelation import class_tables
from cerradata.patches.index import GEOGRAPHIC
from cerradata.patches.info import DatasetInfo, LayerInfo
from cerradata.patches.layout import INDEX_FILE, INFO_FILE
from cerradata.patches.statistics import Moments
from cerradata.patches.verify.absent import check_lacks
from cerradata.patches.verify.problem import Problem, of_patches

_COLUMNS = (
    "id",
    "row",
    "col",
    "crs",
    "transform",
    "valid_share",
    "scenes",
    "dates",
    "content_hash",
    "split",
    "geometry",
)
_ROUNDING = 1e-9
_AGREE = 1e-6
"""Relative difference of statistics that come of another order of summing: sums of squares keep about 9 digits of a variance."""
_DEGREES = 1e-7
"""One centimetre: footprints of one place that two versions of PROJ made differ less."""


def check_index(index: gpd.GeoDataFrame, info: DatasetInfo) -> list[Problem]:
    """Check the index, and what `dataset.json` says of the same.

    Returns:
        What is wrong: kind "dataset" for rows and columns, "statistics" for figures.
    """
    problems = []
    if info.patches != len(index):
        problems.append(
            Problem("dataset", f"{INFO_FILE} counts {info.patches} patches, {INDEX_FILE} has {len(index)}.")
        )
    missing = [name for name in (*_COLUMNS, *_count_columns(info)) if name not in index]
    if missing:
        problems.append(Problem("dataset", f"{INDEX_FILE} lacks the columns {', '.join(missing)}."))
        return problems
    ids = index["id"].to_numpy(dtype=np.int64)
    doubled = index["id"].duplicated().to_numpy()
    problems += of_patches("dataset", _chosen(ids, doubled), f"more than one row in {INDEX_FILE}")
    if not doubled.any() and (np.diff(ids) < 0).any():
        problems.append(Problem("dataset", f"{INDEX_FILE} is not in the order of ids."))
    broken = ~index["content_hash"].astype(str).str.fullmatch("[0-9a-f]{64}").to_numpy(dtype=bool)
    problems += of_patches("dataset", _chosen(ids, broken), f"no SHA-256 of the content in {INDEX_FILE}")
    if info.grid is not None:
        problems += _check_places(index, info, info.grid)
        problems += _check_scenes(index, info)
    problems += check_lacks(index, info)
    problems += _check_shares(index, info)
    try:
        pixels, objects = (class_tables(index, info.legend, kind) for kind in ("pixels", "objects"))
    except (DatasetError, ValueError, TypeError) as error:
        return [*problems, Problem("dataset", f"{INDEX_FILE}: {error}")]
    return [*problems, *_check_counts(ids, info, pixels, objects)]


def check_statistics(info: DatasetInfo) -> Iterator[Problem]:
    """Whether the band statistics of `dataset.json` can be those of any pixels at all."""
    for name, layer in info.layers.items():
        strange = sorted(set(layer.statistics) - set(layer.radiometry.bands))
        if strange:
            yield Problem(
                "statistics", f"{INFO_FILE} has statistics of {name} bands that it has not: {', '.join(strange)}"
            )
        for band, values in layer.statistics.items():
            why = _implausible(values, layer)
            if why:
                yield Problem("statistics", f"{INFO_FILE}, band {band} of {name}: {why} ({dict(values)})")


def compare_statistics(info: DatasetInfo, moments: Mapping[str, Moments]) -> Iterator[Problem]:
    """Compare the band statistics of `dataset.json` with those of all pixels.

    Args:
        info: What `dataset.json` says.
        moments: Moments of the stored numbers of every patch, by layer.
    """
    for name, layer in info.layers.items():
        if name not in moments:
            continue
        found = moments[name].statistics(layer.radiometry.bands)
        for band in layer.radiometry.bands:
            said, true = layer.statistics.get(band), found.get(band)
            if said is None or true is None:
                if said is not true:
                    what = "has no statistics" if said is None else "has statistics, but no valid pixel"
                    yield Problem("statistics", f"{INFO_FILE}: band {band} of {name} {what}")
                continue
            margin = _AGREE * (abs(true["mean"]) + true["std"])
            wrong = [
                f"{key} {said[key]:.8g} for {true[key]:.8g}" for key in true if abs(said[key] - true[key]) > margin
            ]
            if wrong:
                yield Problem("statistics", f"{INFO_FILE}: band {band} of {name} has {', '.join(wrong)}")


def _implausible(values: Mapping[str, float], layer: LayerInfo) -> str:
    mean, std, least, largest = (values[key] for key in ("mean", "std", "min", "max"))
    if not np.isfinite([mean, std, least, largest]).all():
        return "they are not finite"
    margin = _AGREE * (abs(mean) + std)
    if not least - margin <= mean <= largest + margin:
        return "the mean does not lie between min and max"
    if not 0 <= std <= (largest - least) / 2 + margin:  # Popoviciu's inequality
        return "the standard deviation must be 0 to half of the range"
    if np.dtype(layer.dtype).kind in "iu":
        limits = np.iinfo(layer.dtype)
        if least < limits.min or largest > limits.max:
            return f"they are no numbers of {layer.dtype}"
        if layer.radiometry.nodata is not None and layer.radiometry.nodata in (least, largest):
            return "no data was counted"
    return ""


def _count_columns(info: DatasetInfo) -> list[str]:
    return [f"{kind}_l{level}" for level in info.labels for kind in ("pixels", "objects")]


def _check_places(index: gpd.GeoDataFrame, info: DatasetInfo, grid: Mapping[str, Any]) -> Iterator[Problem]:
    """Row, column, id, CRS, transform and footprint of what we built follow from the grid."""
    ids = index["id"].to_numpy(dtype=np.int64)
    where = index["row"].notna() & index["col"].notna() & index["crs"].notna() & index["transform"].notna()
    nowhere = ~where.to_numpy(dtype=bool)
    if nowhere.any():
        yield from of_patches("dataset", _chosen(ids, nowhere), f"no row, column, CRS or transform in {INDEX_FILE}")
        return
    rows, cols = (index[name].to_numpy(dtype=np.int64) for name in ("row", "col"))
    outside = (rows < 0) | (rows >= grid["rows"]) | (cols < 0) | (cols >= grid["columns"])
    yield from of_patches(
        "dataset",
        _chosen(ids, outside),
        f"row or column outside the {grid['rows']} x {grid['columns']} patches of the grid",
    )
    wrong = ids != rows * grid["columns"] + cols
    yield from of_patches("dataset", _chosen(ids, wrong), f"the id is not row * {grid['columns']} + column")
    other = index["crs"].to_numpy(dtype=str) != grid["crs"]
    yield from of_patches("dataset", _chosen(ids, other), f"another CRS than that of the grid, {grid['crs']}")
    try:
        said = np.stack([np.asarray(transform, dtype=float) for transform in index["transform"]])
    except (ValueError, TypeError) as error:
        yield Problem("dataset", f"{INDEX_FILE}: the transforms are not six numbers each ({error})")
        return
    corner, step = Affine(*grid["transform"]), grid.get("stride", info.patch_size)
    x, y = (
        corner.a * cols * step + corner.b * rows * step + corner.c,
        corner.d * cols * step + corner.e * rows * step + corner.f,
    )
    right = np.tile(np.array(tuple(corner)[:6]), (len(ids), 1))
    right[:, 2], right[:, 5] = x, y
    pixel = np.hypot(corner.a, corner.d)
    moved = (
        (np.abs(said - right) > _AGREE * pixel).any(axis=1) if said.shape == right.shape else np.ones(len(ids), bool)
    )
    yield from of_patches(
        "dataset", _chosen(ids, moved), f"the transform is not that of row and column on the grid, {step} pixels apart"
    )
    if not (moved | other).any():
        yield from of_patches(
            "dataset",
            _chosen(ids, _misplaced(index, info.patch_size)),
            f"the geometry in {INDEX_FILE} is not the footprint",
        )


def _misplaced(index: gpd.GeoDataFrame, patch_size: int) -> BoolArray:
    """(N,) whether the geometry is another than the footprint in EPSG:4326."""
    if index.crs is None or index.crs != GEOGRAPHIC:
        return np.ones(len(index), bool)
    transforms = np.stack([np.asarray(transform, dtype=float) for transform in index["transform"]])
    a, b, c, d, e, f = (values[:, None] for values in transforms.T)
    x, y = np.array([[0, 1, 1, 0], [0, 0, 1, 1]]) * patch_size
    own = gpd.GeoSeries(
        shapely.polygons(np.stack([a * x + b * y + c, d * x + e * y + f], axis=-1)), crs=index["crs"].iloc[0]
    )
    apart = np.abs(shapely.bounds(own.to_crs(GEOGRAPHIC).to_numpy()) - shapely.bounds(index.geometry.to_numpy()))
    return ~np.asarray((apart < _DEGREES).all(axis=1))


def _check_scenes(index: gpd.GeoDataFrame, info: DatasetInfo) -> Iterator[Problem]:
    known = {scene["name"] for scene in info.provenance.get("scenes", ())}
    named = {str(name) for names in index["scenes"] if names is not None for name in names}
    strange = sorted(named - known)
    if strange:
        yield Problem("dataset", f"{INDEX_FILE} names scenes that {INFO_FILE} does not: {', '.join(strange[:5])}")


def _check_shares(index: gpd.GeoDataFrame, info: DatasetInfo) -> Iterator[Problem]:
    ids, shares = index["id"].to_numpy(dtype=np.int64), index["valid_share"].to_numpy(dtype=float)
    least = 1 - info.selection.get("max_invalid", 1)
    low = ~((shares >= least - _ROUNDING) & (shares <= 1))
    yield from of_patches("statistics", _chosen(ids, low), f"the valid share is not {least:g} to 1")


def _check_counts(
    ids: CountArray, info: DatasetInfo, pixels: Mapping[int, CountArray], objects: Mapping[int, CountArray]
) -> Iterator[Problem]:
    size = info.patch_size**2
    finest = info.legend.finest.number
    for level in info.labels:
        table, parts = pixels[level], objects[level]
        bad = (table < 0).any(axis=1) | (table.sum(axis=1) > size)
        yield from of_patches(
            "statistics", _chosen(ids, bad), f"the class pixels of level {level} are not 0 to {size} in all"
        )
        bad = (parts < 0).any(axis=1) | (parts > table).any(axis=1) | ((parts == 0) & (table > 0)).any(axis=1)
        yield from of_patches(
            "statistics", _chosen(ids, bad), f"the objects of level {level} do not fit the class pixels"
        )
        if info.grid is not None and level != finest and finest in pixels:
            lookup = info.legend.lookup(finest, level)[: len(info.legend.finest)]
            mapped = np.zeros_like(table)
            np.add.at(mapped.T, lookup, pixels[finest].T)
            bad = (mapped != table).any(axis=1)
            what = f"the class pixels of level {level} are not those of level {finest}, mapped"
            yield from of_patches("statistics", _chosen(ids, bad), what)
    if finest in pixels and info.patches == len(ids):
        yield from _check_selection(ids, info, pixels[finest])


def _check_selection(ids: CountArray, info: DatasetInfo, pixels: CountArray) -> Iterator[Problem]:
    """What `dataset.json` says of the patches kept."""
    most = info.selection.get("max_unlabelled", 1)
    unlabelled = 1 - pixels.sum(axis=1) / info.patch_size**2
    bad = unlabelled > most + _ROUNDING
    yield from of_patches(
        "statistics", _chosen(ids, bad), f"more than {most:.0%} unlabelled, which the selection rejects"
    )
    kept = info.selection.get("patches", {}).get("kept", info.patches)
    if kept != info.patches:
        yield Problem("statistics", f"{INFO_FILE}: {kept} patches were kept by the selection, there are {info.patches}")
    said, found = info.selection.get("pixels", {}).get("kept"), pixels.sum(axis=0).tolist()
    if said is not None and list(said) != found:
        yield Problem(
            "statistics", f"{INFO_FILE}: the selection kept {list(said)} pixels of the classes, the index has {found}"
        )


def _chosen(ids: CountArray, which: Array) -> list[int]:
    return [int(i) for i in ids[which]]
