"""`BandFile`: one band in one raster file, and how its pixels are read."""

from dataclasses import dataclass

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window

from cerradata.core.errors import DamagedSceneError
from cerradata.core.locations import Location
from cerradata.core.types import Array, BoolArray


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

    def read(
        self, rows: slice, columns: slice, *, what: str, shape: tuple[int, int] | None = None
    ) -> tuple[Array, BoolArray | None]:
        """Read a window of the file.

        Args:
            rows: Rows of the grid, inside it.
            columns: Columns of the grid, inside it.
            what: What is read, for messages: "band B03 of scene july".
            shape: Read this many rows and columns instead, by nearest neighbour.

        Returns:
            (rows, columns) stored numbers in the file's dtype, and where the file itself says that there is no data, by
            its nodata or its mask band; None where it says nothing.

        Raises:
            SceneError: If the file cannot be read.
        """
        window = Window.from_slices(rows, columns)
        try:
            with rasterio.open(self.location) as dataset:
                numbers = dataset.read(self.index, window=window, out_shape=shape)
                flags = dataset.mask_flag_enums[self.index - 1]
                # an alpha band is no mask here: GDAL takes the fourth band of any stack of bytes for one
                masked = MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags
                hidden = dataset.read_masks(self.index, window=window, out_shape=shape) == 0 if masked else None
        except RasterioError as error:
            raise DamagedSceneError(
                f"Cannot read {what}: {self.location} is damaged or truncated at rows {rows.start} to {rows.stop}, "
                f"columns {columns.start} to {columns.stop} ({error}). Fetch the file again."
            ) from error
        if self.nodata is None:
            return numbers, hidden
        empty = np.asarray(numbers == self.nodata)
        return numbers, empty if hidden is None else empty | hidden
