from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from cerradata.scenes import Radiometry, Scene
from cerradata.scenes.doctor import Case, Fault, Finding, Standard
from cerradata.scenes.doctor.place import check_grid, check_places, is_half_off, named_zone

MakeScene = Callable[..., Scene]


def placed(
    make_scene: MakeScene,
    name: str,
    *,
    code: int = 32722,
    east: float = 700_020,
    north: float = 9_200_020,
    band: str = "B02",
) -> Case:
    grid = GeoBox((60, 60), Affine(10, 0, east, 0, -10, north), f"EPSG:{code}")
    radiometry = Radiometry("sentinel-2", (band,), "reflectance", 1e-4, 0.0, 0.0)
    return Case(make_scene({band: np.full((60, 60), 500, np.uint16)}, radiometry, grid=grid, name=name))


def named(findings: list[Finding]) -> list[tuple[str, Fault, str]]:
    return [(f.scene, f.fault, f.severity) for f in findings]


def test_the_one_scene_that_lies_a_zone_away_is_named_with_the_right_zone(make_scene: MakeScene) -> None:
    cases = [placed(make_scene, name) for name in ("a", "b", "c")]
    cases.insert(1, placed(make_scene, "wrong", code=32723))
    found = check_places(cases, None)
    assert named(found) == [("wrong", Fault.WRONG_ZONE, "fault")]
    assert "EPSG:32722" in found[0].remedy


def test_the_other_hemisphere_is_a_wrong_zone(make_scene: MakeScene) -> None:
    cases = [placed(make_scene, name) for name in ("a", "b")]
    found = check_places([*cases, placed(make_scene, "north", code=32622)], None)
    assert named(found) == [("north", Fault.WRONG_ZONE, "fault")]


def test_of_two_scenes_the_later_one_is_named_and_the_doubt_is_said(make_scene: MakeScene) -> None:
    found = check_places([placed(make_scene, "a"), placed(make_scene, "b", code=32723)], None)
    assert named(found) == [("b", Fault.WRONG_ZONE, "fault")]
    assert "or the scene that it would join" in found[0].found


def test_a_tile_in_the_names_settles_it(make_scene: MakeScene) -> None:
    wrong = placed(make_scene, "S2A_MSIL2A_20220710T132231_N0510_R038_T22MGU_20220710", code=32723)
    right = placed(make_scene, "S2A_MSIL2A_20220710T132231_N0510_R038_T23MGU_20220710", code=32723)
    assert named_zone(wrong.scene) == 22
    assert named(check_places([wrong, right], None)) == [(wrong.name, Fault.WRONG_ZONE, "fault")]


def test_a_tile_that_was_reprojected_into_the_next_zone_is_none(make_scene: MakeScene) -> None:
    grid = placed(make_scene, "x").scene.footprint_grid.to_crs("EPSG:32723")
    case = placed(make_scene, "T22MGU_B02")
    band = replace_grid(case, grid)
    assert check_places([band], None) == []


def replace_grid(case: Case, grid: GeoBox) -> Case:
    file = case.scene.bands["B02"]
    file.grid = grid  # type: ignore[misc]
    return Case(replace(case.scene, bands={"B02": file}))


def test_places_that_are_meant_to_be_far_apart_are_no_fault(make_scene: MakeScene) -> None:
    cases = [placed(make_scene, name) for name in ("a", "b", "c", "d")]
    assert check_places(cases, None) == []
    far = placed(make_scene, "far", east=300_000, north=7_000_000)
    assert named(check_places([*cases, far], None)) == [("far", Fault.APART, "note")]


def test_a_dataset_weighs_more_than_the_scenes(make_scene: MakeScene) -> None:
    patches = tuple(placed(make_scene, f"patch {i}", east=700_020 + 600 * i).scene for i in range(3))
    wrong = [placed(make_scene, name, code=32723) for name in ("a", "b")]
    found = check_places(wrong, Standard("dataset", patches=patches))
    assert named(found) == [("a", Fault.WRONG_ZONE, "fault"), ("b", Fault.WRONG_ZONE, "fault")]


@pytest.mark.parametrize(
    ("size", "east", "north", "off"),
    [
        (10, 700_020, 9_000_000, False),
        (10, 700_025, 9_000_005, True),
        (10, 700_025, 9_000_000, False),
        (20, 700_030, 9_000_010, True),
        (20, 700_020, 9_000_040, False),
        (60, 700_030, 9_000_030, False),
        (10, 790_236.04, 7_198_039.25, False),
    ],
)
def test_corners_beside_a_whole_number_of_pixels(size: int, east: float, north: float, off: bool) -> None:
    assert is_half_off(GeoBox((10, 10), Affine(size, 0, east, 0, -size, north), "EPSG:32722")) is off


def test_one_band_off_is_a_fault_and_all_of_them_a_note(make_scene: MakeScene) -> None:
    case = placed(make_scene, "a", east=700_025, north=9_200_025)
    assert [(f.fault, f.severity) for f in check_grid(case)] == [(Fault.HALF_PIXEL, "note")]
    good = placed(make_scene, "a", band="B03").scene.bands["B03"]
    both = Case(replace(case.scene, bands={**case.scene.bands, "B03": good}))
    assert [(f.band, f.severity) for f in check_grid(both)] == [("B02", "fault")]
