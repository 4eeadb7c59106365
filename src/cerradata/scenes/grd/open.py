"""`open_grd`: a `Scene` from a Sentinel-1 GRD product as it is distributed."""

import math
from typing import cast

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError

from cerradata.core.errors import SceneError
from cerradata.core.types import SIMULATED_TAG
from cerradata.scenes.bands import SENTINEL1
from cerradata.scenes.files import raster_tag
from cerradata.scenes.grd.band import GrdBand, GrdImage
from cerradata.scenes.grd.geolocation import GeolocationGrid
from cerradata.scenes.grd.product import GrdProduct, PolarisationFiles, manifests, read_product
from cerradata.scenes.grd.tables import CALIBRATIONS, Calibration, read_calibration, read_noise
from cerradata.scenes.grd.terrain import terrain_corrected
from cerradata.scenes.grd.xml import damaged, parse_xml, texts
from cerradata.scenes.mask import BorderMask
from cerradata.scenes.product import ProductFiles, holds_product, product_files
from cerradata.scenes.radiometry import Radiometry
from cerradata.scenes.scene import Scene
from cerradata.scenes.source import SceneSource, parse_date

_PIXEL = 10.0
"""Metres of the grid's pixels, or the next multiple above the image's own spacing."""
_LEAST_NOISE = 1e-4
"""Thermal noise as power (-40 dB). That of Sentinel-1 is -22 to -32 dB; tables of the first products are 0 or not scaled."""


def is_grd(source: SceneSource) -> bool:
    """Whether a Sentinel-1 scene is declared as a product as distributed, or a folder or zip holds one.

    Raises:
        SceneError: If a zip cannot be listed.
    """
    if source.unit is None or source.path.lower().rstrip("/").endswith(".safe"):
        return True  # `SceneSource` lets the unit be left out for a product alone
    return holds_product(source.path) and bool(manifests(product_files(source.path)))


def open_grd(source: SceneSource) -> Scene:
    """Open a GRD product: read its metadata and tables and no pixel.

    Args:
        source: A SAFE folder or a zip of one.

    Returns:
        The scene. Its bands are `GrdBand`s on one north-up grid of 10 m in the UTM zone of the scene's centre.

    Raises:
        ConfigError: If what is declared does not fit such a product.
        SceneError: If the product is none of GRD, a polarisation or a file is missing, or a file is damaged.
    """
    source.require_grd_declaration()
    calibration = cast(Calibration, source.calibration or CALIBRATIONS[0])
    product = read_product(product_files(source.path))
    bands = {name: _band(product, name, source, calibration) for name in _wanted(product, source)}
    if source.terrain is not None:
        bands = terrain_corrected(bands, source.terrain, source.path.name)
    first = next(iter(bands.values()))
    orbit = source.relative_orbit
    radiometry = Radiometry(
        sensor="sentinel-1",
        bands=tuple(bands),
        unit="linear",
        nodata=0.0 if source.nodata is None else source.nodata,
        calibration=calibration,
        orbit_pass=source.orbit_pass or product.orbit_pass,
        relative_orbit=product.relative_orbit if orbit is None else orbit,
    )
    name = source.path.name
    return Scene(
        name,
        "sentinel-1",
        product.date if source.date is None else parse_date(source.date),
        bands,
        radiometry,
        (BorderMask(first, radiometry, source.border, name),) if source.border > 0 else (),
        raster_tag(first.location, SIMULATED_TAG),
    )


def _wanted(product: GrdProduct, source: SceneSource) -> tuple[str, ...]:
    there = product.polarisations
    wanted = source.bands or tuple(band for band in SENTINEL1 if band in there)
    missing = [band for band in wanted if band not in there] or ([] if wanted else list(SENTINEL1))
    if missing:
        raise SceneError(
            f"{source.path} lacks {', '.join(missing)}: its polarisations are {', '.join(sorted(there))}. Leave the band out "
            "of `bands`, or take a product with dual polarisation VV+VH (1SDV in its name)."
        )
    return wanted


def _band(product: GrdProduct, name: str, source: SceneSource, calibration: Calibration) -> GrdBand:
    image = _image(product, name, keep_noise=source.noise == "keep")
    table = read_calibration(image.files, image.calibration, calibration)
    if image.noise is not None:
        noise = read_noise(image.files, image.noise).across
        level = float(np.median(np.concatenate(noise.values)) / np.median(np.concatenate(table.values)) ** 2)
        if not level >= _LEAST_NOISE:
            raise SceneError(
                f"{image.files.location(image.noise)} gives a thermal noise of {_decibels(level)}: Sentinel-1 has -22 to -32 "
                "dB. In early products these tables are empty or not scaled. Say `noise: keep`, or fetch the product as it was "
                "reprocessed."
            )
    location = image.files.location(image.measurement)
    grid = grid_over(image.geolocation, _grid_pixel(image.files, image.annotation))
    return GrdBand(location, 1, grid, image=image, calibration=calibration)


def _image(product: GrdProduct, band: str, *, keep_noise: bool) -> GrdImage:
    files = product.files
    found: PolarisationFiles = product.polarisations[band]
    wanted = {"annotation": found.annotation, "annotation/calibration/calibration-": found.calibration}
    if not keep_noise:
        wanted["annotation/calibration/noise-"] = found.noise
    for where, name in wanted.items():
        if name is None:
            remedy = ", or say `noise: keep`" if where.endswith("noise-") else ""
            raise SceneError(
                f"{files.root} lacks the file {where}*-{band.lower()}-*.xml, without which {band} cannot be calibrated and "
                f"placed. Fetch the product again{remedy}."
            )
    location = files.location(found.measurement)
    try:
        with rasterio.open(location) as dataset:
            shape, count = dataset.shape, dataset.count
    except RasterioError as error:
        raise SceneError(f"{location} cannot be opened as a raster: {error}. Is it whole? Fetch it again.") from error
    if count != 1:
        raise SceneError(f"{location} has {count} bands, an image of a GRD product has 1: fetch the product again.")
    annotation, calibration = cast(str, found.annotation), cast(str, found.calibration)
    noise = None if keep_noise else found.noise
    return GrdImage(files, found.measurement, annotation, calibration, noise, shape, _looks(files, annotation))


def _spacing(files: ProductFiles, annotation: str) -> tuple[float, float]:
    """Distance of an image's pixels in metres, along its lines and across: 10 m in high resolution (GRDH) of IW."""
    said = texts(parse_xml(files, annotation))
    try:
        spacing = (float(said["azimuthPixelSpacing"]), float(said["rangePixelSpacing"]))
    except (KeyError, ValueError) as error:
        raise damaged(files, annotation, f"{error} of the image") from error
    if not all(0.1 < metres < 1000 for metres in spacing):
        raise damaged(files, annotation, f"pixels of {spacing[0]} by {spacing[1]} m")
    return spacing


def _grid_pixel(files: ProductFiles, annotation: str) -> float:
    return max(1, round(min(_spacing(files, annotation)) / _PIXEL)) * _PIXEL


def _looks(files: ProductFiles, annotation: str) -> tuple[int, int]:
    along, across = _spacing(files, annotation)
    pixel = _grid_pixel(files, annotation)
    return max(1, round(pixel / along)), max(1, round(pixel / across))


def _decibels(power: float) -> str:
    return f"{10 * math.log10(power):.0f} dB" if power > 0 else "0"


def grid_over(geolocation: GeolocationGrid, pixel: float) -> GeoBox:
    """The north-up grid over all points of a geolocation grid, on whole multiples of `pixel` metres."""
    left, top = math.floor(geolocation.x.min() / pixel), math.ceil(geolocation.y.max() / pixel)
    right, bottom = math.ceil(geolocation.x.max() / pixel), math.floor(geolocation.y.min() / pixel)
    place = Affine(pixel, 0, left * pixel, 0, -pixel, top * pixel)
    return GeoBox((top - bottom, right - left), place, geolocation.crs)
