"""`ReferenceSource`: how a user declares the reference, and `open_reference`, which makes labels of it."""

import datetime as dt
from dataclasses import dataclass
from typing import Protocol

from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.core.types import LabelArray
from cerradata.labels.points import PointReference
from cerradata.labels.polygons import PolygonReference
from cerradata.labels.raster import RasterReference
from cerradata.legend import Legend
from cerradata.legend.crosswalk import Ambiguous, Crosswalk
from cerradata.legend.legend import SourceCodes
from cerradata.scenes.source import parse_date


@dataclass(frozen=True)
class ReferenceSource:
    """The reference as it is declared in a configuration: a raster of codes, polygons with an attribute, or points.

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
        points: Table of points (CSV) with longitude, latitude, start_date, end_date and label, as the R package sits writes
            it.
        period: First and last day (YYYY-MM-DD): points whose dates do not overlap them are left out.
        crosswalk: Table from the reference's codes to classes of the legend, in place of `codes`.
        ambiguous: What becomes of a code that the crosswalk gives several classes: "error" or "unlabelled".
    """

    codes: str | None = None
    raster: Location | None = None
    vector: Location | None = None
    attribute: str | None = None
    layer: str | None = None
    precedence: tuple[str, ...] = ()
    date: str | int | None = None
    licence: str | None = None
    points: Location | None = None
    period: tuple[str, str] | None = None
    crosswalk: Location | None = None
    ambiguous: Ambiguous = "error"

    def __post_init__(self) -> None:
        """Raise `ConfigError` unless one kind of reference and one meaning of its codes is declared, with what it needs."""
        if sum(place is not None for place in (self.raster, self.vector, self.points)) != 1:
            raise ConfigError("reference: give exactly one of `raster`, `vector` and `points`.")
        if (self.codes is None) == (self.crosswalk is None):
            raise ConfigError(
                "reference: give either `codes` (a source of the legend) or `crosswalk` (a table of your own)."
            )
        if self.crosswalk is None and self.ambiguous != "error":
            raise ConfigError("reference: `ambiguous` is for `crosswalk`: codes of a legend are never ambiguous.")
        self._check_vector()
        self._check_period()

    def _check_vector(self) -> None:
        if self.vector is not None and (self.attribute is None or not self.precedence):
            raise ConfigError(
                f"reference: {self.vector} needs `attribute` (the column with the codes) and `precedence` (the codes from "
                "the strongest to the weakest, for polygons that overlap)."
            )
        doubled = [code for code in self.precedence if self.precedence.count(code) > 1]
        if doubled:
            raise ConfigError(f"reference: `precedence` names {doubled[0]} twice.")
        if self.vector is None and (self.attribute is not None or self.precedence or self.layer is not None):
            kind = "raster" if self.raster is not None else "points"
            raise ConfigError(f"reference: `attribute`, `layer` and `precedence` are for `vector`, not for `{kind}`.")

    def _check_period(self) -> None:
        if self.period is None:
            return
        if self.points is None:
            raise ConfigError("reference: `period` is for `points`; a map is of one date, its `date`.")
        first, last = (_day(text) for text in self.period)
        if last < first:
            raise ConfigError(f"reference: `period` ends on {last}, before it starts on {first}.")

    @property
    def location(self) -> Location:
        """The file, whichever kind it is."""
        return self.raster or self.vector or self.points or Location()

    @property
    def codebook(self) -> str:
        """What says what the codes mean, for provenance: the legend's source, or the name of the crosswalk."""
        return self.codes or (self.crosswalk or Location()).name


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
        LegendError: If the legend does not know the source of the codes, or the crosswalk does not fit the legend or leaves
            open what a code is.
    """
    codes = _codes(source, legend)
    if source.raster is not None:
        return RasterReference.open(source.raster, codes, legend)
    if source.vector is not None and source.attribute is not None:
        return PolygonReference.open(source.vector, source.attribute, source.precedence, codes, layer=source.layer)
    if source.points is not None:
        return PointReference.open(source.points, codes, period=source.period)
    raise ConfigError("reference: give exactly one of `raster`, `vector` and `points`.")


def _codes(source: ReferenceSource, legend: Legend) -> SourceCodes:
    if source.crosswalk is not None:
        return Crosswalk.read(source.crosswalk.path).source_codes(legend, source.ambiguous)
    return legend.source(source.codes or "")


def _day(text: str) -> dt.date:
    try:
        return parse_date(text)
    except ConfigError as error:
        raise ConfigError(f"reference: `period`: {error}") from error
