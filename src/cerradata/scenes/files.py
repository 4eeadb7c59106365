"""Finding and checking the raster files of a scene."""

import math
import re
from collections.abc import Iterable, Mapping

import pyproj
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from cerradata.core.errors import DamagedSceneError, SceneError
from cerradata.core.locations import Location
from cerradata.core.types import Sensor
from cerradata.scenes.band_file import BandFile
from cerradata.scenes.bands import BANDS, band_of_file
from cerradata.scenes.product import ProductFiles, product_files, require_one_product, zips_in
from cerradata.scenes.scl import SCL_RESOLUTION, is_scl_file

_SUFFIXES = (".jp2", ".tif", ".tiff")
_METRES_A_DEGREE = 111_000
_RESOLUTION_IN_NAME = re.compile(r"_(\d\d)m$")


def raster_grid(location: Location) -> tuple[GeoBox, int, float | None]:
    """Grid, number of bands and declared nodata of a raster file.

    Raises:
        SceneError: If the file is missing, is no raster, or has no coordinate reference system.
    """
    if not location.is_remote and not location.path.is_file():
        raise SceneError(f"There is no file {location}.")
    try:
        with rasterio.open(location) as dataset:
            if dataset.crs is None:
                remedy = (
                    "it has ground control points only, so terrain-correct it first"
                    if dataset.gcps[0]
                    else "if you know it, set it with `gdal_edit.py -a_srs EPSG:...`"
                )
                raise SceneError(f"{location} has no coordinate reference system: {remedy}.")
            grid = GeoBox((dataset.height, dataset.width), dataset.transform, _horizontal(dataset.crs))
            return grid, dataset.count, dataset.nodata
    except RasterioError as error:
        raise _damaged(location, error) from error


def _damaged(location: Location, error: RasterioError) -> DamagedSceneError:
    return DamagedSceneError(f"{location} cannot be opened as a raster ({str(error).rstrip('.')}). Is it whole?")


def stack_bands(location: Location, bands: tuple[str, ...], sensor: Sensor) -> dict[str, BandFile]:
    """The bands of one file that holds them all.

    Args:
        location: The file.
        bands: Band names in the order of the file. It must be said: descriptions in files are often empty or wrong.
        sensor: Whose bands they are.

    Raises:
        SceneError: If names are unknown or doubled, or their number differs from the file's.
    """
    unknown = [band for band in bands if band not in BANDS[sensor]]
    if unknown:
        raise SceneError(f"{sensor} has no band {unknown[0]!r}: it has {', '.join(BANDS[sensor])}.")
    if len(set(bands)) != len(bands):
        raise SceneError(f"The band order given for {location} names a band twice: {', '.join(bands)}.")
    grid, count, nodata = raster_grid(location)
    if count != len(bands):
        raise SceneError(
            f"{location} has {count} bands, but {len(bands)} names are given ({', '.join(bands)}): "
            "name each band in the order of the file (`bands:` in a configuration, --bands on the command line)."
        )
    return {band: BandFile(location, index, grid, nodata) for index, band in enumerate(bands, start=1)}


def folder_bands(folder: Location, sensor: Sensor) -> dict[str, BandFile]:
    """The bands of a folder or zip with one file a band, read from the names; of several resolutions the native one.

    Raises:
        SceneError: If it is remote, is no whole zip, holds several products, no band file, one with several bands, or two
            files of the same band and resolution.
    """
    if sensor == "elevation":
        raise SceneError(f"{folder} is a folder or a zip: elevation is read from one file. Give the file.")
    files = product_files(folder)
    require_one_product(files, sensor)
    found: dict[str, BandFile] = {}
    for path in _rasters(files):
        band = band_of_file(path.name, sensor)
        if band is None:
            continue
        file = _single_band(path, band)
        if band in found and _pixel(found[band]) == _pixel(file):
            raise SceneError(
                f"{folder} holds two files of band {band}: {found[band].location} and {path}. One folder is one "
                "scene of one date: give each its own folder."
            )
        native = BANDS[sensor][band].resolution
        if band not in found or abs(_pixel(file) - native) < abs(_pixel(found[band]) - native):
            found[band] = file
    if not found:
        zips = zips_in(files)
        remedy = f" It holds {', '.join(zips)}: give each zip as a scene of its own." if zips else ""
        raise SceneError(
            f"{folder} holds no {sensor} band files (names that end in _B02.jp2, _VV.tif or the like).{remedy}"
        )
    return {band: found[band] for band in BANDS[sensor] if band in found}


def scl_file(folder: Location) -> BandFile | None:
    """The scene classification layer in a folder or zip, that of 20 m where there are several; None if there is none.

    Raises:
        SceneError: If there are two of the same resolution, or a file has several bands.
    """
    found: dict[float, BandFile] = {}
    for path in (p for p in _rasters(product_files(folder)) if is_scl_file(p.name)):
        file = _single_band(path, "SCL")
        if _pixel(file) in found:
            raise SceneError(
                f"{folder} holds two scene classifications: {found[_pixel(file)].location} and {path}. One folder is one "
                "scene of one date: give each its own folder."
            )
        found[_pixel(file)] = file
    return found[min(found, key=lambda size: abs(size - SCL_RESOLUTION))] if found else None


def raster_crs(location: Location) -> str:
    """The whole coordinate reference system of a raster file as WKT: with its vertical part, where it has one.

    Raises:
        SceneError: If it cannot be opened.
    """
    try:
        with rasterio.open(location) as dataset:
            return str(dataset.crs.to_wkt())
    except RasterioError as error:
        raise _damaged(location, error) from error


def raster_tag(location: Location, name: str) -> str | None:
    """A tag of a raster file, or None.

    Raises:
        SceneError: If it cannot be opened.
    """
    try:
        with rasterio.open(location) as dataset:
            value = dataset.tags().get(name)
    except RasterioError as error:
        raise SceneError(f"{location} cannot be opened as a raster: {error}. Is it whole?") from error
    return None if value is None else str(value)


def _horizontal(crs: rasterio.CRS) -> str:
    """A coordinate reference system without its vertical part: rasters are laid over each other on the ground."""
    whole = pyproj.CRS.from_wkt(crs.to_wkt())
    return str(crs) if len(whole.axis_info) < 3 else str(rasterio.CRS.from_wkt(whole.to_2d().to_wkt()))


def _rasters(files: ProductFiles) -> list[Location]:
    return [files.location(name) for name in files.names if name.lower().endswith(_SUFFIXES)]


def _single_band(location: Location, band: str) -> BandFile:
    grid, count, nodata = raster_grid(location)
    if count != 1:
        raise SceneError(
            f"{location} is named as band {band} but has {count} bands. In a folder each file holds one band: give this "
            "file itself as the path, with `bands` in its order."
        )
    return BandFile(location, 1, grid, nodata)


def require_bands(found: Mapping[str, BandFile], wanted: Iterable[str], scene: str) -> None:
    """Raise `SceneError` naming each wanted band that was not found."""
    missing = [band for band in wanted if band not in found]
    if missing:
        raise SceneError(
            f"Scene {scene} lacks {', '.join(missing)}: found are {', '.join(found)}. "
            "Add the file, or leave the band out of `bands`."
        )


def require_whole_product(found: Mapping[str, BandFile], images: Iterable[str], scene: str) -> None:
    """Raise `SceneError` naming each image of a band that a Sentinel-2 product is said to have and does not.

    Args:
        found: Files of the bands that were found; that of the scene classification as "SCL".
        images: Names, without suffix, of the images that the metadata list. Of a band in several resolutions the native
            one counts: the others are made from it.
        scene: Name of the scene, for messages.
    """
    missing = []
    for image in images:
        name = f"{image}.jp2"
        band = "SCL" if is_scl_file(name) else band_of_file(name, "sentinel-2")
        if band is None:
            continue
        native = SCL_RESOLUTION if band == "SCL" else BANDS["sentinel-2"][band].resolution
        resolution = _RESOLUTION_IN_NAME.search(image)
        is_native = resolution is None or int(resolution[1]) == native
        if is_native and (band not in found or _pixel(found[band]) > native):
            missing.append(name)
    if missing:
        raise SceneError(
            f"Scene {scene} lacks {', '.join(missing)}, which the product's metadata list. Fetch the product again, or "
            "name the `bands` to use (and `cloud_mask: none` to do without the scene classification)."
        )


def require_one_footprint(found: Mapping[str, BandFile], scene: str) -> None:
    """Raise `SceneError` if the band files do not cover the same ground, within half of their largest pixel."""
    reference_band, reference = next(iter(found.items()))
    tolerance = max(_pixel(file) for file in found.values()) / 2
    for band, file in found.items():
        if file.grid.crs != reference.grid.crs:
            raise SceneError(
                f"Scene {scene}: band {band} is in {file.grid.crs}, band {reference_band} in {reference.grid.crs}. "
                "The bands of one scene share one coordinate reference system."
            )
        ours, theirs = file.grid.boundingbox.bbox, reference.grid.boundingbox.bbox
        if max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) > tolerance:
            raise SceneError(
                f"Scene {scene}: band {band} covers {_bounds(ours)}, but {reference_band} covers {_bounds(theirs)}. "
                "The files are of different tiles or cut-outs."
            )


def _pixel(file: BandFile) -> float:
    return float(abs(file.grid.resolution.x))


def pixel_metres(grid: GeoBox, latitude: float | None = None) -> tuple[float, float]:
    """Size of a pixel in metres, across and down.

    Args:
        grid: In metres, or in degrees.
        latitude: Where, in radians, for a grid in degrees; by default its middle.
    """
    width, height = abs(float(grid.resolution.x)), abs(float(grid.resolution.y))
    if grid.crs is None or not grid.crs.geographic:
        return width, height
    if latitude is None:
        box = grid.boundingbox
        latitude = math.radians((box.bottom + box.top) / 2)
    return width * _METRES_A_DEGREE * math.cos(latitude), height * _METRES_A_DEGREE


def place_of(grid: GeoBox) -> str:
    """What a grid covers, for a message: west..east, south..north in degrees."""
    box = grid.geographic_extent.boundingbox
    return f"{box.left:.4f}..{box.right:.4f}, {box.bottom:.4f}..{box.top:.4f}"


def _bounds(bbox: tuple[float, float, float, float]) -> str:
    return "({:.1f}, {:.1f}, {:.1f}, {:.1f})".format(*bbox)
