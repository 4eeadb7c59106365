"""Labels from vector polygons by attribute."""

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
from odc.geo.geobox import GeoBox
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.features import rasterize

from cerradata.core.errors import LabelError
from cerradata.core.locations import Location
from cerradata.core.types import UNLABELLED, LabelArray
from cerradata.legend.legend import SourceCodes


@dataclass(frozen=True)
class PolygonReference:
    """Polygons whose attribute holds codes. A pixel takes the class of the polygon that holds its centre.

    Attributes:
        location: The file.
        polygons: Columns `geometry`, `code` and `rank` (0 = strongest), the weakest first.
        attribute: Column that the codes come from.
        codes: What the codes mean.
    """

    location: Location
    polygons: gpd.GeoDataFrame
    attribute: str
    codes: SourceCodes

    @staticmethod
    def open(
        location: Location, attribute: str, precedence: Sequence[str], codes: SourceCodes, *, layer: str | None = None
    ) -> "PolygonReference":
        """Read the polygons.

        Args:
            location: Vector file of any format that GDAL reads.
            attribute: Column with the codes.
            precedence: Codes from the strongest to the weakest.
            codes: What the codes mean.
            layer: Layer of the file.

        Raises:
            LabelError: If the file cannot be read, has no such column or no CRS, or codes are unknown or without rank.
        """
        table = _read(location, layer)
        if attribute not in table.columns:
            raise LabelError(f"{location} has no column {attribute!r}: it has {', '.join(map(str, table.columns))}.")
        if table.crs is None:
            raise LabelError(f"{location} has no coordinate reference system: set it if you know it.")
        table = table[table[attribute].notna() & table.geometry.notna()]
        found = table[attribute].value_counts()
        _require_known(location, attribute, {str(k): int(v) for k, v in found.items()}, codes)
        ranks = {code: rank for rank, code in enumerate(precedence)}
        unranked = [code for code in found.index if code in codes.classes and code not in ranks]
        if unranked:
            raise LabelError(
                f"{location}: `precedence` lacks {', '.join(map(str, unranked))}. Name every code that occurs, from the "
                "strongest to the weakest."
            )
        table = table[table[attribute].isin(list(codes.classes))]
        polygons = gpd.GeoDataFrame(
            {"code": table[attribute].astype(str), "rank": table[attribute].map(ranks).astype(int)},
            geometry=table.geometry,
            crs=table.crs,
        )
        return PolygonReference(
            location, polygons.sort_values("rank", ascending=False, kind="stable"), attribute, codes
        )

    def read(self, window: GeoBox) -> LabelArray:
        """Labels of a window of the target grid, see `Reference`."""
        polygons = self._on(window)
        polygons = polygons.iloc[sorted(polygons.sindex.query(window.extent.geom))]  # keeps the weakest first
        shapes = [
            (shape, self.codes.classes[code])
            for shape, code in zip(polygons.geometry, polygons["code"], strict=True)
            if not shape.is_empty
        ]
        if not shapes:
            return np.full(window.shape, UNLABELLED, np.uint8)
        return np.asarray(
            rasterize(shapes, out_shape=window.shape, transform=window.transform, fill=UNLABELLED, dtype="uint8")
        )

    def check(self, grid: GeoBox) -> None:
        """Raise `LabelError` if no polygon touches the grid."""
        polygons = self._on(grid)
        if not len(polygons.sindex.query(grid.extent.geom)):
            raise LabelError(
                f"No polygon of {self.location} touches the target grid: they cover {_bounds(polygons)}, the grid "
                f"{tuple(round(v, 1) for v in grid.boundingbox.bbox)}. Scenes and reference must be of the same place."
            )

    def _on(self, grid: GeoBox) -> gpd.GeoDataFrame:
        crs = str(grid.crs)
        return self.polygons if self.polygons.crs == crs else self.polygons.to_crs(crs)


def _read(location: Location, layer: str | None) -> gpd.GeoDataFrame:
    if not location.is_remote and not location.path.exists():
        raise LabelError(f"There is no reference {location}.")
    try:
        return gpd.read_file(location, layer=layer)
    except (DataSourceError, DataLayerError) as error:
        raise LabelError(f"{location} cannot be read as vector data: {error}") from error


def _require_known(location: Location, attribute: str, found: dict[str, int], codes: SourceCodes) -> None:
    unknown = {code: count for code, count in found.items() if code not in codes.known}
    if unknown:
        listed = ", ".join(f"{code} ({count} polygons)" for code, count in unknown.items())
        raise LabelError(
            f"{location}: column {attribute!r} holds codes that source {codes.name!r} of the legend does not know: "
            f"{listed}. Add them to the legend, as a class or under `unlabelled`."
        )


def _bounds(polygons: gpd.GeoDataFrame) -> str:
    return str(tuple(round(float(v), 1) for v in polygons.total_bounds))
