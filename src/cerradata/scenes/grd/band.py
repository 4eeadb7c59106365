"""`GrdBand`: one polarisation of a GRD product, read as calibrated power on a north-up grid."""

import math
from dataclasses import dataclass, field

import numpy as np

from cerradata.core.types import Array, BoolArray, FloatArray
from cerradata.scenes.band_file import BandFile
from cerradata.scenes.grd.geolocation import GeolocationGrid, read_geolocation
from cerradata.scenes.grd.sample import bilinear, block_mean
from cerradata.scenes.grd.tables import Calibration, read_calibration, read_noise
from cerradata.scenes.product import ProductFiles

LEAST_POWER = np.float32(1e-6)
"""Power (-60 dB) that a pixel has at least. Where the noise is as strong as the signal, DN^2 - noise comes out as 0 or less:
that is dark ground and no hole. 0 would be no data downstream, and has no decibels. One digital number is about -55 dB."""


@dataclass(frozen=True)
class GrdImage:
    """The files of one polarisation of a product, and the size of its image.

    Attributes:
        files: The product.
        measurement: The TIFF, as a name of `files`.
        annotation: The XML file of the image.
        calibration: The XML file with its calibration tables.
        noise: The XML file with its thermal noise; None if the noise is kept.
        shape: Lines and pixels.
        looks: Lines and pixels that are averaged before anything else, where the image is finer than the grid.
    """

    files: ProductFiles
    measurement: str
    annotation: str
    calibration: str
    noise: str | None
    shape: tuple[int, int]
    looks: tuple[int, int] = (1, 1)

    @property
    def geolocation(self) -> GeolocationGrid:
        """Its geolocation grid."""
        return read_geolocation(self.files, self.annotation, self.measurement)


@dataclass(frozen=True)
class GrdBand(BandFile):
    """One polarisation of a GRD product. It is read like a raster file on `grid`, and nothing is computed before.

    The numbers are linear power: (DN^2 - thermal noise) / A^2, at least `LEAST_POWER`, interpolated bilinearly in linear
    power to where the product's geolocation grid puts each pixel. 0 is no data: where the image has DN 0 or ends.

    Attributes:
        image: Files of the polarisation.
        calibration: "sigma0", "gamma0" or "beta0".
    """

    nodata: float | None = 0.0
    image: GrdImage = field(kw_only=True)
    calibration: Calibration = field(default="sigma0", kw_only=True)

    def read(
        self, rows: slice, columns: slice, *, what: str, shape: tuple[int, int] | None = None
    ) -> tuple[Array, BoolArray | None]:
        """Read a window of the grid, see `BandFile.read`.

        Returns:
            (rows, columns) float32 linear power with 0 = no data, and where there is no data.

        Raises:
            SceneError: If a file of the product cannot be read.
        """
        line, pixel = self._image_places(rows, columns, shape)
        if shape is None:
            power = self._between_pixels(line, pixel, what)
        else:
            step = max(rows.stop - rows.start, 1) / shape[0], max(columns.stop - columns.start, 1) / shape[1]
            power = self._nearest(line, pixel, step, what)
        hidden = np.isnan(power)
        power[hidden] = 0
        return power, hidden

    def _image_places(
        self, rows: slice, columns: slice, shape: tuple[int, int] | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Fractional line and pixel of the centres of a window's pixels, NaN outside of the image."""
        x, y = self._centres(rows, columns, shape)
        return self.image.geolocation.invert(x, y)

    def _centres(self, rows: slice, columns: slice, shape: tuple[int, int] | None) -> tuple[FloatArray, FloatArray]:
        """Easting of a window's columns and northing of its rows, at the centres of `shape` pixels over it."""
        height, width = shape or (rows.stop - rows.start, columns.stop - columns.start)
        place = self.grid.transform
        right = columns.start + (np.arange(width) + 0.5) * ((columns.stop - columns.start) / width)
        down = rows.start + (np.arange(height) + 0.5) * ((rows.stop - rows.start) / height)
        return place.c + right * place.a, place.f + down * place.e

    def _between_pixels(self, line: FloatArray, pixel: FloatArray, what: str) -> FloatArray:
        """Power at fractional lines and pixels, NaN = no data."""
        looks = self.image.looks
        line, pixel = ((at + 0.5) / k - 0.5 for at, k in zip((line, pixel), looks, strict=True))
        window = [_around(at, size // k) for at, size, k in zip((line, pixel), self.image.shape, looks, strict=True)]
        if any(part.start >= part.stop for part in window):
            return np.full(line.shape, np.nan, np.float32)
        lines, pixels = (slice(part.start * k, part.stop * k) for part, k in zip(window, looks, strict=True))
        numbers, hidden = super().read(lines, pixels, what=what)
        power = self._power(numbers, np.arange(lines.start, lines.stop), np.arange(pixels.start, pixels.stop))
        power, valid = block_mean(power, _data(numbers, hidden), looks)
        return bilinear(power, valid, line - window[0].start, pixel - window[1].start)

    def _nearest(self, line: FloatArray, pixel: FloatArray, step: tuple[float, float], what: str) -> FloatArray:
        """Power of the nearest pixel or one next to it, NaN = no data, of an image read with gaps.

        `step` is the distance of the places in pixels of the grid; half of it is the distance of what is read.
        """
        result = np.full(line.shape, np.nan, np.float32)
        inside = np.isfinite(line)
        if not inside.any():
            return result
        gap = max(1, int(min(step) * min(self.image.looks)) // 2)
        parts, picked = [], []
        for at, size in zip((line, pixel), self.image.shape, strict=True):
            part = _around(at, size)
            count = max(1, (part.stop - part.start) // gap)
            length = min(part.stop - part.start, count * gap)
            parts.append((slice(part.start, part.start + length), count, length / count))
            picked.append(np.clip((at[inside] + 0.5 - part.start) / (length / count), 0, count - 1).astype(np.int64))
        (lines, height, tall), (pixels, width, wide) = parts
        numbers, hidden = super().read(lines, pixels, what=what, shape=(height, width))
        at_line = lines.start + (np.arange(height) + 0.5) * tall - 0.5
        at_pixel = pixels.start + (np.arange(width) + 0.5) * wide - 0.5
        power = self._power(numbers, at_line, at_pixel)
        power[~_data(numbers, hidden)] = np.nan
        result[inside] = power[picked[0], picked[1]]
        return result

    def _power(self, numbers: Array, lines: FloatArray, pixels: FloatArray) -> FloatArray:
        """Calibrated power of the image's own pixels, float32."""
        image = self.image
        power = np.square(numbers.astype(np.float32))
        if image.noise is not None:
            power -= read_noise(image.files, image.noise).at(lines, pixels)
        power /= np.square(read_calibration(image.files, image.calibration, self.calibration).at(lines, pixels))
        return np.maximum(power, LEAST_POWER, out=power)


def incidence_angle(band: GrdBand, rows: slice, columns: slice) -> FloatArray:
    """Incidence angle over the ellipsoid, interpolated bilinearly in the product's geolocation grid.

    Args:
        band: A band of a GRD product.
        rows: Rows of the band's grid.
        columns: Columns of the band's grid.

    Returns:
        (rows, columns) float32 degrees; NaN outside of the image, or where the product does not say.

    Raises:
        SceneError: If the annotation cannot be read.
    """
    line, pixel = band._image_places(rows, columns)
    inside = np.isfinite(line)
    angle = np.full(line.shape, np.nan, np.float32)
    angle[inside] = band.image.geolocation.incidence_at(line[inside], pixel[inside])
    return angle


def _around(at: FloatArray, size: int) -> slice:
    """The whole numbers around all finite places, inside the image; an empty slice if there are none."""
    finite = at[np.isfinite(at)]
    if not finite.size:
        return slice(0, 0)
    return slice(max(0, math.floor(finite.min())), min(size, math.floor(finite.max()) + 2))


def _data(numbers: Array, hidden: BoolArray | None) -> BoolArray:
    return np.asarray(numbers != 0) if hidden is None else ~hidden
