"""Annotation, calibration and noise of a simulated Sentinel-1 GRD product as XML, reduced to what readers look for."""

import datetime as dt
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cerradata.core.types import FloatArray
from cerradata.simulation.grd_geometry import LIGHT, Geometry
from cerradata.simulation.grd_manifest import Header, element, time_text


@dataclass(frozen=True, eq=False)
class Table:
    """Values at some lines and pixels.

    Attributes:
        lines: (n,) lines.
        pixels: (m,) pixels.
        values: Values of each name, (n, m).
    """

    lines: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    values: dict[str, FloatArray]


@dataclass(frozen=True, eq=False)
class AzimuthVector:
    """Factors of the noise along the lines of a block: a sub-swath.

    Attributes:
        swath: Name of the sub-swath.
        first_pixel: First pixel of the block.
        last_pixel: Last pixel, in it.
        lines: Lines of the factors; the block goes from the first to the last.
        factors: The factors.
    """

    swath: str
    first_pixel: int
    last_pixel: int
    lines: npt.NDArray[np.int64]
    factors: FloatArray


def annotation(header: Header, polarisation: str, geometry: Geometry, incidence: FloatArray) -> ET.Element:
    """The annotation of an image: orbit, image, ground range, geolocation grid.

    Args:
        header: The product.
        polarisation: "VV" or "VH".
        geometry: Where the image lies.
        incidence: (samples,) incidence angle in degrees.
    """
    info = element(
        "productInformation",
        element("pass", "Ascending" if header.ascending else "Descending"),
        element("platformHeading", f"{geometry.heading:.9e}"),
        element("projection", "Ground Range"),
        element("rangeSamplingRate", "6.434523812571428e+07"),
        element("radarFrequency", "5.405000454334350e+09"),
        element("azimuthSteeringRate", "1.590368784000000e+00"),
    )
    slant = geometry.slant_range(np.zeros(1))[0]
    image = element(
        "imageInformation",
        element("productFirstLineUtcTime", time_text(header.start)),
        element("productLastLineUtcTime", time_text(header.stop)),
        element("ascendingNodeTime", time_text(header.ascending_node)),
        element("productComposition", "Slice"),
        element("slantRangeTime", f"{2 * slant / LIGHT:.15e}"),
        element("pixelValue", "Detected"),
        element("outputPixels", "16 bit Unsigned Integer"),
        element("rangePixelSpacing", f"{geometry.spacing:.6e}"),
        element("azimuthPixelSpacing", f"{geometry.spacing:.6e}"),
        element("azimuthTimeInterval", f"{geometry.line_seconds:.15e}"),
        element("numberOfSamples", str(geometry.shape[1])),
        element("numberOfLines", str(geometry.shape[0])),
        element("incidenceAngleMidSwath", f"{incidence[len(incidence) // 2]:.9e}"),
    )
    return element(
        "product",
        _header(header, "GRD", polarisation),
        element("generalAnnotation", info, _list("orbitList", _orbit(header, geometry))),
        element("imageAnnotation", image),
        element("swathTiming", element("linesPerBurst", "0"), element("samplesPerBurst", "0"), _list("burstList", [])),
        element("coordinateConversion", _list("coordinateConversionList", [_ranges(header, geometry)])),
        element("geolocationGrid", _list("geolocationGridPointList", _points(header, geometry, incidence))),
    )


def calibration(header: Header, polarisation: str, table: Table) -> ET.Element:
    """The calibration tables: `table.values` by the names of ESA's elements."""
    return element(
        "calibration",
        _header(header, "GRD", polarisation),
        element("calibrationInformation", element("absoluteCalibrationConstant", "1.000000e+00")),
        _list("calibrationVectorList", _vectors(header, "calibrationVector", table)),
    )


def noise(header: Header, polarisation: str, table: Table, azimuth: Sequence[AzimuthVector] | None) -> ET.Element:
    """The thermal noise: with `azimuth` in the form since IPF 2.9, else in the one before."""
    head = _header(header, "GRD", polarisation)
    if azimuth is None:
        return element("noise", head, _list("noiseVectorList", _vectors(header, "noiseVector", table)))
    return element(
        "noise",
        head,
        _list("noiseRangeVectorList", _vectors(header, "noiseRangeVector", table)),
        _list("noiseAzimuthVectorList", [_azimuth(vector) for vector in azimuth]),
    )


def geolocation_nodes(shape: tuple[int, int]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Lines and pixels of the geolocation grid, from the first to the last."""
    return _nodes(shape[0], 5), _nodes(shape[1], 7)


def _points(header: Header, geometry: Geometry, incidence: FloatArray) -> Iterable[ET.Element]:
    lines, pixels = geolocation_nodes(geometry.shape)
    longitude, latitude = geometry.place(lines, pixels)
    slant = geometry.slant_range(pixels)
    for i, line in enumerate(lines):
        for j, pixel in enumerate(pixels):
            yield element(
                "geolocationGridPoint",
                element("azimuthTime", time_text(_at(header, geometry, line))),
                element("slantRangeTime", f"{2 * slant[j] / LIGHT:.15e}"),
                element("line", str(line)),
                element("pixel", str(pixel)),
                element("latitude", f"{latitude[i, j]:.15e}"),
                element("longitude", f"{longitude[i, j]:.15e}"),
                element("height", f"{geometry.height:.15e}"),
                element("incidenceAngle", f"{incidence[pixel]:.15e}"),
                element("elevationAngle", f"{incidence[pixel] * 0.88:.15e}"),
            )


def _orbit(header: Header, geometry: Geometry) -> Iterable[ET.Element]:
    """State vectors every ten seconds, from a minute before the image to a minute after it."""
    seconds = np.arange(-60, geometry.duration.total_seconds() + 60, 10.0)
    positions, velocities = geometry.satellite(seconds)
    for second, position, velocity in zip(seconds, positions, velocities, strict=True):
        yield element(
            "orbit",
            element("time", time_text(header.start + dt.timedelta(seconds=float(second)))),
            element("frame", "Earth Fixed"),
            element("position", *(element(k, f"{v:.9e}") for k, v in zip("xyz", position, strict=True))),
            element("velocity", *(element(k, f"{v:.9e}") for k, v in zip("xyz", velocity, strict=True))),
        )


def _ranges(header: Header, geometry: Geometry) -> ET.Element:
    to_slant, to_ground = geometry.ranges
    return element(
        "coordinateConversion",
        element("azimuthTime", time_text(header.start)),
        element("slantRangeTime", f"{2 * to_slant[0] / LIGHT:.15e}"),
        element("sr0", f"{to_slant[0]:.15e}"),
        _series("srgrCoefficients", [f"{c:.15e}" for c in to_ground]),
        element("gr0", "0.000000000000000e+00"),
        _series("grsrCoefficients", [f"{c:.15e}" for c in to_slant]),
    )


def _vectors(header: Header, tag: str, table: Table) -> Iterable[ET.Element]:
    for i, line in enumerate(table.lines):
        yield element(
            tag,
            element("azimuthTime", time_text(header.start)),
            element("line", str(line)),
            _series("pixel", [str(pixel) for pixel in table.pixels]),
            *(_series(name, [f"{v:.6e}" for v in values[i]]) for name, values in table.values.items()),
        )


def _azimuth(vector: AzimuthVector) -> ET.Element:
    return element(
        "noiseAzimuthVector",
        element("swath", vector.swath),
        element("firstAzimuthLine", str(vector.lines[0])),
        element("firstRangeSample", str(vector.first_pixel)),
        element("lastAzimuthLine", str(vector.lines[-1])),
        element("lastRangeSample", str(vector.last_pixel)),
        _series("line", [str(line) for line in vector.lines]),
        _series("noiseAzimuthLut", [f"{v:.6e}" for v in vector.factors]),
    )


def _header(header: Header, kind: str, polarisation: str) -> ET.Element:
    return element(
        "adsHeader",
        element("missionId", header.mission),
        element("productType", kind),
        element("polarisation", polarisation),
        element("mode", "IW"),
        element("swath", "IW"),
        element("startTime", time_text(header.start)),
        element("stopTime", time_text(header.stop)),
        element("absoluteOrbitNumber", str(header.absolute_orbit)),
        element("missionDataTakeId", str(header.take)),
        element("imageNumber", {"VV": "001", "VH": "002"}[polarisation]),
    )


def _at(header: Header, geometry: Geometry, line: float) -> dt.datetime:
    return header.start + dt.timedelta(seconds=float(line) * geometry.line_seconds)


def _nodes(size: int, count: int) -> npt.NDArray[np.int64]:
    return np.unique(np.linspace(0, size - 1, count).round().astype(np.int64))


def _series(tag: str, parts: list[str]) -> ET.Element:
    return element(tag, " ".join(parts), count=str(len(parts)))


def _list(tag: str, children: Iterable[ET.Element]) -> ET.Element:
    found = list(children)
    return element(tag, *found, count=str(len(found)))
