from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely.geometry import LineString, Point, box
from shapely.geometry.base import BaseGeometry

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.locations import Location
from cerradata.core.types import BoolArray, FloatArray
from cerradata.cube.variables import Availability, Variable, VariableConfig, open_variables
from cerradata.cube.variables.vector import burn

Grids = Callable[..., GeoBox]
Inputs = Callable[..., Any]
WEST, NORTH = 700_020.0, 9_000_000.0


def at(column: float, row: float) -> tuple[float, float]:
    """Map coordinates of pixel coordinates from the grid's corner."""
    return WEST + 10 * column, NORTH - 10 * row


def write(path: Path, *shapes: BaseGeometry, crs: str = "EPSG:32722", layer: str = "water") -> Location:
    table = gpd.GeoDataFrame({"name": [str(i) for i in range(len(shapes))]}, geometry=list(shapes), crs="EPSG:32722")
    table.to_crs(crs).to_file(path, driver="GPKG", layer=layer)
    return Location(path)


def variable(config: VariableConfig, resolution: float = 10.0) -> Variable:
    available = Availability({"sentinel-2": ("B03", "B11")}, resolution)
    return open_variables({"it": config}, available)[0]


def brute_force(water: BoolArray, limit: float) -> FloatArray:
    """Distance to every water pixel, the least of them: (rows, columns)."""
    rows, columns = np.nonzero(water)
    r, c = np.mgrid[: water.shape[0], : water.shape[1]]
    if not len(rows):
        return np.full(water.shape, limit)
    squared = (r[..., None] - rows) ** 2 + (c[..., None] - columns) ** 2
    return np.minimum(10 * np.sqrt(squared.min(axis=-1)), limit)


@pytest.mark.parametrize("limit", [35.0, 120.0, 2000.0])
def test_distance_from_lines_and_polygons(grid_of: Grids, arrays: Inputs, tmp_path: Path, limit: float) -> None:
    """A river along column 5, a lake of 3 x 4 pixels, and one lake outside of the grid that is near enough."""
    grid = grid_of(30, 40)
    river = LineString([at(5.5, -40), at(5.5, 100)])
    lake, beyond = box(*at(20.2, 12.8), *at(23.8, 10.2)), box(*at(42.1, 25.9), *at(43.9, 24.1))
    vector = write(tmp_path / "water.gpkg", river, lake, beyond)
    found = variable(VariableConfig("distance-to-water", vector=vector, max_distance=limit)).compute(grid, arrays(grid))
    water = np.zeros((30, 50), bool)
    water[:, 5], water[10:13, 20:24], water[24:26, 42:44] = True, True, True
    assert found.shape == (1, 30, 40)
    np.testing.assert_allclose(found[0], brute_force(water, limit)[:, :40], rtol=1e-6)


def test_file_in_another_system_and_layer(grid_of: Grids, arrays: Inputs, tmp_path: Path) -> None:
    grid = grid_of(20, 20)
    vector = write(tmp_path / "water.gpkg", box(*at(3.3, 8.7), *at(4.7, 7.3)), crs="EPSG:4326", layer="lakes")
    write(tmp_path / "water.gpkg", Point(*at(0, 0)), layer="towns")
    with pytest.raises(ConfigError, match=r"2 layers: give `layer`, one of lakes, towns"):
        variable(VariableConfig("distance-to-water", vector=vector))
    with pytest.raises(ConfigError, match=r"no layer 'rivers': it has lakes, towns"):
        variable(VariableConfig("distance-to-water", vector=vector, layer="rivers"))
    config = VariableConfig("distance-to-water", vector=vector, layer="lakes", max_distance=500)
    found = variable(config).compute(grid, arrays(grid))[0]
    assert np.argwhere(found == 0).tolist() == [[7, 3], [7, 4], [8, 3], [8, 4]]


def test_no_water_near_gives_the_largest_distance(grid_of: Grids, arrays: Inputs, tmp_path: Path) -> None:
    vector = write(tmp_path / "water.gpkg", Point(WEST + 1e5, NORTH))
    found = variable(VariableConfig("distance-to-water", vector=vector)).compute(grid_of(5, 5), arrays(grid_of(5, 5)))
    assert (found == 2000).all()


def test_file_that_went_away_is_named(grid_of: Grids, arrays: Inputs, tmp_path: Path) -> None:
    vector = write(tmp_path / "gone.gpkg", Point(*at(1, 1)))
    it = variable(VariableConfig("distance-to-water", vector=vector))
    (tmp_path / "gone.gpkg").unlink()
    with pytest.raises(SceneError, match=r"gone\.gpkg cannot be read"):
        it.compute(grid_of(5, 5), arrays(grid_of(5, 5)))


def test_file_without_crs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "water.shp"
    with pytest.warns(UserWarning, match="crs"):
        gpd.GeoDataFrame(geometry=[Point(*at(1, 1))]).to_file(path)
    with pytest.raises(ConfigError, match="no coordinate reference system"):
        variable(VariableConfig("distance-to-water", vector=Location(path)))


@pytest.fixture(scope="module")
def winding_rivers(tmp_path_factory: pytest.TempPathFactory) -> Location:
    """Rivers whose corners lie on corners of pixels too, across several blocks."""
    rng = np.random.default_rng(3)
    rivers = []
    for _ in range(12):
        steps = rng.integers(-60, 61, (20, 2)).cumsum(axis=0) + rng.integers(0, 700, 2)
        rivers.append(LineString([at(*step) for step in steps]))
    return write(tmp_path_factory.mktemp("rivers") / "rivers.gpkg", *rivers)


@given(st.integers(0, 600), st.integers(0, 600), st.integers(1, 79), st.booleans())
def test_windows_of_a_vector_cut_in_two_equal_the_whole(
    grid_of: Grids, arrays: Inputs, winding_rivers: Location, row: int, col: int, cut: int, across: bool
) -> None:
    grid = grid_of(700, 700)
    window = grid[row : row + 80, col : col + 80]
    it = variable(VariableConfig("distance-to-water", vector=winding_rivers, max_distance=150))
    first, second = (window[:cut], window[cut:]) if across else (window[:, :cut], window[:, cut:])
    parts = [it.compute(part, arrays(grid)) for part in (first, second)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1 if across else 2), it.compute(window, arrays(grid)))


@given(st.floats(0, 10), st.integers(0, 500))
def test_grids_off_the_whole_pixel_are_cut_alike_too(
    grid_of: Grids, winding_rivers: Location, off: float, row: int
) -> None:
    grid = grid_of(700, 300, north=NORTH + off)
    whole = burn(winding_rivers, None, grid)
    np.testing.assert_array_equal(
        burn(winding_rivers, None, grid[row : row + 200, 50:250]), whole[row : row + 200, 50:250]
    )


def water_scene(rows: int, columns: int, seed: int) -> dict[str, FloatArray]:
    rng = np.random.default_rng(seed)
    green, swir = rng.uniform(0.02, 0.1, (2, rows, columns)).astype(np.float32)
    swir += np.float32(0.1)
    wet = rng.random((rows, columns)) < 0.02
    swir[wet] = 0.01
    green[rng.random((rows, columns)) < 0.05] = np.nan
    return {"B03": green, "B11": swir}


def test_distance_from_an_index(grid_of: Grids, arrays: Inputs) -> None:
    grid = grid_of(25, 30)
    scene = water_scene(25, 30, seed=2)
    found = variable(VariableConfig("distance-to-water", index="MNDWI", max_distance=80)).compute(
        grid, arrays(grid, {("sentinel-2", ""): scene})
    )[0]
    water = scene["B03"] > scene["B11"]
    expected = np.where(np.isnan(scene["B03"]), np.nan, brute_force(water, 80))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (found == 0).any()


def test_threshold_decides_what_is_water(grid_of: Grids, arrays: Inputs) -> None:
    grid = grid_of(1, 3)
    scene = {"B03": np.array([[0.1, 0.1, 0.1]]), "B11": np.array([[0.02, 0.08, 0.3]])}  # MNDWI 0.67, 0.11, -0.5
    found = [
        variable(VariableConfig("distance-to-water", index="MNDWI", threshold=threshold)).compute(
            grid, arrays(grid, {("sentinel-2", ""): scene})
        )[0, 0]
        for threshold in (0.0, 0.5)
    ]
    np.testing.assert_allclose(found, [[0, 0, 10], [0, 10, 20]])


@given(st.integers(1, 19), st.booleans(), st.integers(0, 99))
def test_windows_of_an_index_cut_in_two_equal_the_whole(
    grid_of: Grids, arrays: Inputs, cut: int, across: bool, seed: int
) -> None:
    grid = grid_of(20, 20)
    inputs = arrays(grid, {("sentinel-2", ""): water_scene(20, 20, seed)})
    it = variable(VariableConfig("distance-to-water", index="MNDWI", max_distance=60))
    first, second = (grid[:cut], grid[cut:]) if across else (grid[:, :cut], grid[:, cut:])
    parts = [it.compute(window, inputs) for window in (first, second)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1 if across else 2), it.compute(grid, inputs))
