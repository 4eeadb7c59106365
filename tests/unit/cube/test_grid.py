from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.locations import Location
from cerradata.cube import GridConfig, target_grid

Factory = Callable[..., Path]


def footprint(west: float, north: float, crs: str = "EPSG:32722", size: int = 30) -> GeoBox:
    return GeoBox((size, size), Affine(10, 0, west, 0, -10, north), crs)


def test_like_takes_the_grid_of_a_file(tmp_path: Path, make_raster: Factory) -> None:
    transform = Affine(10, 0, 790_236.04, 0, -10, 7_198_039.25)  # not snapped, as the TerraMesh samples are
    path = make_raster(tmp_path / "a.tif", transform=transform)
    grid = target_grid(GridConfig(like=Location(path)), [footprint(0, 0)])
    assert grid == GeoBox((40, 50), transform, "EPSG:32722")


def test_like_that_does_not_exist_or_has_degrees_is_told(tmp_path: Path, make_raster: Factory) -> None:
    with pytest.raises(SceneError, match="There is no file"):
        target_grid(GridConfig(like=Location(tmp_path / "a.tif")), [])
    path = make_raster(tmp_path / "b.tif", crs="EPSG:4674", transform=Affine(1e-4, 0, -48, 0, -1e-4, -6))
    with pytest.raises(ConfigError, match=r"b\.tif has degrees: choose a projected system"):
        target_grid(GridConfig(like=Location(path)), [])


def test_bounds_are_snapped_outwards() -> None:
    grid = target_grid(GridConfig(crs="EPSG:32722", bounds=(500_003, 9_000_007, 500_103, 9_000_107)), [])
    assert grid.boundingbox.bbox == (500_000, 9_000_000, 500_110, 9_000_110)
    assert (tuple(grid.shape), grid.resolution.x, grid.resolution.y) == ((11, 11), 10, -10)


def test_rounding_of_coordinates_adds_no_row() -> None:
    bounds = (500_000 - 1e-6, 9_000_000 - 1e-6, 500_100 + 1e-6, 9_000_100 + 1e-6)
    assert tuple(target_grid(GridConfig(crs="EPSG:32722", bounds=bounds), []).shape) == (10, 10)


@given(
    west=st.floats(200_000, 800_000),
    south=st.floats(1_000_000, 9_500_000),
    width=st.floats(1, 2_000),
    height=st.floats(1, 2_000),
    resolution=st.sampled_from([2.0, 8.0, 10.0, 20.0, 30.0]),
)
def test_any_bounds_are_covered_by_less_than_a_pixel_more(
    west: float, south: float, width: float, height: float, resolution: float
) -> None:
    bounds = (west, south, west + width, south + height)
    grid = target_grid(GridConfig(crs="EPSG:32723", resolution=resolution, bounds=bounds), [])
    box = grid.boundingbox
    slack = 1e-3 * resolution + 1e-6
    for outer, inner in (
        (box.left, bounds[0]),
        (box.bottom, bounds[1]),
        (-box.right, -bounds[2]),
        (-box.top, -bounds[3]),
    ):
        assert inner - resolution - slack < outer < inner + slack
    assert box.left % resolution == box.top % resolution == 0


@pytest.mark.parametrize(
    ("grid", "crs"),
    [
        (footprint(700_000, 9_000_000), "EPSG:32722"),  # 49 W, 9 S
        (footprint(300_000, 9_000_000, "EPSG:32723"), "EPSG:32723"),  # 47 W, 9 S
        (footprint(500_000, 5_800_000, "EPSG:32633"), "EPSG:32633"),  # 15 E, 52 N
        (footprint(500_000, 100_000, "EPSG:32622"), "EPSG:32622"),  # 51 W, 1 N: Amapá
        (GeoBox((30, 30), Affine(1e-3, 0, -49.5, 0, -1e-3, -6), "EPSG:4674"), "EPSG:32722"),
    ],
)
def test_the_utm_zone_of_the_area_is_the_default(grid: GeoBox, crs: str) -> None:
    assert str(target_grid(GridConfig(), [grid]).crs) == crs


def test_the_area_is_the_union_of_the_scenes() -> None:
    grid = target_grid(GridConfig(), [footprint(700_000, 9_000_000), footprint(700_500, 9_000_205)])
    assert grid.boundingbox.bbox == (700_000, 8_999_700, 700_800, 9_000_210)


def test_scenes_of_both_zones_of_the_ecoregion_share_a_grid() -> None:
    west, east = footprint(790_000, 9_300_000), footprint(180_000, 9_300_000, "EPSG:32723")
    grid = target_grid(GridConfig(), [west, east])
    for scene in (west, east):
        assert grid.extent.contains(scene.footprint(grid.crs, buffer=-10))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"like": Location("/a.tif"), "crs": "EPSG:32722"}, "leave out `crs` and `bounds`"),
        ({"like": Location("/a.tif"), "bounds": (0, 0, 1, 1)}, "leave out `crs` and `bounds`"),
        ({"bounds": (0, 0, 1, 1)}, "`bounds` are in units of `crs`: give it too"),
        ({"crs": "EPSG:32722", "bounds": (1, 0, 0, 1)}, "are empty: the order is west, south, east, north"),
        ({"crs": "EPSG:32722", "bounds": (0, 1, 1, 1)}, "are empty"),
        ({"resolution": 0}, "a resolution of 0 is impossible"),
        ({"resolution": -10}, "a resolution of -10 is impossible"),
    ],
)
def test_fields_that_contradict_each_other_are_told(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        GridConfig(**said)


@pytest.mark.parametrize(
    ("crs", "words"),
    [
        ("EPSG:4326", "EPSG:4326 has degrees: choose a projected system with metres"),
        ("EPSG:2263", "EPSG:2263 has US survey foot"),
        ("UTM 22", "'UTM 22' is no coordinate reference system: write it like EPSG:32723"),
    ],
)
def test_systems_without_metres_are_refused(crs: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        target_grid(GridConfig(crs=crs), [footprint(700_000, 9_000_000)])


def test_without_an_area_there_is_no_grid() -> None:
    with pytest.raises(ConfigError, match="no scenes to take the area from"):
        target_grid(GridConfig(crs="EPSG:32722"), [])
