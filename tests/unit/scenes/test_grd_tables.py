"""Calibration and noise tables, interpolation between pixels."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import map_coordinates

from cerradata.scenes.grd.sample import bilinear, block_mean
from cerradata.scenes.grd.tables import AzimuthBlock, ThermalNoise, Vectors

Array = npt.NDArray[np.float64]

LINES, PIXELS = np.asarray([-50.0, 30.0, 100.0, 260.0]), np.asarray([0.0, 40.0, 80.0, 111.0])
VALUES = np.random.default_rng(0).uniform(300, 600, (4, 4))
TABLE = Vectors(LINES, (PIXELS,) * 4, tuple(VALUES))


def dense(lines: Array, pixels: Array) -> Array:
    inside = np.meshgrid(np.clip(lines, LINES[0], LINES[-1]), np.clip(pixels, PIXELS[0], PIXELS[-1]), indexing="ij")
    return np.asarray(RegularGridInterpolator((LINES, PIXELS), VALUES)(np.stack(inside, axis=-1)))


@pytest.mark.parametrize("window", [(0, 200, 0, 112), (31, 32, 5, 6), (100, 130, 80, 140), (250, 300, 100, 130)])
def test_a_table_is_bilinear_in_line_and_pixel(window: tuple[int, int, int, int]) -> None:
    lines, pixels = np.arange(*window[:2], dtype=float), np.arange(*window[2:], dtype=float)
    np.testing.assert_allclose(TABLE.at(lines, pixels), dense(lines, pixels), rtol=1e-6)


def test_lines_of_a_table_may_have_pixels_of_their_own() -> None:
    pixels = np.asarray([0.0, 10.0]), np.asarray([0.0, 5.0, 10.0])
    table = Vectors(np.asarray([0.0, 10.0]), pixels, (np.asarray([0.0, 10.0]), np.asarray([10.0, 10.0, 20.0])))
    np.testing.assert_allclose(
        table.at(np.asarray([0.0, 5.0, 10.0]), np.asarray([5.0, 8.0])), [[5, 8], [7.5, 12], [10, 16]]
    )


def test_one_line_holds_for_all() -> None:
    table = Vectors(np.asarray([7.0]), (PIXELS,), (VALUES[0],))
    np.testing.assert_allclose(table.at(np.asarray([0.0, 9.0]), PIXELS), [VALUES[0]] * 2, rtol=1e-6)


def test_noise_is_the_table_times_the_factor_of_its_block() -> None:
    lines, pixels = np.arange(20, 60, dtype=float), np.arange(30, 90, dtype=float)
    block = AzimuthBlock(25, 49, 40, 79, np.asarray([25.0, 35.0, 49.0]), np.asarray([1.0, 3.0, 2.0]))
    noise = ThermalNoise(TABLE, (block,)).at(lines, pixels)
    expected = dense(lines, pixels)
    for i, line in enumerate(lines):
        for j, pixel in enumerate(pixels):
            if 25 <= line <= 49 and 40 <= pixel <= 79:
                expected[i, j] *= np.interp(line, [25, 35, 49], [1, 3, 2])
    np.testing.assert_allclose(noise, expected, rtol=1e-6)


def test_between_pixels_it_is_bilinear() -> None:
    generator = np.random.default_rng(3)
    values = generator.uniform(0, 1, (20, 30)).astype(np.float32)
    line, pixel = generator.uniform(0, 19, (7, 9)), generator.uniform(0, 29, (7, 9))
    line[3, 4] = pixel[3, 4] = np.nan
    result = bilinear(values, np.ones(values.shape, bool), line, pixel)
    expected = map_coordinates(values, [np.nan_to_num(line), np.nan_to_num(pixel)], order=1)
    assert np.isnan(result[3, 4])
    expected[3, 4] = np.nan
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_pixels_without_data_do_not_darken_their_neighbours() -> None:
    values = np.asarray([[0, 4, 4], [0, 4, 4]], np.float32)
    valid = values > 0
    pixel = np.asarray([[0.2, 0.49, 0.51, 0.9, 1.5, 2.4]])
    result = bilinear(values, valid, np.full_like(pixel, 0.3), pixel)
    np.testing.assert_allclose(result, [[np.nan, np.nan, 4, 4, 4, 4]])


def test_an_image_of_one_line_can_be_read() -> None:
    values = np.asarray([[1, 2, 3]], np.float32)
    result = bilinear(values, values > 0, np.asarray([[0.4]]), np.asarray([[0.5]]))
    assert result[0, 0] == pytest.approx(1.5)


def test_the_mean_of_a_block_is_that_of_its_data() -> None:
    values = np.asarray([[2, 4, 9, 9], [6, 8, 9, 1]], np.float32)
    valid = np.asarray([[1, 1, 0, 0], [1, 0, 0, 1]], bool)
    mean, there = block_mean(values, valid, (2, 2))
    np.testing.assert_array_equal(mean, [[4, 1]])
    np.testing.assert_array_equal(there, [[True, False]])
