"""Several scenes of one place become one image: each pixel takes all its bands from one scene."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from odc.geo.geobox import GeoBox

from cerradata.core.types import BoolArray, FloatArray
from cerradata.cube.resample import MeasurementResampling, resample_window
from cerradata.scenes import Scene


def first_valid(
    scenes: Sequence[Scene], bands: Sequence[str], window: GeoBox, resampling: MeasurementResampling
) -> FloatArray:
    """One window of the target grid: the first scene that shows the ground gives a pixel, in all bands.

    A pixel is taken from the first scene that does not mask it and has data there in every band: bands of two dates never
    meet in one pixel. Where no scene has every band, the first one that does not mask it and has any gives what it has.

    Files are read as far as they are needed: a scene no more once its mask and what is filled already leave nothing for
    it, and of a scene without data in the window one band, the coarsest.

    Args:
        scenes: In the order of preference.
        bands: Bands to take; every scene has them.
        window: The window, as a grid.
        resampling: Kernel.

    Returns:
        (bands, rows, columns) float32, NaN where no scene has data. Each pixel is decided for itself, so the result
        depends on how an area is divided into windows no more than `resample_window` does: by the last bit within one CRS.
        Between two, a pixel at the very edge of a mask may come from another scene (5 in a million, measured).

    Raises:
        SceneError: If a file cannot be read.
    """
    canvas = _Canvas(len(bands), window)
    empty: list[tuple[int, Scene, BoolArray]] = []
    for rank, scene in enumerate(scenes):
        wanted = canvas.open & ~hidden(scene, window)
        if not wanted.any():
            continue
        probe = max(bands, key=lambda band: abs(float(scene.bands[band].grid.resolution.x)))
        known = {probe: _resampled(scene, probe, window, resampling)}
        if np.isnan(known[probe][wanted]).all():
            empty.append((rank, scene, wanted))  # no pixel can be whole; what other bands have may be needed in the end
            continue
        canvas.add(rank, wanted, _read(scene, bands, window, resampling, known))
        if not canvas.open.any():
            return canvas.values
    for rank, scene, wanted in empty if len(bands) > 1 else ():
        if (wanted & canvas.open).any():
            canvas.add(rank, wanted & canvas.open, _read(scene, bands, window, resampling, {}))
    return canvas.values


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


class _Canvas:
    """A window that scenes fill, and which of its pixels are still to be filled."""

    def __init__(self, bands: int, window: GeoBox) -> None:
        self._shape = (bands, *window.shape)
        self._values: FloatArray | None = None
        self.open: BoolArray = np.ones(window.shape, bool)  # pixels that no scene has given in every band
        # Place of the scene that gave a part of the bands; none yet is behind them all
        self._rank = np.full(window.shape, np.iinfo(np.int32).max, np.int32)

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
        part = wanted & ~whole & valid.any(axis=0) & (rank < self._rank)
        if self._values is None:  # the only scene, most often: 50 MB for 12 bands of 1024 x 1024 need no copy
            pixels[:, ~wanted] = np.nan
            self._values = pixels
        else:
            np.copyto(self._values, pixels, where=whole | part)
        self._rank[part] = rank
        self.open &= ~whole


def _read(
    scene: Scene,
    bands: Sequence[str],
    window: GeoBox,
    resampling: MeasurementResampling,
    known: dict[str, FloatArray],
) -> FloatArray:
    pixels = np.empty((len(bands), *window.shape), np.float32)
    for layer, band in zip(pixels, bands, strict=True):
        layer[...] = known[band] if band in known else _resampled(scene, band, window, resampling)
    return pixels


def _resampled(scene: Scene, band: str, window: GeoBox, resampling: MeasurementResampling) -> FloatArray:
    return resample_window(partial(scene.read, band), scene.bands[band].grid, window, resampling, np.nan)
