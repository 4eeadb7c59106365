"""Each pixel takes all its bands from one scene, the first that shows the ground."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from odc.geo.geobox import GeoBox

from cerradata.core.types import Array, BoolArray, FloatArray
from cerradata.cube.composite.image import Composite
from cerradata.cube.resample import MeasurementResampling, resample_window
from cerradata.scenes import Scene


def first_valid(
    scenes: Sequence[Scene],
    bands: Sequence[str],
    window: GeoBox,
    resampling: MeasurementResampling,
    *,
    count: bool = False,
) -> Composite:
    """One window of the target grid: the first scene that shows the ground gives a pixel, in all bands.

    A pixel is taken from the first scene that does not mask it and has data there in every band: bands of two dates never
    meet in one pixel. Where no scene has every band, the first one that does not mask it and has any gives what it has.

    Files are read as far as they are needed: a scene no more once its mask and what is filled already leave nothing for
    it (unless observations are counted: then its mask and one band), and of a scene without data in the window one band,
    the coarsest.

    Args:
        scenes: In the order of preference.
        bands: Bands to take; every scene has them.
        window: The window, as a grid.
        resampling: Kernel.
        count: Count the observations of each pixel: scenes that do not mask it and have data in their coarsest band.

    Returns:
        The composite. Each pixel is decided for itself, so the result depends on how an area is divided into windows no more
        than `resample_window` does: by the last bit within one CRS. Between two, a pixel at the very edge of a mask may
        come from another scene (5 in a million, measured).

    Raises:
        SceneError: If a file cannot be read.
    """
    canvas = _Canvas(len(bands), window)
    counts = np.zeros(window.shape, np.uint16) if count else None
    empty: list[tuple[int, Scene, BoolArray]] = []
    for rank, scene in enumerate(scenes):
        if counts is None and not canvas.open.any():
            break
        visible = ~hidden(scene, window)
        wanted = canvas.open & visible
        if counts is None and not wanted.any():
            continue
        probe = probe_band(scene, bands)
        known = {probe: resampled(scene, probe, window, resampling)}
        visible &= ~np.isnan(known[probe])
        if counts is not None:
            counts += visible
        if not wanted.any():
            continue
        if not (wanted & visible).any():
            empty.append((rank, scene, wanted))  # no pixel can be whole; what other bands have may be needed in the end
            continue
        canvas.add(rank, wanted, read_bands(scene, bands, window, resampling, known))
    for rank, scene, wanted in empty if len(bands) > 1 else ():
        if (wanted & canvas.open).any():
            canvas.add(rank, wanted & canvas.open, read_bands(scene, bands, window, resampling, {}))
    return Composite(canvas.values, canvas.source, counts)


def hidden(scene: Scene, window: GeoBox) -> BoolArray:
    """Where the masks of a scene hide it, by nearest neighbour.

    Args:
        scene: The scene.
        window: The window, as a grid.

    Returns:
        (rows, columns), False beyond the masks: there the numbers decide.

    Raises:
        SceneError: If a file cannot be read.
    """
    result = np.zeros(window.shape, bool)
    for mask in scene.masks:
        result |= resample_window(mask.read, mask.grid, window, "nearest", 0) == 1
    return result


def probe_band(scene: Scene, bands: Sequence[str]) -> str:
    """The band with the largest pixels: the cheapest to ask where a scene has data."""
    return max(bands, key=lambda band: abs(float(scene.bands[band].grid.resolution.x)))


def resampled(scene: Scene, band: str, window: GeoBox, resampling: MeasurementResampling) -> FloatArray:
    """A band of a scene on a window, (rows, columns) float32, NaN = no data; masks are not applied."""
    return resample_window(partial(scene.read, band), scene.bands[band].grid, window, resampling, np.nan)


def read_bands(
    scene: Scene,
    bands: Sequence[str],
    window: GeoBox,
    resampling: MeasurementResampling,
    known: dict[str, FloatArray],
) -> FloatArray:
    """(bands, rows, columns) of a scene on a window; bands in `known` are taken from there."""
    pixels = np.empty((len(bands), *window.shape), np.float32)
    for layer, band in zip(pixels, bands, strict=True):
        layer[...] = known[band] if band in known else resampled(scene, band, window, resampling)
    return pixels


class _Canvas:
    """A window that scenes fill, and which of its pixels are still to be filled."""

    def __init__(self, bands: int, window: GeoBox) -> None:
        self._shape = (bands, *window.shape)
        self._values: FloatArray | None = None
        self.open: BoolArray = np.ones(window.shape, bool)  # pixels that no scene has given in every band
        self.source: Array = np.zeros(window.shape, np.uint16)  # 1 + rank of the scene that gave all it gives

    @property
    def values(self) -> FloatArray:
        """(bands, rows, columns) float32, NaN where nothing was taken."""
        return np.full(self._shape, np.nan, np.float32) if self._values is None else self._values

    def add(self, rank: int, wanted: BoolArray, pixels: FloatArray) -> None:
        """Take from a scene what it has for the pixels wanted; `rank` is its place in the order of preference.

        `pixels` belongs to the canvas from then on.
        """
        valid = ~np.isnan(pixels)
        whole = wanted & valid.all(axis=0)
        before = (self.source == 0) | (rank + 1 < self.source)  # of those that give a part, the first one counts
        part = wanted & ~whole & valid.any(axis=0) & before
        if self._values is None:  # the only scene, most often: 50 MB for 12 bands of 1024 x 1024 need no copy
            pixels[:, ~wanted] = np.nan
            self._values = pixels
        else:
            np.copyto(self._values, pixels, where=whole | part)
        self.source[whole | part] = rank + 1
        self.open &= ~whole
