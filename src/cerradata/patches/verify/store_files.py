"""`StoreFiles`: what can be asked of a packed store's files without reading its patches."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
from google_crc32c import value as crc32c

from cerradata.core.errors import DatasetError
from cerradata.core.types import Array
from cerradata.patches.store.form import (
    EMPTY_CHUNK,
    LOCATION_FILE,
    PACK_FILE,
    STORE_FOLDER,
    StoreInfo,
    shard_file,
    store_of,
)

_ENTRY_BYTES, _CHECKSUM_BYTES = 16, 4
"""Of the index at the end of a shard: offset and size of each chunk as uint64, then a CRC-32C."""


@dataclass(frozen=True)
class StoreFiles:
    """The files of a store, in a folder or behind a URI.

    Attributes:
        name: The folder or the URI.
    """

    name: str

    @staticmethod
    def of(root: Path) -> "StoreFiles | None":
        """The store of a dataset's folder, whole or not; None if there is none."""
        store, url = root / STORE_FOLDER, root / LOCATION_FILE
        if store_of(root) is not None or (store.is_dir() and not url.is_file()):
            return StoreFiles(str(store))
        return StoreFiles(url.read_text(encoding="utf-8").strip().rstrip("/")) if url.is_file() else None

    def info(self) -> StoreInfo | None:
        """What `pack.json` says; None if there is none.

        Raises:
            DatasetError: If it is damaged, or cannot be read.
        """
        text = self.read(PACK_FILE)
        return (
            None if text is None else StoreInfo.from_text(text.decode("utf-8", "replace"), f"{self.name}/{PACK_FILE}")
        )

    def read(self, file: str, last: int | None = None) -> bytes | None:
        """A file or its last bytes; None if there is no such file.

        Raises:
            DatasetError: If it cannot be read.
        """
        system, path = self._system
        try:
            return bytes(system.cat_file(f"{path}/{file}", start=None if last is None else -last))
        except FileNotFoundError:
            return None
        except Exception as error:  # each file system raises classes of its own
            raise DatasetError(f"{self.name}/{file} cannot be read ({error!r}).") from error

    def trouble_with_shard(self, info: StoreInfo, layer: str, number: int) -> str:
        """What is wrong with the shard of a layer, as far as its size and the index at its end tell; "" if nothing is.

        Raises:
            DatasetError: If it cannot be read, but for not being there.
        """
        size = _ENTRY_BYTES * info.shard
        tail = self.read(shard_file(layer, number), size + _CHECKSUM_BYTES)
        if tail is None:
            return "is missing"
        if len(tail) != size + _CHECKSUM_BYTES or crc32c(tail[:size]) != int.from_bytes(tail[size:], "little"):
            return "is cut short or damaged: the index at its end is not whole"
        count = min(info.shard, info.patches - number * info.shard)
        chunks = np.frombuffer(tail[:size], "<u8").reshape(-1, 2)[:count]
        return self._trouble_with_chunks(info, layer, number, chunks[chunks[:, 0] != EMPTY_CHUNK], len(tail))

    def _trouble_with_chunks(self, info: StoreInfo, layer: str, number: int, chunks: Array, tail: int) -> str:
        right = info.layers[layer].nbytes
        if info.compression == "none" and (chunks[:, 1] != right).any():
            return f"holds patches of {int(chunks[chunks[:, 1] != right][0, 1]):,} bytes, {right:,} are right"
        end = int(chunks.sum(axis=1).max(initial=0)) + tail
        found = self._size(shard_file(layer, number))
        return "" if found in (None, end) else f"has {found:,} bytes, {end:,} are right"

    def _size(self, file: str) -> int | None:
        """Bytes of a file; None where a server does not tell."""
        system, path = self._system
        try:
            size = system.info(f"{path}/{file}")["size"]
        except Exception as error:  # each file system raises classes of its own
            raise DatasetError(f"{self.name}/{file} cannot be read ({error!r}).") from error
        return None if size is None else int(size)

    @cached_property
    def _system(self) -> tuple[Any, str]:
        """File system, and the store's path in it."""
        try:
            return tuple(fsspec.core.url_to_fs(self.name))
        except (ImportError, ValueError) as error:
            raise DatasetError(
                f"{self.name} cannot be read ({error}): pip install 'cerradata[remote]' for s3://."
            ) from error
