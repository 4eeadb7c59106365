"""Many patches at once, read as they are stored."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from cerradata.core.types import Array
from cerradata.data.buffers import Buffers
from cerradata.data.samplers import times_and_positions
from cerradata.data.selection import BandSelection, OpenedDataset
from cerradata.legend import Level
from cerradata.patches.layout import edge_layer, semantic_layer

StoredBatch = dict[str, Any]
"""`layers`: (B, bands, H, W) by layer, in the stored type; `mask` and `edge`: (B, H, W) in theirs; `id`: (B,) int64;
`absent`: by layer (B,) bool, where some patches lack it; `draw`: (B,) int64, what random draws are keyed on: the id, and how
often the patch came before in the epoch."""

_TIMES: Final = 1 << 48
"""Ids are smaller."""


class StoredBatches(Dataset[StoredBatch]):
    """Reads patches without changing a number: half the bytes of float32 walk to the device."""

    def __init__(
        self, opened: OpenedDataset, inputs: BandSelection, targets: BandSelection, level: Level, *, edges: bool
    ) -> None:
        """Say what to read.

        Args:
            opened: The dataset.
            inputs: Bands of the image.
            targets: Bands of the regression targets.
            level: Level of the labels.
            edges: Read the boundary masks too.
        """
        self._source = opened.source
        self._layers = tuple(dict.fromkeys((*inputs.layers, *targets.layers)))
        self._labels = {"mask": semantic_layer(level), **({"edge": edge_layer(level)} if edges else {})}
        self._buffers = Buffers()
        self._lacks = {layer: ids for layer, ids in opened.lacks.items() if layer in self._layers and ids}

    def require(self, ids: Sequence[int]) -> None:
        """Raise `DatasetError` if a file is missing."""
        self._source.require((*self._layers, *self._labels.values()), ids)

    def read(self, ids: Sequence[int], *, shared: bool = False) -> StoredBatch:
        """Some patches.

        Args:
            ids: Their ids, in any order.
            shared: Read into memory that another process can use, see `_shared`.

        Raises:
            DatasetError: If a file cannot be read.
        """
        batch: StoredBatch = {
            "layers": {layer: self._tensor(layer, ids, shared=shared) for layer in self._layers},
            "id": torch.tensor(ids, dtype=torch.int64),
        }
        for name, layer in self._labels.items():
            batch[name] = self._tensor(layer, ids, shared=shared)[:, 0]
        if self._lacks:
            batch["absent"] = {
                layer: torch.tensor([patch_id in own for patch_id in ids]) for layer, own in self._lacks.items()
            }
        return batch

    def patch_size(self, ids: Sequence[int]) -> int:
        """Rows of the patches, of which one is read."""
        return int(self._source.read(self._labels["mask"], ids[:1]).shape[-1])

    def _tensor(self, layer: str, ids: Sequence[int], *, shared: bool) -> Tensor:
        if not shared:
            return torch.from_numpy(self._source.read(layer, ids, self._buffers.empty))
        made: list[Tensor] = []

        def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
            made.append(_shared(shape, dtype))
            return np.asarray(made[-1].numpy())

        self._source.read(layer, ids, empty)
        return made[-1]


def _shared(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
    """Memory that a worker of a loader shares with the process that trains: the batch is read to where it is needed.

    PyTorch's own collation does the same; else the batch would be copied once more.
    """
    storage = torch.UntypedStorage._new_shared(int(np.prod(shape)) * dtype.itemsize)  # type: ignore[no-untyped-call]
    flat = torch.empty(0, dtype=torch.from_numpy(np.empty(0, dtype)).dtype)
    flat.set_(storage)
    return flat.view(shape)


class BatchesOf(Dataset[StoredBatch]):
    """The batches of a loader: an item is a whole batch, asked for by a list of positions."""

    def __init__(self, stored: StoredBatches, ids: Sequence[int]) -> None:
        """Take what reads, and the ids by position."""
        self._stored = stored
        self._ids = np.asarray(ids, np.int64)

    def __getitem__(self, given: Sequence[int]) -> StoredBatch:
        """The patches at some positions, as samplers give them (see `times_and_positions`).

        Raises:
            DatasetError: If a file cannot be read.
        """
        times, positions = times_and_positions(given, len(self._ids))
        ids = self._ids[positions]
        batch = self._stored.read(ids.tolist(), shared=get_worker_info() is not None)
        return {**batch, "draw": torch.from_numpy(ids + times * _TIMES)}
