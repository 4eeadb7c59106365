"""`PackedPatches`: patches of a store by id, many at a time."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
from google_crc32c import value as crc32c
from numcodecs.blosc import Blosc

from cerradata.core.errors import DatasetError
from cerradata.core.types import Allocate, Array, CountArray
from cerradata.patches.store.byte_ranges import ByteRange, ByteStore
from cerradata.patches.store.form import EMPTY_CHUNK, PACK_FILE, LayerShape, StoreInfo, shard_file

_CHECKSUM_BYTES: Final = 4


class PackedPatches:
    """The patches of a store.

    Zarr's own reader takes 2 milliseconds a chunk, so this one reads where a shard's index says that a patch lies: it is the
    same format, and any Zarr library reads it too. Files are opened when they are first needed, in each process anew, so
    that an object may be sent to worker processes.
    """

    def __init__(self, ids: Sequence[int], connect: Callable[[], ByteStore]) -> None:
        """Open a store.

        Args:
            ids: Ids of all patches of the dataset.
            connect: Gives the files of the store; called once in each process.

        Raises:
            DatasetError: If the store is damaged, or holds another number of patches.
        """
        self._connect = connect
        self._ids = np.sort(np.asarray(ids, np.int64))  # the order of the store, whatever that of the index
        files = self._files
        self.name = files.name
        self.info = StoreInfo.from_text(files.text(PACK_FILE), f"{files.name}/{PACK_FILE}")
        if self.info.patches != len(ids):
            raise DatasetError(
                f"{files.name} holds {self.info.patches} patches, the index {len(ids)}: pack the dataset again."
            )

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""
        return tuple(self.info.layers)

    def shape(self, layer: str) -> LayerShape:
        """Type and size of a layer.

        Raises:
            DatasetError: If there is none of that name.
        """
        if layer not in self.info.layers:
            raise DatasetError(f"{self.name} has no layer {layer}: it has {', '.join(self.layers)}.")
        return self.info.layers[layer]

    def read(self, layer: str, ids: Sequence[int], empty: Allocate = np.empty) -> Array:
        """Patches of a layer.

        Args:
            layer: The layer.
            ids: Ids in any order.
            empty: Gives the memory of the result.

        Returns:
            (patches, bands, rows, columns) in the layer's dtype. A patch that lacks the layer holds zeros.

        Raises:
            DatasetError: If the layer or an id does not exist, or a file is damaged.
        """
        shape = self.shape(layer)
        pixels = empty((len(ids), *shape.chunk), np.dtype(shape.dtype))
        decode = self.info.compression != "none"
        wanted: list[ByteRange] = []
        encoded: list[tuple[int, bytearray]] = []
        numbers, places = np.divmod(self._rows(ids), self.info.shard)
        indexes = self._indexes_of(layer, numbers)
        for place, (number, within) in enumerate(zip(numbers.tolist(), places.tolist(), strict=True)):
            offset, size = (int(value) for value in indexes[layer, number][within])
            if offset == EMPTY_CHUNK:
                pixels[place] = 0
                continue
            if decode:
                buffer = bytearray(size)
                encoded.append((place, buffer))
                into = memoryview(buffer)
            else:
                into = memoryview(pixels[place].reshape(-1).view(np.uint8))
            wanted.append(ByteRange(shard_file(layer, number), offset, into))
        self._files.fill(wanted)
        for place, buffer in encoded:
            _decode(buffer, pixels[place], f"{self.name}/{layer}")
        return pixels

    def require(self, layers: Iterable[str], ids: Sequence[int]) -> None:
        """Raise `DatasetError` if a layer or a patch does not exist: a store is whole, or it is none."""
        for layer in layers:
            self.shape(layer)
        self._rows(ids)

    def _rows(self, ids: Sequence[int]) -> CountArray:
        """Places of some ids in the store."""
        wanted = np.asarray(ids, np.int64)
        rows = np.searchsorted(self._ids, wanted)
        found = self._ids[np.minimum(rows, len(self._ids) - 1)] == wanted
        if not found.all():
            raise DatasetError(f"{self.name} has no patch {wanted[~found][0]}.")
        return rows

    @property
    def _files(self) -> ByteStore:
        """The files of this process: neither open files nor connections survive a fork."""
        if self.__dict__.get("_process") != os.getpid():
            self._process, self._opened = os.getpid(), self._connect()
            self._indexes: dict[tuple[str, int], Array] = {}
        return self._opened

    def _indexes_of(self, layer: str, numbers: CountArray) -> dict[tuple[str, int], Array]:
        """(patches, 2) offset and size of each chunk, by layer and shard; those of `numbers` are among them."""
        files = self._files
        new = [number for number in dict.fromkeys(numbers.tolist()) if (layer, number) not in self._indexes]
        size = 16 * self.info.shard + _CHECKSUM_BYTES
        said = files.tails([shard_file(layer, number) for number in new], size) if new else []
        for number, tail in zip(new, said, strict=True):
            self._indexes[layer, number] = self._parsed(layer, number, tail)
        return self._indexes

    def _parsed(self, layer: str, number: int, tail: bytes) -> Array:
        """The index of a shard, which stands at the end of its file."""
        said, checksum = tail[:-_CHECKSUM_BYTES], tail[-_CHECKSUM_BYTES:]
        if len(said) != 16 * self.info.shard or crc32c(said) != int.from_bytes(checksum, "little"):
            raise DatasetError(
                f"{self.name}/{shard_file(layer, number)} is damaged: pack the dataset again, or copy the file again."
            )
        found = np.frombuffer(said, "<u8").reshape(-1, 2)
        there = found[found[:, 0] != EMPTY_CHUNK, 1]
        if self.info.compression == "none" and (there != self.info.layers[layer].nbytes).any():
            raise DatasetError(
                f"{self.name}/{shard_file(layer, number)} holds patches of another size than {PACK_FILE} says: pack the "
                "dataset again, or copy it again."
            )
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Without open files and connections: another process makes its own."""
        own = ("_process", "_opened", "_indexes")
        return {name: value for name, value in self.__dict__.items() if name not in own}


def _decode(encoded: bytearray, into: Array, name: str) -> None:
    try:
        said = int.from_bytes(encoded[4:8], "little"), int.from_bytes(encoded[12:16], "little")
        if said != (into.nbytes, len(encoded)):  # Blosc believes its header: bytes before and after compression
            raise ValueError("another size")
        Blosc().decode(encoded, into)
    except (RuntimeError, ValueError) as error:
        raise DatasetError(
            f"{name} holds a damaged patch ({error}): pack the dataset again, or copy it again."
        ) from error
