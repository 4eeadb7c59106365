"""Stores for patches compared: `python -m benchmarks.stores PACKED`, after `pip install tensorstore litdata`.

PACKED is a packed dataset (`cerradata pack DIR --out PACKED`). MSI, SAR and one label mask of each patch are written into
each store and read back in random batches of 32, on a warm page cache. It is not part of `make bench`: two of the libraries
are no dependencies of this project. `docs/design-notes/2026-11-packed-store.md` holds what it printed.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from cerradata.patches.index import read_index
from cerradata.patches.store import PackedPatches
from cerradata.patches.store.byte_ranges import LocalBytes
from cerradata.patches.store.form import STORE_FOLDER

LAYERS = ("msi", "sar", "semantic_14c")
BATCH, BATCHES = 32, 60
CODECS: dict[str, Any] = {
    "none": None,
    "lz4": zarr.codecs.BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle"),
    "zstd": zarr.codecs.ZstdCodec(level=1),
}
Arrays = dict[str, np.ndarray]


def main(packed: Path) -> None:
    ids = [int(i) for i in read_index(packed)["id"]]
    patches = PackedPatches(ids, partial(LocalBytes, packed / STORE_FOLDER))
    arrays = {layer: patches.read(layer, ids) for layer in LAYERS}
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(ids))[:BATCH] for _ in range(BATCHES)]
    _show("this project's reader", lambda o: {k: patches.read(k, [ids[i] for i in o]) for k in LAYERS}, arrays, orders)
    with tempfile.TemporaryDirectory() as folder:
        _plain(Path(folder), arrays, orders)
        for name, codec in CODECS.items():
            _zarr(Path(folder) / f"zarr-{name}", name, codec, arrays, orders)
        _litdata(Path(folder) / "litdata", arrays, orders)


def _plain(folder: Path, arrays: Arrays, orders: list[np.ndarray]) -> None:
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    maps = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in arrays}
    _show("plain memory map", lambda o: {k: m[o] for k, m in maps.items()}, arrays, orders, folder)


def _zarr(folder: Path, name: str, codec: object, arrays: Arrays, orders: list[np.ndarray]) -> None:
    import tensorstore

    for layer, array in arrays.items():
        shape = array.shape[1:]
        made = zarr.create_array(
            folder / layer, shape=array.shape, dtype=array.dtype, chunks=(1, *shape), shards=(256, *shape), compressors=codec,
            filters=None,
        )  # fmt: skip
        made[:] = array
    own = {k: zarr.open_array(folder / k, mode="r") for k in arrays}
    _show(f"zarr-python, {name}", lambda o: {k: a.oindex[np.sort(o)][np.argsort(np.argsort(o))] for k, a in own.items()},
          arrays, orders[:12], folder)  # fmt: skip
    spec = {"driver": "zarr3", "open": True, "kvstore": {"driver": "file"}}
    theirs = {
        k: tensorstore.open({**spec, "kvstore": {"driver": "file", "path": str(folder / k)}}, read=True).result()
        for k in arrays
    }

    def read(order: np.ndarray) -> Arrays:
        asked = {k: a[order].read() for k, a in theirs.items()}
        return {k: answer.result() for k, answer in asked.items()}

    _show(f"tensorstore, {name}", read, arrays, orders, folder)


def _sample(number: int, arrays: Arrays) -> Arrays:
    return {name: array[number] for name, array in arrays.items()}


def _litdata(folder: Path, arrays: Arrays, orders: list[np.ndarray]) -> None:
    from litdata import StreamingDataset, optimize

    optimize(partial(_sample, arrays=arrays), list(range(len(arrays["msi"]))), str(folder), chunk_bytes="64MB", num_workers=1,
             start_method="fork")  # fmt: skip
    dataset = StreamingDataset(str(folder))

    def read(order: np.ndarray) -> Arrays:
        samples = [dataset[int(i)] for i in order]
        return {k: np.stack([sample[k] for sample in samples]) for k in arrays}

    _show("litdata", read, arrays, orders[:24], folder)


def _show(
    name: str,
    read: Callable[[np.ndarray], Arrays],
    arrays: Arrays,
    orders: list[np.ndarray],
    folder: Path | None = None,
) -> None:
    for order in orders[: len(orders) // 3]:
        for layer, pixels in read(order).items():
            if not np.array_equal(pixels, arrays[layer][order], equal_nan=pixels.dtype.kind == "f"):
                raise RuntimeError(f"{name} gives other numbers.")
    seconds = []
    for order in orders:
        start = time.perf_counter()
        read(order)
        seconds.append(time.perf_counter() - start)
    size = "" if folder is None else f"{sum(f.stat().st_size for f in folder.rglob('*') if f.is_file()) / 1e6:8.0f} MB"
    print(f"{name:28} {BATCH / np.median(seconds):8.0f} patches/s {size}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
