"""Strips of class probabilities -> a Cloud-Optimized GeoTIFF of classes, with style and class names beside it."""

import math
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.windows import Window
from rio_cogeo.cogeo import cog_translate
from rio_cogeo.profiles import cog_profiles

from cerradata.core.errors import LegendError, OutputError
from cerradata.core.files import atomic_path, write_text
from cerradata.core.raster import RasterLook, describe
from cerradata.core.types import UNLABELLED, CountArray, LabelArray
from cerradata.legend import Legend, Level
from cerradata.mapping.merge import Strip
from cerradata.mapping.style import SIDECAR_SUFFIX, STYLE_SUFFIX, category_sidecar, qml_style

NO_DATA = UNLABELLED
"""Value of a map where the scenes have no data."""

_PALETTE_OF_NO_DATA = (0, 0, 0)
_BLOCK = 512  # that of rio-cogeo's profiles
_BIGTIFF = "IF_SAFER"  # a plain TIFF ends at 4 GB; GDAL's own default guesses wrong for compressed files


@dataclass(frozen=True)
class MapFiles:
    """The files of a map and what is in it.

    Attributes:
        map: Cloud-Optimized GeoTIFF, one band of uint8: class ids, 255 = no data.
        style: QGIS style.
        sidecar: Names of the classes for GDAL.
        pixels: Pixels of each class, in the order of the ids. No areas: pixels of a UTM grid differ in area.
        pixels_without_data: Pixels where the scenes have no data.
        simulated: Which simulations made the scenes or the run's data; nothing for real data.
    """

    map: Path
    style: Path
    sidecar: Path
    pixels: tuple[int, ...]
    pixels_without_data: int
    simulated: tuple[str, ...] = ()


def write_map(
    path: Path, strips: Iterable[Strip], grid: GeoBox, level: Level, legend: Legend, tags: Mapping[str, str]
) -> MapFiles:
    """Write the most probable class of each pixel as a Cloud-Optimized GeoTIFF.

    Strips are written as they come, into a temporary file beside `path`. Style and class names appear just before the
    map does, so where there is a finished map they are there too; if the strips fail, none of them appears.

    Args:
        path: The map to write, `.tif`.
        strips: The rows of the scene from top to bottom, without gap.
        grid: Grid of the scene.
        level: Level of the legend that the strips' classes are of.
        legend: The legend.
        tags: File tags in addition to those of the legend.

    Raises:
        LegendError: If `level` is not a level of `legend`.
        OutputError: If the strips do not fill the grid or have another number of classes than the level, if `path`
            has another suffix, or if there is no space or no permission.
    """
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise OutputError(f"The map {path} is a GeoTIFF: choose a name that ends in .tif.")
    if legend.level(level.number) != level:
        raise LegendError(f"Level {level.number} to write into {path} is not that of the legend {legend.name!r}.")
    look = RasterLook(
        nodata=NO_DATA,
        bands=(f"{legend.title}, level {level.number}",),
        tags={**tags, **legend.tags(level.number)},
        palette={**level.palette, NO_DATA: _PALETTE_OF_NO_DATA},
    )
    style, sidecar = path.with_suffix(STYLE_SUFFIX), path.with_name(path.name + SIDECAR_SUFFIX)
    with (
        atomic_path(path) as temporary,
        tempfile.TemporaryDirectory(prefix=f".{path.stem}.", dir=path.parent) as folder,
    ):
        plain = Path(folder) / "strips.tif"
        counts = _write_strips(plain, strips, grid, len(level), look)
        _optimise(plain, temporary)
        write_text(style, qml_style(level))
        write_text(sidecar, category_sidecar(level))
    return MapFiles(path, style, sidecar, tuple(counts[: len(level)].tolist()), int(counts[NO_DATA]))


def _write_strips(path: Path, strips: Iterable[Strip], grid: GeoBox, classes: int, look: RasterLook) -> CountArray:
    """Write a tiled GeoTIFF strip by strip; gives the (256,) pixel count of each value."""
    height, width = grid.shape
    profile = {
        "driver": "GTiff",
        "count": 1,
        "height": height,
        "width": width,
        "dtype": "uint8",
        "crs": None if grid.crs is None else grid.crs.to_wkt(),
        "transform": grid.affine,
        "nodata": look.nodata,
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "compress": "deflate",
        "zlevel": 1,  # the file is read once and deleted
        "bigtiff": _BIGTIFF,
    }
    counts = np.zeros(256, np.int64)
    row = 0
    with rasterio.open(path, "w", **profile) as file:
        describe(file, look)
        for strip in strips:
            _check_strip(strip, row, (classes, height, width))
            values = most_probable(strip)
            rows = values.shape[0]
            file.write(values, 1, window=Window(0, row, width, rows))
            counts += np.bincount(values.ravel(), minlength=256)
            row += rows
    if row != height:
        raise OutputError(f"The strips of the map end at row {row}, its grid has {height}: all rows are needed.")
    return counts


def most_probable(strip: Strip) -> LabelArray:
    """The class of the greatest probability, the first one of equals.

    Returns:
        (rows, W) uint8: class ids, 255 where the scene has no data.
    """
    best = strip.probabilities[0].copy()
    values = np.zeros(best.shape, np.uint8)
    for class_id, plane in enumerate(strip.probabilities[1:], start=1):  # numpy's argmax over the first axis is slower
        values[plane > best] = class_id
        np.maximum(best, plane, out=best)
    values[~strip.valid] = NO_DATA
    return values


def _check_strip(strip: Strip, row: int, shape: tuple[int, int, int]) -> None:
    classes, height, width = shape
    found_classes, rows, found_width = strip.probabilities.shape
    if found_classes != classes:
        raise OutputError(f"The strips have {found_classes} classes, the level of the map has {classes}: they differ.")
    if strip.row != row or row + rows > height or found_width != width or strip.valid.shape != (rows, width):
        raise OutputError(
            f"A strip of {rows} rows and {found_width} columns at row {strip.row} does not fit: the map has {height} "
            f"rows and {width} columns, and row {row} is next."
        )


def _optimise(source: Path, target: Path) -> None:
    """Copy a GeoTIFF into a Cloud-Optimized one."""
    with rasterio.open(source) as file:
        longest = max(file.shape)
    profile = {**cog_profiles["deflate"], "bigtiff": _BIGTIFF}
    cog_translate(
        source,
        target,
        profile,
        # Down to one block. rio-cogeo's own count goes by the shorter side and leaves long, narrow maps without any.
        overview_level=max(0, math.ceil(math.log2(longest / _BLOCK))),
        # An overview pixel is the most frequent class beneath it: an average of ids would be another class.
        overview_resampling="mode",
        allow_intermediate_compression=True,
        in_memory=False,
        quiet=True,
    )
