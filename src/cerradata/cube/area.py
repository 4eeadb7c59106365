"""The area of interest: what a user declares, and its shape."""

from dataclasses import dataclass

import geopandas as gpd
from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry, box
from pyogrio.errors import DataLayerError, DataSourceError

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location

_DEGREES = "EPSG:4326"


@dataclass(frozen=True)
class AreaConfig:
    """The area of interest, in one of three ways.

    Attributes:
        vector: Vector file with polygons, of any format that GDAL reads; their union is the area.
        layer: Layer of the vector file, where it has several.
        bounds: West, south, east, north in degrees (WGS 84).
        reference: The extent of the reference map.
    """

    vector: Location | None = None
    layer: str | None = None
    bounds: tuple[float, float, float, float] | None = None
    reference: bool = False

    def __post_init__(self) -> None:
        """Raise `ConfigError` unless the area is declared in exactly one way, and makes sense."""
        if (self.vector is not None) + (self.bounds is not None) + self.reference != 1:
            raise ConfigError("area: give one of `vector` (a file), `bounds` (in degrees) and `reference: true`.")
        if self.layer is not None and self.vector is None:
            raise ConfigError("area: `layer` is for `vector`.")
        if self.bounds is not None:
            west, south, east, north = self.bounds
            if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
                raise ConfigError(
                    f"area: bounds {list(self.bounds)} are no area in degrees: the order is west, south, east, north. For "
                    "bounds in metres use `grid`."
                )


def read_area(config: AreaConfig, reference: Geometry) -> Geometry:
    """The shape of an area of interest, in the system in which it is declared.

    Args:
        config: What the user declared.
        reference: Extent of the reference map.

    Raises:
        ConfigError: If the file cannot be read, has no CRS, or holds no polygon.
    """
    if config.bounds is not None:
        return box(*config.bounds, _DEGREES)
    if config.vector is None:
        return reference
    if not config.vector.is_remote and not config.vector.path.exists():
        raise ConfigError(f"area: there is no file {config.vector}.")
    try:
        table = gpd.read_file(config.vector, layer=config.layer)
    except (DataSourceError, DataLayerError) as error:
        raise ConfigError(f"area: {config.vector} cannot be read as vector data: {error}") from error
    if not isinstance(table, gpd.GeoDataFrame) or table.crs is None:
        raise ConfigError(
            f"area: {config.vector} has no geometry or no coordinate reference system: set it if you know it."
        )
    shapes = table.geometry[table.geometry.notna() & table.geometry.geom_type.isin(["Polygon", "MultiPolygon"])]
    if shapes.empty:
        kinds = ", ".join(sorted({str(kind) for kind in table.geometry.geom_type}))
        raise ConfigError(f"area: {config.vector} holds no polygon (found: {kinds or 'nothing'}).")
    return Geometry(shapes.make_valid().union_all(), str(table.crs))


def shape_on(area: Geometry, grid: GeoBox) -> Geometry:
    """An area in the system of a grid.

    Raises:
        ConfigError: If they do not touch.
    """
    found = area.to_crs(str(grid.crs), resolution="auto") if area.crs != grid.crs else area
    if not found.intersects(grid.extent):
        own, theirs = (shape.to_crs(_DEGREES).boundingbox.bbox for shape in (area, grid.extent))
        raise ConfigError(
            f"area: the area of interest ({_rounded(own)}) does not touch the target grid ({_rounded(theirs)}; west, south, "
            "east, north in degrees)."
        )
    return found


def _rounded(bounds: tuple[float, float, float, float]) -> str:
    return ", ".join(f"{value:.4f}" for value in bounds)
