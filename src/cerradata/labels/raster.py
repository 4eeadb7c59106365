"""Labels from a raster of source codes."""

from dataclasses import dataclass

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry
from rasterio.errors import RasterioError
from rasterio.windows import Window

from cerradata.core.errors import LabelError
from cerradata.core.locations import Location
from cerradata.core.types import SIMULATED_TAG, UNLABELLED, Array, LabelArray
from cerradata.cube.resample import resample_window
from cerradata.legend import Legend
from cerradata.legend.legend import LEGEND_TAG, LEVEL_TAG, SourceCodes
from cerradata.scenes.files import place_of, raster_grid

_STRIP_PIXELS = 1 << 24


@dataclass(frozen=True)
class RasterReference:
    """A raster of integer codes. Resampled by nearest neighbour: a code between two codes means nothing.

    Attributes:
        location: The file.
        grid: Its own grid.
        codes: What the codes mean.
        nodata: Code that the file declares as no data, or None.
        simulated: Which simulation made the map; None for a real one.
    """

    location: Location
    grid: GeoBox
    codes: SourceCodes
    nodata: float | None
    simulated: str | None = None

    @staticmethod
    def open(location: Location, codes: SourceCodes, legend: Legend) -> "RasterReference":
        """Open the raster and refuse labels that were mapped before.

        Raises:
            LabelError: If the file has several bands or fractions, its tags say that it holds labels of a legend, or the
                code that it declares as no data is a class.
            SceneError: If it cannot be opened or has no CRS.
        """
        grid, count, nodata = raster_grid(location)
        with rasterio.open(location) as dataset:
            tags, dtype = dataset.tags(), np.dtype(dataset.dtypes[0])
        if count != 1 or dtype.kind not in "iu":
            raise LabelError(f"{location} has {count} band(s) of {dtype}: a reference has one band of integer codes.")
        if LEVEL_TAG in tags:
            raise LabelError(
                f"{location} holds labels of legend {tags.get(LEGEND_TAG)!r}, level {tags[LEVEL_TAG]}, already: mapping "
                f"them through the codes of {codes.name!r} again would give wrong classes. Give the source map "
                f"of legend {legend.name!r} itself."
            )
        if nodata is not None and nodata in codes.classes:
            raise LabelError(
                f"{location} declares {nodata:g} as no data, but in source {codes.name!r} of the legend it is the class "
                f"{legend.finest.classes[codes.classes[int(nodata)]].name!r}: remove the declaration with `gdal_edit.py "
                "-unsetnodata`, or correct the legend."
            )
        return RasterReference(location, grid, codes, nodata, tags.get(SIMULATED_TAG))

    @property
    def extent(self) -> Geometry:
        """What the raster covers."""
        return self.grid.extent

    def read(self, window: GeoBox) -> LabelArray:
        """Labels of a window of the target grid, see `Reference`.

        Raises:
            LabelError: If the file cannot be read or holds an unknown code.
        """
        # Codes become labels before they are resampled, so that "nothing here" is 255 whatever the codes are.
        return resample_window(self._read_labels, self.grid, window, "nearest", UNLABELLED)

    def check(self, grid: GeoBox) -> None:
        """Raise `LabelError` if the reference does not touch the grid or holds codes that the legend does not know."""
        if not self.grid.extent.to_crs(str(grid.crs)).intersects(grid.extent):
            raise LabelError(
                f"{self.location} does not touch the target grid: it covers {place_of(self.grid)}, the grid {place_of(grid)} "
                "(longitude and latitude). Scenes and reference must be of the same place."
            )
        area = self.grid.enclosing(grid.extent)
        rows, columns = self._overlap(area)
        unknown: dict[int, int] = {}
        step = max(1, _STRIP_PIXELS // max(1, columns.stop - columns.start))
        for top in range(rows.start, rows.stop, step):
            codes = self._read_codes(slice(top, min(top + step, rows.stop)), columns)
            for code, count in self._unknown(codes).items():
                unknown[code] = unknown.get(code, 0) + count
        if unknown:
            listed = ", ".join(f"{code} ({count} pixels)" for code, count in sorted(unknown.items()))
            raise LabelError(
                f"{self.location} holds codes that source {self.codes.name!r} of the legend does not know: {listed}. Known "
                f"are {', '.join(str(code) for code in self.codes.known)}. Add the codes to the legend, as a class or "
                "under `unlabelled`."
            )

    def _overlap(self, area: GeoBox) -> tuple[slice, slice]:
        shift = ~self.grid.transform * area.transform
        top, left = round(shift.f), round(shift.c)
        height, width = self.grid.shape
        return (
            slice(min(max(top, 0), height), max(min(top + area.shape[0], height), 0)),
            slice(min(max(left, 0), width), max(min(left + area.shape[1], width), 0)),
        )

    def _read_codes(self, rows: slice, columns: slice) -> Array:
        try:
            with rasterio.open(self.location) as dataset:
                return np.asarray(dataset.read(1, window=Window.from_slices(rows, columns)))
        except RasterioError as error:
            raise LabelError(
                f"Cannot read the reference: {self.location} is damaged or truncated at rows {rows.start} to {rows.stop} "
                f"({error}). Fetch the file again."
            ) from error

    def _read_labels(self, rows: slice, columns: slice) -> LabelArray:
        codes = self._read_codes(rows, columns)
        labels = np.full(codes.shape, UNLABELLED, np.uint8)
        if codes.size and int(codes.min()) >= 0 and int(codes.max()) < 256:
            table = np.full(256, UNLABELLED, np.uint8)
            for code, class_id in self.codes.classes.items():
                if isinstance(code, int) and 0 <= code < 256:
                    table[code] = class_id
            labels = table[codes]
        else:
            for code, class_id in self.codes.classes.items():
                if isinstance(code, int):
                    labels[codes == code] = class_id
        return labels

    def _unknown(self, codes: Array) -> dict[int, int]:
        values, counts = np.unique(codes, return_counts=True)
        known = {*self.codes.known, self.nodata}
        return {int(v): int(n) for v, n in zip(values, counts, strict=True) if int(v) not in known}
