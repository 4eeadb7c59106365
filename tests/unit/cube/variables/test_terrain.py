from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from cerradata.core.types import FloatArray
from cerradata.cube.variables import Availability, Variable, VariableConfig, open_variables

Grids = Callable[..., GeoBox]
Inputs = Callable[..., Any]
ROWS, COLUMNS = 12, 15


def variable(kind: str) -> Variable:
    return open_variables({"it": VariableConfig(kind)}, Availability({"elevation": ("elevation",)}, 10.0))[0]


def compute(kind: str, heights: FloatArray, grid: GeoBox, arrays: Inputs) -> FloatArray:
    inputs = arrays(grid, {("elevation", ""): {"elevation": heights.astype(np.float32)}})
    found = variable(kind).compute(grid, inputs)
    assert found.dtype == np.float32
    assert found.shape == (1, *grid.shape)
    return found[0]


@pytest.mark.parametrize("angle", [0, 45, 90, 200, 315])
@pytest.mark.parametrize("steepness", [0.05, 1.0])
def test_plane_has_its_slope_and_aspect_everywhere(
    grid_of: Grids, arrays: Inputs, angle: float, steepness: float
) -> None:
    """Terrain that falls towards `angle`; at the border there are fewer neighbours, which is exact on a plane."""
    grid = grid_of(ROWS, COLUMNS, resolution=30.0)
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    east, north = 30.0 * columns, -30.0 * rows
    radians = np.radians(angle)
    heights = 300 - steepness * (east * np.sin(radians) + north * np.cos(radians))
    np.testing.assert_allclose(compute("slope", heights, grid, arrays), np.degrees(np.arctan(steepness)), atol=5e-3)
    found = compute("aspect", heights, grid, arrays)
    assert ((found >= 0) & (found < 360)).all()
    assert np.abs((found - angle + 180) % 360 - 180).max() < 0.05


def test_slope_is_horns_formula(grid_of: Grids, arrays: Inputs) -> None:
    heights = np.random.default_rng(4).uniform(100, 160, (ROWS, COLUMNS)).astype(np.float32)
    found = compute("slope", heights, grid_of(ROWS, COLUMNS), arrays)
    for row, col in ((1, 1), (5, 9), (10, 13)):
        (a, b, c), (d, _, f), (g, h, i) = heights[row - 1 : row + 2, col - 1 : col + 2].astype(float)
        dx = ((c + 2 * f + i) - (a + 2 * d + g)) / 80
        dy = ((g + 2 * h + i) - (a + 2 * b + c)) / 80
        assert found[row, col] == pytest.approx(np.degrees(np.arctan(np.hypot(dx, dy))), abs=1e-3)


def test_rows_that_go_north_turn_the_aspect_and_not_the_slope(grid_of: Grids, arrays: Inputs) -> None:
    down = grid_of(ROWS, COLUMNS)
    up = GeoBox((ROWS, COLUMNS), Affine(10, 0, 700_020, 0, 10, 8_000_000), "EPSG:32722")
    heights = np.random.default_rng(5).uniform(0, 40, (ROWS, COLUMNS))
    for kind in ("slope", "aspect"):
        np.testing.assert_allclose(
            compute(kind, heights[::-1], up, arrays)[::-1], compute(kind, heights, down, arrays), atol=1e-3
        )


def test_flat_ground_has_no_aspect(grid_of: Grids, arrays: Inputs) -> None:
    flat = np.full((ROWS, COLUMNS), 212.5)
    assert (compute("slope", flat, grid_of(ROWS, COLUMNS), arrays) == 0).all()
    assert np.isnan(compute("aspect", flat, grid_of(ROWS, COLUMNS), arrays)).all()


@pytest.mark.parametrize("kind", ["elevation", "slope", "aspect"])
def test_hole_stays_a_hole_and_does_not_grow(grid_of: Grids, arrays: Inputs, kind: str) -> None:
    heights = np.add.outer(np.arange(ROWS) * 2.0, np.arange(COLUMNS) * 1.0)
    whole = compute(kind, heights, grid_of(ROWS, COLUMNS), arrays)
    heights[4:6, 7] = np.nan
    found = compute(kind, heights, grid_of(ROWS, COLUMNS), arrays)
    assert np.argwhere(np.isnan(found)).tolist() == [[4, 7], [5, 7]]
    np.testing.assert_allclose(found[~np.isnan(found)], whole[~np.isnan(found)], atol=1e-3)


def test_elevation_is_as_it_comes(grid_of: Grids, arrays: Inputs) -> None:
    heights = np.add.outer(np.arange(ROWS) * 100, np.arange(COLUMNS))
    np.testing.assert_array_equal(compute("elevation", heights, grid_of(ROWS, COLUMNS), arrays), heights)


@given(st.sampled_from(["slope", "aspect"]), st.integers(1, ROWS - 1), st.booleans(), st.integers(0, 99))
def test_windows_cut_in_two_equal_the_whole(
    grid_of: Grids, arrays: Inputs, kind: str, cut: int, across: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    heights = rng.uniform(0, 50, (ROWS, COLUMNS)).astype(np.float32)
    heights[rng.random(heights.shape) < 0.1] = np.nan
    grid = grid_of(ROWS, COLUMNS)
    inputs = arrays(grid, {("elevation", ""): {"elevation": heights}})
    it = variable(kind)
    first, second = (grid[:cut], grid[cut:]) if across else (grid[:, :cut], grid[:, cut:])
    parts = [it.compute(window, inputs) for window in (first, second)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1 if across else 2), it.compute(grid, inputs))
