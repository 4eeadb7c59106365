from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cerradata.scenes import Radiometry, Scene
from cerradata.scenes.doctor import Case, Fault, Standard, examine

UNITS = ("amplitude", "linear", "db")


def speckled(
    make_scene: Callable[..., Scene], unit: str, declared: str, *, vv: float = -10, vh: float = -16.5
) -> Scene:
    """Land of one backscatter with the speckle of 4.4 looks, in one unit, declared as another."""
    rng = np.random.default_rng(7)
    bands = {}
    for band, level in (("VV", vv), ("VH", vh)):
        power = 10 ** (level / 10) * rng.gamma(4.4, 1 / 4.4, (80, 80))
        bands[band] = {"amplitude": np.sqrt(power), "linear": power, "db": 10 * np.log10(power)}[unit].astype(
            np.float32
        )
    kind: Any = declared
    return make_scene(bands, Radiometry("sentinel-1", ("VV", "VH"), kind))


def units_named(scene: Scene, like: Standard | None = None) -> list[str]:
    found = [f for f in examine([Case(scene)], like) if f.severity == "fault"]
    assert {f.fault for f in found} <= {Fault.SAR_UNIT}
    return [f.remedy for f in found]


@pytest.mark.parametrize("true", UNITS)
@pytest.mark.parametrize("declared", UNITS)
def test_the_unit_of_land(true: str, declared: str, make_scene: Callable[..., Scene]) -> None:
    expected = [] if true == declared else [f"declare `unit: {true}`"]
    assert units_named(speckled(make_scene, true, declared)) == expected


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("vv", "vh"), [(-21, -28), (-5, -11), (-14, -20)], ids=["water", "town", "grass"])
def test_no_alarm_on_other_covers(unit: str, vv: float, vh: float, make_scene: Callable[..., Scene]) -> None:
    assert units_named(speckled(make_scene, unit, unit, vv=vv, vh=vh)) == []


def test_uncalibrated_amplitude_is_amplitude(make_scene: Callable[..., Scene]) -> None:
    level = 20 * np.log10(105)
    assert units_named(speckled(make_scene, "amplitude", "amplitude", vv=level, vh=level - 6)) == []
    found = units_named(speckled(make_scene, "amplitude", "linear", vv=level, vh=level - 6))
    assert found == ["declare `unit: amplitude`"]


def test_backscatter_of_a_dataset_settles_what_is_plausible_both_ways(make_scene: Callable[..., Scene]) -> None:
    scene = speckled(make_scene, "linear", "amplitude", vv=-8.5, vh=-13)  # as amplitude -17 and -26 dB: smooth ground
    assert units_named(scene) == []
    quantiles = {"VV": (-12.0, -8.5, -5.0), "VH": (-17.0, -13.0, -9.0)}
    like = Standard("dataset", (Radiometry("sentinel-1", ("VV", "VH"), "db").with_quantiles(quantiles),))
    assert units_named(scene, like) == ["declare `unit: linear`"]


def test_one_band_is_enough(make_scene: Callable[..., Scene]) -> None:
    scene = speckled(make_scene, "db", "amplitude")
    only = Scene(scene.name, scene.sensor, None, {"VV": scene.bands["VV"]}, scene.radiometry)
    assert units_named(only) == ["declare `unit: db`"]
