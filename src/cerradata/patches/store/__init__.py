"""A dataset in few large files: a lossless store that is read at the speed of memory, and back to GeoTIFFs."""

from cerradata.patches.store.pack import PackOptions, pack_dataset
from cerradata.patches.store.read import PackedPatches
from cerradata.patches.store.unpack import unpack_dataset

__all__ = ["PackOptions", "PackedPatches", "pack_dataset", "unpack_dataset"]
