"""The target grid: a `GeoBox` from a configuration or from the scenes."""

import math
from dataclasses import dataclass

from odc.geo import CRS
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox, Geometry

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.scenes.files import raster_grid

DEFAULT_RESOLUTION = 10.0


@dataclass(frozen=True)
class GridConfig:
    """The target grid as it is declared in a configuration.

    Attributes:
        like: A raster whose grid is taken as it is. Nothing else may be given with it.
        crs: Coordinate reference system with metres ("EPSG:32723"); by default the UTM zone of the area's centroid.
        resolution: Pixel size in units of `crs`.
        bounds: West, south, east, north in units of `crs`, snapped outwards to whole pixels; by default the area that
            the scenes cover. It needs `crs`.
    """

    like: Location | None = None
    crs: str | None = None
    resolution: float = DEFAULT_RESOLUTION
    bounds: tuple[float, float, float, float] | None = None

    def __post_init__(self) -> None:
        """Raise `ConfigError` if the fields contradict each other."""
        if self.like is not None and (self.crs is not None or self.bounds is not None):
            raise ConfigError("grid: `like` takes the whole grid from a file; leave out `crs` and `bounds`.")
        if self.bounds is not None and self.crs is None:
            raise ConfigError("grid: `bounds` are in units of `crs`: give it too.")
        if self.bounds is not None and (self.bounds[0] >= self.bounds[2] or self.bounds[1] >= self.bounds[3]):
            raise ConfigError(f"grid: bounds {list(self.bounds)} are empty: the order is west, south, east, north.")
        if self.resolution <= 0:
            raise ConfigError(f"grid: a resolution of {self.resolution} is impossible: give a pixel size above 0.")


def target_grid(config: GridConfig, footprints: list[GeoBox], area: Geometry | None = None) -> GeoBox:
    """The grid on which everything is brought.

    Args:
        config: What the user declared.
        footprints: Grids whose union is the area, where no bounds are given.
        area: The area of interest, which takes the place of the footprints.

    Returns:
        A north-up grid whose corner is a multiple of the resolution, or the grid of `like`.

    Raises:
        ConfigError: If the CRS is unknown or not in metres (of `like` too), or there is no area.
        SceneError: If `like` cannot be read.
    """
    if config.like is not None:
        grid = raster_grid(config.like)[0]
        _require_metres(CRS(grid.crs), config.like)
        return grid
    extents = [grid.extent for grid in footprints] if area is None else [area]
    if not extents and config.bounds is None:
        raise ConfigError("grid: there are no scenes to take the area from: give `like`, or `crs` and `bounds`.")
    crs = _crs(config.crs) if config.crs is not None else _utm(extents)
    if config.bounds is not None:
        box = BoundingBox(*config.bounds, crs=crs)
    else:
        boxes = [extent.to_crs(crs).boundingbox for extent in extents]
        box = BoundingBox(
            min(b.left for b in boxes),
            min(b.bottom for b in boxes),
            max(b.right for b in boxes),
            max(b.top for b in boxes),
            crs=crs,
        )
    return GeoBox.from_bbox(_snapped(box, config.resolution), crs=crs, resolution=config.resolution)


def _snapped(box: BoundingBox, resolution: float) -> BoundingBox:
    # a thousandth of a pixel of rounding error must not add a row of pixels
    def down(value: float) -> float:
        return math.floor(value / resolution + 1e-3) * resolution

    def up(value: float) -> float:
        return math.ceil(value / resolution - 1e-3) * resolution

    return BoundingBox(down(box.left), down(box.bottom), up(box.right), up(box.top), crs=box.crs)


def _crs(text: str) -> CRS:
    try:
        crs = CRS(text)
    except Exception as error:  # pyproj's own classes differ by version
        raise ConfigError(f"grid: {text!r} is no coordinate reference system: write it like EPSG:32723.") from error
    _require_metres(crs, text)
    return crs


def _require_metres(crs: CRS, what: str) -> None:
    if crs.geographic or crs.units[0] != "metre":
        unit = "degrees" if crs.geographic else crs.units[0]
        raise ConfigError(f"grid: {what} has {unit}: choose a projected system with metres, a UTM zone for example.")


def _utm(extents: list[Geometry]) -> CRS:
    boxes = [extent.to_crs("EPSG:4326").boundingbox for extent in extents]
    longitude = (min(b.left for b in boxes) + max(b.right for b in boxes)) / 2
    latitude = (min(b.bottom for b in boxes) + max(b.top for b in boxes)) / 2
    return CRS.utm(longitude, latitude)
