"""Labels from points: a table of samples becomes sparse label rasters."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from odc.geo.geobox import GeoBox
from odc.geo.geom import Geometry
from pyproj import Transformer
from shapely import box

from cerradata.core.errors import LabelError
from cerradata.core.locations import Location
from cerradata.core.types import UNLABELLED, FloatArray, LabelArray
from cerradata.legend.legend import SourceCodes

_NEEDED = ("longitude", "latitude", "start_date", "end_date", "label")
_GEOGRAPHIC = "EPSG:4326"
_SHOWN = 10  # row numbers, or values, in a message

Texts = pd.Series
Coordinates = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class PointCounts:
    """What came of the points on a grid.

    Attributes:
        points: Points on the grid.
        pixels: Pixels that got a class of them.
        conflicting: Pixels with points of different classes. They have no label: no point is better than the other.
    """

    points: int
    pixels: int
    conflicting: int


@dataclass(frozen=True)
class PointReference:
    """Points with a class. The pixel that holds a point gets its class, every other one is unlabelled.

    Attributes:
        location: The file.
        longitude: (points,) degrees, WGS 84.
        latitude: (points,) degrees, WGS 84.
        labels: (points,) class ids.
        simulated: Which simulation made the points; None for real ones. A table has no tag that would say it.
    """

    location: Location
    longitude: FloatArray
    latitude: FloatArray
    labels: npt.NDArray[np.uint8]
    simulated: str | None = None
    _by_crs: dict[str, tuple[FloatArray, FloatArray, npt.NDArray[np.uint8]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @staticmethod
    def open(location: Location, codes: SourceCodes, *, period: tuple[str, str] | None = None) -> "PointReference":
        """Read a table of samples as the R package sits writes it.

        Args:
            location: CSV file with the columns longitude, latitude (degrees, WGS 84), start_date, end_date (YYYY-MM-DD) and
                label. Other columns (id, cube) do not count.
            codes: What the labels mean: the texts are its codes.
            period: First and last day: a point counts if its dates overlap them. None: every point.

        Raises:
            LabelError: If the file cannot be read, lacks a column, has bad rows or labels that are not in `codes`, or if
                nothing is left of it.
        """
        table = _read(location)
        longitude, latitude = _coordinates(location, table)
        start, end = _dates(location, table)
        label = table["label"]
        _refuse(location, label == "", "no label", "give one, or delete the rows")
        _require_known(location, label, codes)
        classes = {str(code): class_id for code, class_id in codes.classes.items()}
        kept = label.isin(list(classes)).to_numpy()
        if period is not None:
            first, last = (np.datetime64(day) for day in period)
            kept = kept & (start <= last) & (end >= first)
        if not kept.any():
            when = "" if period is None else f" from {period[0]} to {period[1]}"
            raise LabelError(
                f"{location} holds no point of any class of the legend{when}: its {len(table)} points are of {start.min()} to "
                f"{end.max()}. Check `period` and the labels."
            )
        labels = np.asarray(label[kept].map(classes), np.uint8)
        return PointReference(location, longitude[kept], latitude[kept], labels)

    @property
    def extent(self) -> Geometry:
        """The rectangle around all points."""
        west, east, south, north = (
            float(value) for values in (self.longitude, self.latitude) for value in (values.min(), values.max())
        )
        return Geometry(box(west, south, east, north), _GEOGRAPHIC)

    def read(self, window: GeoBox) -> LabelArray:
        """Labels of a window of the target grid, see `Reference`."""
        return self._rasterise(window)[0]

    def count(self, grid: GeoBox) -> PointCounts:
        """What comes of the points on a grid."""
        labels, points, conflicting = self._rasterise(grid)
        return PointCounts(points, int((labels != UNLABELLED).sum()), conflicting)

    def check(self, grid: GeoBox) -> None:
        """Raise `LabelError` if no point lies on the grid; say so if longitude and latitude look swapped."""
        if len(self._pixels(grid)[0]):
            return
        swapped = PointReference(self.location, self.latitude, self.longitude, self.labels)
        hint = (
            "With longitude and latitude in each other's place they do: correct the header of the table."
            if len(swapped._pixels(grid)[0])
            else "Scenes and reference must be of the same place."
        )
        west, south, east, north = grid.geographic_extent.boundingbox.bbox
        raise LabelError(
            f"No point of {self.location} lies on the target grid: they cover longitude {self.longitude.min():.4f} to "
            f"{self.longitude.max():.4f} and latitude {self.latitude.min():.4f} to {self.latitude.max():.4f}, the grid "
            f"{west:.4f} to {east:.4f} and {south:.4f} to {north:.4f}. {hint}"
        )

    def _rasterise(self, window: GeoBox) -> tuple[LabelArray, int, int]:
        """Labels, number of points on the window, number of pixels with points of different classes."""
        height, width = window.shape
        place, labels = self._pixels(window)
        least, most = np.full(height * width, UNLABELLED, np.uint8), np.zeros(height * width, np.uint8)
        np.minimum.at(least, place, labels)
        np.maximum.at(most, place, labels)
        conflict = (least != UNLABELLED) & (least != most)
        least[conflict] = UNLABELLED
        return least.reshape(height, width), len(place), int(conflict.sum())

    def _pixels(self, window: GeoBox) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8]]:
        """Flat pixel number and class of each point on the window."""
        x, y, labels = self._on(str(window.crs))
        bounds = window.boundingbox
        # sorted by y: only the rows of the window are looked at, of a million points a few thousand
        part = slice(np.searchsorted(y, bounds.bottom, "left"), np.searchsorted(y, bounds.top, "right"))
        inverse = ~window.transform
        columns = np.floor(inverse.a * x[part] + inverse.b * y[part] + inverse.c)
        rows = np.floor(inverse.d * x[part] + inverse.e * y[part] + inverse.f)
        height, width = window.shape
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        place = rows[inside].astype(np.intp) * width + columns[inside].astype(np.intp)
        return place, labels[part][inside]

    def _on(self, crs: str) -> tuple[FloatArray, FloatArray, npt.NDArray[np.uint8]]:
        """Coordinates in a reference system and labels, sorted by y."""
        if crs not in self._by_crs:  # two threads may both do it once: the result is the same
            transformer = Transformer.from_crs(_GEOGRAPHIC, crs, always_xy=True)
            x, y = (np.asarray(values) for values in transformer.transform(self.longitude, self.latitude))
            finite = np.isfinite(x) & np.isfinite(y)  # far from its zone a projection has no place for a point
            x, y, labels = x[finite], y[finite], self.labels[finite]
            order = np.argsort(y, kind="stable")
            self._by_crs[crs] = (x[order], y[order], labels[order])
        return self._by_crs[crs]


def _read(location: Location) -> pd.DataFrame:
    if not location.is_remote and not location.path.exists():
        raise LabelError(f"There is no reference {location}.")
    try:
        # as texts, so that a bad value can be shown as it stands; R writes NA for what is missing
        table = pd.read_csv(
            location, dtype=str, keep_default_na=False, na_values=["NA"], encoding="utf-8-sig", skipinitialspace=True
        )
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise LabelError(f"{location} cannot be read as a table of points (CSV in UTF-8): {error}") from error
    missing = [column for column in _NEEDED if column not in table.columns]
    if missing:
        raise LabelError(
            f"{location} lacks the column {', '.join(missing)}: it has {', '.join(map(str, table.columns))}. A table of "
            f"points has {', '.join(_NEEDED)}, separated by commas."
        )
    if table.empty:
        raise LabelError(f"{location} holds no point.")
    return pd.DataFrame({column: table[column].fillna("").str.strip() for column in _NEEDED})


def _coordinates(location: Location, table: pd.DataFrame) -> Coordinates:
    longitude, latitude = (
        pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64) for name in ("longitude", "latitude")
    )
    bad = ~(np.isfinite(longitude) & np.isfinite(latitude))
    _refuse(location, bad, "no number as longitude or latitude", "write degrees with a decimal point, such as -47.5")
    outside = (np.abs(longitude) > 180) | (np.abs(latitude) > 90)
    swapped = outside & (np.abs(longitude) <= 90) & (np.abs(latitude) <= 180)
    advice = "they look swapped: exchange the two" if swapped.any() else "give degrees in WGS 84, not metres"
    _refuse(location, outside, "a longitude beyond 180 or a latitude beyond 90 degrees", advice)
    return longitude, latitude


def _dates(location: Location, table: pd.DataFrame) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.datetime64]]:
    found = []
    for name in ("start_date", "end_date"):
        days = pd.to_datetime(table[name], format="%Y-%m-%d", errors="coerce")
        _refuse(location, days.isna(), f"no date in `{name}`", "write YYYY-MM-DD")
        found.append(days.to_numpy("datetime64[D]"))
    start, end = found
    _refuse(location, end < start, "an end_date before the start_date", "correct the dates")
    return start, end


def _refuse(location: Location, bad: Sequence[bool] | npt.ArrayLike | Texts, what: str, advice: str) -> None:
    """Raise `LabelError` that names the lines of the file where `bad` is true."""
    lines = np.flatnonzero(np.asarray(bad, bool)) + 2  # the header is line 1
    if len(lines):
        shown = ", ".join(map(str, lines[:_SHOWN])) + (", ..." if len(lines) > _SHOWN else "")
        raise LabelError(f"{location} has {what} in {len(lines)} row(s), line {shown} of the file: {advice}.")


def _require_known(location: Location, label: Texts, codes: SourceCodes) -> None:
    known = {str(code) for code in codes.known}
    counts = label[~label.isin(list(known))].value_counts()
    if len(counts):
        listed = ", ".join(f"{text!r} ({count} points)" for text, count in counts.head(_SHOWN).items())
        more = f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
        raise LabelError(
            f"{location} holds labels that source {codes.name!r} of the legend does not know: {listed}{more}. Known are "
            f"{', '.join(sorted(known))}. Add them to the legend, as a class or under `unlabelled`, or give a `crosswalk`."
        )
