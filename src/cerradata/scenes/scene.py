"""`Scene`: raw rasters of one sensor and date, with named bands, units and validity."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from cerradata.core.errors import SceneError
from cerradata.core.types import FloatArray, Sensor
from cerradata.scenes.band_file import BandFile
from cerradata.scenes.mask import SceneMask
from cerradata.scenes.radiometry import Radiometry


@dataclass(frozen=True)
class Scene:
    """Raw rasters of one sensor and date. Nothing is read before `read` is called.

    Attributes:
        name: Name for people and for provenance.
        sensor: Which sensor.
        date: Day of acquisition, where known.
        bands: File of each band. Bands may have different resolutions; they cover the same ground.
        radiometry: What the stored numbers mean. Its nodata holds for all bands, beside what each file declares.
        masks: Where the scene is not to be used: clouds, borders. `read` does not apply them, compositing does.
        simulated: Which simulation made the scene; None for a real one.
    """

    name: str
    sensor: Sensor
    date: dt.date | None
    bands: Mapping[str, BandFile]
    radiometry: Radiometry
    masks: tuple[SceneMask, ...] = ()
    simulated: str | None = None

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
        numbers, hidden = self.bands[band].read(rows, columns, what=f"band {band} of scene {self.name}")
        values = self.radiometry.to_values(numbers)
        if hidden is not None:
            values[hidden] = np.nan
        return values
