"""Training batches beside a loader that does what the published one does, in one run; see `docs/packing.md`."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import tifffile
import torch
from torch.utils.data import DataLoader, Dataset

from benchmarks.scenes import make_area
from cerradata.commands.main import _GDAL
from cerradata.data import BatchConfig, CerraData4MMDataModule
from cerradata.data.normalise import PUBLISHED_STATISTICS
from cerradata.data.samplers import TrainingBatches
from cerradata.patches.assign import assign_splits
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.patches.copy import CopyFacts, index_copy
from cerradata.patches.index import read_index, write_index
from cerradata.patches.layout import discover
from cerradata.patches.split import SplitOptions
from cerradata.patches.store import PackOptions, pack_dataset
from cerradata.patches.store.form import PACK_FILE, STORE_FOLDER, StoreInfo, hash_of_content

BATCH = 32
ROUNDS = 5
MANY = 30_000
TARGETS = {"uint16": 12.0, "float32": 10.0}
BANDS = tuple(PUBLISHED_STATISTICS)


class PublishedLoader(Dataset[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]):
    """Reads MSI, SAR, labels and edges of a patch file by file and puts band after band on a log scale with NumPy."""

    def __init__(self, root: Path, ids: list[int]) -> None:
        files = discover(root).files
        self.layers = [files[name] for name in ("msi", "sar", "semantic_14c", "edge_14c")]
        self.ids = ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        read = []
        for layer in self.layers:
            with rasterio.open(layer[self.ids[position]]) as file:
                read.append(file.read())
        image = np.concatenate(read[:2]).astype(np.float32)
        for number, band in enumerate(BANDS):
            own = PUBLISHED_STATISTICS[band]
            logarithm = np.log(np.maximum(image[number], 1e-6))
            image[number] = (logarithm - np.log(own["mean"])) / np.log(own["std"])
        return (
            torch.from_numpy(image),
            torch.from_numpy(read[2][0].astype(np.int64)),
            torch.from_numpy(read[3][0].astype(np.int64)),
        )


def run(size: int = 4096) -> list[dict[str, Any]]:
    """All rows. `size` is the side of the simulated area in pixels; patches have 128."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = {"uint16": _built(root, size)}
        made["float32"] = _as_float32(made["uint16"], root / "float32")
        rows: list[dict[str, Any]] = []
        for dtype, dataset in made.items():
            packed = root / f"packed-{dtype}"
            pack_dataset(dataset, packed, PackOptions(quiet=True))
            rows += _beside_published(dataset, packed, dtype)
        small = root / "packed-lz4"
        pack_dataset(made["uint16"], small, PackOptions("lz4", quiet=True))
        rows += _others(made["uint16"], small, root / "packed-uint16")
        rows += _many(root / "packed-uint16", root / "many")
        return rows


def _built(root: Path, size: int) -> Path:
    config = make_area(root / "area", size)
    build_dataset(config, root / "built", BuildOptions(scheduler="threads", quiet=True))
    assign_splits(root / "built", SplitOptions("random", val_share=0.05, test_share=0.05))
    return root / "built"


def _as_float32(dataset: Path, out: Path) -> Path:
    """The same patches as in published copies with MSI as float32; not compressed, which is easiest to read file by file."""
    for layer, files in discover(dataset).files.items():
        for patch_id, path in files.items():
            pixels = tifffile.imread(path)
            to = out / path.parent.name / f"copy_{patch_id}.tif"
            to.parent.mkdir(parents=True, exist_ok=True)
            profile = {
                "driver": "GTiff",
                "width": pixels.shape[-1],
                "height": pixels.shape[-2],
            }
            stacked = (pixels if pixels.ndim == 3 else pixels[None]).astype(
                np.float32 if layer == "msi" else pixels.dtype
            )
            with rasterio.open(to, "w", count=len(stacked), dtype=stacked.dtype, **profile) as file:
                file.write(stacked)
    index_copy(out, CopyFacts(), quiet=True)
    index = read_index(out)
    index["split"] = index["id"].map(dict(zip(*(read_index(dataset)[c] for c in ("id", "split")), strict=True)))
    write_index(out, index)
    return out


def _beside_published(dataset: Path, packed: Path, dtype: str) -> list[dict[str, Any]]:
    module = _module(packed)
    ids = module.train_dataset.ids
    loader = DataLoader(PublishedLoader(dataset, ids), BATCH, shuffle=True)
    some = max(4 * BATCH, len(ids) // 4)
    ours, peers = _alternated(_epochs(module, 2), lambda: _published(loader, some))
    rows = [
        _row(f"training batches, {dtype}, packed, one process, against the published way", ours, peers, TARGETS[dtype])
    ]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    ours, peers = _alternated(_epochs(module, 2), lambda: _published(loader, some))
    torch.set_num_threads(threads)
    rows.append(_row(f"training batches, {dtype}, packed, one process, one thread of PyTorch", ours, peers))
    for workers in (1, 2):
        module = _module(packed, workers)
        rows.append(_row(f"training batches, {dtype}, packed, {workers} workers", _median(_epochs(module, 4), 3)))
    stored = [_module(packed).train_dataset.stored.read(ids[:BATCH]) for _ in range(4)]
    steps = _module(packed).steps
    rows.append(
        _row(f"arithmetic alone ({dtype} in memory to normalised float32)", _median(lambda: _arithmetic(steps, stored)))
    )
    return rows


def _others(dataset: Path, small: Path, packed: Path) -> list[dict[str, Any]]:
    found = []
    for name, root in (("packed with lz4", small), ("GeoTIFF", dataset)):
        module = _module(root)
        found.append(_row(f"training batches, uint16, {name}, one process", _median(_epochs(module, 1), 3)))
    sizes = [sum(f.stat().st_size for f in root.rglob("*") if f.is_file()) / 1e6 for root in (packed, small, dataset)]
    names = ("packed", "packed with lz4", "GeoTIFF")
    found += [
        _row(f"size of {len(read_index(dataset))} patches, {n}", s, unit="MB")
        for n, s in zip(names, sizes, strict=True)
    ]
    return found


def _many(packed: Path, root: Path) -> list[dict[str, Any]]:
    """A dataset of 30,000 patches whose shards are links to those of a small one: the reader does what it does for real ones."""
    _linked(packed, root)
    few, many = (_in_own_process(folder) for folder in (packed, root))
    patches = len(read_index(packed))
    return [
        _row(f"first batch of {MANY:,} patches, from the folder's name", many["first"], unit="s", target_rate=2.0),
        _row(f"first batch of {patches:,} patches, from the folder's name", few["first"], unit="s"),
        _row(f"peak memory after 100 batches of {MANY:,} patches", many["memory"], unit="MB"),
        _row(f"peak memory after 100 batches of {patches:,} patches", few["memory"], unit="MB"),
    ]


def _linked(packed: Path, root: Path) -> None:
    store, own = root / STORE_FOLDER, packed / STORE_FOLDER
    info = StoreInfo.from_text((own / PACK_FILE).read_text(), "")
    index = read_index(packed)
    whole = len(index) // info.shard * info.shard
    repeats = -(-MANY // whole)
    index = pd.concat([index.iloc[:whole]] * repeats).iloc[:MANY].reset_index(drop=True)
    index["id"] = np.arange(MANY)
    root.mkdir()
    write_index(root, index)
    plain = json.loads((packed / "dataset.json").read_text())
    (root / "dataset.json").write_text(json.dumps({**plain, "patches": MANY}))
    for layer in info.layers:
        for number in range(-(-MANY // info.shard)):
            to = store / f"{layer}/c/{number}/0/0/0"
            to.parent.mkdir(parents=True)
            to.symlink_to((own / f"{layer}/c/{number % (whole // info.shard)}/0/0/0").resolve())
    many = StoreInfo(MANY, info.shard, info.compression, info.layers, hash_of_content(index))
    (store / PACK_FILE).write_text(json.dumps(many.to_dict()))


def _in_own_process(folder: Path) -> dict[str, float]:
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.loading", str(folder)],
        capture_output=True,
        check=True,
        env={**os.environ, **_GDAL},
    )
    said: dict[str, float] = json.loads(found.stdout)
    return said


def _look(folder: Path) -> dict[str, float]:
    start = time.perf_counter()
    module = _module(folder)
    loader = module.train_dataloader()
    batches = _batches(module, loader, 0)
    next(batches)
    first = time.perf_counter() - start
    for _ in range(99):
        if next(batches, None) is None:
            batches = _batches(module, loader, 1)
    return {"first": first, "memory": _peak_memory()}


def _peak_memory() -> float:
    """MB of this process, without what the one that started it had."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1e3


def _module(root: Path, workers: int = 0) -> CerraData4MMDataModule:
    return CerraData4MMDataModule(root, BatchConfig(BATCH, workers=workers, normalisation="1to1"), edges=True)


def _batches(module: CerraData4MMDataModule, loader: DataLoader[Any], epoch: int) -> Iterator[dict[str, torch.Tensor]]:
    if isinstance(loader.sampler, TrainingBatches):
        loader.sampler.set_epoch(epoch)
    return (module.on_after_batch_transfer(batch, 0) for batch in loader)


def _epochs(module: CerraData4MMDataModule, epochs: int) -> Callable[[], float]:
    """What gives patches a second; workers stay from one call to the next, as in a training."""
    loader = module.train_dataloader()

    def rate() -> float:
        start, patches = time.perf_counter(), 0
        for epoch in range(epochs):
            for batch in _batches(module, loader, epoch):
                patches += len(batch["image"])
        return patches / (time.perf_counter() - start)

    return rate


def _published(loader: DataLoader[Any], some: int) -> float:
    start, patches = time.perf_counter(), 0
    for image, _, _ in loader:
        patches += len(image)
        if patches >= some:
            break
    return patches / (time.perf_counter() - start)


def _arithmetic(steps: torch.nn.Module, stored: list[Any]) -> float:
    start = time.perf_counter()
    for batch in stored:
        steps(batch)
    return len(stored) * BATCH / (time.perf_counter() - start)


def _alternated(ours: Callable[[], float], peer: Callable[[], float]) -> tuple[float, float]:
    """Median rates, their runs alternated so that a busy machine slows both alike."""
    ours(), peer()
    rates = [(ours(), peer()) for _ in range(ROUNDS)]
    own, other = (float(np.median(column)) for column in zip(*rates, strict=True))
    return own, other


def _median(work: Callable[[], float], rounds: int = 7) -> float:
    work()
    return float(np.median([work() for _ in range(rounds)]))


def _row(name: str, ours: float, peer: float | None = None, target: float | None = None, *, unit: str = "patches/s",
         target_rate: float | None = None) -> dict[str, Any]:  # fmt: skip
    row = {
        "name": name,
        "unit": unit,
        "ours": ours,
        "peer": peer,
        "ratio": ours / peer if peer else None,
        "target": target,
    }
    return row if target_rate is None else {**row, "target_rate": target_rate}


if __name__ == "__main__":
    print(json.dumps(_look(Path(sys.argv[1]))))
