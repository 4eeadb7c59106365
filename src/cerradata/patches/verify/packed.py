"""The pixels of a packed store, patch by patch, as far as they can be read."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from cerradata.core.errors import DatasetError
from cerradata.core.types import Array
from cerradata.patches.source import PatchSource
from cerradata.patches.verify.expectation import PatchExpectation
from cerradata.patches.verify.patch import PatchPixels
from cerradata.patches.verify.store import StoreFindings

_CHUNK = 25
"""Patches that are read at once: their pixels may have to be sent to another process."""

ReadPatch = tuple[PatchExpectation, PatchPixels]


def read_packed(
    source: PatchSource, store: StoreFindings, patches: Sequence[PatchExpectation]
) -> Iterator[list[ReadPatch]]:
    """Read every patch.

    Args:
        source: The store.
        store: What came of looking at its files: what is known to be damaged is not read, and not named again.
        patches: Every patch of the index, in id order.

    Yields:
        Some patches, with the layers of each that could be read; those that the index says it lacks are left out.
    """
    shard = store.info.shard if store.info is not None else 1
    for start in range(0, len(patches), _CHUNK):
        chunk = [
            (patch, {layer for layer in source.layers if (layer, row // shard) not in store.damaged} - patch.lacks)
            for row, patch in enumerate(patches[start : start + _CHUNK], start)
        ]
        layers: list[dict[str, Array]] = [{} for _ in chunk]
        unreadable: list[list[str]] = [[] for _ in chunk]
        for layer in source.layers:
            places = [place for place, (_, wanted) in enumerate(chunk) if layer in wanted]
            for place, pixels in _read(source, layer, {place: chunk[place][0].id for place in places}).items():
                if isinstance(pixels, DatasetError):
                    unreadable[place].append(str(pixels))
                else:
                    layers[place][layer] = pixels
        yield [(patch, PatchPixels(own, why)) for (patch, _), own, why in zip(chunk, layers, unreadable, strict=True)]


def _read(source: PatchSource, layer: str, ids: Mapping[int, int]) -> dict[int, Array | DatasetError]:
    """Pixels of some patches by their key, or why they cannot be read: one damaged patch does not hide the others."""
    if not ids:
        return {}
    try:
        return dict(zip(ids, np.asarray(source.read(layer, list(ids.values()))), strict=True))
    except DatasetError as error:
        if len(ids) == 1:
            return dict.fromkeys(ids, error)
        return {key: own for one in ids for key, own in _read(source, layer, {one: ids[one]}).items()}
