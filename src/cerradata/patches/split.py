"""Splits: which patch trains, which validates, which tests. Seeded pure functions of the index."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import geopandas as gpd
import numpy as np
import pandas as pd

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.core.types import SPLITS, BoolArray, CountArray
from cerradata.legend import Legend
from cerradata.patches.autocorrelation import Footprints, class_tables, footprints
from cerradata.patches.blocks import assign_blocks, block_table

Strategy = Literal["random", "blocks", "published-ratios"]

PUBLISHED_TEST_SHARE = 0.1
PUBLISHED_VAL_SHARE_OF_REST = 0.2
_BLOCKS_WANTED = 100  # enough that 15 % of them can be chosen in many ways, few enough that blocks are wide
_LEAST_WIDTH = 2  # patches a side of a default block
_LEAST_BLOCK = (
    0.98  # of a patch width: in the common frame of several CRS a patch may be a little wider than in its own
)


@dataclass(frozen=True)
class SplitOptions:
    """How patches are assigned to splits.

    Attributes:
        strategy: `random`: any patch to any split, with the exact shares. `blocks`: square blocks go to one split as a
            whole, and patches nearer than the buffer to another split are left out. `published-ratios`: 10 % test, then
            20 % of the rest for validation, at random: the published proportions, but not the published split, whose
            lists of patches do not exist.
        seed: Key of the random numbers.
        val_share: Share of the patches that are not left out; not used by `published-ratios`.
        test_share: The same for test. The defaults, 70/15/15, are the most usual proportions of the field.
        block_size: Side of a block in metres, for `blocks`. By default a whole number of patch widths that makes about
            100 blocks, halved up to two times (not below two patches or the buffer) if more classes can then be in all
            splits.
        buffer: Least distance between the edges of patches of different splits in metres, for `blocks`. By default
            one patch width: between two splits lies at least one left-out patch.
    """

    strategy: Strategy
    seed: int = 0
    val_share: float = 0.15
    test_share: float = 0.15
    block_size: float | None = None
    buffer: float | None = None

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: If a value is out of range, or block options are given to another strategy.
        """
        if self.strategy not in get_args(Strategy):
            raise ConfigError(f"strategy is {self.strategy!r}: it must be one of {', '.join(get_args(Strategy))}.")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}: it must be 0 or more.")
        for name, share in (("val_share", self.val_share), ("test_share", self.test_share)):
            if not 0 < share < 1:
                raise ConfigError(f"{name} is {share}: it must be above 0 and below 1.")
        if not self.val_share + self.test_share < 1:
            raise ConfigError(
                f"val_share {self.val_share} and test_share {self.test_share} leave nothing for training: "
                "together they must be below 1."
            )
        self._check_blocks()

    def _check_blocks(self) -> None:
        if self.strategy != "blocks" and (self.block_size is not None or self.buffer is not None):
            raise ConfigError(
                f"block_size and buffer have no meaning for strategy {self.strategy!r}: leave them out, or use `blocks`."
            )
        if self.block_size is not None and not 0 < self.block_size < float("inf"):
            raise ConfigError(f"block_size is {self.block_size}: it must be above 0 metres.")
        if self.buffer is not None and not 0 <= self.buffer < float("inf"):
            raise ConfigError(f"buffer is {self.buffer}: it must be 0 metres or more.")
        if self.block_size is not None and self.buffer is not None and self.buffer > self.block_size:
            raise ConfigError(
                f"buffer {self.buffer:g} m is wider than block_size {self.block_size:g} m, which would leave out whole "
                "blocks: make the blocks larger or the buffer smaller."
            )


def split_patches(index: gpd.GeoDataFrame, legend: Legend, patch_size: int, options: SplitOptions) -> "pd.Series[Any]":
    """Assign every patch to a split.

    The result depends on the patches and the options only, not on the order of the rows.

    With `blocks`, coverage comes first: as many classes as possible, of every level, are in all three splits after
    buffering; only then the shares count, and then few patches left out. A class that no assignment of the blocks can
    put everywhere is left aside (`coverable_classes`); classes that can be everywhere one by one may still exclude each
    other. `blocks.assign_blocks` says up to which size the result is proved to be the best. The certificate
    (`certificate.certify`) names what is missing.

    Args:
        index: The dataset index.
        legend: Its legend.
        patch_size: Pixels a side.
        options: Strategy and its options.

    Returns:
        dtype object, aligned with `index`: "train", "val", "test", or None for patches left out in a buffer.

    Raises:
        DatasetError: If a split would be empty, ids are doubled, or `blocks` finds no georeference.
        ConfigError: If block size and buffer do not fit each other or the patches.
    """
    _check_ids(index)
    ordered = index.sort_values("id", ignore_index=True)
    if options.strategy == "blocks":
        ranks = _by_blocks(ordered, legend, patch_size, options)
    else:
        ranks = _at_random(_sizes(len(ordered), options), options.seed)
    names = np.array([*SPLITS, None], dtype=object)
    by_id = pd.Series(names[ranks], index=ordered["id"].to_numpy(), dtype=object)
    return pd.Series(by_id.loc[index["id"]].to_numpy(), index=index.index, dtype=object, name="split")


def resolve_options(index: gpd.GeoDataFrame, legend: Legend, patch_size: int, options: SplitOptions) -> SplitOptions:
    """The options with the block size and buffer that `split_patches` uses where they are left to it.

    Raises:
        DatasetError: If `blocks` finds no georeference.
        ConfigError: If block size and buffer do not fit each other or the patches.
    """
    if options.strategy != "blocks":
        return options
    return _resolved(_places(index, patch_size), _presence(index, legend), options)


def coverable_classes(
    index: gpd.GeoDataFrame, legend: Legend, patch_size: int, options: SplitOptions | None
) -> dict[int, BoolArray]:
    """Whether each class can be in all three splits: by number of the level, (classes,).

    With `blocks`, whether any assignment of the blocks keeps the class in every split after buffering, the class
    looked at alone; else whether it is in three patches.
    """
    presence = _presence(index, legend)
    if options is not None and options.strategy == "blocks":
        places = _places(index, patch_size)
        size, buffer = _lengths(_resolved(places, presence, options))
        coverable = block_table(places, size, buffer, presence).coverable()
    else:
        coverable = presence.sum(axis=0) >= len(SPLITS)
    levels = [level for level in legend.levels if f"pixels_l{level.number}" in index]
    parts = np.split(coverable, np.cumsum([len(level) for level in levels])[:-1])
    return {level.number: np.asarray(part, dtype=bool) for level, part in zip(levels, parts, strict=False)}


def split_hash(ids: Iterable[int], splits: Iterable[str | None]) -> str:
    """SHA-256 of an assignment: of the lines "id,split" in the order of the ids, each ended by a line feed.

    A left-out patch has nothing after the comma.
    """
    pairs = sorted((int(i), "" if pd.isna(s) else str(s)) for i, s in zip(ids, splits, strict=True))
    return hashlib.sha256("".join(f"{i},{s}\n" for i, s in pairs).encode()).hexdigest()


def _check_ids(index: gpd.GeoDataFrame) -> None:
    doubled = index["id"][index["id"].duplicated()]
    if len(doubled):
        raise DatasetError(
            f"The index has {len(doubled)} doubled ids, first {doubled.iloc[0]}: each patch needs its own. "
            "Run `cerradata verify`, then make the index again with `cerradata index`."
        )


def _sizes(patches: int, options: SplitOptions) -> CountArray:
    """Number of train, val and test patches that sum to `patches`."""
    if options.strategy == "published-ratios":
        rest, test = _largest_remainder(patches, [1 - PUBLISHED_TEST_SHARE, PUBLISHED_TEST_SHARE])
        train, val = _largest_remainder(int(rest), [1 - PUBLISHED_VAL_SHARE_OF_REST, PUBLISHED_VAL_SHARE_OF_REST])
        sizes = np.array([train, val, test])
    else:
        test, val = options.test_share, options.val_share
        sizes = _largest_remainder(patches, [1 - val - test, val, test])
    if not sizes.all():
        empty = ", ".join(name for name, size in zip(SPLITS, sizes, strict=True) if size == 0)
        raise DatasetError(
            f"The dataset has {patches} patches, too few for strategy {options.strategy!r}: {empty} would be empty. "
            "Add patches, or set larger shares with strategy `random`."
        )
    return sizes


def _largest_remainder(total: int, shares: list[float]) -> CountArray:
    # Rounded, so that 0.15 * 100, which is a hair below 15 in binary, is not 14 and a remainder of 1.
    exact = np.round(np.array(shares) * total, 9)
    sizes = np.floor(exact).astype(np.int64)
    largest = np.argsort(-(exact - sizes), kind="stable")
    sizes[largest[: total - int(sizes.sum())]] += 1
    return sizes


def _at_random(sizes: CountArray, seed: int) -> CountArray:
    ranks = np.repeat(np.arange(len(SPLITS)), sizes)
    return np.asarray(np.random.default_rng(seed).permutation(ranks), dtype=np.int64)


def _by_blocks(index: gpd.GeoDataFrame, legend: Legend, patch_size: int, options: SplitOptions) -> CountArray:
    """Rank (0 train, 1 val, 2 test, 3 left out) of each patch."""
    places, presence = _places(index, patch_size), _presence(index, legend)
    size, buffer = _lengths(_resolved(places, presence, options))
    table = block_table(places, size, buffer, presence)
    found = f"The dataset has {len(index)} patches in {table.blocks} blocks of {size:g} m with a buffer of {buffer:g} m"
    advice = "Set a smaller block_size or buffer, add patches, or use strategy `random`."
    if table.blocks < len(SPLITS):
        raise DatasetError(f"{found}: three splits need at least 3 blocks. {advice}")
    shares = (1 - options.val_share - options.test_share, options.val_share, options.test_share)
    ranks = assign_blocks(table, shares, options.seed)
    sizes = np.bincount(ranks, minlength=len(SPLITS))[: len(SPLITS)]
    if not sizes.all():
        empty = ", ".join(name for name, count in zip(SPLITS, sizes, strict=True) if count == 0)
        raise DatasetError(f"{found}: {empty} would be empty. {advice}")
    return ranks


def _places(index: gpd.GeoDataFrame, patch_size: int) -> Footprints:
    places = footprints(index, patch_size)
    if places is None:
        without = int((index["crs"].isna() | index["transform"].isna()).sum())
        raise DatasetError(
            f"Strategy `blocks` needs to know where the patches lie, but {without} of {len(index)} have no "
            "georeference (CRS and transform). Use strategy `random` or `published-ratios`."
        )
    return places


def _presence(index: gpd.GeoDataFrame, legend: Legend) -> BoolArray:
    """(N, classes of all levels that the index has, coarsest level first) whether a patch has a pixel of the class."""
    tables = class_tables(index, legend, "pixels")
    return np.asarray(np.concatenate([np.zeros((len(index), 0)), *tables.values()], axis=1) > 0)


def _lengths(options: SplitOptions) -> tuple[float, float]:
    """Block size and buffer of resolved options, metres."""
    return options.block_size or 0.0, options.buffer or 0.0


def _resolved(places: Footprints, presence: BoolArray, options: SplitOptions) -> SplitOptions:
    width = places.width
    buffer = width if options.buffer is None else options.buffer
    if options.block_size is not None:
        if options.block_size < width * _LEAST_BLOCK:
            raise ConfigError(
                f"block_size is {options.block_size:g} m, less than the width of a patch ({width:g} m): "
                "a block must hold at least one patch."
            )
        return replace(options, buffer=buffer)  # checks the buffer against the block
    least = max(_LEAST_WIDTH, int(np.ceil(round(buffer / width, 6))))
    widest = max(least, int(np.sqrt(len(presence) / _BLOCKS_WANTED)))
    sizes = sorted({max(least, widest // part) for part in (1, 2, 4)}, reverse=True)
    covered = [int(block_table(places, n * width, buffer, presence).coverable().sum()) for n in sizes]
    return replace(options, block_size=sizes[int(np.argmax(covered))] * width, buffer=buffer)
