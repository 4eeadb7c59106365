"""A packed store: are its files there and whole, and is it that of the index?"""

import json
import tempfile
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import zarr

from cerradata.core.errors import CerradataError, DatasetError
from cerradata.core.tiff import TakenApart, TiffHeader, TiffTag, put_together
from cerradata.patches.layout import INDEX_FILE
from cerradata.patches.store.form import (
    FILES_FOLDER,
    JOURNAL_FILE,
    PACK_FILE,
    LayerShape,
    StoreInfo,
    hash_of_content,
    shard_file,
)
from cerradata.patches.verify.expectation import Expectation, LayerExpectation, PatchExpectation
from cerradata.patches.verify.header import HeaderReader, Transform, gdal_header, quiet_tifffile, transform_of
from cerradata.patches.verify.patch import differences
from cerradata.patches.verify.problem import Problem, of_patches
from cerradata.patches.verify.store_files import StoreFiles

_MEND = "Copy it again, or pack the dataset again."
_SCALE, _TIEPOINT = 33550, 33922
_UNREADABLE = (ValueError, KeyError, TypeError, OSError, CerradataError)
"""What the description of a patch's file raises where it is damaged."""


@dataclass(frozen=True)
class StoreFindings:
    """What came of looking at a store's files.

    Attributes:
        problems: What is wrong.
        info: What `pack.json` says; None if the patches cannot be read at all.
        damaged: Layer and number of each shard that cannot be read.
    """

    problems: tuple[Problem, ...]
    info: StoreInfo | None = None
    damaged: frozenset[tuple[str, int]] = frozenset()


def open_store(files: StoreFiles, index: gpd.GeoDataFrame | None, *, alone: bool) -> StoreFindings:
    """Look whether a store is whole and that of the index.

    Args:
        files: Its files.
        index: The index; None where there is none that can be read.
        alone: Whether there are no GeoTIFFs beside it.
    """
    try:
        info = files.info()
    except DatasetError as error:
        return StoreFindings((Problem("dataset", str(error)),))
    if info is None:
        what = (
            f"{files.name} is unfinished or not there: it has no {PACK_FILE}. Run `cerradata pack` again, or delete it."
        )
        return StoreFindings((Problem("dataset" if alone else "leftover", what),))
    problems = []
    if (Path(files.name) / JOURNAL_FILE).is_file():  # of a store on this disk: nobody uploads it
        what = f"{files.name}/{JOURNAL_FILE} is of a run that was killed when {PACK_FILE} was written: delete it."
        problems.append(Problem("leftover", what))
    if index is None:
        if alone:
            problems.append(Problem("dataset", f"{files.name} cannot be checked without index and dataset.json."))
        return StoreFindings(tuple(problems))
    if not (index["id"].is_unique and index["id"].is_monotonic_increasing):  # which is named already
        return StoreFindings(tuple(problems))
    if info.patches != len(index) or info.content != hash_of_content(index):
        what = f"{files.name} was packed from other patches than {INDEX_FILE} lists"
        return StoreFindings((*problems, Problem("dataset", f"{what}: pack the dataset again, or remove the store.")))
    return StoreFindings(tuple(problems), info)


def check_store(
    files: StoreFiles, info: StoreInfo, expected: Expectation, patches: Sequence[PatchExpectation], pool: Executor
) -> StoreFindings:
    """Check everything but the pixels.

    Args:
        files: The files of the store.
        info: What `pack.json` says.
        expected: What each patch must be.
        patches: Every patch of the index, in id order.
        pool: Threads that read.
    """
    problems = [*_check_layers(files, info, expected), *_check_arrays(files, info), *_check_group(files, patches)]
    shards = [(layer, number) for layer in info.layers for number in range(info.shards)]

    def look(shard: tuple[str, int]) -> str:
        try:
            return files.trouble_with_shard(info, *shard)
        except DatasetError as error:
            return f"cannot be read ({error})"

    damaged = set()
    for shard, trouble in zip(shards, pool.map(look, shards), strict=True):
        if trouble:
            damaged.add(shard)
            own = patches_of_shard(info, patches, shard[1])
            what = f"{files.name}/{shard_file(*shard)} {trouble}: it holds {shard[0]} of patches {own[0].id} to {own[-1].id}"
            problems.append(Problem("missing" if trouble == "is missing" else "corrupt", f"{what}. {_MEND}"))
    for number in range(info.shards):
        problems += _check_described(files, number, info, expected, patches_of_shard(info, patches, number))
    return StoreFindings(tuple(problems), info, frozenset(damaged))


def patches_of_shard(info: StoreInfo, patches: Sequence[PatchExpectation], number: int) -> Sequence[PatchExpectation]:
    """The patches that a shard holds."""
    return patches[number * info.shard : (number + 1) * info.shard]


def _check_layers(files: StoreFiles, info: StoreInfo, expected: Expectation) -> Iterator[Problem]:
    missing = [name for name, rule in expected.layers.items() if name not in info.layers and not rule.optional]
    if missing:
        yield Problem("missing", f"{files.name} has no layer {', '.join(missing)}: pack the dataset again.")
    for layer, shape in info.layers.items():
        rule = expected.layers.get(layer)
        if rule is None:
            yield Problem("extra", f"{files.name} has a layer {layer}, of which dataset.json knows nothing")
            continue
        if rule.dtype not in (None, shape.dtype):
            yield Problem("wrong type", f"{files.name}/{layer} has pixels of {shape.dtype}, {rule.dtype} is right")
        right = (rule.bands or shape.bands, expected.size or shape.rows, expected.size or shape.columns)
        if shape.chunk != right:
            yield Problem("wrong size", f"{files.name}/{layer} has patches of {shape.chunk}, {right} is right")


def _check_arrays(files: StoreFiles, info: StoreInfo) -> Iterator[Problem]:
    """What each array says of itself to readers of Zarr, against what `pack.json` says to ours."""
    for layer, shape in info.layers.items():
        name = f"{layer}/zarr.json"
        try:
            text = files.read(name)
            if text is None:
                yield Problem("missing", f"{files.name}/{name} is missing. {_MEND}")
                continue
            said = json.loads(text)
            sharding = said["codecs"][0]["configuration"]
            found = (said["shape"], said["chunk_grid"]["configuration"]["chunk_shape"], sharding["chunk_shape"])
            right = tuple([count, *shape.chunk] for count in (info.patches, info.shard, 1))
            if found != right or said["data_type"] != shape.dtype:
                yield Problem(
                    "dataset", f"{files.name}/{name} says {found}, {PACK_FILE} {right} {shape.dtype}. {_MEND}"
                )
        except (DatasetError, ValueError, KeyError, IndexError, TypeError) as error:
            yield Problem("corrupt", f"{files.name}/{name} is damaged ({error!r}). {_MEND}")


def _check_group(files: StoreFiles, patches: Sequence[PatchExpectation]) -> Iterator[Problem]:
    """What readers of Zarr open first, and the ids by which they find patches."""
    try:
        ids = np.asarray(zarr.open_group(files.name, mode="r")["id"])
    except Exception as error:  # noqa: BLE001 - Zarr and file systems raise many classes
        yield Problem("corrupt", f"{files.name} cannot be opened as a Zarr group with ids ({error!r}). {_MEND}")
        return
    if ids.tolist() != [patch.id for patch in patches]:
        yield Problem(
            "corrupt", f"{files.name}/id are not the ids of {INDEX_FILE}: by them other software finds patches. {_MEND}"
        )


def _check_described(
    files: StoreFiles, number: int, info: StoreInfo, expected: Expectation, patches: Sequence[PatchExpectation]
) -> Iterator[Problem]:
    """What the store says of the GeoTIFFs of a shard, of which `unpack` makes them again."""
    name = f"{FILES_FOLDER}/{number:06}.parquet"
    try:
        content = files.read(name)
        if content is None:
            yield Problem("missing", f"{files.name}/{name} is missing: the GeoTIFFs cannot be unpacked. {_MEND}")
            return
        table = pq.read_table(BytesIO(content)).to_pandas()
        pairs = set(zip(table["id"].tolist(), table["layer"], strict=True))
        right = {(patch.id, layer) for patch in patches for layer in info.layers if layer not in patch.lacks}
        yield from _of_pairs("missing", right - pairs, f"{files.name}/{name} does not describe the file of")
        yield from _of_pairs("extra", pairs - right, f"{files.name}/{name} describes a file of")
        own = {patch.id: patch for patch in patches}
        known = table[table["id"].isin(own.keys()) & table["layer"].isin(info.layers.keys())]
        yield from _check_headers(f"{files.name}/{name}", known, info, expected, own)
        yield from _check_places(f"{files.name}/{name}", known, own)
    except _UNREADABLE as error:
        yield Problem("corrupt", f"{files.name}/{name} is damaged ({error!r}). {_MEND}")


def _of_pairs(kind: str, pairs: Collection[tuple[int, str]], what: str) -> Iterator[Problem]:
    for layer in sorted({layer for _, layer in pairs}):
        ids = sorted(patch_id for patch_id, own in pairs if own == layer)
        yield from of_patches("missing" if kind == "missing" else "extra", ids, f"{what} {layer}")


def _check_headers(
    origin: str, table: pd.DataFrame, info: StoreInfo, expected: Expectation, patches: dict[int, PatchExpectation]
) -> Iterator[Problem]:
    """Each header that the files of a layer have, as a file of no pixels."""
    reader = HeaderReader()
    with tempfile.TemporaryDirectory(prefix="cerradata-") as folder, quiet_tifffile():
        kinds = table.drop_duplicates(["layer", "header"])
        columns = (kinds[name] for name in ("id", "layer", "header", "place", "path"))
        for patch_id, layer, text, place, name in zip(*columns, strict=True):
            path = Path(folder) / "header.tif"
            put_together(path, _empty_file(info.layers[layer], text, place))
            header = reader.read(path) or gdal_header(path)
            rule, patch = expected.layers.get(layer, LayerExpectation()), patches[int(patch_id)]
            if patch.place is not None:  # each file's own place is looked at below
                header = replace(header, transform=patch.place[1])
            yield from differences(f"{origin}: {name}", rule, header, expected, patch)


def _empty_file(shape: LayerShape, header: str, place: str) -> TakenApart:
    pixels = np.zeros(shape.chunk, shape.dtype)
    return TakenApart(pixels, TiffHeader.from_dict(json.loads(header)), tuple(_tags(place).values()))


def _check_places(origin: str, table: pd.DataFrame, patches: dict[int, PatchExpectation]) -> Iterator[Problem]:
    """Where each file lies, against the index."""
    transforms: dict[str, Transform | None] = {}
    for patch_id, place, path in zip(table["id"], table["place"], table["path"], strict=True):
        patch = patches[int(patch_id)]
        if patch.place is None:
            continue
        if place not in transforms:
            transforms[place] = _transform(place)
        found = transforms[place]
        if found not in (None, patch.place[1]):
            yield Problem("changed", f"{origin}: {path} lies at {found}; the index says {patch.place[1]}", patch.id)


def _transform(place: str) -> Transform | None:
    """Of a north-up grid; None for others."""
    tags = _tags(place)
    if not {_SCALE, _TIEPOINT} <= tags.keys():
        return None
    scale, tiepoint = (np.frombuffer(tags[code].value.encode("latin-1"), "<f8") for code in (_SCALE, _TIEPOINT))
    return transform_of(tuple(scale.tolist()), tuple(tiepoint.tolist()))


def _tags(place: str) -> dict[int, TiffTag]:
    return {int(tag[0]): TiffTag(*tag) for tag in json.loads(place)}
