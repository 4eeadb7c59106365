from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.scenes.files import scl_file
from cerradata.scenes.scl import MASKED_SCL, SCL_CLASSES, is_scl_file

Factory = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("T22MGU_20220710T132231_SCL_20m.jp2", True),
        ("S2A_SCL.tif", True),
        ("scl.TIF", True),
        ("MSK_CLASSI_B00.jp2", False),
        ("T22MGU_20220710T132231_B02_10m.jp2", False),
        ("SCL_20m.png", False),
        ("MUSCL.tif", False),
    ],
)
def test_names_of_a_scene_classification(name: str, expected: bool) -> None:
    assert is_scl_file(name) is expected


def test_water_vegetation_and_soil_stay_visible() -> None:
    assert {SCL_CLASSES[number] for number in SCL_CLASSES if number not in MASKED_SCL} >= {
        "water",
        "vegetation",
        "not vegetated",
    }


def test_of_several_resolutions_that_of_20_m_is_taken(tmp_path: Path, make_raster: Factory) -> None:
    for resolution in (60, 20):
        array = np.full((120 // resolution, 120 // resolution), 4, np.uint8)
        make_raster(tmp_path / f"R{resolution}m" / f"T_SCL_{resolution}m.tif", array, resolution=resolution)
    found = scl_file(Location(tmp_path))
    assert found is not None
    assert found.grid.resolution.x == 20
    assert scl_file(Location(tmp_path / "R10m")) is None


def test_two_classifications_or_several_bands_are_told(tmp_path: Path, make_raster: Factory) -> None:
    for day in ("20220710", "20220720"):
        make_raster(tmp_path / f"T_{day}_SCL.tif", np.full((3, 3), 4, np.uint8))
    with pytest.raises(SceneError, match=r"two scene classifications: .*20220710_SCL.tif and .*20220720_SCL.tif"):
        scl_file(Location(tmp_path))
    make_raster(tmp_path / "b" / "SCL.tif", np.full((2, 3, 3), 4, np.uint8))
    with pytest.raises(SceneError, match=r"SCL.tif is named as band SCL but has 2 bands"):
        scl_file(Location(tmp_path / "b"))
