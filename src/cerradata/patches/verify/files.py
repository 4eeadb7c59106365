"""Which files are there: pairs, names, folders, and what a killed or running process left."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from cerradata.core.errors import DatasetError
from cerradata.core.files import LOCK_FILE
from cerradata.core.types import SPLITS
from cerradata.patches.index import lacking
from cerradata.patches.layout import INFO_FILE, JOURNAL_FILE, Layout, discover, patch_file
from cerradata.patches.store.claim import UNPACK_JOURNAL
from cerradata.patches.verify.expectation import Expectation
from cerradata.patches.verify.problem import Problem

_TEMPORARY = re.compile(r"\.[^.].*\.\d+-\d+\.\w+|\.[^._].*\.tiff?", re.IGNORECASE)
"""Names of `core.files.atomic_path`, and hidden images; macOS puts a `._` file beside each file that it copies."""


def check_files(
    layout: Layout, folders: Mapping[str, str], expected: Expectation, index: pd.DataFrame | None
) -> Iterator[Problem]:
    """Everything that names and places of files tell.

    Args:
        layout: The files.
        folders: Folder of each layer, as `dataset.json` says.
        expected: What each patch must have.
        index: The index; None where there is none.
    """
    for message in layout.problems:
        yield Problem("name", message)
    if expected.built:
        yield from _check_names(layout, expected)
    yield from _check_presence(layout, expected, index)
    yield from _check_split_folders(layout.root, folders, expected)
    yield from check_leftovers(layout)


def _check_names(layout: Layout, expected: Expectation) -> Iterator[Problem]:
    """Files that we built are called `<prefix>_<layer>_<id>.tif`, with one prefix."""
    prefixes: Counter[str] = Counter()
    strange: list[tuple[Path, str]] = []
    for layer, patches in layout.files.items():
        if layer not in expected.layers:
            folder = next(iter(patches.values())).parent if patches else layout.root / layer
            yield Problem("extra", f"{folder} is the folder of {layer}, of which {INFO_FILE} knows nothing")
            continue
        for patch_id, path in patches.items():
            end = patch_file("", layer, patch_id)
            prefix = path.name.removesuffix(end)
            if prefix == path.name:
                strange.append((path, f"<prefix>{end}"))
            else:
                prefixes[prefix] += 1
    for path, right in strange:
        yield Problem("name", f"{path} is no name of that folder: {right} is right")
    for prefix, count in prefixes.most_common()[1:]:
        usual = prefixes.most_common(1)[0][0]
        yield Problem("name", f"{layout.root} has {count:,} files named {prefix}_..., the others are named {usual}_...")


def _check_presence(layout: Layout, expected: Expectation, index: pd.DataFrame | None) -> Iterator[Problem]:
    if index is None:
        needed = [layer for layer, rule in expected.layers.items() if not rule.optional]
        for patch_id, layers in layout.missing(needed).items():
            yield Problem("unpaired", f"patch {patch_id} has no file in {', '.join(layers)}", patch_id)
        return
    known = {int(patch_id) for patch_id in index["id"]}
    absent = lacking(index)
    for patch_id in sorted(known):
        layers = [
            layer
            for layer in expected.layers
            if patch_id not in layout.files.get(layer, {}) and patch_id not in absent.get(layer, ())
        ]
        if layers:
            yield Problem("missing", f"patch {patch_id} has no file in {', '.join(layers)}", patch_id)
    for patches in layout.files.values():
        for patch_id in sorted(patches.keys() - known):
            yield Problem("extra", f"{patches[patch_id]} belongs to no patch of the index", patch_id)
    for layer, ids in absent.items():
        for patch_id in sorted(ids & layout.files.get(layer, {}).keys()):
            path = layout.path(layer, patch_id)
            yield Problem("extra", f"{path} is there, but the index says that the patch lacks {layer}", patch_id)


def _check_split_folders(root: Path, folders: Mapping[str, str], expected: Expectation) -> Iterator[Problem]:
    here = [split for split in SPLITS if (root / split).is_dir()]
    if not here:
        return
    for split in SPLITS:
        if split not in here:
            yield Problem("missing", f"{root} has {', '.join(here)}/ but no {split}/")
            continue
        try:
            files = discover(root / split, folders).files
        except DatasetError:  # not one folder of a layer is in it
            files = {}
        empty = [layer for layer, rule in expected.layers.items() if not rule.optional and not files.get(layer)]
        if empty:
            yield Problem("missing", f"{root / split} has no files of {', '.join(empty)}")


def check_leftovers(layout: Layout) -> Iterator[Problem]:
    """What a killed or running process left in the folders of a dataset."""
    root = layout.root
    if (root / LOCK_FILE).exists():
        yield Problem(
            "leftover",
            f"{root / LOCK_FILE} is there: a process writes the dataset at this moment, or was killed. If none runs, delete it.",
        )
    if (root / JOURNAL_FILE).exists() and (root / INFO_FILE).exists():
        yield Problem(
            "leftover",
            f"{root / JOURNAL_FILE} is of a build that was killed when {INFO_FILE} was written: delete it.",
        )
    if (root / UNPACK_JOURNAL).exists():
        what = f"{root / UNPACK_JOURNAL} is of an `unpack` that did not end: run it again and it goes on."
        yield Problem("leftover", what)
    folders = {path.parent for patches in layout.files.values() for path in patches.values()}
    for folder in sorted({root, *folders}):
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.startswith("."))
        for name in names:
            if _TEMPORARY.fullmatch(name):
                yield Problem("leftover", f"{folder / name} is a file that a killed process did not finish: delete it.")
