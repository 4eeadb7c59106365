"""The short way of enlarging pixels, against GDAL's warper."""

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.warp import reproject

from cerradata.cube.upsample import AlignedGrids

WEST, NORTH = 700_020.0, 9_000_000.0


def grid(rows: int, columns: int, resolution: float, east: float = 0, south: float = 0) -> GeoBox:
    return GeoBox((rows, columns), Affine(resolution, 0, WEST + east, 0, -resolution, NORTH - south), "EPSG:32722")


def warped(pixels: np.ndarray, source: GeoBox, target: GeoBox, resampling: Resampling) -> np.ndarray:
    result = np.full(target.shape, np.nan, np.float32)
    place = {"src_transform": source.transform, "dst_transform": target.transform}
    reproject(pixels, result, **place, src_crs="EPSG:32722", dst_crs="EPSG:32722", src_nodata=np.nan,
              dst_nodata=np.nan, resampling=resampling)  # fmt: skip
    return result


@settings(max_examples=60)
@given(
    size=st.tuples(st.integers(2, 12), st.integers(2, 12)),
    coarse=st.sampled_from([10, 20, 30, 60]),
    east=st.sampled_from([-25.0, -3.3, 0.0, 4.9, 17.1]),
    south=st.sampled_from([-25.0, -3.3, 0.0, 4.9, 17.1]),
)
def test_bilinear_is_what_the_warper_gives(size: tuple[int, int], coarse: int, east: float, south: float) -> None:
    pixels = np.random.default_rng(0).random(size).astype(np.float32)
    source = grid(*size, coarse, east, south)
    target = grid(size[0] * coarse // 10, size[1] * coarse // 10, 10)
    aligned = AlignedGrids.of(source, target, tie=1e-7)
    assert aligned is not None
    assert aligned.enlarges
    expected = warped(pixels, source, target, Resampling.bilinear)
    np.testing.assert_allclose(aligned.bilinear(pixels), expected, atol=2e-6)


@settings(max_examples=30)
@given(coarse=st.sampled_from([3, 10, 20, 45, 60]), east=st.sampled_from([-13.0, 0.0, 6.1]))
def test_nearest_is_what_the_warper_gives(coarse: int, east: float) -> None:
    pixels = np.random.default_rng(0).random((9, 7)).astype(np.float32)
    source, target = grid(9, 7, coarse, east, 1.1), grid(40, 40, 10)
    aligned = AlignedGrids.of(source, target, tie=1e-7)
    assert aligned is not None
    np.testing.assert_array_equal(aligned.nearest(pixels, np.nan), warped(pixels, source, target, Resampling.nearest))


@pytest.mark.parametrize(
    "source",
    [
        GeoBox((4, 4), Affine(20, 0, WEST, 0, -20, NORTH), "EPSG:32723"),
        GeoBox((4, 4), Affine(20, 1, WEST, 1, -20, NORTH), "EPSG:32722"),
        GeoBox((4, 4), Affine(20, 0, WEST, 0, 20, NORTH - 80), "EPSG:32722"),
    ],
    ids=["another zone", "turned", "south up"],
)
def test_other_grids_are_left_to_the_warper(source: GeoBox) -> None:
    assert AlignedGrids.of(source, grid(8, 8, 10), tie=0) is None


def test_merging_pixels_is_left_to_the_warper() -> None:
    aligned = AlignedGrids.of(grid(8, 8, 10), grid(4, 4, 20), tie=0)
    assert aligned is not None
    assert not aligned.enlarges
