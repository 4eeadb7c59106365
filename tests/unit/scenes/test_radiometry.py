import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerradata.core.errors import ConfigError
from cerradata.scenes import Radiometry, SarUnit
from cerradata.scenes.radiometry import Unit, from_power, to_power

L2A = Radiometry("sentinel-2", ("B02",), "reflectance", scale=1e-4, offset=-0.1, nodata=0.0)


def test_zero_is_no_data_before_the_offset_is_subtracted() -> None:
    values = L2A.to_values(np.array([0, 1000, 999, 11000, 65535], np.uint16))
    assert np.isnan(values[0])
    np.testing.assert_allclose(values[1:], [0.0, -1e-4, 1.0, 6.4535], atol=1e-7)
    assert values.dtype == np.float32


def test_without_an_offset_one_is_data() -> None:
    values = replace(L2A, offset=0.0).to_values(np.array([0, 1, 10000], np.int16))
    assert np.isnan(values[0])
    np.testing.assert_allclose(values[1:], [1e-4, 1.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("int16", -32768.0), ("uint16", 65535.0), ("float32", -9999.0), ("float32", float("nan"))]
)
def test_any_nodata_is_recognised_and_nothing_else(dtype: str, nodata: float) -> None:
    numbers = np.array([nodata, 5, 0], dtype)
    values = Radiometry("elevation", ("elevation",), "metre", nodata=nodata).to_values(numbers)
    assert np.isnan(values).tolist() == [True, False, False]


def test_the_lowest_float_as_nodata() -> None:
    lowest = -3.4028234663852886e38  # as GDAL reads it from the file, in double precision
    values = replace(L2A, nodata=lowest).to_values(np.array([lowest, 1000], np.float32))
    assert np.isnan(values).tolist() == [True, False]


def test_the_input_is_not_changed() -> None:
    numbers = np.array([0, 1000], np.float32)
    L2A.to_values(numbers)
    assert numbers.tolist() == [0, 1000]


@given(number=st.integers(1, 65535), offset=st.sampled_from([0.0, -0.1]))
def test_reflectance_and_back(number: int, offset: float) -> None:
    radiometry = replace(L2A, offset=offset)
    back = radiometry.to_numbers(radiometry.to_values(np.array([number], np.uint16)))
    assert round(float(back[0])) == number


def test_decibels_amplitude_and_power_are_the_same_thing() -> None:
    db = to_power(np.array([-10.0, 0.0, 3.0103], np.float32), "db")
    np.testing.assert_allclose(db, [0.1, 1.0, 2.0], rtol=1e-5)
    np.testing.assert_allclose(to_power(np.array([2.0, 0.5], np.float32), "amplitude"), [4.0, 0.25])
    np.testing.assert_allclose(to_power(np.array([2.0], np.float32), "linear"), [2.0])


@given(
    unit=st.sampled_from(get_args(SarUnit)),
    decibels=st.lists(st.floats(-50, 30, width=32), min_size=1, max_size=5),
)
def test_power_in_each_unit_and_back(unit: SarUnit, decibels: list[float]) -> None:
    power = np.power(10, np.array(decibels) / 10).astype(np.float32)
    radiometry = Radiometry("sentinel-1", ("VV",), unit)
    np.testing.assert_allclose(radiometry.to_values(radiometry.to_numbers(power)), power, rtol=2e-5)


def test_power_that_is_not_positive_has_no_decibels() -> None:
    decibels = from_power(np.array([0.0, -1e-9, 1.0, np.nan], np.float32), "db")
    assert np.isnan(decibels).tolist() == [True, True, False, True]
    assert from_power(np.array([-1e-9], np.float32), "amplitude").tolist() == [0.0]


@pytest.mark.parametrize("convert", [to_power, from_power])
def test_reflectance_is_no_unit_of_radar(convert: object) -> None:
    with pytest.raises(
        ConfigError, match="'reflectance' is no unit of radar backscatter: allowed are amplitude, linear"
    ):
        convert(np.zeros(1, np.float32), "reflectance")  # type: ignore[operator]


@pytest.mark.parametrize(
    ("sensor", "unit", "averaged"),
    [
        ("sentinel-1", "db", "linear"),
        ("sentinel-1", "amplitude", "linear"),
        ("sentinel-2", "reflectance", "reflectance"),
        ("elevation", "metre", "metre"),
    ],
)
def test_what_may_be_averaged(sensor: str, unit: Unit, averaged: str) -> None:
    assert Radiometry(sensor, ("a",), unit).averaging_unit == averaged  # type: ignore[arg-type]


def test_units_belong_to_sensors() -> None:
    with pytest.raises(ConfigError, match="sentinel-2 has no unit 'db': allowed are reflectance"):
        Radiometry("sentinel-2", ("B02",), "db")
    with pytest.raises(ConfigError, match="scale of 0"):
        Radiometry("sentinel-2", ("B02",), "reflectance", scale=0)


def test_plain_values_and_back_through_json() -> None:
    radiometry = Radiometry(
        "sentinel-1",
        ("VV@dry", "VH@dry"),
        "db",
        calibration="gamma0",
        orbit_pass="descending",
        relative_orbit=141,
        time_windows=("dry",),
    ).with_quantiles({"VV@dry": (-20.0, -12.0, -5.0)})
    assert Radiometry.from_dict(json.loads(json.dumps(radiometry.to_dict()))) == radiometry
    assert Radiometry.from_dict(L2A.to_dict()) == L2A


def test_nan_as_nodata_can_be_written_as_json() -> None:
    plain = replace(L2A, nodata=float("nan")).to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False))["nodata"] is None


def test_other_bands_keep_the_rest() -> None:
    other = L2A.with_bands(("B03@dry",), ("dry",))
    assert (other.bands, other.time_windows, other.offset) == (("B03@dry",), ("dry",), -0.1)
