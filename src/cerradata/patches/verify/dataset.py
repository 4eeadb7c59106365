"""`verify_dataset`: everything that can be wrong with a dataset, in one list."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import geopandas as gpd
import pandas as pd

from cerradata.core.errors import CerradataError, DatasetError
from cerradata.core.processes import end_with_parent
from cerradata.core.progress import track
from cerradata.patches.index import read_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import INDEX_FILE, INFO_FILE, JOURNAL_FILE, Layout, discover
from cerradata.patches.source import open_source
from cerradata.patches.statistics import Moments
from cerradata.patches.store.form import StoreInfo
from cerradata.patches.verify.absent import says_lists
from cerradata.patches.verify.expectation import (
    Expectation,
    expected_of_copy,
    expected_of_dataset,
    expected_of_unknown,
    expected_patches,
)
from cerradata.patches.verify.files import check_files, check_leftovers
from cerradata.patches.verify.packed import read_packed
from cerradata.patches.verify.patch import Findings, check_packed, check_patches
from cerradata.patches.verify.problem import Kind, Problem
from cerradata.patches.verify.splits import check_splits
from cerradata.patches.verify.store import check_store, open_store
from cerradata.patches.verify.store_files import StoreFiles
from cerradata.patches.verify.tables import check_index, check_statistics, compare_statistics

T = TypeVar("T")

_CHUNK = 100
_FILES_DIFFER: set[Kind] = {"missing", "extra", "unpaired", "corrupt", "wrong size", "wrong type", "changed", "name"}
"""Kinds of problems that change band statistics: their cause is named already."""
_MANY = {False: 5_000, True: 500}
"""Patches, structure only and deep, from which processes are faster than threads although they take three seconds to start:
tifffile and NumPy's small steps hold the interpreter's lock."""


def verify_dataset(
    root: Path, *, legend: str = "cerradata-4mm", deep: bool = False, workers: int = 2, quiet: bool = True
) -> list[Problem]:
    """Check a dataset: its GeoTIFFs, its packed store, or both where it has both.

    With index and `dataset.json` these two are checked by themselves and with each other, and each file must be what they
    say: of a layer that patches may lack, the index says which patches do. A copy without them is checked against itself:
    layers that some patches have must be there for all.

    Args:
        root: The dataset's folder.
        legend: Legend of a copy without `dataset.json`.
        deep: Read every pixel too, and compare with content hashes, legend, edges and statistics. Without it files are
            known by their headers, and by whether their pixels lie inside the file; those of a store by their sizes and the
            indexes at their ends.
        workers: Threads or processes that read.
        quiet: Show no progress.

    Returns:
        What is wrong; empty if the dataset is whole.

    Raises:
        DatasetError: If there is no dataset at all.
    """
    info, index, problems = _read_tables(root)
    store = StoreFiles.of(root)
    how = _How(deep, workers, quiet)
    folders = {} if info is None else {name: layer.folder for name, layer in info.layers.items()}
    layout = _layout(root, folders, packed=store is not None)
    moments: dict[str, Moments] = {}
    if layout.files:
        expected = _expectation(layout, info, legend, problems)
        problems += check_files(layout, folders, expected, index)
        patches = expected_patches(layout, expected, index, deep=deep)
        chunks = [patches[start : start + _CHUNK] for start in range(0, len(patches), _CHUNK)]
        problems += _check_all(partial(check_patches, expected, deep=deep), chunks, len(patches), moments, how)
        problems += _compare(info, moments, problems)
    else:
        problems += check_leftovers(layout)
    if store is not None:
        found = open_store(store, index, alone=not layout.files)
        problems += found.problems
        if found.info is not None and info is not None and index is not None:
            problems += _check_store(root, store, found.info, info, index, how)
    return problems


@dataclass(frozen=True)
class _How:
    """How it is checked: see `verify_dataset`."""

    deep: bool
    workers: int
    quiet: bool


def _layout(root: Path, folders: Mapping[str, str], *, packed: bool) -> Layout:
    """The GeoTIFFs; none where the patches are packed alone."""
    try:
        return discover(root, folders)
    except DatasetError:
        if not packed:
            raise
        return Layout(root, {})


def _check_store(
    root: Path, store: StoreFiles, plan: StoreInfo, info: DatasetInfo, index: gpd.GeoDataFrame, how: _How
) -> list[Problem]:
    """What is wrong with a store that is of the index."""
    expected = expected_of_dataset(plan.layers.keys(), info)
    patches = expected_patches(Layout(root, {}), expected, index, deep=how.deep)
    with ThreadPoolExecutor(max(1, how.workers)) as pool:
        found = check_store(store, plan, expected, patches, pool)
    problems = list(found.problems)
    if how.deep:
        chunks = read_packed(open_source(root, info, index), found, patches)
        moments: dict[str, Moments] = {}
        problems += _check_all(partial(check_packed, expected), chunks, len(patches), moments, how)
        problems += _compare(info, moments, problems)
    return problems


def _compare(info: DatasetInfo | None, moments: Mapping[str, Moments], problems: list[Problem]) -> list[Problem]:
    """Band statistics that are not those of the pixels, unless what differs is named already."""
    if info is None or _FILES_DIFFER & {problem.kind for problem in problems}:
        return []
    return list(compare_statistics(info, moments))


def _read_tables(root: Path) -> tuple[DatasetInfo | None, gpd.GeoDataFrame | None, list[Problem]]:
    """`dataset.json` and the index where they can be read, and what is wrong with them."""
    problems: list[Problem] = []
    if (root / JOURNAL_FILE).exists() and not (root / INFO_FILE).exists():
        problems.append(Problem("dataset", f"{root} is an unfinished build: run the same build again and it goes on."))
        return None, None, problems
    info = index = None
    if (root / INFO_FILE).exists() or (root / INDEX_FILE).exists():
        try:
            info = DatasetInfo.read(root)
        except CerradataError as error:
            problems.append(Problem("dataset", str(error)))
        try:
            index = read_index(root)
        except CerradataError as error:
            problems.append(Problem("dataset", str(error)))
    if index is not None and not (pd.api.types.is_integer_dtype(index["id"]) and index["id"].notna().all()):
        problems.append(Problem("dataset", f"{INDEX_FILE} has ids that are no integers: make it again."))
        index = None
    if index is not None and not says_lists(index):
        problems.append(Problem("dataset", f"{INDEX_FILE} has no list of layers in each row of lacks: make it again."))
        index = None
    if info is not None:
        problems += check_statistics(info)
    if info is not None and index is not None:
        problems += check_index(index, info)
    if index is not None:
        problems += check_splits(root, index, info)
    return info, index, problems


def _expectation(layout: Layout, info: DatasetInfo | None, legend: str, problems: list[Problem]) -> Expectation:
    if info is not None:
        return expected_of_dataset(layout.files.keys(), info)
    try:
        return expected_of_copy(layout, legend)
    except CerradataError as error:  # no labels, or those of another legend: their values cannot be judged
        problems.append(Problem("dataset", str(error)))
        return expected_of_unknown(layout, legend)


def _check_all(
    check: Callable[[T], Findings], chunks: Iterable[T], count: int, moments: dict[str, Moments], how: _How
) -> list[Problem]:
    """The problems of all patches, in their order; `moments` adds up.

    Args:
        check: Checks a chunk of patches, in whatever process.
        chunks: The patches.
        count: Number of patches.
        moments: Moments of the stored numbers by layer.
        how: How.
    """

    def found() -> Iterator[tuple[Problem, ...]]:
        with _pool(count, how.workers, deep=how.deep) as pool:
            for findings in _in_order(pool, check, chunks, ahead=2 * max(1, how.workers)):
                _add(moments, findings)
                yield from findings.problems

    return [p for own in track(found(), what="Verifying", total=count, quiet=how.quiet) for p in own]


def _in_order(pool: Executor, check: Callable[[T], Findings], chunks: Iterable[T], *, ahead: int) -> Iterator[Findings]:
    """As `pool.map`, but with few chunks in memory at once: `map` takes them all at the start."""
    waiting: deque[Future[Findings]] = deque()
    for chunk in chunks:
        waiting.append(pool.submit(check, chunk))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _add(moments: dict[str, Moments], findings: Findings) -> None:
    for name, own in findings.moments.items():
        moments[name] = moments[name] + own if name in moments else own


def _pool(patches: int, workers: int, *, deep: bool) -> Executor:
    if workers > 1 and patches >= _MANY[deep]:
        # spawned, not forked: GDAL has threads of its own
        return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=end_with_parent)
    return ThreadPoolExecutor(max(1, workers))
