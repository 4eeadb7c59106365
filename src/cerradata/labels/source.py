"""`ReferenceSource`: how a user declares the reference, and `open_reference`, which makes labels of it."""

from dataclasses import dataclass
from typing import Protocol

from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.core.types import LabelArray
from cerradata.labels.polygons import PolygonReference
from cerradata.labels.raster import RasterReference
from cerradata.legend import Legend


@dataclass(frozen=True)
class ReferenceSource:
    """The reference map as it is declared in a configuration: a raster of codes, or polygons with an attribute.

    Attributes:
        codes: Name of the legend's source whose codes the reference holds ("terraclass-cerrado-2022").
        raster: Raster with one band of integer codes.
        vector: Vector file with polygons.
        attribute: Column of the vector file that holds the codes.
        layer: Layer of the vector file, where it has several.
        precedence: Codes of the vector file from the strongest to the weakest: where polygons overlap, the strongest
            wins. Every code that occurs must be in it. Polygons of one code do not compete.
        date: Date of the reference (a year or YYYY-MM-DD), for provenance.
        licence: Licence and attribution of the reference.
    """

    codes: str
    raster: Location | None = None
    vector: Location | None = None
    attribute: str | None = None
    layer: str | None = None
    precedence: tuple[str, ...] = ()
    date: str | int | None = None
    licence: str | None = None

    def __post_init__(self) -> None:
        """Raise `ConfigError` unless exactly one of raster and vector is declared, with what it needs."""
        if (self.raster is None) == (self.vector is None):
            raise ConfigError("reference: give either `raster` or `vector`.")
        if self.vector is not None and (self.attribute is None or not self.precedence):
            raise ConfigError(
                f"reference: {self.vector} needs `attribute` (the column with the codes) and `precedence` (the codes from "
                "the strongest to the weakest, for polygons that overlap)."
            )
        doubled = [code for code in self.precedence if self.precedence.count(code) > 1]
        if doubled:
            raise ConfigError(f"reference: `precedence` names {doubled[0]} twice.")
        if self.raster is not None and (self.attribute is not None or self.precedence or self.layer is not None):
            raise ConfigError("reference: `attribute`, `layer` and `precedence` are for `vector`, not for `raster`.")

    @property
    def location(self) -> Location:
        """The file, whichever kind it is."""
        return self.raster or self.vector or Location()


class Reference(Protocol):
    """Labels of the finest level, read window by window."""

    @property
    def simulated(self) -> str | None:
        """Which simulation made the reference; None for a real one."""

    @property
    def extent(self) -> Geometry:
        """What the reference covers, a rectangle in its own system."""

    def read(self, window: GeoBox) -> LabelArray:
        """Labels of a window of the target grid.

        Args:
            window: The window, as a grid.

        Returns:
            (rows, columns) uint8 class ids of the legend's finest level, 255 = unlabelled.
        """

    def check(self, grid: GeoBox) -> None:
        """Raise `LabelError` if the reference does not touch the grid, or holds codes that the legend does not know."""


def open_reference(source: ReferenceSource, legend: Legend) -> Reference:
    """Open the reference.

    Raises:
        LabelError: If the file is missing, cannot be read, or holds labels already mapped.
        LegendError: If the legend does not know the source of the codes.
    """
    codes = legend.source(source.codes)
    if source.raster is not None:
        return RasterReference.open(source.raster, codes, legend)
    if source.vector is not None and source.attribute is not None:
        return PolygonReference.open(source.vector, source.attribute, source.precedence, codes, layer=source.layer)
    raise ConfigError("reference: give either `raster` or `vector`.")
