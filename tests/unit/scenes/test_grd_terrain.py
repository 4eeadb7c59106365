"""Terrain correction of GRD products: a hilltop comes back where it stands, and heights must be above the ellipsoid."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.locations import Location
from cerradata.scenes import Scene, SceneSource, open_scene
from cerradata.scenes.terrain import TerrainSource
from cerradata.simulation.grd import GrdOptions, write_grd

pytest.importorskip("sarsen")

Array = npt.NDArray[np.float64]
HILL = 300.0  # metres
DEGREE = 111_000.0
HILLTOP = 130, 190  # line and sample at which it is seen


def options(*, ascending: bool) -> GrdOptions:
    return GrdOptions(shape=(240, 320), looks=None, ascending=ascending)


def hilltop(chosen: GrdOptions) -> tuple[float, float]:
    """Longitude and latitude of the hilltop: where its line and sample lie on ground of that height."""
    raised = replace(chosen.geometry, height=HILL)
    longitude, latitude = raised.place(np.asarray([HILLTOP[0]]), np.asarray([HILLTOP[1]]))
    return float(longitude[0, 0]), float(latitude[0, 0])


@pytest.fixture(scope="module", params=[False, True], ids=["descending", "ascending"])
def scene_of_hill(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, GrdOptions]:
    """A product in which something bright stands on a hill of 300 m; the ground around is at 0 m."""
    chosen = options(ascending=request.param)
    longitude, latitude = chosen.geometry.place(np.asarray([HILLTOP[0]]), np.asarray([HILLTOP[1]]))

    def truth(east: Array, north: Array) -> Array:
        aside = (east - longitude[0, 0]) * np.cos(np.radians(north)), north - latitude[0, 0]
        bright = 0.01 + 5 * np.exp(-((DEGREE * np.hypot(*aside) / 15) ** 2) / 2)
        return np.stack([bright, bright])

    return write_grd(tmp_path_factory.mktemp("grd"), chosen, truth, simulated="a test"), chosen


@pytest.fixture
def elevation(
    scene_of_hill: tuple[Path, GrdOptions], tmp_path: Path, make_raster: Callable[..., Path]
) -> Callable[..., Location]:
    """A factory of elevation models in degrees, of pixels of about 30 m: a plateau of 250 m radius around the hilltop."""

    def make(name: str = "dem.tif", *, ground: float = 0.0, hill: float = HILL) -> Location:
        east, north = hilltop(scene_of_hill[1])
        size, step = 400, 30 / DEGREE
        place = Affine(step, 0, east - size / 2 * step, 0, -step, north + size / 2 * step)
        row, column = np.mgrid[:size, :size] + 0.5
        far = 30 * np.hypot(row - size / 2, column - size / 2)
        heights = (ground + hill * (far < 250)).astype(np.float32)
        return Location(make_raster(tmp_path / name, heights, crs="EPSG:4326", transform=place, nodata=-9999))

    return make


def miss(scene: Scene, place: tuple[float, float]) -> float:
    """Pixels between the brightest place of a scene and where it should be."""
    grid: GeoBox = scene.bands["VV"].grid
    power = np.nan_to_num(scene.read("VV", slice(0, grid.shape[0]), slice(0, grid.shape[1])))
    to_grid = Transformer.from_crs("EPSG:4326", str(grid.crs), always_xy=True)
    column, row = ~grid.transform @ to_grid.transform(*place)
    top, left = np.unravel_index(power.argmax(), power.shape)
    window = slice(max(top - 6, 0), top + 7), slice(max(left - 6, 0), left + 7)
    weight = power[window]
    found = [(weight * np.mgrid[window][axis]).sum() / weight.sum() + 0.5 for axis in (0, 1)]
    return float(np.hypot(found[0] - row, found[1] - column))


def test_a_hilltop_comes_back_where_it_stands(
    scene_of_hill: tuple[Path, GrdOptions], elevation: Callable[..., Location]
) -> None:
    folder, chosen = scene_of_hill
    plain = SceneSource("sentinel-1", Location(folder))
    corrected = replace(plain, terrain=TerrainSource(elevation(), "WGS84 ellipsoid"))
    assert miss(open_scene(plain), hilltop(chosen)) > 30  # 300 m / tan(38 degrees) towards the satellite
    assert miss(open_scene(corrected), hilltop(chosen)) < 0.5


def test_over_flat_ground_it_is_where_the_geolocation_grid_says(
    scene_of_hill: tuple[Path, GrdOptions], elevation: Callable[..., Location]
) -> None:
    folder, _ = scene_of_hill
    plain = open_scene(SceneSource("sentinel-1", Location(folder)))
    terrain = TerrainSource(elevation(hill=0.0), "WGS84 ellipsoid")
    corrected = open_scene(SceneSource("sentinel-1", Location(folder), terrain=terrain))
    band = plain.bands["VV"]
    window = slice(0, band.grid.shape[0]), slice(0, band.grid.shape[1])
    expected = plain.bands["VV"]._image_places(*window)
    found = corrected.bands["VV"]._image_places(*window)
    both = np.isfinite(found[0]) & np.isfinite(expected[0])
    assert both.sum() > 0.98 * np.isfinite(expected[0]).sum()
    assert max(np.abs(a[both] - b[both]).max() for a, b in zip(found, expected, strict=True)) < 0.05


def test_windows_of_it_have_no_seams(
    scene_of_hill: tuple[Path, GrdOptions], elevation: Callable[..., Location]
) -> None:
    terrain = TerrainSource(elevation(), "WGS84 ellipsoid")
    scene = open_scene(SceneSource("sentinel-1", Location(scene_of_hill[0]), terrain=terrain))
    height, width = scene.bands["VV"].grid.shape
    whole = scene.read("VV", slice(0, height), slice(0, width))
    part = slice(height // 2 - 20, height // 2 + 31), slice(width // 2 - 11, width // 2 + 50)
    np.testing.assert_allclose(scene.read("VV", *part), whole[part], rtol=1e-3)


def test_heights_above_a_geoid_need_the_geoid(
    scene_of_hill: tuple[Path, GrdOptions], elevation: Callable[..., Location]
) -> None:
    folder, chosen = scene_of_hill
    above_geoid, geoid = elevation(ground=25.0), elevation("geoid.tif", ground=-25.0, hill=0.0)
    for datum in ("EGM96", "EGM2008"):
        with pytest.raises(ConfigError, match=rf"above {datum}.*needs them above the ellipsoid.*`geoid`"):
            TerrainSource(above_geoid, datum)
    terrain = TerrainSource(above_geoid, "EGM2008", geoid)
    assert miss(open_scene(SceneSource("sentinel-1", Location(folder), terrain=terrain)), hilltop(chosen)) < 0.5
    with pytest.raises(ConfigError, match="no geoid is to be added"):
        TerrainSource(above_geoid, "WGS84 ellipsoid", geoid)
    with pytest.raises(ConfigError, match="no vertical datum that is known"):
        TerrainSource(above_geoid, "sea level")


def test_where_the_elevation_ends_there_is_no_data(
    scene_of_hill: tuple[Path, GrdOptions], tmp_path: Path, make_raster: Callable[..., Path]
) -> None:
    folder, _ = scene_of_hill
    plain = open_scene(SceneSource("sentinel-1", Location(folder)))
    grid = plain.bands["VV"].grid
    half = grid[:, : grid.shape[1] // 2]
    dem = make_raster(
        tmp_path / "half.tif", np.zeros(half.shape, np.float32), crs=str(grid.crs), transform=half.transform
    )
    terrain = TerrainSource(Location(dem), "WGS84 ellipsoid")
    scene = open_scene(SceneSource("sentinel-1", Location(folder), terrain=terrain, border=100.0))
    values = scene.read("VV", slice(0, grid.shape[0]), slice(0, grid.shape[1]))
    assert np.isfinite(values[:, : half.shape[1] - 1]).mean() > 0.5
    assert not np.isfinite(values[:, half.shape[1] + 1 :]).any()
    assert scene.masks[0].read(slice(0, 2), slice(0, 2)).all()


def test_what_cannot_be_used_is_named(
    scene_of_hill: tuple[Path, GrdOptions], elevation: Callable[..., Location], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = scene_of_hill
    terrain = TerrainSource(elevation(), "WGS84 ellipsoid")
    missing = replace(terrain, elevation=Location("/nowhere/dem.tif"))
    with pytest.raises(SceneError, match="cannot be read as a raster of heights"):
        open_scene(SceneSource("sentinel-1", Location(folder), terrain=missing))
    with pytest.raises(ConfigError, match="`terrain` is for a GRD product"):
        SceneSource("sentinel-1", Location("/data/vv.tif"), unit="db", terrain=terrain)
    monkeypatch.setitem(sys.modules, "sarsen", None)
    with pytest.raises(SceneError, match=r"pip install 'cerradata\[terrain\]'"):
        open_scene(SceneSource("sentinel-1", Location(folder), terrain=terrain))
