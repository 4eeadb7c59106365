from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from cerradata.scenes import Radiometry, Scene
from cerradata.scenes.doctor import Case, Fault, Standard, examine
from cerradata.scenes.doctor.order import check_order, orders
from cerradata.scenes.doctor.spectra import misfit

WET = "S2A_MSIL2A_20220323T132231_T23x016y924"
DRY = "S2A_MSIL2A_20220830T132231_T23x016y924"
RGBN = ("B02", "B03", "B04", "B08")


def few(scene: Scene, bands: tuple[str, ...] = RGBN) -> Scene:
    return replace(scene, bands={band: scene.bands[band] for band in bands})


def test_each_order_holds_every_band_once() -> None:
    bands = ["B02", "B03", "B04", "B08", "B8A", "B11"]
    found = list(orders(bands))
    assert all(sorted(order) == sorted(bands) and order != bands for _, order in found)
    assert len({name for name, _ in found}) == len(found)


def test_a_mixture_of_covers_fits_at_any_offset() -> None:
    bands = ("B02", "B03", "B04", "B05", "B08", "B11", "B12")
    leaf = np.array([0.025, 0.05, 0.03, 0.08, 0.34, 0.17, 0.07])
    soil = np.array([0.08, 0.12, 0.18, 0.21, 0.27, 0.38, 0.34])
    mixed = (0.3 * leaf + 0.7 * soil)[:, None]
    assert misfit(mixed, bands) == pytest.approx(0, abs=1e-6)
    assert misfit(mixed + 0.1, bands) == pytest.approx(0, abs=1e-6)
    assert misfit(mixed[::-1], bands) > 0.3


@pytest.mark.parametrize(("one", "other"), [("B04", "B08"), ("B02", "B08"), ("B03", "B08")])
def test_four_bands_tell_where_the_near_infrared_is(
    one: str, other: str, area: dict[str, Case], faults: ModuleType
) -> None:
    scene = few(area[WET].scene)
    assert check_order(Case(scene)) == []
    found = check_order(Case(faults.swapped(one, other)(scene)))
    assert [(f.fault, f.band) for f in found] == [(Fault.BANDS_PERMUTED, f"{one} and {other} swapped")]


def test_bare_soil_tells_blue_from_red(area: dict[str, Case], faults: ModuleType) -> None:
    scene = few(area[DRY].scene)
    assert check_order(Case(scene)) == []
    found = check_order(Case(faults.swapped("B02", "B04")(scene)))
    assert [f.band for f in found] == ["B02 and B04 swapped"]


def test_a_wrong_offset_is_no_wrong_order(area: dict[str, Case], faults: ModuleType) -> None:
    for change in (faults.offset_missing, faults.offset_twice):
        for bands in (tuple(area[DRY].scene.bands), RGBN):
            assert check_order(Case(change(few(area[DRY].scene, bands)))) == []


def test_quantiles_of_a_dataset_tell_an_order(make_scene: Callable[..., Scene]) -> None:
    noise = np.random.default_rng(2).normal(0, 100, (64, 64))
    means = {"B02": 2000, "B03": 2600, "B04": 3400}  # no near infrared, so no rule of vegetation applies
    numbers = {band: (mean + noise).astype(np.uint16) for band, mean in means.items()}
    radiometry = Radiometry("sentinel-2", tuple(means), "reflectance", 1e-4, 0.0, 0.0, product_level="L2A")
    quantiles = {band: (mean - 164.0, float(mean), mean + 164.0) for band, mean in means.items()}
    like = Standard("dataset", (radiometry.with_quantiles(quantiles),))
    good = make_scene(numbers, radiometry)
    assert [f for f in examine([Case(good)], like) if f.severity == "fault"] == []
    turned = make_scene(dict(zip(means, reversed(list(numbers.values())), strict=True)), radiometry)
    found = [f for f in examine([Case(turned)], like) if f.severity == "fault"]
    assert [f.fault for f in found] == [Fault.BANDS_PERMUTED]
