"""Memory of batches used again: the system gives fresh memory page by page, which takes longer than filling it."""

import os
import sys

import numpy as np
import numpy.typing as npt

from cerradata.core.types import Array

_FREE = 3
"""References to an array that nobody holds but the list, the loop over it and the call that counts."""
_KEPT = 8


class Buffers:
    """Arrays that are given out again once nobody holds them, nor a view of them, nor a tensor made of them."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._arrays: list[Array] = []
        self._process = os.getpid()

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """An array with arbitrary content: as `numpy.empty`, but of memory that was used before, where there is some."""
        if self._process != os.getpid():  # a fork's arrays are its parent's, page by page copied
            self._arrays, self._process = [], os.getpid()
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        for array in self._arrays:
            if array.nbytes == size and sys.getrefcount(array) == _FREE:
                return array.view(dtype).reshape(shape)
        fresh = np.empty(size, np.uint8)
        self._arrays = [*self._arrays[-_KEPT + 1 :], fresh]
        return fresh.view(dtype).reshape(shape)

    def __getstate__(self) -> dict[str, int]:
        """Memory does not walk to other processes."""
        return {}

    def __setstate__(self, state: dict[str, int]) -> None:
        """Hold nothing yet."""
        self.__init__()  # type: ignore[misc]  # the usual way to begin anew
