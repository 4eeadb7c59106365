"""`pack_dataset`: GeoTIFFs into a store, shard by shard; killed, it goes on where it was."""

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import geopandas as gpd
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from zarr.codecs import BloscCodec
from zarr.errors import ZarrUserWarning

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.core.files import atomic_path, fsync_all, locked_folder, reported_output_errors, sha256, write_json
from cerradata.core.progress import track
from cerradata.core.tiff import TakenApart, TiffHeader, check_round_trip, take_apart
from cerradata.core.types import Array
from cerradata.patches.index import lacking, read_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import INDEX_FILE, Layout, discover, semantic_layer
from cerradata.patches.record import content_hash
from cerradata.patches.store.claim import BESIDE, check_workers, claim_store, threads
from cerradata.patches.store.form import (
    FILES_FOLDER,
    PACK_FILE,
    STORE_FOLDER,
    Compression,
    LayerShape,
    StoreInfo,
    empty_shard,
    hash_of_content,
    shard_file,
    shard_of,
    store_of,
)


@dataclass(frozen=True)
class PackOptions:
    """How a dataset is packed.

    Attributes:
        compression: none is read fastest; lz4 takes about 0.6 of the room.
        workers: Threads that read.
        overwrite: Replace the store that is there.
        quiet: Show no progress.
    """

    compression: Compression = "none"
    workers: int = 2
    overwrite: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        """Refuse what does not exist."""
        check_workers(self.workers)
        if self.compression not in get_args(Compression):
            raise ConfigError(
                f"There is no compression {self.compression!r}: there are {', '.join(get_args(Compression))}."
            )


def pack_dataset(root: Path, out: Path | None = None, options: PackOptions | None = None) -> StoreInfo:
    """Write a store of a dataset's patches: every number, type, tag and file name is kept.

    Every patch is compared with its content hash in the index on the way. Interrupted, the same call goes on.

    Args:
        root: The dataset's folder, with index.parquet and dataset.json.
        out: Folder of a packed dataset of its own; by default the store lies beside the GeoTIFFs.
        options: How.

    Returns:
        What the store holds.

    Raises:
        DatasetError: If the dataset is not whole, or a patch is not what was indexed.
        OutputError: If the output holds something else, or cannot be written.
    """
    options = options or PackOptions()
    index, info = read_index(root), DatasetInfo.read(root)
    layout = _discover(root, {name: layer.folder for name, layer in info.layers.items()})
    with locked_folder(out or root, what="store"):
        hashes = dict(zip(index["id"], index["content_hash"], strict=True))
        source = _Source(layout, _listed(info), _ids(root, index), lacking(index), hashes)
        plan = _plan(source, hash_of_content(index), options.compression)
        seen: set[tuple[TiffHeader, LayerShape]] = set()
        if options.overwrite and store_of(out or root) is not None:
            _check_all(source, plan, seen, options)
        journal, finished = claim_store(root, out, _entry(plan), overwrite=options.overwrite)
        store = (out or root) / STORE_FOLDER
        if not finished:
            _make_arrays(store, plan, info, source.ids)
        rest = [number for number in range(plan.shards) if number not in finished]
        with threads(options.workers) as pool:
            for number in track(rest, what="Packing", quiet=options.quiet):
                ids = source.ids[number * plan.shard : (number + 1) * plan.shard]
                files = _pack_shard(store, plan, number, _take(source, plan, ids, seen, pool))
                fsync_all(store / name for name in files)
                journal.append({"shard": number, "files": {name: sha256(store / name) for name in files}})
        if out is not None:
            copy_beside(root, out)
        fsync_all([*store.rglob("zarr.json"), *(path for path in (store / "id").rglob("*") if path.is_file())])
        write_json(store / PACK_FILE, plan.to_dict())
        journal.path.unlink()
    return plan


def _check_all(
    source: "_Source", plan: StoreInfo, seen: set[tuple[TiffHeader, LayerShape]], options: PackOptions
) -> None:
    """Read every patch before a whole store is removed: it may be the only one that still has them."""
    with threads(options.workers) as pool:
        numbers = range(plan.shards)
        for number in track(numbers, what="Checking before the store is replaced", quiet=options.quiet):
            for _ in _take(source, plan, source.ids[number * plan.shard : (number + 1) * plan.shard], seen, pool):
                pass


def copy_beside(root: Path, out: Path) -> None:
    """Copy what lies beside the patches of a dataset, byte by byte.

    Raises:
        OutputError: If there is no space or no permission.
    """
    for name in BESIDE:
        if (root / name).is_file():
            with atomic_path(out / name) as temporary:
                shutil.copyfile(root / name, temporary)


def _listed(info: DatasetInfo) -> list[str]:
    """Layers that every dataset of its kind has files of: optional ones may have none."""
    labels = [semantic_layer(info.legend.level(number)) for number in info.labels]
    return [*(name for name, layer in info.layers.items() if not layer.optional), *labels]


def _discover(root: Path, folders: Mapping[str, str]) -> Layout:
    try:
        return discover(root, folders)
    except DatasetError as error:
        if store_of(root) is None:
            raise
        raise DatasetError(
            f"{root} is packed and holds no GeoTIFFs: to pack it in another way, run `cerradata unpack {root} --out DIR` and "
            "pack DIR."
        ) from error


def _entry(plan: StoreInfo) -> dict[str, Any]:
    """The first line of the journal, as it is read again."""
    entry: dict[str, Any] = json.loads(json.dumps({"plan": plan.to_dict()}))
    return entry


def _ids(root: Path, index: gpd.GeoDataFrame) -> list[int]:
    ids = sorted(int(i) for i in index["id"])
    if len(set(ids)) != len(ids):
        raise DatasetError(f"{root / INDEX_FILE} lists a patch twice: run `cerradata index {root} --overwrite`.")
    return ids


@dataclass(frozen=True)
class _Source:
    """The dataset that is packed: its files, layers that it must have, ids in ascending order, ids that lack a layer, hashes."""

    layout: Layout
    expected: Sequence[str]
    ids: Sequence[int]
    lacks: Mapping[str, frozenset[int]]
    hashes: Mapping[int, str]

    def layers_of(self, patch_id: int) -> list[str]:
        """Layers that a patch has."""
        return [layer for layer in self.layout.files if patch_id not in self.lacks.get(layer, ())]


def _plan(source: _Source, content: str, compression: Compression) -> StoreInfo:
    """The store: the shape of each layer is that of its first patch."""
    layout = source.layout
    advice = f"Run `cerradata verify {layout.root}` for the whole list."
    if layout.doubled:
        raise DatasetError(f"{layout.root}: {layout.doubled[0]}. {advice}")
    missing = [layer for layer in source.expected if layer not in layout.files]
    if missing:
        raise DatasetError(f"{layout.root} has no files of layer {missing[0]}, which dataset.json lists. {advice}")
    layers = {}
    for layer in sorted(layout.files):
        wanted = set(source.ids) - source.lacks.get(layer, frozenset())
        strange = wanted.symmetric_difference(layout.files[layer])
        if strange:
            first = min(strange)
            said = "has no file" if first in wanted else "has a file that the index does not know"
            raise DatasetError(
                f"{layout.root}: patch {first} {said} in layer {layer} ({len(strange)} such patches). {advice}"
            )
        if wanted:
            layers[layer] = LayerShape.of(take_apart(layout.path(layer, min(wanted))).pixels)
    largest = max(shape.nbytes for shape in layers.values())
    return StoreInfo(len(source.ids), shard_of(largest), compression, layers, content)


def _make_arrays(store: Path, plan: StoreInfo, info: DatasetInfo, ids: Sequence[int]) -> None:
    """The group and its arrays, without a patch yet."""
    compressor = None if plan.compression == "none" else BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle")
    with reported_output_errors(store):
        attributes: dict[str, Any] = {"name": info.name, "attribution": list(info.attribution)}
        group = zarr.open_group(store, mode="a", attributes=attributes)
        for layer, shape in plan.layers.items():
            own = info.layers.get(layer)
            group.create_array(
                layer,
                shape=(plan.patches, *shape.chunk),
                chunks=(1, *shape.chunk),
                shards=(plan.shard, *shape.chunk),
                dtype=shape.dtype,
                fill_value=0,
                compressors=compressor,
                filters=None,
                dimension_names=("patch", f"{layer}_band", "y", "x"),  # layers differ in their number of bands
                attributes={"radiometry": own.radiometry.to_dict()} if own else {},
            )
        group.create_array("id", data=np.asarray(ids, np.int64), dimension_names=("patch",))
        with warnings.catch_warnings():
            # Not part of the format, but what Zarr and xarray need where folders cannot be listed, https:// for one; with it
            # they do not ask what files/ and pack.json are, either.
            warnings.simplefilter("ignore", ZarrUserWarning)
            zarr.consolidate_metadata(group.store)


@dataclass(frozen=True)
class _Patch:
    """A patch taken apart."""

    id: int
    layers: Mapping[str, TakenApart]
    paths: Mapping[str, str]


def _take(
    source: _Source, plan: StoreInfo, ids: Sequence[int], seen: set[tuple[TiffHeader, LayerShape]], pool: Executor
) -> Iterator[_Patch]:
    """Take patches apart, and make sure that each can be put together again as it was."""
    root = source.layout.root

    def take(patch_id: int) -> _Patch:
        paths = {layer: source.layout.path(layer, patch_id) for layer in source.layers_of(patch_id)}
        layers = {layer: take_apart(path) for layer, path in paths.items()}
        for layer, parts in layers.items():
            shape = LayerShape.of(parts.pixels)
            if shape != plan.layers[layer]:
                raise DatasetError(
                    f"{paths[layer]} is {shape}, other patches of the layer are {plan.layers[layer]}: a store needs one type and "
                    f"size a layer. Run `cerradata verify {root}`."
                )
            if (parts.header, shape) not in seen:
                check_round_trip(paths[layer], parts)
                seen.add((parts.header, shape))
        if content_hash({layer: parts.pixels for layer, parts in layers.items()}) != source.hashes[patch_id]:
            raise DatasetError(
                f"{root}: patch {patch_id} differs from what was indexed. Run `cerradata verify {root} --deep`; fetch it "
                f"again, or run `cerradata index {root} --overwrite` if it was changed on purpose."
            )
        return _Patch(patch_id, layers, {layer: path.relative_to(root).as_posix() for layer, path in paths.items()})

    return iter(pool.map(take, ids))


def _pack_shard(store: Path, plan: StoreInfo, number: int, patches: Iterator[_Patch]) -> list[str]:
    """Write the patches of a shard; the files that hold them, relative to the store."""
    first = number * plan.shard
    count = min(plan.shard, plan.patches - first)
    pixels: dict[str, Array] = {name: np.zeros((count, *s.chunk), s.dtype) for name, s in plan.layers.items()}
    rows = []
    for place, patch in enumerate(patches):
        for layer, parts in patch.layers.items():
            pixels[layer][place] = parts.pixels
            rows.append(
                {
                    "id": patch.id,
                    "layer": layer,
                    "path": patch.paths[layer],
                    "header": json.dumps(parts.header.to_dict()),
                    "place": json.dumps(parts.place),
                }
            )
    with reported_output_errors(store):
        for layer, own in pixels.items():
            # Zarr leaves out patches of zeros, bit by bit, and shards of nothing else; a shard that is not there shall be lost.
            zarr.open_array(store / layer, mode="r+")[first : first + count] = own
            shard = store / shard_file(layer, number)
            if not shard.exists():
                with atomic_path(shard, durable=False) as temporary:
                    temporary.write_bytes(empty_shard(plan.shard))
    described = f"{FILES_FOLDER}/{number:06}.parquet"
    with atomic_path(store / described) as temporary:
        pq.write_table(pa.Table.from_pylist(rows), temporary, compression="zstd")
    return [*(shard_file(layer, number) for layer in pixels), described]
