"""What lies between the surface and Sentinel-2: clouds, their shadows, thin cloud, and what the classification makes of it."""

import datetime as dt
from dataclasses import dataclass

import numpy as np

from cerradata.core.types import BoolArray, FloatArray, LabelArray
from cerradata.simulation.area import PIXEL
from cerradata.simulation.classes import Cover
from cerradata.simulation.noise import Window, fractal_noise, key_of, mix, smooth_noise, uniform
from cerradata.simulation.optics import BANDS
from cerradata.simulation.parameters import Parameters
from cerradata.simulation.surface import Surface

NO_DATA, DARK, SHADOW, VEGETATION, BARE, WATER, CLOUD_MEDIUM, CLOUD_HIGH, CIRRUS = 0, 2, 3, 4, 5, 6, 8, 9, 10
"""Values of the scene classification layer of Sentinel-2 L2A that the simulation uses."""


@dataclass(frozen=True)
class Sky:
    """The sky over a window on a day.

    Attributes:
        cloud: (rows, columns) float32 opacity of clouds, 0 to 1.
        shadow: (rows, columns) float32 opacity of the cloud that shades the ground, 0 to 1.
        veil: (rows, columns) float32 reflectance in B01 that thin cloud and haze add.
    """

    cloud: FloatArray
    shadow: FloatArray
    veil: FloatArray


@dataclass(frozen=True)
class Sun:
    """Where the sun stands.

    Attributes:
        azimuth: Degrees from north, clockwise.
        elevation: Degrees above the horizon.
    """

    azimuth: float
    elevation: float

    @staticmethod
    def at(day: int, latitude: float, hour: float = 10.7) -> "Sun":
        """The sun on a day of the year (declination after Cooper 1969), at the local solar time of the overpass."""
        declination = np.radians(23.45) * np.sin(2 * np.pi * (284 + day) / 365)
        angle, phi = np.radians(15 * (hour - 12)), np.radians(latitude)
        height = np.arcsin(np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(angle))
        east = -np.cos(declination) * np.sin(angle)
        north = np.cos(phi) * np.sin(declination) - np.sin(phi) * np.cos(declination) * np.cos(angle)
        return Sun(float(np.degrees(np.arctan2(east, north)) % 360), float(np.degrees(height)))


def sky_over(window: Window, date: dt.date, cover: float, sun: Sun, parameters: Parameters, seed: int) -> Sky:
    """The sky over a window: it depends on the day and the place alone, so tiles that overlap see the same clouds.

    Args:
        window: Where.
        date: When.
        cover: Share of the sky under clouds, 0 to 1.
        sun: Where the sun stands.
        parameters: Size and height of clouds, thin cloud.
        seed: The world's seed.
    """
    far = parameters.number("sky.cloud_height_m") / np.tan(np.radians(sun.elevation)) / PIXEL
    south, east = far * np.cos(np.radians(sun.azimuth)), -far * np.sin(np.radians(sun.azimuth))
    # the shadow on a pixel is that of the cloud towards the sun
    towards = Window(window.row - round(south), window.col - round(east), window.rows, window.columns)
    return Sky(
        _clouds(window, date, cover, parameters, seed),
        _clouds(towards, date, cover, parameters, seed),
        _veil(window, date, parameters, seed),
    )


def _clouds(window: Window, date: dt.date, cover: float, p: Parameters, seed: int) -> FloatArray:
    wavelength = p.number("sky.cloud_km") * 1000 / PIXEL
    groups = fractal_noise(key_of(seed, "clouds", date), window, wavelength, octaves=6, gain=0.62)
    threshold = -np.log(max(cover, 1e-4) / (1 - min(cover, 0.99))) / 1.702
    return np.asarray(np.clip((groups - np.float32(threshold)) / 0.30, 0, 1), np.float32)


def _veil(window: Window, date: dt.date, p: Parameters, seed: int) -> FloatArray:
    """Thin cloud in patches of some kilometres, with a long tail of brightness, and a little haze everywhere."""
    patches = fractal_noise(key_of(seed, "veil", date), window, 320, octaves=5, gain=0.6)
    share = p.number("sky.thin_percent") / 100
    threshold = -np.log(share / (1 - share)) / 1.702
    # above a high threshold a normal field exceeds it about exponentially, with the mean 1 / threshold
    excess = np.maximum(patches - np.float32(threshold), 0) * np.float32(threshold)
    haze = p.number("sky.haze") * (1 + 0.4 * smooth_noise(key_of(seed, "haze", date), window, 900))
    bright = np.float32(0.7 * p.number("sky.thin_opacity")) * excess * (1 + 1.6 * excess)
    return np.asarray(bright + np.maximum(haze, 0), np.float32)


def through(sky: Sky, surface: FloatArray, parameters: Parameters) -> FloatArray:
    """Reflectance of a surface as seen through the sky.

    Args:
        sky: The sky.
        surface: (12, rows, columns) float32 reflectance.
        parameters: Spectra of cloud and haze.

    Returns:
        (12, rows, columns) float32.
    """
    haze, cloud = parameters.numbers("spectra.haze"), parameters.numbers("spectra.cloud")
    light = 1 - 0.62 * sky.shadow * (1 - 0.3 * sky.cloud)
    seen = np.empty_like(surface)
    for i in range(len(BANDS)):
        veil = sky.veil * haze[i]
        seen[i] = (surface[i] * light * (1 - np.minimum(veil, 0.9)) + veil) * (1 - sky.cloud) + cloud[i] * sky.cloud
    return seen


def classify(
    sky: Sky, surface: Surface, seen: FloatArray, date: dt.date, parameters: Parameters, seed: int
) -> LabelArray:
    """The scene classification layer on 10 m pixels, with the errors that real ones have.

    Clouds and shadows grow by nothing and lose their thin edges. Bright town blocks, mines and bare fields are taken for
    cloud on some dates, dark water for shadow.

    Returns:
        (rows, columns) uint8 values of the layer.
    """
    red, nir = seen[BANDS.index("B04")], seen[BANDS.index("B08")]
    index = (nir - red) / np.maximum(nir + red, 1e-3)
    result = np.where(index > 0.42, VEGETATION, BARE).astype(np.uint8)
    result[surface.cover == Cover.WATER] = WATER
    limit = np.float32(parameters.number("sky.seen_opacity"))
    result[sky.shadow > limit] = SHADOW
    day = date.toordinal()
    bright = np.isin(surface.cover, (Cover.URBAN, Cover.OTHER_BUILT, Cover.MINING)) | (
        (index < 0.16) & (seen[BANDS.index("B03")] > 0.125)
    )
    tricked = draw_parcel(surface, key_of(seed, "bright"), day) < parameters.number("sky.bright_error")
    result[bright & tricked] = CLOUD_MEDIUM
    reach = smooth_noise(key_of(seed, "dark", date), surface.window, 90)
    dark = surface.cover == Cover.WATER
    quantile = np.log(parameters.number("sky.dark_error") / (1 - parameters.number("sky.dark_error"))) / 1.702
    result[dark & (reach < quantile)] = SHADOW
    result[sky.veil > 0.40] = CIRRUS
    result[sky.cloud > limit] = CLOUD_MEDIUM
    result[sky.cloud > 0.75] = CLOUD_HIGH
    return result


def draw_parcel(surface: Surface, key: np.uint64, number: int) -> FloatArray:
    """A number from 0 to 1 for each parcel, another one for each `number`."""
    return uniform(mix(mix(surface.parcel, number), int(key >> np.uint64(1))))


def is_seen(window: Window, orbit: int, area: Window) -> BoolArray:
    """Where an orbit's swath lies: it ends inside the area, at a corner in the west (orbit 1) or the east (orbit 0).

    The ground track leans by 12 degrees from north, as that of Sentinel-2 does here.
    """
    lean = np.tan(np.radians(12.0))
    middle_row = area.row + area.rows / 2
    edge = area.col + area.columns * (0.04 if orbit else 0.96)
    line = edge - lean * (window.y - middle_row)
    x = window.x[None, :]
    return np.asarray(x > line[:, None] if orbit else x < line[:, None])
