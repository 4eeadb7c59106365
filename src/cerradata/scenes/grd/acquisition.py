"""When and how far away a place was seen: orbit, line times and ground range of a product's annotation."""

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from xml.etree import ElementTree

import numpy as np

from cerradata.core.types import FloatArray
from cerradata.scenes.grd.xml import damaged, number, numbers, parse_xml, texts
from cerradata.scenes.product import ProductFiles


@dataclass(frozen=True, eq=False)
class Acquisition:
    """The geometry of an image's acquisition. Times are seconds from that of the first line.

    Attributes:
        line_seconds: Seconds from line to line.
        pixel_metres: Metres on the ground from pixel to pixel.
        times: (n,) times of the state vectors.
        positions: (n, 3) metres in the Earth's frame, EPSG:4978.
        range_times: (k,) times of the polynomials from slant to ground range, increasing.
        range_starts: (k,) slant range in metres that is taken off first.
        range_series: (k, degree + 1) coefficients, the constant first.
    """

    line_seconds: float
    pixel_metres: float
    times: FloatArray
    positions: FloatArray
    range_times: FloatArray
    range_starts: FloatArray
    range_series: FloatArray

    def image_places(self, seconds: FloatArray, slant: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Fractional line and pixel of zero-Doppler times and slant ranges in metres, arrays of one shape.

        Between the times of two polynomials their coefficients go over linearly.
        """
        last = len(self.range_times) - 1
        upper = np.clip(np.searchsorted(self.range_times, seconds), min(1, last), last)
        lower = np.maximum(upper - 1, 0)
        span = self.range_times[upper] - self.range_times[lower]
        part = np.clip((seconds - self.range_times[lower]) / np.where(span > 0, span, 1), 0, 1)
        start = self.range_starts[lower] * (1 - part) + self.range_starts[upper] * part
        beyond = slant - start
        ground = np.zeros_like(beyond)
        for series in self.range_series.T[::-1]:
            ground = ground * beyond + (series[lower] * (1 - part) + series[upper] * part)
        return seconds / self.line_seconds, ground / self.pixel_metres


@lru_cache(maxsize=8)
def read_acquisition(files: ProductFiles, annotation: str) -> Acquisition:
    """The acquisition of an image from its annotation.

    Raises:
        SceneError: If the file is damaged, or lacks the orbit or the polynomials.
    """
    root = parse_xml(files, annotation)
    said = texts(root)
    try:
        first = dt.datetime.fromisoformat(said["productFirstLineUtcTime"])
        orbit = sorted((_seconds(e, "time", first), *_position(e)) for e in root.iter("orbit"))
        ranges = sorted(
            (_seconds(e, "azimuthTime", first), number(e, "sr0"), tuple(numbers(e, "srgrCoefficients")))
            for e in root.iter("coordinateConversion")
            if e.find("sr0") is not None  # the list has the name of its members
        )
        if len(orbit) < 4 or not ranges:
            raise ValueError("no orbit or no ground range in it")
        vectors = np.asarray(orbit)
        return Acquisition(
            line_seconds=float(said["azimuthTimeInterval"]),
            pixel_metres=float(said["rangePixelSpacing"]),
            times=vectors[:, 0],
            positions=vectors[:, 1:],
            range_times=np.asarray([r[0] for r in ranges]),
            range_starts=np.asarray([r[1] for r in ranges]),
            range_series=np.asarray([r[2] for r in ranges], dtype=np.float64),
        )
    except (KeyError, ValueError) as error:
        raise damaged(files, annotation, str(error)) from error


def _seconds(element: ElementTree.Element, tag: str, first: dt.datetime) -> float:
    return (dt.datetime.fromisoformat(element.findtext(tag) or "") - first).total_seconds()


def _position(element: ElementTree.Element) -> tuple[float, float, float]:
    place = element.find("position")
    if place is None:
        raise ValueError("<orbit> lacks <position>")
    return number(place, "x"), number(place, "y"), number(place, "z")
