from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from scipy import ndimage

from cerradata.scenes import Radiometry, Scene
from cerradata.scenes.doctor import Case, Fault, Standard
from cerradata.scenes.doctor.alignment import check_alignment, displacement_between

MakeScene = Callable[..., Scene]
WEST, NORTH = 500_000.0, 9_200_000.0


@pytest.fixture(scope="module")
def fields() -> np.ndarray:
    """200 x 200 pixels of fields with straight edges."""
    rng = np.random.default_rng(3)
    seeds = rng.integers(0, 200, (60, 2))
    rows, columns = np.mgrid[:200, :200]
    nearest = np.argmin((rows[..., None] - seeds[:, 0]) ** 2 + (columns[..., None] - seeds[:, 1]) ** 2, axis=-1)
    return ndimage.gaussian_filter(rng.uniform(500, 3000, 60)[nearest], 0.7)


def seen(make_scene: MakeScene, fields: np.ndarray, name: str, *, east: float = 0, north: float = 0) -> Case:
    """One date of the fields, with noise of its own; its grid lies east and north of where it should."""
    rng = np.random.default_rng(len(name) + ord(name[0]))
    numbers = {
        band: (fields * gain + rng.normal(0, 30, fields.shape)).astype(np.uint16)
        for band, gain in (("B04", 0.5), ("B08", 1.0))
    }
    grid = GeoBox(fields.shape, Affine(10, 0, WEST + east, 0, -10, NORTH + north), "EPSG:32722")
    radiometry = Radiometry("sentinel-2", ("B04", "B08"), "reflectance", 1e-4, 0.0, 0.0)
    return Case(make_scene(numbers, radiometry, grid=grid, name=name))


def named(cases: list[Case], standard: Standard | None = None) -> list[tuple[str, Fault]]:
    return [(f.scene, f.fault) for f in check_alignment(cases, standard)]


@pytest.mark.parametrize(("east", "north"), [(0, 0), (5, -5), (20, 10), (49.9, 40.7), (-32, 61)])
def test_a_displacement_is_measured_in_metres(
    east: float, north: float, make_scene: MakeScene, fields: np.ndarray
) -> None:
    one, other = seen(make_scene, fields, "a"), seen(make_scene, fields, "b", east=east, north=north)
    found = displacement_between(one.scene, other.scene)
    assert found is not None
    assert found.east == pytest.approx(east, abs=1.0)
    assert found.north == pytest.approx(north, abs=1.0)
    back = displacement_between(other.scene, one.scene)
    assert back is not None
    assert back.east == pytest.approx(-east, abs=1.0)


@pytest.mark.parametrize(
    ("east", "north", "fault"),
    [
        (0, 0, None),
        (2, -2, None),
        (5, 5, Fault.HALF_PIXEL),
        (20, 10, Fault.SHIFTED),
        (49.9, 40.7, Fault.WRONG_DATUM),
        (-49.9, -40.7, Fault.WRONG_DATUM),
        (49.9, -40.7, Fault.SHIFTED),
    ],
)
def test_the_displaced_one_of_three_is_named(
    east: float, north: float, fault: Fault | None, make_scene: MakeScene, fields: np.ndarray
) -> None:
    cases = [seen(make_scene, fields, name) for name in ("a", "b")]
    cases.insert(1, seen(make_scene, fields, "odd", east=east, north=north))
    assert named(cases) == ([] if fault is None else [("odd", fault)])


def test_of_two_scenes_the_one_with_the_odd_corner_is_named_else_the_later(
    make_scene: MakeScene, fields: np.ndarray
) -> None:
    good, off = seen(make_scene, fields, "good"), seen(make_scene, fields, "off", east=5, north=5)
    assert named([off, good]) == [("off", Fault.HALF_PIXEL)]
    assert named([good, off]) == [("off", Fault.HALF_PIXEL)]
    moved = seen(make_scene, fields, "moved", east=20)
    assert named([good, moved]) == [("moved", Fault.SHIFTED)]


def test_patches_of_a_dataset_outweigh_the_scenes(make_scene: MakeScene, fields: np.ndarray) -> None:
    truth = seen(make_scene, fields, "truth").scene
    patches = []
    for row in (20, 100):
        for column in (20, 100):
            part = truth.bands["B08"].grid[row : row + 80, column : column + 80]
            numbers = {
                band: truth.bands[band].read(slice(row, row + 80), slice(column, column + 80), what="")[0]
                for band in truth.bands
            }
            patches.append(make_scene(numbers, truth.radiometry, grid=part, name=f"patch {row} {column}"))
    like = Standard("dataset", patches=tuple(patches))
    both = [seen(make_scene, fields, name, east=49.9, north=40.7) for name in ("a", "b")]
    assert named(both) == []
    assert named(both, like) == [("a", Fault.WRONG_DATUM), ("b", Fault.WRONG_DATUM)]


def test_half_a_pixel_is_found_behind_clouds(area: dict[str, Case], faults: ModuleType) -> None:
    """Both scenes are cut out along the same holes: the edges of the holes do not move."""
    first = area["S2A_MSIL2A_20220527T132231_T23x016y924"].scene
    moved = faults.half_pixel_content(area["S2A_MSIL2A_20220323T132231_T23x016y924"].scene)
    found = displacement_between(first, replace(moved, masks=first.masks))
    assert found is not None
    assert (found.east, found.north) == (pytest.approx(5, abs=0.6), pytest.approx(-5, abs=0.6))


def test_no_content_no_displacement(make_scene: MakeScene) -> None:
    flat = np.full((200, 200), 1000.0)
    cases = [seen(make_scene, flat, name) for name in ("a", "b", "c")]
    assert displacement_between(cases[0].scene, cases[1].scene) is None
    assert named(cases) == []
