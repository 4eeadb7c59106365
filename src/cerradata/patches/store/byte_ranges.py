"""Byte ranges of the files of a store, from a local disk or an object store."""

import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, Final, NamedTuple, Protocol

import fsspec

from cerradata.core.errors import DatasetError

_OPEN_FILES: Final = 192
"""Shards that are kept open: a process may usually have 1,024 files."""
_READERS: Final = 4
_REQUESTS: Final = 32
_ALONE_BYTES: Final = 1 << 20
"""Below this, threads cost more than they bring."""


class ByteRange(NamedTuple):
    """Some bytes of a file of the store, and where they shall go."""

    file: str
    offset: int
    into: memoryview


class ByteStore(Protocol):
    """Where the files of a store lie."""

    name: str

    def fill(self, ranges: Sequence[ByteRange]) -> None:
        """Read some bytes into their places.

        Raises:
            DatasetError: If a file is missing or too short.
        """

    def tails(self, files: Sequence[str], size: int) -> list[bytes]:
        """The last bytes of several files; fewer of a file that is shorter.

        Raises:
            DatasetError: If a file is missing or cannot be read.
        """

    def text(self, file: str) -> str:
        """A small file, as text.

        Raises:
            DatasetError: If it is missing or cannot be read.
        """


class LocalBytes:
    """A folder. Files are read, not mapped: mapped pages would count as memory of the process."""

    def __init__(self, root: Path) -> None:
        """Use a store's folder."""
        self.root = root
        self.name = str(root)
        self._open: OrderedDict[str, int] = OrderedDict()
        self._readers: ThreadPoolExecutor | None = None
        self._lock = Lock()

    def fill(self, ranges: Sequence[ByteRange]) -> None:
        """See `ByteStore`. Several readers at once: a disk answers many requests sooner than one after the other."""
        with self._lock:  # another thread must not close what this one reads
            self._fill_all(ranges)

    def _fill_all(self, ranges: Sequence[ByteRange]) -> None:
        if len(ranges) > _OPEN_FILES and len({file for file, _, _ in ranges}) > _OPEN_FILES:
            ordered = sorted(ranges, key=lambda wanted: wanted.file)
            for first in range(0, len(ordered), _OPEN_FILES):
                self._fill_all(ordered[first : first + _OPEN_FILES])
            return
        found = [(self._descriptor(file), offset, into, file) for file, offset, into in ranges]
        if sum(into.nbytes for _, _, into, _ in found) < _ALONE_BYTES:
            self._fill(found)
        else:
            if self._readers is None:
                self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="patches")
            list(self._readers.map(self._fill, (found[i::_READERS] for i in range(_READERS))))
        while len(self._open) > _OPEN_FILES:
            os.close(self._open.popitem(last=False)[1])

    def tails(self, files: Sequence[str], size: int) -> list[bytes]:
        """See `ByteStore`."""
        with self._lock:
            return [self._tail(file, size) for file in files]

    def _tail(self, file: str, size: int) -> bytes:
        descriptor = self._descriptor(file)
        try:
            start = max(0, os.fstat(descriptor).st_size - size)
            found = bytearray(size)
            return bytes(found[: _read_at(descriptor, memoryview(found), start)])
        except OSError as error:
            raise self._unreadable(file, error) from error

    def text(self, file: str) -> str:
        """See `ByteStore`."""
        try:
            return (self.root / file).read_text(encoding="utf-8")
        except OSError as error:
            raise self._unreadable(file, error) from error
        except UnicodeDecodeError as error:
            raise DatasetError(f"{self.root / file} is damaged ({error}): pack the dataset again.") from error

    def close(self) -> None:
        """Close the files."""
        while self._open:
            os.close(self._open.popitem()[1])

    def __del__(self) -> None:
        """Close the files: those of a parent process, too, of which a forked one has a copy."""
        self.close()

    def _fill(self, found: Sequence[tuple[int, int, memoryview, str]]) -> None:
        for descriptor, offset, into, file in found:
            done = 0
            while done < into.nbytes:  # a network disk may give less than was asked for
                try:
                    got = _read_at(descriptor, into[done:], offset + done)
                except OSError as error:
                    raise self._unreadable(file, error) from error
                if got == 0:
                    raise DatasetError(f"{self.root / file} is cut short: copy it again, or pack the dataset again.")
                done += got

    def _descriptor(self, file: str) -> int:
        if file in self._open:
            self._open.move_to_end(file)
            return self._open[file]
        try:
            self._open[file] = os.open(self.root / file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise self._unreadable(file, error) from error
        return self._open[file]

    def _unreadable(self, file: str, error: OSError) -> DatasetError:
        return DatasetError(
            f"{self.root / file} cannot be read ({error.strerror}): copy it again, or pack the dataset again."
        )


def _read_at_once(descriptor: int, into: memoryview, offset: int) -> int:
    return os.preadv(descriptor, [into], offset)


def _seek_and_read(descriptor: int, into: memoryview, offset: int) -> int:
    with _SEEKING:  # the readers share the place in a file
        os.lseek(descriptor, offset, os.SEEK_SET)
        data = os.read(descriptor, into.nbytes)
    into[: len(data)] = data
    return len(data)


_SEEKING: Final = Lock()
_read_at = _read_at_once if hasattr(os, "preadv") else _seek_and_read  # Windows has no `preadv`


class RemoteBytes:
    """A URI that fsspec understands: `s3://`, `gs://`, `https://`."""

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            DatasetError: If the URI's kind is unknown or its library is not installed.
        """
        self.name = url.rstrip("/")
        try:
            self._system, self._path = fsspec.core.url_to_fs(self.name)
        except (ImportError, ValueError) as error:
            raise DatasetError(f"{url} cannot be read ({error}): pip install 'cerradata[remote]' for s3://.") from error

    def fill(self, ranges: Sequence[ByteRange]) -> None:
        """See `ByteStore`. All ranges are asked for at once."""
        if not ranges:
            return
        paths = [f"{self._path}/{file}" for file, _, _ in ranges]
        starts = [offset for _, offset, _ in ranges]
        ends = [offset + into.nbytes for _, offset, into in ranges]
        for path, (_, _, into), data in zip(
            paths, ranges, self._system.cat_ranges(paths, starts, ends, on_error="return"), strict=True
        ):
            if isinstance(data, BaseException) or len(data) != into.nbytes:
                said = repr(data) if isinstance(data, BaseException) else f"{len(data)} of {into.nbytes} bytes"
                raise DatasetError(f"{self.name}: {path} cannot be read ({said}).")
            into[:] = data

    def tails(self, files: Sequence[str], size: int) -> list[bytes]:
        """See `ByteStore`. All are asked for at once: there may be one for each patch of a batch."""
        with ThreadPoolExecutor(min(_REQUESTS, max(1, len(files)))) as pool:
            return list(pool.map(lambda file: bytes(self._asked(file, start=-size)), files))

    def text(self, file: str) -> str:
        """See `ByteStore`."""
        try:
            return bytes(self._asked(file)).decode()
        except UnicodeDecodeError as error:
            raise DatasetError(f"{self.name}/{file} is damaged ({error}): copy it again.") from error

    def _asked(self, file: str, **part: int) -> Any:  # noqa: ANN401 - bytes, of an untyped library
        try:
            return self._system.cat_file(f"{self._path}/{file}", **part)
        except Exception as error:  # each file system raises classes of its own
            raise DatasetError(f"{self.name}/{file} cannot be read ({error!r}).") from error
