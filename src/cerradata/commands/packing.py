"""Commands `pack` and `unpack`."""

import time

from cerradata.commands.show import show_lines, show_simulated
from cerradata.core.locations import Location
from cerradata.patches.info import DatasetInfo
from cerradata.patches.store import PackOptions, pack_dataset, unpack_dataset
from cerradata.patches.store.form import STORE_FOLDER, Compression
from cerradata.patches.store.remote import require_local


def pack(
    directory: Location,
    *,
    out: Location | None = None,
    compression: Compression = "none",
    workers: int = 2,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Pack a dataset of GeoTIFFs into few large files, which training reads many times as fast.

    Nothing is lost: `cerradata unpack` writes the same files again, with the same names, pixels and tags. The store lies
    beside the GeoTIFFs, or with --out in a folder of its own, which is a dataset without them. Every patch is compared with
    its content hash in the index on the way. A run that was interrupted goes on when the same command is given again.

    Args:
        directory: Folder of the dataset.
        out: Folder of a packed dataset of its own; by default the store lies in the dataset's folder.
        compression: none is read fastest; lz4 takes less room.
        workers: Threads that read.
        overwrite: Replace the store that is there.
        quiet: Show no progress.
    """
    root = require_local(directory, "pack")
    target = None if out is None else require_local(out, "pack")
    began = time.monotonic()
    packed = pack_dataset(root, target, PackOptions(compression, workers, overwrite, quiet))
    store = (target or root) / STORE_FOLDER
    size = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    rate, took = _rate(packed.patches, began)
    show_lines(
        [
            f"{store}: {packed.patches:,} patches in {took} ({rate} a second), {_bytes(size)}, "
            f"{'not compressed' if packed.compression == 'none' else packed.compression}",
            f"layers: {', '.join(packed.layers)}",
        ]
    )
    show_simulated(DatasetInfo.read(root).simulated)
    return 0


def unpack(
    directory: Location,
    *,
    out: Location,
    workers: int = 2,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Write the GeoTIFFs that a dataset was packed from: the same names, pixels and tags.

    Every patch is compared with its content hash in the index on the way. A run that was interrupted goes on when the same
    command is given again.

    Args:
        directory: Folder of the packed dataset.
        out: Folder of the dataset of GeoTIFFs.
        workers: Threads that write.
        overwrite: Replace the dataset that is there.
        quiet: Show no progress.
    """
    root, target = require_local(directory, "unpack"), require_local(out, "unpack")
    began = time.monotonic()
    patches = unpack_dataset(root, target, workers=workers, overwrite=overwrite, quiet=quiet)
    rate, took = _rate(patches.info.patches, began)
    show_lines([f"{target}: {patches.info.patches:,} patches in {took} ({rate} a second)"])
    show_simulated(DatasetInfo.read(target).simulated)
    return 0


def _rate(patches: int, began: float) -> tuple[str, str]:
    seconds = time.monotonic() - began
    return f"{patches / max(seconds, 1e-9):,.0f}", f"{seconds:.1f} s"


def _bytes(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
