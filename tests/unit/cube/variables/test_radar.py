from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from cerradata.cube.variables import Availability, VariableConfig, open_variables

Grids = Callable[..., GeoBox]
Inputs = Callable[..., Any]
Bands = dict[str, tuple[str, ...]]


def test_ratio_is_the_difference_of_the_decibels(grid_of: Grids, arrays: Inputs, everything: Bands) -> None:
    grid = grid_of(2, 3)
    vh_db, vv_db = np.array([[-20, -15, -30], [-8, -18, -22.5]]), np.array([[-12, -9, -14], [-8, -3, -20]])
    power = {"VH": 10 ** (vh_db / 10), "VV": 10 ** (vv_db / 10)}
    (variable,) = open_variables({"vh_vv": VariableConfig("sar-ratio")}, Availability(everything, 10.0))
    found = variable.compute(grid, arrays(grid, {("sentinel-1", ""): power}))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], vh_db - vv_db, atol=1e-4)


@pytest.mark.parametrize(("vh", "vv"), [(np.nan, 0.1), (0.1, np.nan), (0.0, 0.1), (0.1, 0.0), (-0.1, -0.1)])
def test_what_is_not_positive_has_no_ratio(
    grid_of: Grids, arrays: Inputs, everything: Bands, vh: float, vv: float
) -> None:
    grid = grid_of(1, 2)
    power = {"VH": np.array([[vh, 0.01]]), "VV": np.array([[vv, 0.1]])}
    (variable,) = open_variables({"vh_vv": VariableConfig("sar-ratio")}, Availability(everything, 10.0, ("wet",)))
    found = variable.compute(grid, arrays(grid, {("sentinel-1", "wet"): power}))
    np.testing.assert_allclose(found, [[[np.nan, -10]]], atol=1e-5)
