"""`Scene`: raw rasters of one sensor and date, with named bands, units and validity."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.core.types import FloatArray, Sensor
from cerradata.scenes.radiometry import Radiometry


@dataclass(frozen=True)
class BandFile:
    """One band in one raster file.

    Attributes:
        location: The file.
        index: Band of the file, from 1.
        grid: The file's own pixel grid.
        nodata: Number that the file itself declares as no data, or None.
    """

    location: Location
    index: int
    grid: GeoBox
    nodata: float | None = None


@dataclass(frozen=True)
class Scene:
    """Raw rasters of one sensor and date. Nothing is read before `read` is called.

    Attributes:
        name: Name for people and for provenance.
        sensor: Which sensor.
        date: Day of acquisition, where known.
        bands: File of each band. Bands may have different resolutions; they cover the same ground.
        radiometry: What the stored numbers mean. Its nodata holds for all bands, beside what each file declares.
    """

    name: str
    sensor: Sensor
    date: dt.date | None
    bands: Mapping[str, BandFile]
    radiometry: Radiometry

    @property
    def footprint_grid(self) -> GeoBox:
        """Grid of the band with the smallest pixels."""
        return min((band.grid for band in self.bands.values()), key=lambda grid: abs(grid.resolution.x))

    def read(self, band: str, rows: slice, columns: slice) -> FloatArray:
        """Read a window of a band on its own grid.

        Args:
            band: Band name.
            rows: Rows of the band's own grid, inside it.
            columns: Columns of the band's own grid, inside it.

        Returns:
            (rows, columns) float32 in the unit that may be averaged (reflectance, linear power, metres); NaN = no data:
            the radiometry's nodata, the file's own, and what the file's mask band hides.

        Raises:
            SceneError: If the scene has no such band or the file cannot be read.
        """
        if band not in self.bands:
            raise SceneError(f"Scene {self.name} has no band {band}: it has {', '.join(self.bands)}.")
        file = self.bands[band]
        window = Window.from_slices(rows, columns)
        try:
            with rasterio.open(file.location) as dataset:
                numbers = dataset.read(file.index, window=window)
                flags = dataset.mask_flag_enums[file.index - 1]
                # an alpha band is no mask here: GDAL takes the fourth band of any stack of bytes for one
                masked = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
                hidden = dataset.read_masks(file.index, window=window) == 0 if masked else None
        except RasterioError as error:
            raise SceneError(
                f"Cannot read band {band} of scene {self.name}: {file.location} is damaged or truncated at rows "
                f"{rows.start} to {rows.stop}, columns {columns.start} to {columns.stop} ({error}). "
                "Fetch the file again."
            ) from error
        values = self.radiometry.to_values(numbers)
        if file.nodata is not None:
            values[numbers == file.nodata] = np.nan
        if hidden is not None:
            values[hidden] = np.nan
        return values
