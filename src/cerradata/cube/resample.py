"""Pixels of one grid brought onto another, window by window, without seams between the windows.

`odc.geo.xr.xr_reproject` on dask arrays gives other pixels at chunk borders than elsewhere (measured in
`docs/design-notes/2026-11-resampling.md`), so the source window of each target window is taken here, with room for the
kernel, and the kernel's width is fixed instead of being derived from the shape of each window.
"""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.overlap import compute_reproject_roi
from rasterio.enums import Resampling
from rasterio.warp import reproject

from cerradata.core.types import Array
from cerradata.cube.upsample import AlignedGrids
from cerradata.scenes.files import pixel_metres

MeasurementResampling = Literal["bilinear", "cubic"]
ReadWindow = Callable[[slice, slice], Array]

_RADIUS = {"nearest": 1, "bilinear": 1, "cubic": 2}
_TIE = 1e-7
"""Shift, in source pixels, that decides where a target pixel falls exactly between two source pixels. Without it the
rounding of each window's corner decides, and cubic pixels beside a border or a hole differ from window to window."""
_SAME_GRID = 1e-3
"""Shift and scale below this part of a pixel is rounding of coordinates, not another grid."""


def resample_window(
    read: ReadWindow,
    source: GeoBox,
    target: GeoBox,
    resampling: MeasurementResampling | Literal["nearest"],
    empty: float,
) -> Array:
    """One window of the target grid, from as much of the source as it needs.

    Args:
        read: Gives (rows, columns) of the source for a slice of each, inside the source.
        source: Grid of the source.
        target: The window, as a grid.
        resampling: Kernel. It is widened by GDAL where the source has smaller pixels.
        empty: Value where the source has nothing: NaN for measurements; it is "no data" in the source too.

    Returns:
        (rows, columns) of `target`, in the source's dtype. Within one CRS the result does not depend on how an area is
        divided into windows, but for the last bit of a float; between two, GDAL's approximated transformer (an eighth
        of a pixel at most) leaves differences of about a hundredth of a pixel.
    """
    if _shifted_only(source, target):
        return _shift(read, source, target, empty)
    info = compute_reproject_roi(source, target, padding=_padding(source, target, resampling))
    rows, columns = (
        _inside(slice(part.start, part.stop), size) for part, size in zip(info.roi_src, source.shape, strict=True)
    )
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return np.full(target.shape, empty, dtype=_dtype(read, empty))
    pixels = read(rows, columns)
    aligned = AlignedGrids.of(source, target, tie=_TIE)
    if aligned is not None and resampling == "nearest":
        return aligned.part(rows, columns).nearest(pixels, empty)
    if aligned is not None and resampling == "bilinear" and aligned.enlarges and not np.isnan(pixels).any():
        return aligned.part(rows, columns).bilinear(pixels)
    result = np.full(target.shape, empty, dtype=pixels.dtype)
    x_scale, y_scale = _pixel_ratio(source, target)
    reproject(
        pixels,
        result,
        src_transform=source[rows, columns].transform * Affine.translation(-_TIE, -_TIE),
        src_crs=source.crs.to_wkt() if source.crs else None,
        src_nodata=empty,
        dst_transform=target.transform,
        dst_crs=target.crs.to_wkt() if target.crs else None,
        dst_nodata=empty,
        resampling=Resampling[resampling],
        # By default GDAL derives the kernel's width from the shape of each window, so that neighbouring windows differ.
        XSCALE=x_scale,
        YSCALE=y_scale,
    )
    return result


def _shifted_only(source: GeoBox, target: GeoBox) -> bool:
    if source.crs != target.crs:
        return False
    step = ~source.transform * target.transform
    whole = abs(step.c - round(step.c)) < _SAME_GRID and abs(step.f - round(step.f)) < _SAME_GRID
    reach = max(*target.shape, 1)
    stretch = max(abs(step.a - 1), abs(step.e - 1), abs(step.b), abs(step.d)) * reach
    return bool(whole and stretch < _SAME_GRID)


def _shift(read: ReadWindow, source: GeoBox, target: GeoBox, empty: float) -> Array:
    step = ~source.transform * target.transform
    top, left = round(step.f), round(step.c)
    height, width = target.shape
    rows, columns = (
        _inside(slice(top, top + height), source.shape[0]),
        _inside(slice(left, left + width), source.shape[1]),
    )
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return np.full(target.shape, empty, dtype=_dtype(read, empty))
    pixels = read(rows, columns)
    if pixels.shape == (height, width):
        return pixels
    result = np.full((height, width), empty, dtype=pixels.dtype)
    result[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = pixels
    return result


def _padding(source: GeoBox, target: GeoBox, resampling: str) -> int:
    """Source pixels around a window that the kernel may touch: its radius, widened where pixels are merged, and two."""
    shrink = max(1.0, *(1 / ratio for ratio in _pixel_ratio(source, target)))
    return math.ceil(_RADIUS[resampling] * shrink) + 2


def _pixel_ratio(source: GeoBox, target: GeoBox) -> tuple[float, float]:
    """Source pixel size by target pixel size, across and down; the same for every window of a target grid."""
    latitude = 0.0
    if source.crs is not None and source.crs.geographic:
        box = source.boundingbox
        latitude = math.radians((box.bottom + box.top) / 2)
    ours, theirs = pixel_metres(source, latitude), pixel_metres(target, latitude)
    return ours[0] / theirs[0], ours[1] / theirs[1]


def _inside(part: slice, size: int) -> slice:
    return slice(min(max(part.start, 0), size), max(min(part.stop, size), 0))


def _dtype(read: ReadWindow, empty: float) -> np.dtype:
    return np.dtype(np.float32) if math.isnan(empty) else read(slice(0, 1), slice(0, 1)).dtype
