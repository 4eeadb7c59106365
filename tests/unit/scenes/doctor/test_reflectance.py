from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from cerradata.scenes import Radiometry, Scene
from cerradata.scenes.doctor import Case, Fault, Standard, examine
from cerradata.scenes.doctor.reflectance import Evidence, offset_evidence, peer_evidence, verdict_of
from cerradata.scenes.metadata import ProductMetadata

WET = "S2A_MSIL2A_20220323T132231_T23x016y924"
DRY = "S2A_MSIL2A_20220830T132231_T23x016y924"
RGBN = ("B02", "B03", "B04", "B08")
MakeScene = Callable[..., Scene]


def bright_scene(make_scene: MakeScene, *, offset: float = 0.0, add: int = 0, name: str = "sand") -> Scene:
    """Sand: no vegetation, no water, nothing dark. B02 0.2, B03 0.25, B04 0.3, B08 0.35."""
    noise = np.random.default_rng(5).integers(-50, 50, (64, 64))
    numbers = {band: (2000 + 500 * i + noise + add).astype(np.uint16) for i, band in enumerate(RGBN)}
    radiometry = Radiometry("sentinel-2", RGBN, "reflectance", 1e-4, offset, 0.0, product_level="L2A")
    return make_scene(numbers, radiometry, name=name)


def faults_of(cases: list[Case], standard: Standard | None = None) -> list[tuple[str, Fault]]:
    return [(f.scene, f.fault) for f in examine(cases, standard) if f.severity == "fault"]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([0.05], "good"),
        ([0.15], "missing"),
        ([-0.06], "twice"),
        ([0.05, 0.15], None),
        ([0.05, 0.15, 0.14], "missing"),
        ([], None),
    ],
)
def test_most_of_the_evidence_decides(values: list[float], verdict: str | None) -> None:
    assert verdict_of([Evidence("red", value, -0.025, 0.1) for value in values]) == verdict


def test_the_evidence_is_offset_by_what_is_wrong(area: dict[str, Case], faults: ModuleType) -> None:
    good = {e.what: e.value for e in offset_evidence(area[WET])}
    high = {e.what: e.value for e in offset_evidence(Case(faults.offset_missing(area[WET].scene)))}
    assert set(good) == set(high)
    for what, value in good.items():
        assert high[what] - value == pytest.approx(0.1, abs=2e-3)


def test_nothing_is_said_of_a_bright_scene_alone(make_scene: MakeScene) -> None:
    case = Case(bright_scene(make_scene, add=1000))
    assert offset_evidence(case) == []
    findings = examine([case])
    assert [(f.fault, f.severity) for f in findings] == [(Fault.UNDETERMINED, "note")]


def test_a_bright_scene_is_compared_with_a_dataset(make_scene: MakeScene) -> None:
    levels = {band: (0.195 + 0.05 * i, 0.2 + 0.05 * i, 0.205 + 0.05 * i) for i, band in enumerate(RGBN)}
    stored = {band: tuple(v * 1e4 + 1000 for v in values) for band, values in levels.items()}
    like = Standard(
        "dataset",
        (Radiometry("sentinel-2", RGBN, "reflectance", 1e-4, -0.1, 0.0).with_quantiles(stored),),  # type: ignore[arg-type]
    )
    assert faults_of([Case(bright_scene(make_scene))], like) == []
    assert faults_of([Case(bright_scene(make_scene, add=1000))], like) == [("sand", Fault.OFFSET_MISSING)]
    assert faults_of([Case(bright_scene(make_scene, offset=-0.1))], like) == [("sand", Fault.OFFSET_TWICE)]


def test_bands_that_differ_in_more_than_an_offset_are_no_evidence(make_scene: MakeScene) -> None:
    case = Case(bright_scene(make_scene))
    levels = {band: np.full(3, 0.1 + 0.1 * i) for i, band in enumerate(RGBN)}
    assert peer_evidence(case, levels, "another cover") == []


@pytest.mark.parametrize(("numbers", "fault"), [("carry", Fault.OFFSET_MISSING), ("plain", Fault.OFFSET_UNDECLARED)])
def test_an_offset_that_nobody_states_is_told_from_the_numbers(
    numbers: str, fault: Fault, area: dict[str, Case], faults: ModuleType
) -> None:
    scene = area[WET].scene
    numbers_carry = faults.carried_offset(scene) < 0
    plain = replace(scene, radiometry=replace(scene.radiometry, offset=0.0))
    if (numbers == "carry") != numbers_carry:
        change = 1000 if numbers == "carry" else -1000
        plain = faults.numbers_of(plain, lambda n: np.where(n == 0, n, np.maximum(n.astype(np.int32) + change, 1)))
    findings = examine([Case(plain, offset_declared=False)])
    assert [f.fault for f in findings] == [fault]
    assert ("offset: -1000" if numbers == "carry" else "offset: 0") in findings[0].remedy


@pytest.mark.parametrize(("declared_is_right", "severity"), [(True, "note"), (False, "fault")])
def test_metadata_against_pixels(
    declared_is_right: bool, severity: str, area: dict[str, Case], faults: ModuleType
) -> None:
    scene = area[DRY].scene
    declared = faults.carried_offset(scene)
    other = -1000 if declared == 0 else 0
    if declared_is_right:  # the catalogue's flag is wrong, and the user knew it
        findings = examine([Case(scene, ProductMetadata(offsets=(other,)))])
        assert [(f.fault, f.severity) for f in findings] == [(Fault.CONTRADICTION, severity)]
    else:
        wrong = replace(scene, radiometry=replace(scene.radiometry, offset=other * 1e-4))
        findings = examine([Case(wrong, ProductMetadata(offsets=(declared,)))])
        expected = Fault.OFFSET_MISSING if other == 0 else Fault.OFFSET_TWICE
        assert [(f.fault, f.severity) for f in findings] == [(expected, severity)]
        assert f"metadata state {declared}" in findings[0].found


def test_a_declaration_against_the_metadata_that_pixels_cannot_settle_is_a_fault(make_scene: MakeScene) -> None:
    stated = ProductMetadata(offsets=(-1000,), product_level="L1C")
    found = faults_of([Case(bright_scene(make_scene), stated)])
    assert found == [("sand", Fault.CONTRADICTION)] * 2
