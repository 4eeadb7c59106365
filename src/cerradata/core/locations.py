"""Where data lies: local paths and the URIs that GDAL and fsspec understand."""

import os
from pathlib import Path


class Location(str):
    """A local path, a URI (`s3://bucket/key`, `https://...`) or a path of GDAL's own (`/vsizip/scene.zip/B02.tif`).

    In a configuration file a relative location is relative to the file; the command line resolves it when it reads
    the file, so that a `Location` held by a configuration object is absolute.
    """

    __slots__ = ()

    @property
    def is_remote(self) -> bool:
        """Whether the location is a URI or a path of GDAL's own: not one that the file system can look up."""
        return "://" in self or self.startswith("/vsi")

    @property
    def path(self) -> Path:
        """The location as a local path. Meaningless for a remote one."""
        return Path(self)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.rstrip("/").rsplit("/", 1)[-1]

    @staticmethod
    def absolute(value: str) -> "Location":
        """`value` made absolute against the current folder; a URI stays as it is."""
        return Location(value if "://" in value else os.path.abspath(os.path.expanduser(value)))
