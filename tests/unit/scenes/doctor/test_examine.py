from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np
import pytest

from cerradata.scenes import Scene
from cerradata.scenes.doctor import Case, Fault, examine


class Injection(Protocol):
    """A fault of `benchmarks/faults.py`."""

    name: str
    sensor: str
    expected: Fault
    alone: bool

    def case(self, scene: Scene) -> Case: ...


WET, DRY = "S2A_MSIL2A_20220323T132231_T23x016y924", "S2A_MSIL2A_20220830T132231_T23x016y924"
RADAR = "S1A_IW_GRDH_1SDV_20220712T090511_DESC_2"
OTHERS = (
    "S2A_MSIL2A_20220527T132231_T23x016y924",
    "S2A_MSIL2A_20221029T132231_T23x016y924",
    "S1A_IW_GRDH_1SDV_20220210T090511_DESC_2",
)
NOT_TOLD = ("SAD69 labelled as SIRGAS, radar",)
"""Speckle leaves too few windows of this small area determined: nothing is said, and nobody else is blamed."""


def faults_of(cases: list[Case]) -> set[tuple[str, Fault]]:
    return {(f.scene, f.fault) for f in examine(cases) if f.severity == "fault"}


def test_no_alarm_on_simulated_scenes_of_either_season(area: dict[str, Case]) -> None:
    months = {case.scene.date.month for case in area.values() if case.scene.date is not None}
    assert {1, 3, 7, 8} <= months
    assert faults_of(list(area.values())) == set()


@pytest.mark.parametrize(("masked", "faults"), [(0.9, 0), (0.5, 1)])
def test_haze_between_clouds_is_no_offset_that_is_missing(masked: float, faults: int, area: dict[str, Case]) -> None:
    """What is left of a scene that is nearly all cloud is brighter by a tenth."""
    case = Case(area[DRY].scene)
    brighter = replace(case.sample, values=case.sample.values + np.float32(0.1), masked=masked)
    vars(case)["sample"] = brighter  # where the cached property keeps it
    others = [area[name] for name in OTHERS if name.startswith("S2")]
    found = [f for f in examine([*others, case]) if f.severity == "fault" and f.fault == Fault.OFFSET_MISSING]
    assert len(found) == faults


def test_a_fault_is_named_on_the_scene_that_has_it(injection: Injection, season: str, area: dict[str, Case]) -> None:
    optical = WET if season == "wet" else DRY
    name = {"sentinel-2": optical, "sentinel-1": RADAR, "elevation": "elevation_30m.tif"}[injection.sensor]
    others = [] if injection.alone else [area[other] for other in OTHERS]
    findings = [f for f in examine([*others, injection.case(area[name].scene)]) if f.severity == "fault"]
    expected = set() if injection.name in NOT_TOLD else {(name, injection.expected)}
    assert {(f.scene, f.fault) for f in findings} == expected
    assert all(f.found and f.expected and f.remedy for f in findings)


def test_the_order_of_the_scenes_does_not_decide_who_is_blamed(area: dict[str, Case], faults: ModuleType) -> None:
    shifted = faults.shifted_by(20, 10)
    bad = Case(shifted(area[DRY].scene))
    good = [area[name] for name in (WET, *OTHERS[:2])]
    for position in range(4):
        cases = [*good[:position], bad, *good[position:]]
        assert faults_of(cases) == {(DRY, Fault.SHIFTED)}


def test_a_scene_that_cannot_be_read_is_named_and_the_others_are_examined(
    area: dict[str, Case], faults: ModuleType, tmp_path: Path
) -> None:
    band = replace(area[WET].scene.bands["B03"], location=tmp_path / "gone_B03.tif")
    broken = Case(replace(area[WET].scene, name="broken", bands={**area[WET].scene.bands, "B03": band}))
    twice = faults.offset_twice(area[DRY].scene)
    found = faults_of([broken, Case(twice)])
    assert found == {("broken", Fault.UNREADABLE), (DRY, Fault.OFFSET_TWICE)}
