"""Memory of batches used again: the system gives fresh memory page by page, which takes longer than filling it."""

from ctypes import c_ubyte
from typing import Final
from weakref import finalize

import numpy as np
import numpy.typing as npt

from cerradata.core.types import Array

_KEPT: Final = 16


class Buffers:
    """Arrays whose memory is used again once nobody holds them, nor a view of them, nor a tensor made of them."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._free: list[Array] = []

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array with arbitrary content: as `numpy.empty`, but of memory that was used before, where there is some."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if size == 0:
            return np.empty(shape, dtype)
        block = self._taken(size)
        # Whatever is made of the array holds the lease; when the last of them goes, its memory is free again
        lease = (c_ubyte * size).from_buffer(block)  # type: ignore[arg-type]  # an array is a buffer
        finalize(lease, self._give_back, block).atexit = False
        given: Array = np.ctypeslib.as_array(lease).view(dtype).reshape(shape)
        return given

    def _taken(self, size: int) -> Array:
        for place, block in enumerate(self._free):
            if block.nbytes == size:
                return self._free.pop(place)
        return np.empty(size, np.uint8)

    def _give_back(self, block: Array) -> None:
        self._free.append(block)
        del self._free[:-_KEPT]

    def __getstate__(self) -> dict[str, list[Array]]:
        """Memory does not walk to other processes."""
        return {"_free": []}
