"""Composites of several dates against plain arithmetic on a few pixels, and what each pixel came from."""

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

import cerradata.cube.composite.statistics as statistics_module
from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.cube import CompositeConfig, StackConfig, build_stack
from cerradata.cube.composite import SEVERAL, CompositeMethod, compose
from cerradata.cube.composite.config import ordered
from cerradata.scenes import Scene, SceneSource, open_scene

WEST, NORTH = 700_020.0, 9_000_000.0
Factory = Callable[..., Path]


def grid(rows: int, columns: int) -> GeoBox:
    return GeoBox((rows, columns), Affine(10, 0, WEST, 0, -10, NORTH), "EPSG:32722")


def optical(folder: Path, make_raster: Factory, day: str, numbers: Any, clouds: Any = None) -> Scene:  # noqa: ANN401
    """Bands B02 and B04 of `numbers` (2, rows, columns) digital numbers, 0 = no data; an SCL of 10 m."""
    pixels = np.asarray(numbers, np.uint16)
    place = folder / f"S2A_{day.replace('-', '')}"
    for band, own in zip(("B02", "B04"), pixels, strict=True):
        make_raster(place / f"T22MGU_{band}_10m.tif", own)
    if clouds is not None:
        make_raster(place / "T22MGU_SCL_20m.tif", np.where(clouds, 9, 4).astype(np.uint8))
    return open_scene(SceneSource("sentinel-2", Location(place), offset=0, date=day))


def radar(folder: Path, make_raster: Factory, day: str, decibels: float, **said: Any) -> Scene:  # noqa: ANN401
    path = make_raster(folder / f"S1A_{day}.tif", np.full((1, 2, 2), decibels, np.float32))
    return open_scene(SceneSource("sentinel-1", Location(path), bands=("VV",), unit="db", date=day, **said))


@pytest.fixture
def dates(tmp_path: Path, make_raster: Factory) -> list[Scene]:
    """Three dates of 1 x 4 pixels: three, two, one and no observation; numbers of both bands 100, 200, 900."""
    values = {"2022-06-01": [100, 100, 0, 0], "2022-07-01": [200, 200, 0, 0], "2022-08-01": [900, 900, 900, 0]}
    clouds = {"2022-08-01": [[0, 1, 0, 0]]}
    return [optical(tmp_path, make_raster, day, [[row], [row]], clouds.get(day)) for day, row in values.items()]


@pytest.mark.parametrize(
    ("method", "expected", "source"),
    [
        ("first", [100, 100, 900, None], [1, 1, 3, 0]),
        ("mean", [400, 150, 900, None], [SEVERAL, SEVERAL, 3, 0]),
        ("median", [200, 150, 900, None], [SEVERAL, SEVERAL, 3, 0]),
        ("medoid", [200, 100, 900, None], [2, 1, 3, 0]),  # of two, the first
    ],
)
def test_values_sources_and_observations(
    dates: list[Scene], method: CompositeMethod, expected: list[int | None], source: list[int]
) -> None:
    found = compose(dates, ["B02", "B04"], grid(1, 4), method, count=True)
    numbers = [np.nan if n is None else n / 1e4 for n in expected]
    np.testing.assert_allclose(found.values, [[numbers], [numbers]], atol=1e-7)
    assert found.source.tolist() == [source]
    assert found.observations is not None
    assert found.observations.tolist() == [[3, 2, 1, 0]]


@settings(max_examples=25)
@given(data=st.data(), count=st.integers(1, 6), bands=st.integers(1, 3))
def test_median_and_medoid_against_the_definition(data: st.DataObject, count: int, bands: int) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    seen = rng.integers(0, 20, (count, bands, 3, 4)).astype(np.float32)
    np.moveaxis(seen, 1, -1)[rng.random((count, 3, 4)) < 0.3] = np.nan
    median = statistics_module._reduced(seen.copy(), "median")[0]
    medoid, source, number = statistics_module._reduced(seen.copy(), "medoid")
    for row, col in itertools.product(range(3), range(4)):
        pixel = seen[:, :, row, col]
        whole = pixel[~np.isnan(pixel).any(axis=1)]
        assert number[row, col] == len(whole)
        if not len(whole):
            assert np.isnan(medoid[:, row, col]).all()
            assert source[row, col] == 0
            continue
        np.testing.assert_allclose(median[:, row, col], np.median(whole, axis=0))
        cost = [sum(np.linalg.norm(a - b) for b in whole) for a in whole]
        chosen = pixel[source[row, col] - 1]
        np.testing.assert_array_equal(medoid[:, row, col], chosen)
        assert sum(np.linalg.norm(chosen - b) for b in whole) == pytest.approx(min(cost), rel=1e-5)


@pytest.mark.parametrize("method", ["mean", "median", "medoid"])
def test_strips_of_rows_give_the_same(
    dates: list[Scene], method: CompositeMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = grid(3, 4)
    whole = compose(dates, ["B02", "B04"], window, method)
    monkeypatch.setattr(statistics_module, "_BUDGET", 1)
    strips = compose(dates, ["B02", "B04"], window, method)
    np.testing.assert_array_equal(strips.values, whole.values)
    np.testing.assert_array_equal(strips.source, whole.source)


def test_where_no_observation_has_all_bands_each_band_is_taken_alone(tmp_path: Path, make_raster: Factory) -> None:
    scenes = [
        optical(tmp_path, make_raster, "2022-06-01", [[[100]], [[0]]]),
        optical(tmp_path, make_raster, "2022-07-01", [[[300]], [[500]]]),
        optical(tmp_path, make_raster, "2022-08-01", [[[700]], [[0]]]),
    ]
    whole = compose(scenes, ["B02", "B04"], grid(1, 1), "mean")
    np.testing.assert_allclose(whole.values.ravel(), [0.03, 0.05], atol=1e-7)  # only the whole one
    parts = compose([scenes[0], scenes[2]], ["B02", "B04"], grid(1, 1), "mean")
    np.testing.assert_allclose(parts.values.ravel(), [0.04, np.nan], atol=1e-7)
    assert parts.observations is not None
    assert parts.observations.item() == 0


def test_radar_is_averaged_in_linear_power(tmp_path: Path, make_raster: Factory) -> None:
    scenes = [radar(tmp_path, make_raster, day, db) for day, db in (("2022-06-01", -20.0), ("2022-07-01", -10.0))]
    found = compose(scenes, ["VV"], grid(2, 2), "mean")
    np.testing.assert_allclose(found.values, 0.055, rtol=1e-5)  # not the 0.0316 of -15 dB


def test_least_cloudy_first(tmp_path: Path, make_raster: Factory) -> None:
    shares = {"2022-06-01": 3, "2022-07-01": 1, "2022-08-01": 2}
    scenes = [
        optical(tmp_path, make_raster, day, np.full((2, 4, 4), 1000), np.arange(16).reshape(4, 4) < 4 * rows)
        for day, rows in shares.items()
    ]
    found = ordered(scenes, CompositeConfig("least-cloudy"), grid(4, 4), None)
    assert [str(scene.date) for scene in found] == ["2022-07-01", "2022-08-01", "2022-06-01"]
    elsewhere = grid(4, 4)[2:, :]  # the southern half: the first date has 50 % clouds, the others none
    found = ordered(scenes, CompositeConfig("least-cloudy"), elsewhere, None)
    assert [str(scene.date) for scene in found] == ["2022-07-01", "2022-08-01", "2022-06-01"]


@pytest.mark.parametrize(
    ("date", "span", "order"),
    [
        ("2022-07-25", None, ["2022-08-01", "2022-07-01", "2022-06-01"]),
        ("2022-05-01", ("2022-06-01", "2022-08-01"), ["2022-06-01", "2022-07-01", "2022-08-01"]),
        (None, ("2022-06-20", "2022-07-10"), ["2022-07-01", "2022-06-01", "2022-08-01"]),
    ],
)
def test_nearest_to_a_date(
    dates: list[Scene], date: str | None, span: tuple[str, str] | None, order: Sequence[str]
) -> None:
    days = None if span is None else (dt.date.fromisoformat(span[0]), dt.date.fromisoformat(span[1]))
    found = ordered(dates, CompositeConfig("nearest", date), grid(1, 4), days)
    assert [str(scene.date) for scene in found] == order


def test_what_makes_no_sense_is_told(dates: list[Scene]) -> None:
    with pytest.raises(ConfigError, match="needs a `date`, or time windows"):
        ordered(dates, CompositeConfig("nearest"), grid(1, 4), None)
    with pytest.raises(ConfigError, match="`date` is for the method nearest, not for median"):
        CompositeConfig("median", "2022-06-01")
    with pytest.raises(ConfigError, match="'June' is no date"):
        CompositeConfig("nearest", "June")
    with pytest.raises(ConfigError, match="sentinel-1 has no clouds"):
        CompositeConfig("least-cloudy").check("sentinel-1")


def test_sources_of_a_stack_are_places_in_the_list_as_given(dates: list[Scene]) -> None:
    windows = {"early": ("2022-06-01", "2022-07-31"), "late": ("2022-08-01", "2022-08-31")}
    config = StackConfig(composite=CompositeConfig("nearest"), windows=windows)
    stack = build_stack(dates, grid(1, 4), ["B04"], config)
    assert stack.groups == {"early": (1, 0), "late": (2,)}  # 1 July is nearest to the middle, which is 1 July
    found = stack.read(grid(1, 4), count=True)
    assert stack.band_names == ("B04@early", "B04@late")
    assert found.source.tolist() == [[[2, 2, 0, 0]], [[3, 0, 3, 0]]]
    assert found.observations is not None
    assert found.observations.tolist() == [[[2, 2, 0, 0]], [[1, 0, 1, 0]]]


def test_passes_and_orbits_never_meet_unless_asked(tmp_path: Path, make_raster: Factory) -> None:
    keys = [("descending", 68), ("ascending", 119), ("descending", 141)]
    scenes = [
        radar(tmp_path, make_raster, f"2022-06-0{i}", -10.0 - i, orbit_pass=key[0], relative_orbit=key[1])
        for i, key in enumerate(keys, start=1)
    ]

    def groups(rule: Any, chosen: list[Scene] = scenes) -> Any:  # noqa: ANN401
        return build_stack(chosen, grid(2, 2), ["VV"], StackConfig(orbits=rule)).groups

    with pytest.raises(
        ConfigError,
        match=r"several passes or relative orbits .*descending-68: 1, S1A_2022-06-01.tif for one.*sar.orbits`: one-pass",
    ):
        groups("one")
    assert groups("one", scenes[:1]) == {"": (0,)}
    with pytest.raises(ConfigError, match="several passes"):
        groups("one-pass")
    assert groups("one-pass", scenes[::2]) == {"": (0, 1)}
    assert groups("separate") == {"ascending-119": (1,), "descending-141": (2,), "descending-68": (0,)}
    assert groups("by-pass") == {"ascending": (1,), "descending": (0, 2)}
    assert groups("mixed") == {"": (0, 1, 2)}
    windows = {"all": ("2022-06-01", "2022-06-30")}
    both = build_stack(scenes, grid(2, 2), ["VV"], StackConfig(windows=windows, orbits="by-pass"))
    assert both.band_names == ("VV@all-ascending", "VV@all-descending")
    silent = radar(tmp_path, make_raster, "2022-06-09", -9.0)
    with pytest.raises(ConfigError, match=r"2022-06-09.tif does not say its pass"):
        groups("by-pass", [*scenes, silent])
