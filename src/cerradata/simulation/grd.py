"""A simulated Sentinel-1 scene as ESA distributes them: a GRD product in ground range, not calibrated, with its noise.

The structure is that of an IW GRDH SAFE folder, reduced to what readers look for (GDAL's driver SAFE opens it): digital
numbers without a map projection, calibration and thermal-noise tables, a geolocation grid, orbit state vectors. It is
small, so the incidence angle goes from near to far range within kilometres. That the numbers are simulated is said in a
comment of each XML file, in the manifest and in a tag of each image.
"""

import datetime as dt
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from rasterio.control import GroundControlPoint
from rasterio.io import MemoryFile

from cerradata.core.errors import ConfigError
from cerradata.core.files import atomic_folder, atomic_path
from cerradata.core.types import SIMULATED_TAG, Array, FloatArray
from cerradata.simulation import grd_metadata as metadata
from cerradata.simulation.grd_geometry import Geometry
from cerradata.simulation.grd_manifest import Header, manifest
from cerradata.simulation.noise import key_of
from cerradata.simulation.radar import POLARISATIONS, speckle
from cerradata.simulation.safe import write_xml

NoiseFormat = Literal["range", "range-azimuth"]
Backscatter = Callable[[FloatArray, FloatArray], FloatArray]
"""Longitude and latitude in degrees, each (lines, samples), to sigma0 of VV and VH, (2, lines, samples) linear power."""

_GAIN: Final = {"VV": 420.0, "VH": 400.0}  # the calibration constant A; real products have 300 to 600
_STEP: Final = 40  # pixels between the values of a table, as in real products
_SUB_SWATHS: Final = ("IW1", "IW2", "IW3")
_LARGEST: Final = np.iinfo(np.uint16).max


@dataclass(frozen=True)
class GrdOptions:
    """What a simulated GRD product is like.

    Attributes:
        centre: Longitude and latitude of its middle, in degrees.
        shape: Lines and samples.
        spacing: Metres of a pixel.
        ascending: Whether the satellite flies north; it looks to the right.
        start: Time of the first line.
        absolute_orbit: Number of the orbit since launch.
        incidence: Incidence angle at near and far range, in degrees.
        noise_db: Thermal noise (NESZ) in the middle and at the sides of the swath, as sigma0 in dB.
        noise_format: "range": one table, as before IPF 2.9; "range-azimuth": a table and factors along the lines of each
            sub-swath, as since.
        looks: Equivalent number of looks of the speckle; None for none.
        border: Samples without data along near and far range.
        height: Metres of the ground above the ellipsoid.
        seed: Seed of the speckle.
    """

    centre: tuple[float, float] = (-48.2, -7.4)
    shape: tuple[int, int] = (600, 800)
    spacing: float = 10.0
    ascending: bool = False
    start: dt.datetime = dt.datetime(2022, 7, 12, 9, 5, 11)
    absolute_orbit: int = 44_066
    incidence: tuple[float, float] = (30.0, 45.0)
    noise_db: tuple[float, float] = (-29.0, -24.5)
    noise_format: NoiseFormat = "range-azimuth"
    looks: float | None = 4.4
    border: int = 0
    height: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the size.

        Raises:
            ConfigError: If the image is too small for its tables or the border leaves nothing of it.
        """
        if min(self.shape) < 64 or 2 * self.border >= self.shape[1]:
            raise ConfigError(
                f"A GRD product of {self.shape} pixels with a border of {self.border}: give 64 lines and samples or more, and "
                "a border below half of the samples."
            )

    @property
    def geometry(self) -> Geometry:
        """Where the image lies."""
        return Geometry(self.centre, self.shape, self.spacing, self.ascending, self.height)

    @property
    def relative_orbit(self) -> int:
        """Number of the relative orbit of Sentinel-1A."""
        return (self.absolute_orbit - 73) % 175 + 1

    def incidence_at(self, samples: Array) -> FloatArray:
        """Incidence angle in degrees of samples."""
        near, far = self.incidence
        return np.asarray(near + (far - near) * np.asarray(samples) / (self.shape[1] - 1))


def write_grd(root: Path, options: GrdOptions, backscatter: Backscatter, *, simulated: str) -> Path:
    """Write a minimal Sentinel-1A IW GRDH product, whole or not at all. One that is there is replaced.

    Args:
        root: Folder in which the product is made.
        options: What it is like.
        backscatter: The truth.
        simulated: Which simulation made it: value of the tag `SIMULATED_TAG`.

    Returns:
        The folder `S1A_IW_GRDH_1SDV_<start>_<stop>_<orbit>_<data take>_<check sum>.SAFE`. The same arguments give the same
        name and the same bytes.

    Raises:
        OutputError: If there is no space or no permission.
    """
    header = _header(options, simulated)
    images = digital_numbers(options, backscatter)
    folder = root / _name(header, images)
    incidence = options.incidence_at(np.arange(options.shape[1]))
    names = {band: _file_name(header, band) for band in POLARISATIONS}
    with atomic_folder(folder) as making:
        files: dict[str, str] = {}
        for number, band in enumerate(POLARISATIONS):
            name = names[band]
            xml = {
                f"annotation/{name}.xml": metadata.annotation(header, band, options.geometry, incidence),
                f"annotation/calibration/calibration-{name}.xml": metadata.calibration(
                    header, band, _calibration(options, band)
                ),
                f"annotation/calibration/noise-{name}.xml": metadata.noise(
                    header, band, _noise_table(options, band), _azimuth(options)
                ),
            }
            for path, content in xml.items():
                write_xml(making / path, content, simulated)
            measurement = f"measurement/{name}.tiff"
            _write_image(making / measurement, images[number], options, simulated)
            files |= dict.fromkeys([*xml, measurement], band)
        write_xml(making / "manifest.safe", manifest(header, POLARISATIONS, list(files)), simulated)
    return folder


def digital_numbers(options: GrdOptions, backscatter: Backscatter) -> Array:
    """The images of a product: DN = A * sqrt((sigma0 + thermal noise) * speckle).

    Returns:
        (2, lines, samples) uint16 of VV and VH; 0 = no data.
    """
    lines, samples = (np.arange(size) for size in options.shape)
    truth = np.asarray(backscatter(*options.geometry.place(lines, samples)), dtype=np.float64)
    power = truth + noise_power(options)
    numbers = np.empty(power.shape, np.uint16)
    for number, band in enumerate(POLARISATIONS):
        own = power[number]
        if options.looks is not None:
            own = own * speckle(int(key_of(options.seed, "grd", band, options.start)), options.shape, options.looks)
        gain = _gain(options, band, lines, samples)
        numbers[number] = np.clip(np.rint(gain * np.sqrt(own)), 1, _LARGEST)
    if options.border:
        numbers[:, :, : options.border] = 0
        numbers[:, :, -options.border :] = 0
    return numbers


def noise_power(options: GrdOptions) -> FloatArray:
    """The thermal noise of each pixel as sigma0, (lines, samples) linear power."""
    lines, samples = (np.arange(size) for size in options.shape)
    noise = _noise_across(options, lines, samples)
    for vector in _azimuth(options) or ():
        columns = slice(vector.first_pixel, vector.last_pixel + 1)
        noise[:, columns] *= np.interp(lines, vector.lines, vector.factors)[:, None]
    return noise


def _noise_across(options: GrdOptions, lines: Array, samples: Array) -> FloatArray:
    """The noise without factors along azimuth: lowest in the middle of the swath, 0.5 dB more at the last line."""
    middle, side = options.noise_db
    across = (2 * np.asarray(samples) / (options.shape[1] - 1) - 1) ** 2
    down = 0.5 * np.asarray(lines) / (options.shape[0] - 1)
    return np.asarray(10 ** ((middle + (side - middle) * across[None, :] + down[:, None]) / 10))


def _azimuth(options: GrdOptions) -> list[metadata.AzimuthVector] | None:
    """Each sub-swath has scalloping of its own phase, and a step of level to the next one."""
    if options.noise_format == "range":
        return None
    lines = np.unique(np.append(np.arange(0, options.shape[0], 10), options.shape[0] - 1))
    sides = np.linspace(0, options.shape[1], len(_SUB_SWATHS) + 1).round().astype(int)
    return [
        metadata.AzimuthVector(
            swath,
            int(sides[k]),
            int(sides[k + 1]) - 1,
            lines,
            (1 + 0.12 * np.sin(2 * np.pi * lines / 180 + 2 * k)) * (0.8 + 0.2 * k),
        )
        for k, swath in enumerate(_SUB_SWATHS)
    ]


def _gain(options: GrdOptions, band: str, lines: Array, samples: Array) -> FloatArray:
    """The calibration constant A of sigma0: a little more towards far range and down the image, as in real products."""
    across = 1 + 0.08 * np.asarray(samples) / options.shape[1]
    down = 1 + 0.01 * np.asarray(lines) / options.shape[0]
    return np.asarray(_GAIN[band] * across[None, :] * down[:, None])


def _calibration(options: GrdOptions, band: str) -> metadata.Table:
    """A of sigma0, gamma0 = sigma0 / cos(incidence) and beta0 = sigma0 / sin(incidence)."""
    lines, samples = _nodes(options)
    angle = np.radians(options.incidence_at(samples))
    gain = _gain(options, band, lines, samples)
    return metadata.Table(
        lines,
        samples,
        {
            "sigmaNought": gain,
            "betaNought": gain * np.sqrt(np.sin(angle)),
            "gamma": gain * np.sqrt(np.cos(angle)),
            "dn": np.full_like(gain, _GAIN[band]),
        },
    )


def _noise_table(options: GrdOptions, band: str) -> metadata.Table:
    lines, samples = _nodes(options)
    values = _noise_across(options, lines, samples) * _gain(options, band, lines, samples) ** 2
    return metadata.Table(lines, samples, {"noiseLut" if options.noise_format == "range" else "noiseRangeLut": values})


def _nodes(options: GrdOptions) -> tuple[Array, Array]:
    """Lines and pixels of the tables. The first line lies before the image, as in real products."""
    lines = np.append(np.arange(-options.shape[0] // 5, options.shape[0], options.shape[0] // 5), options.shape[0] - 1)
    return np.unique(lines), np.unique(np.append(np.arange(0, options.shape[1], _STEP), options.shape[1] - 1))


def _header(options: GrdOptions, simulated: str) -> Header:
    return Header(
        mission="S1A",
        start=options.start,
        stop=options.start + options.geometry.duration,
        absolute_orbit=options.absolute_orbit,
        relative_orbit=options.relative_orbit,
        take=7 * options.absolute_orbit,
        ascending=options.ascending,
        simulated=simulated,
    )


def _name(header: Header, images: Array) -> str:
    start, stop = (moment.strftime("%Y%m%dT%H%M%S") for moment in (header.start, header.stop))
    check = zlib.crc32(images.tobytes()) & 0xFFFF
    return f"S1A_IW_GRDH_1SDV_{start}_{stop}_{header.absolute_orbit:06d}_{header.take:06X}_{check:04X}.SAFE"


def _file_name(header: Header, band: str) -> str:
    start, stop = (moment.strftime("%Y%m%dt%H%M%S") for moment in (header.start, header.stop))
    number = POLARISATIONS.index(band) + 1
    return f"s1a-iw-grd-{band.lower()}-{start}-{stop}-{header.absolute_orbit:06d}-{header.take:06x}-{number:03d}"


def _write_image(path: Path, numbers: Array, options: GrdOptions, simulated: str) -> None:
    """A TIFF in the geometry of the sensor: no transform, the geolocation grid as ground control points."""
    lines, pixels = metadata.geolocation_nodes(options.shape)
    longitude, latitude = options.geometry.place(lines, pixels)
    points = [
        GroundControlPoint(float(line), float(pixel), longitude[i, j], latitude[i, j], options.height)
        for i, line in enumerate(lines)
        for j, pixel in enumerate(pixels)
    ]
    height, width = options.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=width, height=height, count=1, dtype="uint16", gcps=points, crs="EPSG:4326"
        ) as file:
            file.write(numbers, 1)
            file.update_tags(**{SIMULATED_TAG: simulated})
        with atomic_path(path) as temporary:
            temporary.write_bytes(memory.getbuffer())
