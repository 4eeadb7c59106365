"""Bands of a scene on the window of another grid, for comparing content."""

import math
from collections.abc import Sequence

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.overlap import compute_reproject_roi
from rasterio.enums import Resampling
from rasterio.warp import reproject

from cerradata.core.types import FloatArray
from cerradata.scenes.doctor.sample import masked_on
from cerradata.scenes.scene import Scene

_PADDING = 4
_VALID = 0.98
"""Holes have edges, and those of two images that are cut out alike lie in the same place: they hide a shift."""
_MASKED = 0.3


def content_on(scene: Scene, bands: Sequence[str], window: GeoBox) -> FloatArray | None:
    """Bands of a scene, brought onto a window of any grid, for comparing what is where.

    What masks hide is left in: clouds are noise, but the edges of holes are not (0.5 pixels came out as 0.3).

    Args:
        scene: The scene.
        bands: Some of its bands, of one grid.
        window: The window, as a grid.

    Returns:
        (bands, rows, columns) float32 in the unit that may be averaged, radar in its logarithm; None where data are lacking
        or masks hide much.

    Raises:
        SceneError: If a file cannot be read.
    """
    grid = scene.bands[bands[0]].grid
    info = compute_reproject_roi(grid, window, padding=_PADDING)
    rows, columns = (
        slice(max(part.start, 0), min(part.stop, size)) for part, size in zip(info.roi_src, grid.shape, strict=True)
    )
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return None
    if any(masked_on(mask, grid, rows, columns).mean() > _MASKED for mask in scene.masks):
        return None
    found = [_on_window(_content(scene, band, rows, columns), grid[rows, columns], window) for band in bands]
    return np.stack(found) if all(np.isfinite(image).mean() >= _VALID for image in found) else None


def _content(scene: Scene, band: str, rows: slice, columns: slice) -> FloatArray:
    values = scene.read(band, rows, columns)
    if scene.sensor != "sentinel-1":
        return values
    return np.log(values, out=np.full_like(values, np.nan), where=values > 0)


def _on_window(values: FloatArray, part: GeoBox, window: GeoBox) -> FloatArray:
    """Cubic: a bilinear kernel blurs what is to be compared."""
    if _same(part, window):
        return values
    result = np.full(window.shape, np.nan, np.float32)
    reproject(
        values,
        result,
        src_transform=part.transform,
        src_crs=str(part.crs),
        src_nodata=math.nan,
        dst_transform=window.transform,
        dst_crs=str(window.crs),
        dst_nodata=math.nan,
        resampling=Resampling.cubic,
    )
    return result


def _same(part: GeoBox, window: GeoBox) -> bool:
    step: Affine = ~part.transform * window.transform
    return part.crs == window.crs and part.shape == window.shape and step.almost_equals(Affine.identity(), 1e-3)
