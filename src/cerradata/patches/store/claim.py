"""Whose folder a store or the GeoTIFFs of one go into, and which shards an interrupted run has finished."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cerradata.core.errors import ConfigError, DatasetError, OutputError
from cerradata.core.files import claim_folder, reported_output_errors, unchanged, write_text
from cerradata.core.journal import Journal
from cerradata.patches.layout import CERTIFICATE_FILE, INDEX_FILE, INFO_FILE, discover
from cerradata.patches.store.form import JOURNAL_FILE, PACK_FILE, STORE_FOLDER

BESIDE: Final = (INDEX_FILE, CERTIFICATE_FILE, "build.yaml", "build-log.jsonl", INFO_FILE)
"""Files of a dataset beside its patches, copied where they are there; `dataset.json` last, with which it is one."""
UNPACK_JOURNAL: Final = "unpack-journal.jsonl"
_TEMPORARY: Final = re.compile(r"\..+\.\d+-\d+(\.\w+)?")
"""Name that `core.files.atomic_path` gives a file that is being written."""


@contextmanager
def threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that, on an error or Ctrl-C, do not first work off what was handed to them: that may be a whole shard."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def check_workers(workers: int) -> None:
    """Raise `ConfigError` if there are none."""
    if workers < 1:
        raise ConfigError(f"workers is {workers}: give 1 or more.")


def claim_store(root: Path, out: Path | None, head: Mapping[str, Any], *, overwrite: bool) -> tuple[Journal, set[int]]:
    """The journal of a store, and its finished shards: none of a new one, those of the same one that was interrupted.

    An interrupted run goes on with `overwrite` too: it had begun to replace what was there.

    Args:
        root: The dataset that is packed.
        out: Folder of a packed dataset of its own, or None: beside the GeoTIFFs.
        head: First entry of the journal: what decides the store.
        overwrite: Replace the store that is there.

    Raises:
        OutputError: If the folder holds something else, or cannot be written.
    """
    store = (out or root) / STORE_FOLDER
    journal = Journal(store / JOURNAL_FILE)
    if next(journal.entries(), None) == head:
        finished = _finished(store, journal)
        if finished:  # else its arrays may not have been made
            _remove_begun_shards(store, journal, finished)
            return journal, finished
    else:
        _claim(root, out, store, overwrite=overwrite)
    with reported_output_errors(store):
        store.mkdir(parents=True, exist_ok=True)
        # From here on the folder is this store's, and killed at any point it is known as begun.
        write_text(journal.path, json.dumps(head) + "\n")
        (store / PACK_FILE).unlink(missing_ok=True)
        if out is not None:
            for name in BESIDE:
                (out / name).unlink(missing_ok=True)
        for path in store.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != journal.path:
                path.unlink()
    return journal, set()


def claim_unpacked(root: Path, out: Path, head: Mapping[str, Any], *, overwrite: bool) -> tuple[Journal, set[int]]:
    """The same for a folder of GeoTIFFs.

    Raises:
        OutputError: If the folder holds something else, or cannot be written.
    """
    _refuse_around(root, out)
    journal = Journal(out / UNPACK_JOURNAL)
    if next(journal.entries(), None) != head:
        claim_folder(out, markers=(INFO_FILE, UNPACK_JOURNAL), overwrite=overwrite, what="dataset")
        with reported_output_errors(out):
            write_text(journal.path, json.dumps(head) + "\n")
        return journal, set()
    for path in out.rglob(".*"):
        if _TEMPORARY.fullmatch(path.name):
            path.unlink()
    return journal, _finished(out, journal)


def _claim(root: Path, out: Path | None, store: Path, *, overwrite: bool) -> None:
    whole = (store / PACK_FILE).is_file()
    ours = whole or (store / JOURNAL_FILE).is_file()
    if out is not None:
        _refuse_around(root, out)
        markers = (f"{STORE_FOLDER}/{PACK_FILE}", f"{STORE_FOLDER}/{JOURNAL_FILE}")
        if not ours or not overwrite:
            claim_folder(out, markers=markers, overwrite=overwrite, what="packed dataset")
        elif _has_geotiffs(out):
            raise OutputError(
                f"{out} holds GeoTIFFs beside its store, so --overwrite does not replace it: choose another --out."
            )
    elif whole and not overwrite:
        raise OutputError(f"{store} is there already: give --overwrite to pack the dataset again.")
    elif not ours and store.exists() and (not store.is_dir() or any(store.iterdir())):
        raise OutputError(
            f"{store} is there and is no store of ours: move it away, or pack into another folder with --out."
        )


def _refuse_around(root: Path, out: Path) -> None:
    if out.resolve() == root.resolve() or out.resolve() in root.resolve().parents:
        raise OutputError(f"{out} is or holds the dataset {root} itself: choose another --out.")


def _has_geotiffs(folder: Path) -> bool:
    try:
        return any(discover(folder).files.values())
    except DatasetError:
        return False


def _finished(folder: Path, journal: Journal) -> set[int]:
    """Shards whose files are still what the journal says."""
    return {entry["shard"] for entry in journal.entries() if "shard" in entry and unchanged(folder, entry["files"])}


def _remove_begun_shards(store: Path, journal: Journal, finished: set[int]) -> None:
    """Remove what a killed run had begun: a shard is written anew, not changed."""
    whole = {store / name for entry in journal.entries() if entry.get("shard") in finished for name in entry["files"]}
    for path in store.rglob("*"):
        begun = path.is_file() and path not in whole and path not in (journal.path, store / PACK_FILE)
        if begun and path.name != "zarr.json" and "id" not in path.relative_to(store).parts[:1]:
            path.unlink()
