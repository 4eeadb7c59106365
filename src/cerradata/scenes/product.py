"""The files of a product: a folder, or the zip in which it was distributed, read where it lies."""

import re
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.core.types import Sensor
from cerradata.scenes.bands import band_of_file

_ZIP = ".zip"
_SAFE = ".safe"
_MACINTOSH = "__MACOSX"  # folder that the zip program of macOS adds: it holds a "._NAME" for each NAME
_METADATA = re.compile(r"MTD_MSIL(?:1C|2A)\.xml")
_METADATA_OF_A_FILE = ("{stem}_MTD_MSIL1C.xml", "{stem}_MTD_MSIL2A.xml", "{stem}.json")


@dataclass(frozen=True)
class ProductFiles:
    """The files of a product, listed and not yet opened.

    Attributes:
        root: The folder or the zip.
        names: Files below it, as paths with "/" relative to it, sorted. Hidden files are left out.
        zipped: Whether `root` is a zip.
    """

    root: Location
    names: tuple[str, ...]
    zipped: bool = False

    def location(self, name: str) -> Location:
        """Where GDAL reads a file of `names`: in a zip through `/vsizip/`, without unpacking."""
        return Location(f"/vsizip/{self.root}/{name}" if self.zipped else str(self.root.path / name))

    def read_bytes(self, name: str) -> bytes:
        """The content of a file of `names`.

        Raises:
            SceneError: If it cannot be read, or its check sum in the zip is wrong.
        """
        try:
            if not self.zipped:
                return (self.root.path / name).read_bytes()
            with zipfile.ZipFile(self.root) as archive:
                return archive.read(name)
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise SceneError(f"{self.location(name)} cannot be read ({error}): fetch the product again.") from error

    @cached_property
    def top(self) -> str:
        """Name of the product's own folder: that in the zip where the zip holds one only, else of the root."""
        tops = {name.split("/", 1)[0] for name in self.names if "/" in name}
        if self.zipped and len(tops) == 1 and all("/" in name for name in self.names):
            return tops.pop()
        return self.root.name


def holds_product(location: Location) -> bool:
    """Whether a location is what may hold a product: a local folder, or a local zip."""
    return not location.is_remote and (location.path.is_dir() or _is_zip(location))


def product_files(location: Location) -> ProductFiles:
    """List the files of a product.

    Args:
        location: A local folder, or a local zip of one.

    Raises:
        SceneError: If a zip is none, or is cut short; or if the location is remote.
    """
    if location.is_remote:
        raise SceneError(
            f"{location}: a remote folder or zip cannot be listed. Give one file with all bands, or copy the product."
        )
    if _is_zip(location):
        return ProductFiles(location, _kept(_members(location)), zipped=True)
    folder = location.path
    return ProductFiles(location, _kept(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()))


def files_beside(location: Location) -> ProductFiles:
    """The metadata that lie beside a single file and bear its name; none for a remote one.

    These are the STAC item `<stem>.json`, and `<stem>_MTD_MSIL1C.xml` or `<stem>_MTD_MSIL2A.xml`: the product's metadata
    file, renamed. One that does not bear the name could be of any file in the folder.
    """
    if location.is_remote:
        return ProductFiles(location, ())
    folder, stem = location.path.parent, location.path.stem
    names = (pattern.format(stem=stem) for pattern in _METADATA_OF_A_FILE)
    return ProductFiles(Location(folder), tuple(name for name in names if (folder / name).is_file()))


def require_one_product(files: ProductFiles, sensor: Sensor) -> None:
    """Raise `SceneError` naming the products if a folder or zip holds several of a sensor."""
    found = sorted({product for name in files.names if (product := _product_of(name, sensor)) is not None})
    if len(found) > 1:
        raise SceneError(
            f"{files.root} holds {len(found)} products: {', '.join(found)}. One folder or zip is one scene of one date: "
            "give each product as a scene of its own."
        )


def zips_in(files: ProductFiles) -> tuple[str, ...]:
    """The zips among the files of a folder."""
    return tuple(name for name in files.names if name.lower().endswith(_ZIP))


def _is_zip(location: Location) -> bool:
    return location.lower().endswith(_ZIP) and location.path.is_file()


def _members(location: Location) -> list[str]:
    try:
        with zipfile.ZipFile(location) as archive:
            return [member.filename for member in archive.infolist() if not member.is_dir()]
    except (OSError, zipfile.BadZipFile) as error:
        raise SceneError(f"{location} is no zip, or cut short ({error}): fetch it again.") from error


def _kept(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if not any(map(_is_hidden, PurePosixPath(name).parts))))


def _is_hidden(part: str) -> bool:
    return part == _MACINTOSH or part.startswith(".")


def _product_of(name: str, sensor: Sensor) -> str | None:
    """The product's folder to which a file belongs, if it is one by which products of the sensor are told apart."""
    path = PurePosixPath(name)
    metadata = sensor == "sentinel-2" and _METADATA.fullmatch(path.name) is not None
    safe = next((folder for folder in reversed(path.parents) if folder.suffix.lower() == _SAFE), None)
    if safe is not None:
        return str(safe) if metadata or band_of_file(path.name, sensor) is not None else None
    return str(path.parent) if metadata else None
