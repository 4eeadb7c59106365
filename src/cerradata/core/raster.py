"""GeoTIFF writing: one way, atomic, with names, palette, nodata and tags."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import tifffile
from affine import Affine
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

from cerradata.core.files import atomic_path
from cerradata.core.types import Array

Colour = tuple[int, int, int]
_Tag = tuple[int, int, int, Any, bool]

_SAID = (34735, 34736, 34737, 42112, 42113, 320)
"""GeoTIFF keys of the CRS (directory, doubles, texts), GDAL's metadata and nodata, the palette."""
_STRIP_BYTES = 1 << 18


@dataclass(frozen=True)
class RasterLook:
    """What a raster file says of itself beside its pixels.

    Attributes:
        nodata: The value that means "nothing here", or None.
        bands: Name of each band, written as its description.
        tags: File tags.
        palette: Colour of each value, for one band of uint8 only.
    """

    nodata: float | None = None
    bands: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    palette: Mapping[int, Colour] | None = None


def write_geotiff(path: Path, pixels: Array, transform: Affine, crs: str | None, look: RasterLook) -> str:
    """Write a compressed GeoTIFF, whole or not at all. It is not flushed to the disk (see `core.files.fsync_all`).

    GDAL says once how the CRS and the look are put into tags; the pixels are then encoded by tifffile, with the same
    libraries. A patch of 128 x 128 pixels takes GDAL half a millisecond before the first of them is written, and a dataset has
    hundreds of thousands of such files.

    Args:
        path: The file. Its folder must exist.
        pixels: (bands, rows, columns), any real dtype of GDAL.
        transform: Pixel corner to map coordinates, north up.
        crs: Coordinate reference system, or None.
        look: Nodata, names, tags, palette.

    Returns:
        SHA-256 of the file, as hexadecimal digits.

    Raises:
        OutputError: If there is no space or no permission.
    """
    # Encoded in memory: a full disk is then an error of Python's write, not a message on closing.
    encoded = _encode(pixels, transform, crs, look)
    with atomic_path(path, durable=False) as temporary:
        temporary.write_bytes(encoded)
    return hashlib.sha256(encoded).hexdigest()


def _encode(pixels: Array, transform: Affine, crs: str | None, look: RasterLook) -> memoryview:
    count, height, width = pixels.shape
    said = _said(count, pixels.dtype.name, crs, _key(look))
    place = [
        (33550, 12, 3, (transform.a, -transform.e, 0.0), True),  # size of a pixel
        (33922, 12, 6, (0.0, 0.0, 0.0, transform.c, transform.f, 0.0), True),  # where the first corner lies
    ]
    file = BytesIO()
    tifffile.imwrite(
        file,
        pixels if count > 1 else pixels[0],
        photometric="palette" if look.palette else "minisblack",
        planarconfig="separate" if count > 1 else None,
        # Deflate is lossless and read by everything; level 1 writes several times as fast as the default 6.
        compression="adobe_deflate",
        compressionargs={"level": 1},
        predictor=3 if pixels.dtype.kind == "f" else 2,
        rowsperstrip=max(1, min(height, _STRIP_BYTES // (width * pixels.dtype.itemsize))),
        extratags=[*place, *said],
        software="",
        metadata=None,
        maxworkers=1,
    )
    return file.getbuffer()


def _key(look: RasterLook) -> tuple[Any, ...]:
    nodata = None if look.nodata is None else str(look.nodata)  # NaN is not equal to itself
    return nodata, tuple(look.bands), tuple(look.tags.items()), tuple((look.palette or {}).items())


@lru_cache(maxsize=64)
def _said(count: int, dtype: str, crs: str | None, key: tuple[Any, ...]) -> tuple[_Tag, ...]:
    """The tags with which GDAL says CRS, nodata, band names, file tags and palette, taken from a file of a few pixels."""
    nodata, bands, tags, palette = key
    look = RasterLook(None if nodata is None else float(nodata), bands, dict(tags), dict(palette))
    size = {"width": 2, "height": 2, "count": count, "dtype": dtype, "nodata": look.nodata}
    place = {} if crs is None else {"crs": crs, "transform": Affine(10, 0, 500_000, 0, -10, 0)}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", interleave="band", **size, **place) as file:
            describe(file, look)
        with tifffile.TiffFile(BytesIO(memory.getbuffer())) as written:
            return tuple(_copied(tag) for tag in written.pages.first.tags if tag.code in _SAID)


def _copied(tag: tifffile.TiffTag) -> _Tag:
    value = tag.value
    if isinstance(value, str):
        value = value.encode()  # GDAL's texts are UTF-8, which tifffile does not write of itself
        return tag.code, int(tag.dtype), len(value) + 1, value + b"\0", True
    return tag.code, int(tag.dtype), tag.count, value.ravel().tolist() if hasattr(value, "ravel") else value, True


def describe(file: Any, look: RasterLook) -> None:  # noqa: ANN401 - a rasterio dataset open for writing
    """Write band names, tags and palette into an open rasterio dataset."""
    if look.bands:
        file.descriptions = tuple(look.bands)
    if look.tags:
        file.update_tags(**look.tags)
    if look.palette:
        file.write_colormap(1, {value: (*colour, 255) for value, colour in look.palette.items()})
        file.colorinterp = [ColorInterp.palette]
