"""Splits: is a patch in one of them only, and do their patches share ground?"""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np

from cerradata.core.types import SPLITS, CountArray
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import CERTIFICATE_FILE
from cerradata.patches.split import split_hash
from cerradata.patches.verify.problem import Problem, of_patches


def check_splits(root: Path, index: gpd.GeoDataFrame, info: DatasetInfo | None) -> Iterator[Problem]:
    """Check that the splits are disjoint, as ids and as ground, and that their certificate is of them.

    Ground is looked at in a dataset that we built with overlapping patches (a stride smaller than a patch). Splits of a
    copy are others' work: `cerradata split` certifies them.

    Args:
        root: The dataset's folder.
        index: The index.
        info: What `dataset.json` says, where it can be read.
    """
    used = index[index["split"].notna()]
    strange = sorted(set(used["split"]) - set(SPLITS), key=str)
    if strange:
        yield Problem("split", f"the index has the unknown split {strange[0]!r}: splits are {', '.join(SPLITS)}.")
    several = used.groupby("id")["split"].nunique()
    yield from of_patches("split", [int(i) for i in several.index[several > 1]], "in more than one split of the index")
    yield from _check_certificate(root / CERTIFICATE_FILE, index)
    grid = None if info is None else info.grid
    if info is not None and grid is not None and grid.get("stride", info.patch_size) < info.patch_size:
        yield from _check_overlap(used, info.patch_size, grid["stride"])


def _check_certificate(path: Path, index: gpd.GeoDataFrame) -> Iterator[Problem]:
    if not path.exists():
        return
    try:
        plain: Any = json.loads(path.read_text(encoding="utf-8"))
        known = plain["hash"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        yield Problem("split", f"{path} is no certificate ({error!r}): run `cerradata split {path.parent}` again.")
        return
    if known != split_hash(index["id"], index["split"]):
        what = f"{path} is the certificate of other splits than those of the index"
        yield Problem("split", f"{what}: run `cerradata split {path.parent}`, which certifies what is there.")


def _check_overlap(used: gpd.GeoDataFrame, patch_size: int, stride: int) -> Iterator[Problem]:
    """Patches of two splits whose footprints overlap; one problem for each two splits."""
    used = used[used["row"].notna() & used["col"].notna() & used["split"].isin(SPLITS)]
    if used.empty:
        return
    rows, cols = (used[name].to_numpy(dtype=np.int64) for name in ("row", "col"))
    rows, cols = rows - rows.min(), cols - cols.min()
    ids = np.full((rows.max() + 1, cols.max() + 1), -1, np.int64)
    splits = np.full(ids.shape, -1, np.int8)
    ids[rows, cols] = used["id"].to_numpy(dtype=np.int64)
    splits[rows, cols] = [SPLITS.index(name) for name in used["split"]]
    reach = -(-patch_size // stride) - 1
    shared: dict[tuple[int, int], list[CountArray]] = {}
    pixels: dict[tuple[int, int], int] = {}
    for down, right in product(range(reach + 1), range(-reach, reach + 1)):
        if (down, right) <= (0, 0) or down >= ids.shape[0] or abs(right) >= ids.shape[1]:  # each pair once
            continue
        here, there = _neighbours(down, right)
        meet = (splits[here] >= 0) & (splits[there] >= 0) & (splits[here] != splits[there])
        ground = (patch_size - down * stride) * (patch_size - abs(right) * stride)
        pairs = np.stack([splits[here][meet], splits[there][meet]]).astype(np.int64)
        own = np.stack([ids[here][meet], ids[there][meet]], axis=1)
        for key in ((0, 1), (0, 2), (1, 2)):
            chosen = own[(np.sort(pairs, axis=0) == np.array(key)[:, None]).all(axis=0)]
            if len(chosen):
                shared.setdefault(key, []).append(chosen)
                pixels[key] = pixels.get(key, 0) + ground * len(chosen)
    for (one, other), found in sorted(shared.items()):
        count, first = sum(map(len, found)), found[0][0]
        what = f"{SPLITS[one]} and {SPLITS[other]} share ground: {count:,} pairs of their patches overlap"
        advice = "Split it with `cerradata split DIR --strategy blocks`, whose buffer keeps overlapping patches apart."
        yield Problem("split", f"{what} ({first[0]} and {first[1]}, say), by {pixels[one, other]:,} pixels. {advice}")


def _neighbours(down: int, right: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The parts of a grid that lie on each other when one is moved down and right."""
    upper, lower = slice(0, -down or None), slice(down, None)
    left, moved = slice(0, -abs(right) or None), slice(abs(right), None)
    return ((upper, left), (lower, moved)) if right >= 0 else ((upper, moved), (lower, left))
