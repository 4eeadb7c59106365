"""Terrain correction: where each place of an elevation model was seen, by the product's orbit.

The zero-Doppler time of a place is found by sarsen (https://github.com/bopen/sarsen), after "Guide to Sentinel-1 Geocoding"
(UZH-S1-GC-AD). The image is then calibrated, denoised and interpolated as without terrain.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import rasterio
import xarray as xr
from pyproj import CRS, Transformer
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.core.types import FloatArray
from cerradata.scenes.grd.acquisition import Acquisition, read_acquisition
from cerradata.scenes.grd.band import GrdBand
from cerradata.scenes.terrain import TerrainSource
from cerradata.scenes.vertical import settled_datum

_EARTH_FIXED = "EPSG:4978"
_CLOSE = 1e-3
"""Metres along the orbit at which the search for the time ends. sarsen's default of 1 m would show at window borders."""
_TOLERANCE = 1e-3
"""Pixels of the elevation model by which GDAL's transformation may be off; 0 is not allowed, 0.125 its default."""


@dataclass(frozen=True)
class TerrainBand(GrdBand):
    """A band of a GRD product, placed by an elevation model and the orbit instead of the geolocation grid.

    Attributes:
        terrain: The heights. Where they have no data, the band has none.
    """

    terrain: TerrainSource = field(kw_only=True)

    def _image_places(
        self, rows: slice, columns: slice, shape: tuple[int, int] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        right, down = self._centres(rows, columns, shape)
        height = self._heights(rows, columns, (len(down), len(right)))
        to_earth = Transformer.from_crs(CRS(str(self.grid.crs)).to_3d(), _EARTH_FIXED, always_xy=True)
        x, y = np.meshgrid(right, down)
        points = np.stack(to_earth.transform(x, y, np.nan_to_num(height)))
        points[:, np.isnan(height)] = np.nan
        acquisition = read_acquisition(self.image.files, self.image.annotation)
        line, pixel = acquisition.image_places(*seen_from(acquisition, points))
        with np.errstate(invalid="ignore"):
            outside = ~(np.abs(line - (self.image.shape[0] - 1) / 2) <= self.image.shape[0] / 2)
            outside |= ~(np.abs(pixel - (self.image.shape[1] - 1) / 2) <= self.image.shape[1] / 2)
        line[outside] = pixel[outside] = np.nan
        return line, pixel

    def _heights(self, rows: slice, columns: slice, shape: tuple[int, int]) -> FloatArray:
        """Metres above the ellipsoid, NaN = no data."""
        window = Window.from_slices(rows, columns)
        height = self._warped(self.terrain.elevation, window, shape)
        if self.terrain.geoid is not None:
            height = height + self._warped(self.terrain.geoid, window, shape)
        return height

    def _warped(self, location: Location, window: Window, shape: tuple[int, int]) -> FloatArray:
        """A window of a raster, interpolated bilinearly to the band's grid."""
        with opened_heights(location) as raster:
            grid = {"crs": str(self.grid.crs), "transform": self.grid.transform}
            size = {"height": self.grid.shape[0], "width": self.grid.shape[1]}
            numbers = {"dtype": "float64", "nodata": np.nan, "resampling": Resampling.bilinear}
            # One virtual raster of the whole grid, transformed closely: windows cut from it have no seams.
            with WarpedVRT(raster, **grid, **size, **numbers, tolerance=_TOLERANCE) as warped:
                return np.asarray(warped.read(1, window=window, out_shape=shape))


def terrain_corrected(bands: dict[str, GrdBand], terrain: TerrainSource, scene: str) -> dict[str, GrdBand]:
    """The same bands, placed by an elevation model.

    Args:
        bands: Bands of a GRD product.
        terrain: The heights.
        scene: Name of the scene, for messages.

    Raises:
        SceneError: If sarsen is not installed, a raster cannot be opened or contradicts the declared datum, or the
            annotation lacks the orbit.
    """
    _sarsen()
    with opened_heights(terrain.elevation) as raster:
        if raster.crs is None:
            raise SceneError(
                f"{terrain.elevation} has no coordinate reference system: set it with `gdal_edit.py -a_srs`."
            )
        settled_datum(terrain.vertical_datum, raster.crs.to_wkt(), scene)
    if terrain.geoid is not None:
        with opened_heights(terrain.geoid):
            pass
    for band in bands.values():
        read_acquisition(band.image.files, band.image.annotation)
    return {
        name: TerrainBand(b.location, b.index, b.grid, image=b.image, calibration=b.calibration, terrain=terrain)
        for name, b in bands.items()
    }


def seen_from(acquisition: Acquisition, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """When and from how far a place was seen.

    Args:
        acquisition: The orbit.
        points: (3, rows, columns) metres in the Earth's frame (EPSG:4978); NaN stays NaN.

    Returns:
        Seconds from the first line, and slant range in metres, each (rows, columns).
    """
    _, geocoding = _sarsen()
    orbit, start = _orbit(acquisition)
    places = xr.DataArray(points, dims=("axis", "y", "x"), coords={"axis": [0, 1, 2]})
    seconds, distance, _ = geocoding.backward_geocode_simple(
        places, orbit, zero_doppler_distance=_CLOSE, method="newton"
    )
    slant = np.sqrt((distance**2).sum("axis", skipna=False))
    return seconds.transpose("y", "x").to_numpy() + start, slant.transpose("y", "x").to_numpy()


@lru_cache(maxsize=8)
def _orbit(acquisition: Acquisition) -> tuple[Any, float]:
    """The polynomial of sarsen through the state vectors, and the time of its origin in seconds from the first line."""
    orbit, _ = _sarsen()
    epoch = np.datetime64("2000-01-01T00:00:00", "ns")  # sarsen wants days and hours, for us seconds are enough
    times = epoch + np.round(acquisition.times * 1e9).astype("timedelta64[ns]")
    positions = xr.DataArray(
        acquisition.positions, dims=("azimuth_time", "axis"), coords={"azimuth_time": times, "axis": [0, 1, 2]}
    )
    fitted = orbit.OrbitPolyfitInterpolator.from_position(positions)
    return fitted, float((fitted.epoch - epoch) / np.timedelta64(1, "ns")) * 1e-9


@contextmanager
def opened_heights(location: Location) -> Iterator[Any]:
    """Open a raster of heights with one band.

    Raises:
        SceneError: If it cannot be opened or read, or has several bands.
    """
    try:
        with rasterio.open(location) as raster:
            if raster.count != 1:
                raise SceneError(f"{location} has {raster.count} bands: give heights as a raster of one band.")
            yield raster
    except RasterioError as error:
        raise SceneError(f"{location} cannot be read as a raster of heights: {error}. Is it whole?") from error


def _sarsen() -> tuple[Any, Any]:
    """The modules of sarsen that are used: orbit and geocoding."""
    try:
        from sarsen import geocoding, orbit
    except ImportError as error:
        raise SceneError(
            "Terrain correction of Sentinel-1 needs the library sarsen, which is not installed: "
            "`pip install 'cerradata[terrain]'`. Without it, leave `terrain` out: the geolocation grid is used."
        ) from error
    return orbit, geocoding
