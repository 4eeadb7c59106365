"""The area of interest: what may be declared, and the shape that comes of it."""

from pathlib import Path

import geopandas as gpd
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.geom import box as rectangle
from shapely import box

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.cube import GridConfig, target_grid
from cerradata.cube.area import AreaConfig, read_area, shape_on

GRID = GeoBox((100, 100), Affine(10, 0, 700_000, 0, -10, 9_001_000), "EPSG:32722")
EXTENT = GRID.extent


def write(path: Path, shapes: list[object], crs: str | None = "EPSG:32722") -> Location:
    gpd.GeoDataFrame({"n": range(len(shapes))}, geometry=shapes, crs=crs).to_file(path)
    return Location(path)


def test_polygons_of_a_file_are_joined(tmp_path: Path) -> None:
    file = write(
        tmp_path / "aoi.gpkg",
        [box(700_000, 9_000_000, 700_300, 9_001_000), box(700_200, 9_000_000, 700_500, 9_001_000)],
    )
    area = shape_on(read_area(AreaConfig(vector=file), EXTENT), GRID)
    assert area.area == pytest.approx(500 * 1000)


def test_degrees_and_the_reference() -> None:
    west, south, east, north = EXTENT.to_crs("EPSG:4326").boundingbox.bbox
    area = shape_on(read_area(AreaConfig(bounds=(west, south, east, north)), EXTENT), GRID)
    assert area.contains(GRID[1:-1, 1:-1].extent)
    assert read_area(AreaConfig(reference=True), EXTENT) == EXTENT


def test_the_grid_covers_the_area_and_not_the_scenes() -> None:
    area = rectangle(700_204, 9_000_002, 700_396, 9_000_098, "EPSG:32722")
    grid = target_grid(GridConfig(), [GRID], area)
    assert grid.crs == "EPSG:32722"
    assert grid.boundingbox.bbox == (700_200, 9_000_000, 700_400, 9_000_100)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "give one of `vector`"),
        ({"reference": True, "bounds": (0, 0, 1, 1)}, "give one of `vector`"),
        ({"reference": True, "layer": "a"}, "`layer` is for `vector`"),
        ({"bounds": (1, 0, 0, 1)}, "the order is west, south, east, north"),
        ({"bounds": (700_000, 0, 800_000, 1)}, "For bounds in metres use `grid`"),
    ],
)
def test_declarations_that_cannot_work(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        AreaConfig(**options)  # type: ignore[arg-type]


def test_files_that_are_no_area(tmp_path: Path) -> None:
    point = write(tmp_path / "points.gpkg", [box(0, 0, 1, 1).centroid])
    with pytest.raises(ConfigError, match=r"points.gpkg holds no polygon \(found: Point\)"):
        read_area(AreaConfig(vector=point), EXTENT)
    with pytest.raises(ConfigError, match=r"there is no file .*none.gpkg"):
        read_area(AreaConfig(vector=Location(tmp_path / "none.gpkg")), EXTENT)
    far = write(tmp_path / "far.gpkg", [box(0, 0, 10, 10)], "EPSG:4326")
    with pytest.raises(ConfigError, match="does not touch the target grid"):
        shape_on(read_area(AreaConfig(vector=far), EXTENT), GRID)
