from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from hypothesis import example, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from cerradata.cube.resample import resample_window

WEST, NORTH = 700_020.0, 9_000_000.0
Pixels = npt.NDArray[np.float32]
Read = Callable[[slice, slice], npt.NDArray[np.generic]]


def grid(rows: int, columns: int, resolution: float = 10, *, east: float = 0, south: float = 0) -> GeoBox:
    """A grid whose corner lies `east` and `south` metres from (WEST, NORTH)."""
    transform = Affine(resolution, 0, WEST + east, 0, -resolution, NORTH - south)
    return GeoBox((rows, columns), transform, "EPSG:32722")


def reader(pixels: npt.NDArray[np.generic]) -> Read:
    def read(rows: slice, columns: slice) -> npt.NDArray[np.generic]:
        assert 0 <= rows.start <= rows.stop <= pixels.shape[0]  # a window outside the file would be an error
        assert 0 <= columns.start <= columns.stop <= pixels.shape[1]
        return pixels[rows, columns].copy()

    return read


def in_windows(
    read: Read, source: GeoBox, target: GeoBox, resampling: str, empty: float, size: tuple[int, int]
) -> npt.NDArray[np.generic]:
    height, width = target.shape
    bands = []
    for top in range(0, height, size[0]):
        bottom = min(top + size[0], height)
        spans = [(left, min(left + size[1], width)) for left in range(0, width, size[1])]
        windows = [target[top:bottom, left:right] for left, right in spans]
        bands.append(np.hstack([resample_window(read, source, w, resampling, empty) for w in windows]))  # type: ignore[arg-type]
    return np.vstack(bands)


def noise(rows: int, columns: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).random((rows, columns)).astype(np.float32)


def dense_bilinear(pixels: Pixels, factor: int) -> Pixels:
    """Pixels `factor` times as large brought to fine ones by the definition of bilinear interpolation, in full."""
    result = np.full((pixels.shape[0] * factor, pixels.shape[1] * factor), np.nan)
    for row in range(factor, result.shape[0] - factor):
        for col in range(factor, result.shape[1] - factor):
            y, x = (row + 0.5) / factor - 0.5, (col + 0.5) / factor - 0.5  # in rows and columns of pixel centres
            top, left = int(np.floor(y)), int(np.floor(x))
            dy, dx = y - top, x - left
            upper = (1 - dx) * pixels[top, left] + dx * pixels[top, left + 1]
            lower = (1 - dx) * pixels[top + 1, left] + dx * pixels[top + 1, left + 1]
            result[row, col] = (1 - dy) * upper + dy * lower
    return result.astype(np.float32)


def test_the_same_grid_gives_the_very_pixels() -> None:
    pixels = noise(20, 30)
    pixels[3, 4] = np.nan
    np.testing.assert_array_equal(resample_window(reader(pixels), grid(20, 30), grid(20, 30), "cubic", np.nan), pixels)


def test_a_grid_shifted_by_whole_pixels_gives_the_very_pixels() -> None:
    pixels = noise(20, 30)
    shifted = resample_window(reader(pixels), grid(20, 30), grid(20, 30, east=-20, south=150), "bilinear", np.nan)
    np.testing.assert_array_equal(shifted[:5, 2:], pixels[15:, :28])
    assert np.isnan(shifted[5:]).all()
    assert np.isnan(shifted[:, :2]).all()


@pytest.mark.parametrize("factor", [2, 6])
def test_20_m_and_60_m_to_10_m_against_the_definition(factor: int) -> None:
    pixels = noise(9, 11)
    target = grid(9 * factor, 11 * factor)
    result = resample_window(reader(pixels), grid(9, 11, 10 * factor), target, "bilinear", np.nan)
    expected = dense_bilinear(pixels, factor)
    inside = ~np.isnan(expected)
    np.testing.assert_allclose(result[inside], expected[inside], atol=1e-6)
    assert not np.isnan(result).any()


def test_10_m_to_20_m_is_a_weighted_mean_of_all_pixels_below() -> None:
    """The triangle of a kernel twice as wide: 1 3 3 1 eighths in each direction."""
    pixels = noise(20, 20)
    result = resample_window(reader(pixels), grid(20, 20), grid(10, 10, 20), "bilinear", np.nan)
    weights = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
    expected = [
        [(pixels[2 * r - 1 : 2 * r + 3, 2 * c - 1 : 2 * c + 3] * weights).sum() for c in range(1, 9)]
        for r in range(1, 9)
    ]
    np.testing.assert_allclose(result[1:9, 1:9], expected, atol=1e-6)


def test_pixels_that_are_not_square_are_widened_in_their_own_direction_only() -> None:
    rows = noise(40, 1).repeat(40, axis=1)
    tall = GeoBox((40, 40), Affine(10, 0, WEST, 0, -20, NORTH), "EPSG:32722")  # as high as the target's pixels
    coarse = resample_window(reader(rows), tall, grid(40, 20, 20), "bilinear", np.nan)
    np.testing.assert_allclose(coarse, rows[:, ::2], atol=1e-6)
    wide = GeoBox((40, 40), Affine(20, 0, WEST, 0, -10, NORTH), "EPSG:32722")  # half as high
    coarse = resample_window(reader(rows), wide, grid(20, 40, 20), "bilinear", np.nan)
    expected = [np.dot([1, 3, 3, 1], rows[2 * r - 1 : 2 * r + 3, 0]) / 8 for r in range(1, 19)]
    np.testing.assert_allclose(coarse[1:19, 5], expected, atol=1e-6)


@settings(max_examples=40)
@given(
    size=st.tuples(st.integers(1, 40), st.integers(3, 40)),
    resolution=st.sampled_from([5, 7, 10, 20, 60]),
    shift=st.sampled_from([0, 3.3, 5, 10]),
    resampling=st.sampled_from(["bilinear", "cubic", "nearest"]),
)
@example(size=(33, 6), resolution=60, shift=5, resampling="cubic")  # targets exactly between two source pixels
def test_windows_of_any_size_give_the_same_pixels_within_one_system(
    size: tuple[int, int], resolution: int, shift: float, resampling: str
) -> None:
    pixels = noise(20, 21)
    pixels[4:6, 4:9] = np.nan
    source, target = grid(20, 21, resolution, east=shift, south=-shift), grid(33, 37)
    whole = resample_window(reader(pixels), source, target, resampling, np.nan)  # type: ignore[arg-type]
    parts = in_windows(reader(pixels), source, target, resampling, np.nan, size)
    np.testing.assert_allclose(parts, whole, rtol=3e-7, atol=1e-7)  # the last bit of a float32


@settings(max_examples=15)
@given(size=st.tuples(st.integers(15, 60), st.integers(15, 60)))
def test_windows_differ_little_between_two_systems(size: tuple[int, int]) -> None:
    rows, columns = np.mgrid[:120, :120]
    smooth = (np.sin(columns / 12) + np.cos(rows / 9)).astype(np.float32)
    source = GeoBox((120, 120), Affine(10, 0, 790_000, 0, -10, 9_300_000), "EPSG:32722")
    target = source.to_crs("EPSG:32723", resolution=10)
    whole = resample_window(reader(smooth), source, target, "bilinear", np.nan)
    parts = in_windows(reader(smooth), source, target, "bilinear", np.nan, size)
    both = ~np.isnan(whole) & ~np.isnan(parts)
    assert (both == ~np.isnan(whole)).mean() > 0.999  # a pixel at the border may fall in or out
    np.testing.assert_allclose(parts[both], whole[both], atol=2e-3)  # a hundredth of a pixel of the steepest slope


def test_another_system_puts_pixels_where_they_belong() -> None:
    """A field of longitudes, brought from degrees to a UTM zone, holds the longitude of each target pixel."""
    columns = -49.2 + 1e-4 * (np.arange(300) + 0.5)
    source = GeoBox((300, 300), Affine(1e-4, 0, -49.2, 0, -1e-4, -9.0), "EPSG:4326")
    centre = source.extent.to_crs("EPSG:32722").centroid.coords[0]
    target = GeoBox((50, 50), Affine(10, 0, centre[0] - 250, 0, -10, centre[1] + 250), "EPSG:32722")
    field = np.tile(columns - columns[0], (300, 1)).astype(np.float32)
    result = resample_window(reader(field), source, target, "bilinear", np.nan)
    x, y = target.extent.centroid.coords[0]
    expected = GeoBox((1, 1), Affine(1, 0, x - 0.5, 0, -1, y + 0.5), "EPSG:32722").geographic_extent.centroid.coords[0][
        0
    ]
    assert result[24:26, 24:26].mean() == pytest.approx(expected - columns[0], abs=1e-5)  # a tenth of a pixel


@pytest.mark.parametrize("resampling", ["bilinear", "cubic"])
@pytest.mark.parametrize("resolution", [4, 10, 20, 60])
def test_a_constant_stays_a_constant(resampling: str, resolution: int) -> None:
    pixels = np.full((40, 40), 0.25, np.float32)
    pixels[10:12, 7:30] = np.nan
    result = resample_window(
        reader(pixels), grid(40, 40, resolution, east=3, south=4), grid(30, 30), resampling, np.nan
    )  # type: ignore[arg-type]
    np.testing.assert_allclose(result[~np.isnan(result)], 0.25, rtol=1e-6)
    assert not np.isnan(result).all()


def test_no_data_does_not_bleed() -> None:
    """Fine pixels in a coarse one without data have none; beside it the pixels with data alone decide."""
    pixels = noise(10, 10) + 5
    holed = pixels.copy()
    holed[4, 4] = np.nan
    args = (grid(10, 10, 20), grid(20, 20), "bilinear", np.nan)
    whole, result = (resample_window(reader(p), *args) for p in (pixels, holed))  # type: ignore[arg-type]
    far = np.ones((20, 20), bool)
    far[7:11, 7:11] = False
    np.testing.assert_allclose(result[far], whole[far], rtol=1e-6)
    near = result[7:11, 7:11]
    assert ((near >= 5) & (near <= 6) | np.isnan(near)).all()


def test_labels_are_never_mixed_and_keep_their_type() -> None:
    labels = np.random.default_rng(0).choice(np.array([0, 7, 13, 255], np.uint8), (20, 20))
    result = resample_window(reader(labels), grid(20, 20, 30, east=4, south=-7), grid(60, 60), "nearest", 255)
    assert result.dtype == np.uint8
    assert set(np.unique(result).tolist()) == {0, 7, 13, 255}
    centres = (
        10 * np.arange(59) + 5
    )  # metres from the corner of the target; that of the source lies 4 m east, 7 m north
    np.testing.assert_array_equal(result[:59, :59], labels[(centres[:, None] + 7) // 30, (centres[None, :] - 4) // 30])
    assert (result[59] == 255).all()  # 2 m below the last row


@pytest.mark.parametrize(
    ("rows", "columns"), [(slice(0, 40), slice(0, 50)), (slice(3, 4), slice(0, 50)), (slice(5, 6), slice(7, 8))]
)
@pytest.mark.parametrize("resampling", ["bilinear", "cubic", "nearest"])
def test_a_source_with_its_south_up_is_the_same_source(rows: slice, columns: slice, resampling: str) -> None:
    pixels = noise(40, 50)
    north_up = grid(40, 50)
    south_up = GeoBox((40, 50), Affine(10, 0, WEST, 0, 10, NORTH - 400), "EPSG:32722")
    target = north_up[rows, columns]
    result = resample_window(reader(pixels[::-1]), south_up, target, resampling, np.nan)  # type: ignore[arg-type]
    np.testing.assert_allclose(result, pixels[rows, columns], atol=2e-7)


@pytest.mark.parametrize("east", [-10_000, 10_000, 300])
@pytest.mark.parametrize("resolution", [10, 20])
@pytest.mark.parametrize(("empty", "dtype"), [(np.nan, "float32"), (255, "uint8")])
def test_beside_the_source_there_is_nothing(east: float, resolution: int, empty: float, dtype: str) -> None:
    pixels = np.ones((300 // resolution, 300 // resolution), dtype)
    source = grid(*pixels.shape, resolution)
    result = resample_window(reader(pixels), source, grid(8, 9, east=east), "nearest", empty)
    np.testing.assert_array_equal(result, np.full((8, 9), empty, dtype))
    assert result.dtype == dtype
