"""What lies where in a packed dataset.

`patches.zarr` is a Zarr v3 group. Each layer is an array (patches, bands, rows, columns) whose patches lie in id order; a chunk
is one patch, and a shard is a file of many of them. `files/` says of each GeoTIFF what its pixels do not. `pack.json` is
written last: a store without it is unfinished.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import pandas as pd
from google_crc32c import value as crc32c

from cerradata.core.errors import DatasetError
from cerradata.core.types import Array

STORE_FOLDER: Final = "patches.zarr"
PACK_FILE: Final = "pack.json"
FILES_FOLDER: Final = "files"
JOURNAL_FILE: Final = "pack-journal.jsonl"
LOCATION_FILE: Final = "patches.url"
"""In a dataset's folder whose store lies elsewhere: its URI (`s3://bucket/dataset/patches.zarr`)."""
STORE_VERSION: Final = 1

Compression = Literal["none", "lz4"]
"""`none` is read fastest; `lz4` (Blosc, with bits shuffled) takes about 0.6 of the room and twice the time."""

SHARD_BYTES: Final = 1 << 26
"""A shard of the largest layer is about so large: few files for a file system, yet small enough to be written in memory."""


EMPTY_CHUNK: Final = (1 << 64) - 1
"""What Zarr's shards say of a chunk that holds the fill value alone and is not written."""


@dataclass(frozen=True)
class LayerShape:
    """A layer of a store.

    Attributes:
        dtype: NumPy name of its numbers' type.
        bands: Bands of a patch.
        rows: Rows and
        columns: columns of a patch.
    """

    dtype: str
    bands: int
    rows: int
    columns: int

    def __post_init__(self) -> None:
        """Refuse what is no type or no size."""
        np.dtype(self.dtype)
        if not all(isinstance(n, int) and n > 0 for n in self.chunk):
            raise ValueError(f"{self.chunk} is no size of a patch")

    @staticmethod
    def of(pixels: Array) -> "LayerShape":
        """That of a patch (bands, rows, columns)."""
        return LayerShape(pixels.dtype.name, *pixels.shape)

    @property
    def chunk(self) -> tuple[int, int, int]:
        """Bands, rows, columns."""
        return self.bands, self.rows, self.columns

    @property
    def nbytes(self) -> int:
        """Bytes of a patch."""
        return self.bands * self.rows * self.columns * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class StoreInfo:
    """What `pack.json` says.

    Attributes:
        patches: Number of patches.
        shard: Patches in a shard.
        compression: Of the chunks.
        layers: Shape of each layer.
        content: `hash_of_content` of the index that it was packed with.
    """

    patches: int
    shard: int
    compression: Compression
    layers: Mapping[str, LayerShape]
    content: str

    def __post_init__(self) -> None:
        """Refuse what no store can be."""
        if not all(isinstance(n, int) and n > 0 for n in (self.patches, self.shard)):
            raise ValueError(f"{self.patches} patches, {self.shard} in a shard")
        if self.compression not in get_args(Compression):
            raise ValueError(f"compression {self.compression!r}")
        if not self.layers:
            raise ValueError("no layers")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"version": STORE_VERSION, **asdict(self)}

    @staticmethod
    def from_text(text: str, origin: str) -> "StoreInfo":
        """The reverse of `to_dict`, from JSON.

        Raises:
            DatasetError: If it is no JSON, or of another version.
        """
        try:
            plain = json.loads(text)
            if (version := plain.pop("version")) != STORE_VERSION:
                raise DatasetError(
                    f"{origin} is of version {version}, this release reads version {STORE_VERSION}: update cerradata, or pack "
                    "the dataset again."
                )
            layers = {name: LayerShape(**shape) for name, shape in plain.pop("layers").items()}
            return StoreInfo(layers=layers, **plain)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"{origin} is damaged ({error!r}): pack the dataset again.") from error

    @property
    def shards(self) -> int:
        """Number of shards of a layer."""
        return -(-self.patches // self.shard)


def shard_of(largest: int) -> int:
    """Patches in a shard, of which the largest layer takes so many bytes."""
    return int(max(1, min(1024, SHARD_BYTES // largest)))


def empty_shard(patches: int) -> bytes:
    """A shard of the fill value alone: nothing but its index, which says so of each patch, and the checksum of that."""
    index = EMPTY_CHUNK.to_bytes(8, "little") * 2 * patches
    return index + int(crc32c(index)).to_bytes(4, "little")


def shard_file(layer: str, number: int) -> str:
    """Where a shard of a layer lies in the store, as Zarr names it."""
    return f"{layer}/c/{number}/0/0/0"


def hash_of_content(index: pd.DataFrame) -> str:
    """SHA-256 of the ids of an index and what their patches hold: splits and footprints do not matter."""
    digest = hashlib.sha256()
    for patch_id, content in sorted(zip(index["id"], index["content_hash"], strict=True)):
        digest.update(f"{patch_id} {content}\n".encode())
    return digest.hexdigest()


def store_of(root: Path) -> Path | None:
    """The whole store in a dataset's folder, or None."""
    store = root / STORE_FOLDER
    return store if (store / PACK_FILE).is_file() else None
