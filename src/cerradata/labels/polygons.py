"""Labels from vector polygons by attribute."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.features import rasterize
from shapely import box

from cerradata.core.errors import LabelError
from cerradata.core.locations import Location
from cerradata.core.types import UNLABELLED, LabelArray
from cerradata.legend.legend import SourceCodes

_AREAS = ("Polygon", "MultiPolygon", "GeometryCollection")


@dataclass(frozen=True)
class PolygonReference:
    """Polygons whose attribute holds codes. A pixel takes the class of the polygon that holds its centre.

    Attributes:
        location: The file.
        polygons: Columns `geometry`, `label` (class id) and `rank` (0 = strongest), the weakest first.
    """

    location: Location
    polygons: gpd.GeoDataFrame
    simulated: str | None = None  # vector files have no tag that would say it
    _by_crs: dict[str, gpd.GeoDataFrame] = field(default_factory=dict, repr=False, compare=False)

    @staticmethod
    def open(
        location: Location, attribute: str, precedence: Sequence[str], codes: SourceCodes, *, layer: str | None = None
    ) -> "PolygonReference":
        """Read the polygons.

        Args:
            location: Vector file of any format that GDAL reads.
            attribute: Column with the codes, as texts or whole numbers. Polygons without a code are left out.
            precedence: Codes from the strongest to the weakest.
            codes: What the codes mean.
            layer: Layer of the file.

        Raises:
            LabelError: If the file cannot be read, has no such column or no CRS, holds anything but polygons, or codes are
                unknown or without rank.
        """
        table = _read(location, layer)
        if attribute not in table.columns:
            raise LabelError(f"{location} has no column {attribute!r}: it has {', '.join(map(str, table.columns))}.")
        if table.crs is None:
            raise LabelError(f"{location} has no coordinate reference system: set it if you know it.")
        table = table[~table.geometry.is_empty]  # first: geopandas warns of empty shapes among missing ones
        table = table[table[attribute].notna() & table.geometry.notna()]
        _require_areas(location, table)
        # A legend may write a code as a number and a table as a text, or as a fraction where some polygons have none.
        code = table[attribute].map(_text)
        classes = {str(key): class_id for key, class_id in codes.classes.items()}
        _require_known(location, attribute, code, codes)
        ranks = {text: rank for rank, text in enumerate(precedence)}
        unranked = [text for text in code.unique() if text in classes and text not in ranks]
        if unranked:
            raise LabelError(
                f"{location}: `precedence` lacks {', '.join(unranked)}. Name every code that occurs, from the strongest to "
                "the weakest."
            )
        kept = code.isin(list(classes))
        polygons = gpd.GeoDataFrame(
            {"label": code[kept].map(classes).astype(int), "rank": code[kept].map(ranks).astype(int)},
            geometry=table.geometry[kept],
            crs=table.crs,
        )
        return PolygonReference(location, polygons.sort_values("rank", ascending=False, kind="stable"))

    @property
    def extent(self) -> Geometry:
        """The rectangle around all polygons."""
        return Geometry(box(*self.polygons.total_bounds), str(self.polygons.crs))

    def read(self, window: GeoBox) -> LabelArray:
        """Labels of a window of the target grid, see `Reference`."""
        polygons = self._on(window)
        polygons = polygons.iloc[sorted(polygons.sindex.query(window.extent.geom))]  # keeps the weakest first
        shapes = [
            (shape, label)
            for shape, label in zip(polygons.geometry, polygons["label"], strict=True)
            if not shape.is_empty
        ]
        if not shapes:
            return np.full(window.shape, UNLABELLED, np.uint8)
        return np.asarray(
            rasterize(shapes, out_shape=window.shape, transform=window.transform, fill=UNLABELLED, dtype="uint8")
        )

    def check(self, grid: GeoBox) -> None:
        """Raise `LabelError` if there is no polygon, or none touches the grid."""
        if self.polygons.empty:
            raise LabelError(f"{self.location} holds no polygon of any class of the legend.")
        polygons = self._on(grid)
        if not len(polygons.sindex.query(grid.extent.geom)):
            raise LabelError(
                f"No polygon of {self.location} touches the target grid: they cover {_bounds(polygons)}, the grid "
                f"{tuple(round(v, 1) for v in grid.boundingbox.bbox)}. Scenes and reference must be of the same place."
            )

    def _on(self, grid: GeoBox) -> gpd.GeoDataFrame:
        crs = str(grid.crs)
        if crs not in self._by_crs:  # two threads may both do it once: the result is the same
            self._by_crs[crs] = self.polygons if self.polygons.crs == crs else self.polygons.to_crs(crs)
        return self._by_crs[crs]


def _read(location: Location, layer: str | None) -> gpd.GeoDataFrame:
    if not location.is_remote and not location.path.exists():
        raise LabelError(f"There is no reference {location}.")
    try:
        table = gpd.read_file(location, layer=layer)
    except (DataSourceError, DataLayerError) as error:
        raise LabelError(f"{location} cannot be read as vector data: {error}") from error
    if not isinstance(table, gpd.GeoDataFrame):
        raise LabelError(f"{location} is a table without geometry: a reference needs polygons. Is it another `layer`?")
    return table


def _text(code: object) -> str:
    return str(int(code)) if isinstance(code, float) and code.is_integer() else str(code)


def _require_areas(location: Location, table: gpd.GeoDataFrame) -> None:
    others = table.geometry.geom_type[~table.geometry.geom_type.isin(_AREAS)].value_counts()
    if len(others):
        listed = ", ".join(f"{kind} ({count})" for kind, count in others.items())
        raise LabelError(f"{location} holds {listed}: a reference needs polygons. Take them out, or choose a `layer`.")


def _require_known(location: Location, attribute: str, found: pd.Series, codes: SourceCodes) -> None:
    known = {str(code) for code in codes.known}
    unknown = {code: count for code, count in found.value_counts().items() if code not in known}
    if unknown:
        listed = ", ".join(f"{code} ({count} polygons)" for code, count in unknown.items())
        raise LabelError(
            f"{location}: column {attribute!r} holds codes that source {codes.name!r} of the legend does not know: "
            f"{listed}. Add them to the legend, as a class or under `unlabelled`."
        )


def _bounds(polygons: gpd.GeoDataFrame) -> str:
    return str(tuple(round(float(v), 1) for v in polygons.total_bounds))
