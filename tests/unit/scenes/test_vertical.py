from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pyproj import CRS

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.locations import Location
from cerradata.scenes import SceneSource, open_scene
from cerradata.scenes.vertical import datum_of, named_datum

Factory = Callable[..., Path]
HEIGHTS = np.full((4, 5), 123.5, np.float32)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("EGM2008", "EGM2008"),
        ("egm2008 height", "EGM2008"),
        ("EPSG:3855", "EGM2008"),
        ("EGM96", "EGM96"),
        ("EPSG:5773", "EGM96"),
        ("EPSG:9707", "EGM96"),  # WGS 84 + EGM96 height
        ("WGS84 ellipsoid", "WGS84 ellipsoid"),
        ("wgs84 Ellipsoid", "WGS84 ellipsoid"),
        ("EPSG:4979", "WGS84 ellipsoid"),
        ("NAVD88", "NAVD88"),
    ],
)
def test_a_datum_has_one_name(text: str, name: str) -> None:
    assert named_datum(text) == name


@pytest.mark.parametrize("text", ["sea level", "EPSG:4326", "", "SIRGAS 2000"])
def test_what_is_no_vertical_datum_is_told(text: str) -> None:
    with pytest.raises(
        ConfigError, match="is no vertical datum that is known: write EGM2008, EGM96, WGS84 ellipsoid, or"
    ):
        SceneSource("elevation", Location("/data/dem.tif"), vertical_datum=text)


def test_only_heights_have_a_vertical_datum() -> None:
    with pytest.raises(ConfigError, match="`vertical_datum` is for elevation, not sentinel-2"):
        SceneSource("sentinel-2", Location("/data/s2"), vertical_datum="EGM96")


@pytest.mark.parametrize(
    ("crs", "name"),
    [
        ("EPSG:32722", None),
        ("EPSG:4326", None),
        ("EPSG:9518", "EGM2008"),
        ("EPSG:32722+5773", "EGM96"),
        ("EPSG:4979", "WGS84 ellipsoid"),
        ("EPSG:4988", "GRS 1980 ellipsoid"),  # of SIRGAS 2000
    ],
)
def test_the_datum_of_a_coordinate_reference_system(crs: str, name: str | None) -> None:
    assert datum_of(CRS.from_user_input(crs)) == name


@pytest.mark.parametrize(
    ("crs", "declared", "expected"),
    [
        ("EPSG:32722", None, None),
        ("EPSG:32722", "EGM2008", "EGM2008"),
        ("EPSG:32722", "EPSG:5773", "EGM96"),
        ("EPSG:32722+3855", None, "EGM2008"),
        ("EPSG:32722+3855", "EGM2008", "EGM2008"),
        ("EPSG:9518", None, "EGM2008"),
        ("EPSG:4979", None, "WGS84 ellipsoid"),
    ],
)
def test_the_datum_of_a_scene(
    tmp_path: Path, make_raster: Factory, crs: str, declared: str | None, expected: str | None
) -> None:
    path = Location(make_raster(tmp_path / "dem.tif", HEIGHTS, crs=crs))
    scene = open_scene(SceneSource("elevation", path, vertical_datum=declared))
    assert scene.radiometry.vertical_datum == expected
    assert scene.read("elevation", slice(0, 4), slice(0, 5)).tolist() == HEIGHTS.tolist()


@pytest.mark.parametrize("crs", ["EPSG:32722+3855", "EPSG:32722"])
def test_the_grid_is_that_on_the_ground(tmp_path: Path, make_raster: Factory, crs: str) -> None:
    path = Location(make_raster(tmp_path / "dem.tif", HEIGHTS, crs=crs))
    assert open_scene(SceneSource("elevation", path)).footprint_grid.crs == "EPSG:32722"


def test_a_contradiction_is_told(tmp_path: Path, make_raster: Factory) -> None:
    path = Location(make_raster(tmp_path / "dem.tif", HEIGHTS, crs="EPSG:32722+3855"))
    with pytest.raises(
        SceneError, match=r"dem\.tif: `vertical_datum` is EGM96, but the file's .* says EGM2008\. Leave"
    ):
        open_scene(SceneSource("elevation", path, vertical_datum="EGM96"))
