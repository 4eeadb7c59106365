import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from cerradata.core.types import FloatArray
from cerradata.cube.variables import Availability, Variable, VariableConfig, open_variables
from cerradata.cube.variables.temporal import RunningMoments

Grids = Callable[..., GeoBox]
Inputs = Callable[..., Any]
STATISTICS = ("mean", "std", "min", "max", "median", "range", "count")
EXPECTED: dict[str, Callable[..., FloatArray]] = {
    "mean": np.nanmean,
    "std": np.nanstd,
    "min": np.nanmin,
    "max": np.nanmax,
    "median": np.nanmedian,
    "range": lambda series, axis: np.nanmax(series, axis) - np.nanmin(series, axis),
    "count": lambda series, axis: (~np.isnan(series)).sum(axis),
}


def variable(statistic: str, **what: str) -> Variable:
    available = Availability({"sentinel-2": ("B04", "B08"), "sentinel-1": ("VV", "VH")}, 10.0)
    return open_variables({"it": VariableConfig("temporal", statistic=statistic, **what)}, available)[0]


def cloudy(dates: int, rows: int, columns: int, seed: int) -> FloatArray:
    """(dates, rows, columns) of which a third is hidden."""
    rng = np.random.default_rng(seed)
    series = rng.uniform(0.01, 0.6, (dates, rows, columns)).astype(np.float32)
    series[rng.random(series.shape) < 1 / 3] = np.nan
    return series


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("dates", [1, 2, 6, 7])
def test_statistics_are_those_of_the_whole_series(grid_of: Grids, arrays: Inputs, statistic: str, dates: int) -> None:
    grid = grid_of(9, 11)
    series = cloudy(dates, 9, 11, seed=dates)
    inputs = arrays(grid, dates={"sentinel-2": [{"B08": image} for image in series]})
    found = variable(statistic, band="B08").compute(grid, inputs)
    assert found.shape == (1, 9, 11)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of pixels without observation
        expected = EXPECTED[statistic](series.astype(np.float64), axis=0)
    observed = (~np.isnan(series)).sum(axis=0)
    if statistic != "count":
        expected = np.where(observed < (2 if statistic in ("std", "range") else 1), np.nan, expected)
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-7)


def test_index_of_each_date_and_not_of_the_mean(grid_of: Grids, arrays: Inputs) -> None:
    grid = grid_of(1, 1)
    red, nir = (0.05, 0.1, 0.3), (0.45, 0.3, 0.3)
    dates = [
        {"B04": np.array([[r]], np.float32), "B08": np.array([[n]], np.float32)} for r, n in zip(red, nir, strict=True)
    ]
    ndvi = [(n - r) / (n + r) for r, n in zip(red, nir, strict=True)]
    inputs = arrays(grid, dates={"sentinel-2": dates})
    assert variable("std", index="NDVI").compute(grid, inputs).item() == pytest.approx(np.std(ndvi), rel=1e-5)
    assert variable("median", index="NDVI").compute(grid, inputs).item() == pytest.approx(0.5, rel=1e-5)


def test_radar_is_averaged_in_linear_power(grid_of: Grids, arrays: Inputs) -> None:
    grid = grid_of(1, 1)
    dates = [{"VH": np.array([[power]], np.float32)} for power in (0.01, 0.1)]
    it = variable("mean", band="VH")
    assert it.compute(grid, arrays(grid, dates={"sentinel-1": dates})).item() == pytest.approx(0.055)
    assert it.unit == "linear"


def test_no_date_at_all_is_no_data_and_zero_observations(grid_of: Grids, arrays: Inputs) -> None:
    grid = grid_of(2, 2)
    for statistic in STATISTICS:
        found = variable(statistic, band="B04").compute(grid, arrays(grid, dates={"sentinel-2": []}))
        assert (found == 0).all() if statistic == "count" else np.isnan(found).all()


def test_spread_is_right_where_the_mean_is_large_against_it() -> None:
    """The sum of squares minus the square of the sum loses all digits here."""
    moments = RunningMoments((1, 1))
    values = 1e6 + np.array([0.0, 1.0, 2.0])
    for value in values:
        moments.add(np.array([[value]]))
    assert moments.std().item() == pytest.approx(np.std(values), rel=1e-6)


def test_memory_does_not_grow_with_the_dates(grid_of: Grids, arrays: Inputs) -> None:
    """One date is asked for at a time; the median asks for strips."""
    rows = 600
    grid = grid_of(rows, 2)
    inputs = arrays(grid, dates={"sentinel-2": [{"B04": np.ones((rows, 2), np.float32)}] * 3})
    assert (variable("median", band="B04").compute(grid, inputs) == 1).all()
    assert max(height for height, _ in inputs.asked) <= 256
    assert sum(height for height, _ in inputs.asked) == 3 * rows


@given(st.sampled_from(STATISTICS), st.integers(1, 11), st.booleans(), st.integers(0, 99))
def test_windows_cut_in_two_equal_the_whole(
    grid_of: Grids, arrays: Inputs, statistic: str, cut: int, across: bool, seed: int
) -> None:
    grid = grid_of(12, 12)
    inputs = arrays(grid, dates={"sentinel-2": [{"B08": image} for image in cloudy(5, 12, 12, seed)]})
    it = variable(statistic, band="B08")
    first, second = (grid[:cut], grid[cut:]) if across else (grid[:, :cut], grid[:, cut:])
    parts = [it.compute(window, inputs) for window in (first, second)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1 if across else 2), it.compute(grid, inputs))
