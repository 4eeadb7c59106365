"""A journal of finished chunks, so that long work goes on where it was killed."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cerradata.core.files import reported_output_errors


class Journal:
    """One JSON object a line, each flushed to the disk before `append` returns.

    A line cut short by a kill is ignored on reading: its chunk counts as not done.
    """

    def __init__(self, path: Path) -> None:
        """Use the journal at `path`, which need not exist."""
        self.path = path

    def append(self, entry: dict[str, Any]) -> None:
        """Add an entry.

        Raises:
            OutputError: If there is no space or no permission.
        """
        line = json.dumps(entry, allow_nan=False, separators=(",", ":")).encode()
        with reported_output_errors(self.path), self.path.open("ab") as file:
            # a line of a killed writer may lack its end
            start = b"" if file.tell() == 0 or _ends_with_newline(self.path) else b"\n"
            file.write(start + line + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def entries(self) -> Iterator[dict[str, Any]]:
        """The whole entries in order."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                except ValueError:  # cut short
                    continue
                if isinstance(entry, dict):
                    yield entry


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
