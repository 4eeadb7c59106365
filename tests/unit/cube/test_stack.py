import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.locations import Location
from cerradata.core.types import FloatArray
from cerradata.cube import StackConfig, build_stack
from cerradata.cube.stack import touches
from cerradata.scenes import BandFile, Radiometry, Scene, SceneSource, open_scene
from cerradata.scenes.bands import MSI_BANDS

Factory = Callable[..., Path]
WEST, NORTH = 700_020.0, 9_000_000.0


def grid(rows: int = 60, columns: int = 60, resolution: float = 10, *, east: float = 0, south: float = 0) -> GeoBox:
    return GeoBox((rows, columns), Affine(resolution, 0, WEST + east, 0, -resolution, NORTH - south), "EPSG:32722")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, make_sentinel2_folder: Factory) -> Scene:
    """60 x 60 pixels of 10 m: number = 1000 + 100 * row + col at each resolution, offset -1000."""
    folder = make_sentinel2_folder(tmp_path_factory.mktemp("stack") / "S2A_20220710", size=60)
    return open_scene(SceneSource("sentinel-2", Location(folder), offset=-1000))


def lazy(
    scenes: Sequence[Scene], target: GeoBox, bands: Sequence[str], *, chunk: int = 1024, **options: object
) -> xr.DataArray:
    return build_stack(scenes, target, bands, StackConfig(**options)).to_xarray(chunk)  # type: ignore[arg-type]


def height_scene(tmp_path: Path, make_raster: Factory, name: str, array: object, date: str | None = None) -> Scene:
    path = make_raster(tmp_path / f"{name}.tif", np.asarray(array, np.float32), nodata=-1)
    return open_scene(SceneSource("elevation", Location(path), date=date))


def test_a_stack_has_named_bands_coordinates_and_unit(scene: Scene) -> None:
    stack = lazy([scene], grid(), ["B04", "B01"])
    assert stack.dims == ("band", "y", "x")
    assert (stack.shape, stack.dtype) == ((2, 60, 60), np.float32)
    assert stack.band.values.tolist() == ["B04", "B01"]
    assert (stack.attrs["unit"], stack.attrs["crs"], stack.name) == ("reflectance", "EPSG:32722", "sentinel-2")
    assert (float(stack.x[0]), float(stack.y[0])) == (WEST + 5, NORTH - 5)


def test_the_same_grid_gives_the_very_numbers(scene: Scene) -> None:
    values = lazy([scene], grid(), ["B02"]).values[0]
    numbers = 100 * np.arange(60)[:, None] + np.arange(60)
    np.testing.assert_allclose(values * 1e4, numbers, atol=2e-3)
    np.testing.assert_array_equal(np.rint(values * 1e4), numbers)


@pytest.mark.parametrize(("band", "factor"), [("B05", 2), ("B01", 6)])
def test_coarse_bands_become_a_ramp(scene: Scene, band: str, factor: int) -> None:
    """Bilinear interpolation of a plane is the plane."""
    values = lazy([scene], grid(), [band]).values[0] * 1e4
    centre = (np.arange(60) + 0.5) / factor - 0.5
    inside = slice(factor, 60 - factor)
    plane = (100 * centre[:, None] + centre[None, :])[inside, inside]
    np.testing.assert_allclose(values[inside, inside], plane, atol=5e-3)


@settings(max_examples=25)
@given(chunk=st.integers(7, 70))
def test_chunks_of_any_size_give_the_same_stack(scene: Scene, chunk: int) -> None:
    target = grid(50, 45, east=-30, south=70)
    bands = ["B02", "B05", "B01"]
    with dask.config.set(scheduler="synchronous"):
        whole = lazy([scene], target, bands, resampling="cubic").values
        parts = lazy([scene], target, bands, resampling="cubic", chunk=chunk)
        assert parts.chunks is not None
        assert max(parts.chunks[1]) <= chunk
        np.testing.assert_allclose(parts.values, whole, rtol=3e-7, atol=1e-7)


def test_building_a_stack_reads_nothing_and_a_window_reads_little(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    real_read = Scene.read

    def counted(self: Scene, band: str, rows: slice, columns: slice) -> FloatArray:
        reads.append((band, rows.stop - rows.start, columns.stop - columns.start))
        return real_read(self, band, rows, columns)

    monkeypatch.setattr(Scene, "read", counted)
    stack = lazy([scene], grid(), ["B02", "B05"], chunk=20)
    window = stack.sel(band="B05")[:20, 20:40]
    assert reads == []
    window.compute()
    assert sorted(band for band, _, _ in reads) == ["B02", "B05"]  # a pixel takes all its bands from one scene
    rooms = {band: max(size) for band, *size in reads}
    assert rooms["B02"] <= 20 + 2 * 4  # pixels below the window, and room for the kernel
    assert rooms["B05"] <= 10 + 2 * 4


def test_radar_is_averaged_in_linear_power(tmp_path: Path, make_raster: Factory) -> None:
    """A checkerboard of 0 dB and -20 dB has the mean power 0.505, not the power of -10 dB, which is 0.1."""
    board = np.where(np.indices((40, 40)).sum(0) % 2, -20.0, 0.0).astype(np.float32)
    path = make_raster(tmp_path / "s1.tif", board)
    scene = open_scene(SceneSource("sentinel-1", Location(path), bands=("VV",), unit="db"))
    stack = lazy([scene], grid(20, 20, 20), ["VV"])
    assert stack.attrs["unit"] == "linear"
    np.testing.assert_allclose(stack.values[0, 2:-2, 2:-2], 0.505, rtol=1e-4)
    decibels = scene.radiometry.to_numbers(stack.values)
    np.testing.assert_allclose(decibels[0, 2:-2, 2:-2], 10 * np.log10(0.505), rtol=1e-3)


def test_the_first_scene_with_data_wins_and_the_next_fills_its_holes(tmp_path: Path, make_raster: Factory) -> None:
    first = [[1, 1, -1, -1], [1, -1, -1, 1]]
    second = [[2, 2, 2, -1], [2, 2, -1, 2]]
    third = [[3, 3, 3, 3], [3, 3, -1, 3]]
    scenes = [height_scene(tmp_path, make_raster, str(i), a) for i, a in enumerate([first, second, third])]
    values = lazy(scenes, grid(2, 4), ["elevation"]).values[0]
    np.testing.assert_array_equal(values, [[1, 1, 2, 3], [1, 2, np.nan, 1]])
    reverse = lazy(scenes[::-1], grid(2, 4), ["elevation"]).values[0]
    np.testing.assert_array_equal(reverse, [[3, 3, 3, 3], [3, 3, np.nan, 3]])


def test_time_windows_name_the_bands_and_take_their_scenes(tmp_path: Path, make_raster: Factory) -> None:
    dry = height_scene(tmp_path, make_raster, "dry", [[1, 1]], "2022-07-10")
    wet = height_scene(tmp_path, make_raster, "wet", [[2, -1]], "2022-01-10")
    windows = {"wet": ("2022-01-01", "2022-03-31"), "dry": ("2022-06-01", "2022-09-30")}
    stack = lazy([dry, wet], grid(1, 2), ["elevation"], windows=windows)
    assert stack.band.values.tolist() == ["elevation@wet", "elevation@dry"]
    np.testing.assert_array_equal(stack.values, [[[2, np.nan]], [[1, 1]]])


def test_windows_without_dates_or_scenes_are_told(tmp_path: Path, make_raster: Factory) -> None:
    undated = height_scene(tmp_path, make_raster, "undated", [[1, 1]])
    with pytest.raises(ConfigError, match=r"Scene undated\.tif has no date"):
        lazy([undated], grid(1, 2), ["elevation"], windows={"dry": ("2022-06-01", "2022-09-30")})
    dated = height_scene(tmp_path, make_raster, "dated", [[1, 1]], "2022-01-10")
    with pytest.raises(ConfigError, match=r"'dry' .* holds no scene: the scenes are of 2022-01-10"):
        lazy([dated], grid(1, 2), ["elevation"], windows={"dry": ("2022-06-01", "2022-09-30")})


def test_a_scene_of_another_place_is_told_with_both_places(scene: Scene) -> None:
    with pytest.raises(SceneError, match=r"S2A_20220710 does not touch the target grid: it covers -49\.\d+.*the grid"):
        lazy([scene], grid(east=50_000), ["B02"])


def test_a_missing_band_and_mixed_sensors_are_told(scene: Scene, tmp_path: Path, make_raster: Factory) -> None:
    with pytest.raises(SceneError, match="has no band B10: it has B01, B02"):
        lazy([scene], grid(), ["B10"])
    other = height_scene(tmp_path, make_raster, "dem", [[1, 1]])
    with pytest.raises(ConfigError, match="holds one sensor; these scenes are of elevation, sentinel-2"):
        lazy([scene, other], grid(), ["B02"])
    with pytest.raises(ConfigError, match="these scenes are of none"):
        lazy([], grid(), ["B02"])


def test_part_of_the_grid_without_scene_has_no_data(scene: Scene) -> None:
    values = lazy([scene], grid(30, 30, east=450, south=450), ["B02"], chunk=10).values[0]
    assert not np.isnan(values[:15, :15]).any()
    assert np.isnan(values[15:]).all()
    assert np.isnan(values[:, 15:]).all()


def test_a_single_row_a_single_column_and_a_single_pixel(scene: Scene) -> None:
    whole = lazy([scene], grid(), ["B05"]).values[0]
    for rows, columns in ((slice(7, 8), slice(0, 60)), (slice(0, 60), slice(9, 10)), (slice(7, 8), slice(9, 10))):
        part = lazy([scene], grid()[rows, columns], ["B05"]).values[0]
        np.testing.assert_allclose(part, whole[rows, columns], rtol=3e-7)


def test_a_window_in_the_bend_of_a_scene_s_edge_sees_the_scene() -> None:
    """The straight line between the corners of a tile leaves out up to 25 m of it in the neighbouring UTM zone."""
    tile = GeoBox((10_980, 10_980), Affine(10, 0, 700_000, 0, -10, 9_000_000), "EPSG:32722")
    straight, bent = tile.extent.to_crs("EPSG:32723").geom, tile.footprint("EPSG:32723", npoints=500).geom
    sliver = max(bent.difference(straight).geoms, key=lambda part: part.area)
    inside = sliver.representative_point()
    window = GeoBox((1, 1), Affine(1, 0, inside.x, 0, -1, inside.y), "EPSG:32723")
    radiometry = Radiometry("elevation", ("elevation",), "metre")
    scene = Scene(
        "tile", "elevation", dt.date(2022, 7, 10), {"elevation": BandFile(Location("a.tif"), 1, tile)}, radiometry
    )
    assert touches(scene, window)


@pytest.mark.shared_data
def test_real_int16_stack_on_a_snapped_grid(shared_data: Path) -> None:
    """A real place whose grid is not snapped to 10 m, against bilinear interpolation by its definition."""
    path = Location(shared_data / "terramesh" / "S2L2A" / "282D_485L_3_3.tif")
    scene = open_scene(SceneSource("sentinel-2", path, bands=MSI_BANDS, offset=0))
    target = GeoBox.from_bbox((790_300, 7_196_000, 792_300, 7_198_000), crs="EPSG:32722", resolution=10)
    values = lazy([scene], target, ["B08"]).values[0]
    own, corner = scene.read("B08", slice(0, 224), slice(0, 224)), scene.footprint_grid.transform
    left, dx = divmod((790_305 - corner.c) / 10 - 0.5, 1)
    top, dy = divmod((corner.f - 7_197_995) / 10 - 0.5, 1)
    near = [[own[int(top) + r :, int(left) + c :][:200, :200] for c in (0, 1)] for r in (0, 1)]
    rows = [(1 - dx) * row[0] + dx * row[1] for row in near]
    np.testing.assert_allclose(values, (1 - dy) * rows[0] + dy * rows[1], atol=1e-5)
