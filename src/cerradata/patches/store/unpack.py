"""`unpack_dataset`: the GeoTIFFs of a store again, with the same pixels and tags."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from cerradata.core.errors import DatasetError
from cerradata.core.files import fsync_all, locked_folder, sha256
from cerradata.core.progress import track
from cerradata.core.tiff import TakenApart, TiffHeader, TiffTag, put_together
from cerradata.core.types import Array
from cerradata.patches.index import read_index
from cerradata.patches.layout import INDEX_FILE, INFO_FILE
from cerradata.patches.record import content_hash
from cerradata.patches.store.byte_ranges import LocalBytes
from cerradata.patches.store.claim import check_workers, claim_unpacked, threads
from cerradata.patches.store.form import FILES_FOLDER, LOCATION_FILE, hash_of_content, store_of
from cerradata.patches.store.pack import copy_beside
from cerradata.patches.store.read import PackedPatches


def unpack_dataset(
    root: Path, out: Path, *, workers: int = 2, overwrite: bool = False, quiet: bool = False
) -> PackedPatches:
    """Write the GeoTIFFs that a dataset was packed from, under the same names. Interrupted, the same call goes on.

    Every patch is compared with its content hash in the index on the way.

    Args:
        root: The packed dataset.
        out: Folder of the dataset of GeoTIFFs.
        workers: Threads that write.
        overwrite: Replace the dataset that is there.
        quiet: Show no progress.

    Returns:
        The store that was read.

    Raises:
        ConfigError: If there are no workers.
        DatasetError: If there is no store, or it is damaged.
        OutputError: If the output holds something else, or cannot be written.
    """
    check_workers(workers)
    store = _store(root)
    index = read_index(root)
    patches = PackedPatches([int(i) for i in index["id"]], lambda: LocalBytes(store))
    if patches.info.content != hash_of_content(index):
        raise DatasetError(
            f"{store} was packed from other patches than {root / INDEX_FILE} lists: fetch the index again that it was packed "
            "with."
        )
    hashes = dict(zip(index["id"], index["content_hash"], strict=True))
    with locked_folder(out, what="dataset"):
        if overwrite and (out / INFO_FILE).is_file():
            _check_all(store, patches, hashes, quiet=quiet)
        journal, finished = claim_unpacked(root, out, {"content": patches.info.content}, overwrite=overwrite)
        rest = [number for number in range(patches.info.shards) if number not in finished]
        with threads(workers) as pool:
            for number in track(rest, what="Unpacking", quiet=quiet):
                files = _described(store / FILES_FOLDER / f"{number:06}.parquet", out)
                written = _unpack_shard(patches, files, hashes, pool)
                fsync_all(written)
                names = {path.relative_to(out).as_posix(): sha256(path) for path in written}
                journal.append({"shard": number, "files": names})
        copy_beside(root, out)
        journal.path.unlink()
    return patches


def _check_all(store: Path, patches: PackedPatches, hashes: Mapping[int, str], *, quiet: bool) -> None:
    """Read every patch before a dataset is removed: it may be the only one that still has them."""
    for number in track(range(patches.info.shards), what="Checking before the dataset is replaced", quiet=quiet):
        _read(patches, _described(store / FILES_FOLDER / f"{number:06}.parquet", store), hashes)


def _store(root: Path) -> Path:
    if not root.is_dir():
        raise DatasetError(f"There is no dataset folder {root}.")
    store = store_of(root)
    if store is None and (root / LOCATION_FILE).is_file():
        url = (root / LOCATION_FILE).read_text(encoding="utf-8").strip()
        raise DatasetError(f"The store of {root} lies at {url}: copy it into {root} first, then unpack.")
    if store is None:
        raise DatasetError(f"{root} has no packed patches, or packing is unfinished: run `cerradata pack` first.")
    return store


class _File(NamedTuple):
    """A GeoTIFF to be written, without its pixels."""

    id: int
    layer: str
    path: Path
    header: TiffHeader
    place: tuple[TiffTag, ...]


def _described(path: Path, out: Path) -> list[_File]:
    """The files of a shard."""
    try:
        return [_file(row, out) for row in pq.read_table(path).to_pylist()]
    except Exception as error:  # pyarrow raises many classes on damaged files
        raise DatasetError(f"{path} is damaged ({error}): copy it again, or pack the dataset again.") from error


def _file(row: Mapping[str, Any], out: Path) -> _File:
    name = PurePosixPath(row["path"])
    if name.is_absolute() or ".." in name.parts:
        raise ValueError(f"it names a file outside the dataset, {name}")
    place = tuple(TiffTag(*tag) for tag in json.loads(row["place"]))
    return _File(row["id"], row["layer"], out / name, TiffHeader.from_dict(json.loads(row["header"])), place)


def _unpack_shard(
    patches: PackedPatches, files: Sequence[_File], hashes: Mapping[int, str], pool: Executor
) -> list[Path]:
    pixels = _read(patches, files, hashes)
    parts = [TakenApart(pixels[file.id][file.layer], file.header, file.place) for file in files]
    list(pool.map(put_together, [file.path for file in files], parts))
    return [file.path for file in files]


def _read(patches: PackedPatches, files: Sequence[_File], hashes: Mapping[int, str]) -> dict[int, dict[str, Array]]:
    """Pixels by id and layer, compared with what was indexed."""
    pixels: dict[int, dict[str, Array]] = {}
    for layer in dict.fromkeys(file.layer for file in files):
        ids = [file.id for file in files if file.layer == layer]
        for patch_id, own in zip(ids, patches.read(layer, ids), strict=True):
            pixels.setdefault(patch_id, {})[layer] = own
    for patch_id, layers in pixels.items():
        if content_hash(layers) != hashes[patch_id]:
            raise DatasetError(
                f"{patches.name}: patch {patch_id} differs from what was indexed, so the store is damaged: copy it again, or "
                "pack the dataset again."
            )
    return pixels
