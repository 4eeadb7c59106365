"""Clouds in a Sentinel-2 L1C scene, found by s2cloudless: a gradient-boosted classifier of single pixels.

Zupanc, A. (2017): Improving cloud detection with machine learning, Sentinel Hub. It knows clouds, not their shadows.
The package is an optional extra, `pip install cerradata[clouds]`, and is loaded when the first window is read.
"""

import importlib.util
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from cerradata.core.errors import SceneError
from cerradata.core.types import Array, CountArray, FloatArray
from cerradata.scenes.band_file import BandFile
from cerradata.scenes.files import pixel_metres
from cerradata.scenes.radiometry import Radiometry

if TYPE_CHECKING:
    from s2cloudless.cloud_detector import S2PixelCloudDetector

CLOUD_BANDS: Final = ("B01", "B02", "B04", "B05", "B08", "B8A", "B09", "B10", "B11", "B12")
"""The bands that the classifier takes, in its order."""

_CELL = 60.0
"""Metres. Three of the ten bands have no more detail, and the settings of the published examples are for it."""
_LOADING = threading.Lock()


@dataclass(frozen=True)
class CloudDetection:
    """Settings of s2cloudless. The defaults are those that its authors publish for cells of 60 m.

    Attributes:
        threshold: Mean cloud probability, 0 to 1, above which a cell is a cloud.
        average: Radius, in cells, of the disk over which probabilities are averaged; 0 for none.
        dilation: Cells by which clouds are widened; 0 for none.
    """

    threshold: float = 0.4
    average: int = 4
    dilation: int = 2

    @property
    def reach(self) -> int:
        """Cells from which a cell's result is computed, in each direction."""
        return self.average + self.dilation


@dataclass(frozen=True)
class CloudlessMask:
    """The clouds of an L1C scene on cells of about 60 m: a `SceneMask`.

    Attributes:
        bands: `CLOUD_BANDS`, each at its own resolution; they cover the same ground.
        radiometry: What their numbers mean: top-of-atmosphere reflectance.
        detection: Settings.
        scene: Name of the scene, for messages.
    """

    bands: Mapping[str, BandFile]
    radiometry: Radiometry
    detection: CloudDetection
    scene: str

    @cached_property
    def grid(self) -> GeoBox:
        """Grid of the cells, over the whole scene."""
        finest = min((band.grid for band in self.bands.values()), key=lambda grid: abs(grid.resolution.x))
        height, width = finest.shape
        across, down = pixel_metres(finest)
        rows, columns = (
            max(1, round(n / max(1, round(_CELL / size)))) for n, size in ((height, down), (width, across))
        )
        place = finest.transform * Affine.scale(width / columns, height / rows)
        return GeoBox((rows, columns), place, finest.crs)

    def read(self, rows: slice, columns: slice) -> Array:
        """A window of the mask, see `SceneMask`. The same pixel is the same in every window.

        A cell without data in any of the bands is no cloud: its numbers decide.
        """
        reach = self.detection.reach
        (top, down), (left, across) = (
            (max(0, part.start - reach), min(size, part.stop + reach))
            for part, size in zip((rows, columns), self.grid.shape, strict=True)
        )
        window = slice(top, down), slice(left, across)
        values = np.stack([self._cells(name, *window) for name in CLOUD_BANDS], axis=-1)
        cloudy = self._clouds(values)
        return cloudy[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]

    def _clouds(self, values: FloatArray) -> Array:
        """(rows, columns, bands) reflectance, NaN = no data, as (rows, columns) uint8, 1 = cloud."""
        detector = _detector(self.detection)
        valid = np.isfinite(values).all(axis=-1)
        probability = np.zeros(valid.shape, np.float32)
        if valid.any():
            # one thread: a build reads many windows at once
            found = detector.get_cloud_probability_maps(values[valid][None, None], num_threads=1)
            probability[valid] = found[0, 0]
        return np.asarray(detector.get_mask_from_prob(probability[None])[0], np.uint8)

    def _cells(self, name: str, rows: slice, columns: slice) -> FloatArray:
        """Mean reflectance of a band in cells of the mask, over the pixels with data; NaN where there is none."""
        band = self.bands[name]
        down = _edges(rows, self.grid.shape[0], band.grid.shape[0])
        across = _edges(columns, self.grid.shape[1], band.grid.shape[1])
        window = slice(int(down[0].min()), int(down[1].max())), slice(int(across[0].min()), int(across[1].max()))
        numbers, hidden = band.read(*window, what=f"band {name} of scene {self.scene}, for its clouds")
        values = self.radiometry.to_values(numbers)
        if hidden is not None:
            values[hidden] = np.nan
        valid = np.isfinite(values)
        sums = _block_sums(np.where(valid, values, 0).astype(np.float64), window, down, across)
        counts = _block_sums(valid.astype(np.float64), window, down, across)
        return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan), np.float32)


def require_s2cloudless(scene: str) -> None:
    """Raise `SceneError` if the package is not installed: before a long build, not in its midst."""
    try:
        found = importlib.util.find_spec("s2cloudless")
    except ValueError:  # a module that has no spec
        found = None
    if found is None:
        raise SceneError(
            f"Scene {scene}: `cloud_mask` is s2cloudless, which is not installed: pip install cerradata[clouds]. Or "
            "leave `cloud_mask` out, and choose scenes without clouds."
        )


def _edges(part: slice, cells: int, pixels: int) -> tuple[CountArray, CountArray]:
    """First pixel of each cell of `part`, and the one after its last. Where a pixel is larger than a cell: that pixel."""
    index = np.arange(part.start, part.stop)
    first = np.minimum(index * pixels // cells, pixels - 1)
    return first, np.maximum((index + 1) * pixels // cells, first + 1)


def _block_sums(
    values: FloatArray,
    window: tuple[slice, slice],
    down: tuple[CountArray, CountArray],
    across: tuple[CountArray, CountArray],
) -> FloatArray:
    """Sums over blocks of pixels.

    `np.add.reduceat` sums each block by itself, so that a block has the same sum in every window.
    """
    for axis, (part, (first, last)) in enumerate(zip(window, (down, across), strict=True)):
        starts = np.stack([first, last], axis=1).ravel() - part.start
        padding = [(0, 0), (0, 0)]
        padding[axis] = (0, 1)  # reduceat takes no index beyond the end
        values = np.add.reduceat(np.pad(values, padding), starts, axis=axis).take(range(0, starts.size, 2), axis=axis)
    return values


@lru_cache(maxsize=4)
def _loaded(detection: CloudDetection) -> "S2PixelCloudDetector":
    try:
        from s2cloudless.cloud_detector import S2PixelCloudDetector
    except ImportError as error:
        raise SceneError(f"s2cloudless cannot be loaded ({error}): pip install cerradata[clouds].") from error
    detector = S2PixelCloudDetector(
        threshold=detection.threshold, average_over=detection.average, dilation_size=detection.dilation
    )
    _ = detector.classifier  # loads the model, which threads must not do at the same time
    return detector


def _detector(detection: CloudDetection) -> "S2PixelCloudDetector":
    with _LOADING:
        return _loaded(detection)
