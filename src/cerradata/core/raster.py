"""GeoTIFF writing: one way, atomic, with names, palette, nodata and tags."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile

from cerradata.core.files import atomic_path
from cerradata.core.types import Array

Colour = tuple[int, int, int]


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


def write_geotiff(path: Path, pixels: Array, transform: Affine, crs: Any, look: RasterLook) -> str:  # noqa: ANN401
    """Write a compressed GeoTIFF, whole or not at all. It is not flushed to the disk (see `core.files.fsync`).

    Args:
        path: The file. Its folder must exist.
        pixels: (bands, rows, columns), any real dtype of GDAL.
        transform: Pixel corner to map coordinates.
        crs: What rasterio takes as a CRS, or None.
        look: Nodata, names, tags, palette.

    Returns:
        SHA-256 of the file, as hexadecimal digits.

    Raises:
        OutputError: If there is no space or no permission.
    """
    count, height, width = pixels.shape
    profile = {
        "driver": "GTiff",
        "count": count,
        "height": height,
        "width": width,
        "dtype": pixels.dtype.name,
        "crs": _parsed(crs) if isinstance(crs, str) else crs,
        "transform": transform,
        "nodata": look.nodata,
        # Deflate is lossless and read by everything; level 1 writes several times as fast as the default 6.
        "compress": "deflate",
        "zlevel": 1,
        "predictor": 3 if pixels.dtype.kind == "f" else 2,
        "interleave": "band",
    }
    # Encoded in memory: a full disk is then an error of Python's write, not a message that GDAL prints on closing.
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(pixels)
            describe(file, look)
        encoded = memory.getbuffer()
        with atomic_path(path, durable=False) as temporary:
            temporary.write_bytes(encoded)
        return hashlib.sha256(encoded).hexdigest()


@lru_cache(maxsize=16)
def _parsed(crs: str) -> CRS:
    """PROJ's database is asked once, not for each of thousands of small files: a quarter of the time of writing one."""
    return CRS.from_user_input(crs)


def describe(file: Any, look: RasterLook) -> None:  # noqa: ANN401 - a rasterio dataset open for writing
    """Write band names, tags and palette into an open rasterio dataset."""
    if look.bands:
        file.descriptions = tuple(look.bands)
    if look.tags:
        file.update_tags(**look.tags)
    if look.palette:
        file.write_colormap(1, {value: (*colour, 255) for value, colour in look.palette.items()})
        file.colorinterp = [ColorInterp.palette]
