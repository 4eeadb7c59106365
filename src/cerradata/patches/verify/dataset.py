"""`verify_dataset`: everything that can be wrong with a dataset, in one list."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import geopandas as gpd
import pandas as pd

from cerradata.core.errors import CerradataError
from cerradata.core.processes import end_with_parent
from cerradata.core.progress import track
from cerradata.patches.index import read_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import INDEX_FILE, INFO_FILE, JOURNAL_FILE, Layout, discover
from cerradata.patches.statistics import Moments
from cerradata.patches.verify.expectation import (
    Expectation,
    PatchExpectation,
    expected_of_copy,
    expected_of_dataset,
    expected_of_unknown,
    expected_patches,
)
from cerradata.patches.verify.files import check_files
from cerradata.patches.verify.patch import Findings, check_patches
from cerradata.patches.verify.problem import Kind, Problem
from cerradata.patches.verify.splits import check_splits
from cerradata.patches.verify.tables import check_index, check_statistics, compare_statistics

_CHUNK = 100
_FILES_DIFFER: set[Kind] = {"missing", "extra", "unpaired", "corrupt", "wrong size", "wrong type", "changed", "name"}
"""Kinds of problems that change band statistics: their cause is named already."""
_MANY = {False: 5_000, True: 500}
"""Patches, structure only and deep, from which processes are faster than threads although they take three seconds to start:
tifffile and NumPy's small steps hold the interpreter's lock."""


def verify_dataset(
    root: Path, *, legend: str = "cerradata-4mm", deep: bool = False, workers: int = 2, quiet: bool = True
) -> list[Problem]:
    """Check a dataset.

    With index and `dataset.json` these two are checked by themselves and with each other, and each file must be what they
    say. A copy without them is checked against itself: layers that some patches have must be there for all.

    Args:
        root: The dataset's folder.
        legend: Legend of a copy without `dataset.json`.
        deep: Read every pixel too, and compare with content hashes, legend, edges and statistics. Without it files are
            known by their headers, and by whether their pixels lie inside the file.
        workers: Threads or processes that read.
        quiet: Show no progress.

    Returns:
        What is wrong; empty if the dataset is whole.

    Raises:
        DatasetError: If there is no dataset at all.
    """
    info, index, problems = _read_tables(root)
    folders = {} if info is None else {name: layer.folder for name, layer in info.layers.items()}
    layout = discover(root, folders)
    expected = _expectation(layout, info, legend, problems)
    problems += check_files(layout, folders, expected, index)
    patches = expected_patches(layout, expected, index, deep=deep)
    moments: dict[str, Moments] = {}
    found = _check_all(expected, patches, moments, deep=deep, workers=workers)
    for own in track(found, what="Verifying", total=len(patches), quiet=quiet):
        problems += own
    if deep and info is not None and not _FILES_DIFFER & {problem.kind for problem in problems}:
        problems += compare_statistics(info, moments)
    return problems


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
    if info is not None:
        problems += check_statistics(info)
    if info is not None and index is not None:
        problems += check_index(index, info)
    if index is not None:
        problems += check_splits(root, index, info)
    return info, index, problems


def _expectation(layout: Layout, info: DatasetInfo | None, legend: str, problems: list[Problem]) -> Expectation:
    if info is not None:
        return expected_of_dataset(layout, info)
    try:
        return expected_of_copy(layout, legend)
    except CerradataError as error:  # no labels, or those of another legend: their values cannot be judged
        problems.append(Problem("dataset", str(error)))
        return expected_of_unknown(layout, legend)


def _check_all(
    expected: Expectation,
    patches: Sequence[PatchExpectation],
    moments: dict[str, Moments],
    *,
    deep: bool,
    workers: int,
) -> Iterator[tuple[Problem, ...]]:
    """The problems of each patch, in their order; `moments` adds up."""
    chunks = [patches[start : start + _CHUNK] for start in range(0, len(patches), _CHUNK)]
    with _pool(len(patches), workers, deep=deep) as pool:
        for findings in pool.map(partial(check_patches, expected, deep=deep), chunks):
            _add(moments, findings)
            yield from findings.problems


def _add(moments: dict[str, Moments], findings: Findings) -> None:
    for name, own in findings.moments.items():
        moments[name] = moments[name] + own if name in moments else own


def _pool(patches: int, workers: int, *, deep: bool) -> Executor:
    if workers > 1 and patches >= _MANY[deep]:
        # spawned, not forked: GDAL has threads of its own
        return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=end_with_parent)
    return ThreadPoolExecutor(max(1, workers))
