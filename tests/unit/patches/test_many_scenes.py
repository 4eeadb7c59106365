"""Builds of several dates, passes and areas: what lands in files, index and `dataset.json`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely import box

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.locations import Location
from cerradata.cube import CompositeConfig
from cerradata.cube.area import AreaConfig
from cerradata.cube.variables import VariableConfig
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.patches.config import MonthlyWindows, MsiConfig, SarConfig, SelectionConfig
from cerradata.patches.index import read_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.verify import verify_dataset
from cerradata.scenes import SceneSource
from cerradata.scenes.bands import MSI_BANDS

Factory = Callable[..., Path]
Sources = Any  # see tests/unit/conftest.py
QUIET = BuildOptions(scheduler="threads", quiet=True)
WEST, NORTH = 700_020.0, 9_000_000.0


@pytest.fixture
def second(sources: Sources, tmp_path: Path, make_raster: Factory) -> SceneSource:
    """Another date: 500 numbers brighter, with no data in its right half."""
    msi = np.where(sources.msi == 0, 0, sources.msi + 500).astype(np.uint16)
    msi[:, :, 40:] = 0
    path = make_raster(tmp_path / "sources" / "S2A_MSIL2A_20220810.tif", msi)
    return replace(sources.config.scenes[0], path=Location(path))


def test_where_pixels_came_from_and_how_often_they_were_seen(
    sources: Sources, second: SceneSource, tmp_path: Path
) -> None:
    first, radar = sources.config.scenes
    build_dataset(sources.build(scenes=(second, first, radar)), tmp_path / "d", QUIET)
    table = read_index(tmp_path / "d").set_index("id")
    left, right, middle = (table.loc[i] for i in (0, 4, 2))
    names = [Path(scene.path).name for scene in (second, first, radar)]
    assert dict(zip(left["scenes"], left["scene_pixels"], strict=True)) == {names[0]: 256, names[2]: 256}
    assert dict(zip(right["scenes"], right["scene_pixels"], strict=True)) == {names[1]: 256, names[2]: 256}
    assert dict(zip(middle["scenes"], middle["scene_pixels"], strict=True)) == {
        names[0]: 128,
        names[1]: 128,
        names[2]: 256,
    }
    assert list(left["dates"]) == ["2022-07-12", "2022-08-10"]
    assert (left["observations_msi"], middle["observations_msi"], right["observations_msi"]) == (2.0, 1.5, 1.0)
    assert left["observations_sar"] == 1.0
    (seam,) = DatasetInfo.read(tmp_path / "d").provenance["seams"]
    assert seam["scenes"] == names[:2]
    assert seam["jump"]["B02"] == pytest.approx(-0.05, abs=1e-3)  # from the brighter scene to the other
    assert verify_dataset(tmp_path / "d") == []


def test_each_pixel_can_say_where_it_came_from(sources: Sources, second: SceneSource, tmp_path: Path) -> None:
    first, radar = sources.config.scenes
    build_dataset(sources.build(scenes=(radar, second, first), sources=True), tmp_path / "d", QUIET)
    with rasterio.open(tmp_path / "d" / "msi_source" / "cerradata_msi_source_2.tif") as file:
        assert file.descriptions == ("scene", "observations")
        scene, observations = file.read()
    names = [entry["name"] for entry in DatasetInfo.read(tmp_path / "d").provenance["scenes"]]
    assert names[int(scene[0, 0]) - 1] == Path(second.path).name
    assert names[int(scene[0, 15]) - 1] == Path(first.path).name
    assert (scene[:, :8] == 2).all()
    assert (observations[:, :8] == 2).all()
    assert (observations[:, 8:] == 1).all()
    assert verify_dataset(tmp_path / "d", deep=True) == []


def test_a_median_says_so(sources: Sources, second: SceneSource, tmp_path: Path) -> None:
    first, radar = sources.config.scenes
    config = sources.build(scenes=(second, first, radar), msi=MsiConfig(composite=CompositeConfig("median")))
    build_dataset(config, tmp_path / "d", QUIET)
    with rasterio.open(tmp_path / "d" / "msi_images" / "cerradata_ms_0.tif") as file:
        np.testing.assert_array_equal(file.read(1), sources.msi[0, :16, :16] + 250)
    info = DatasetInfo.read(tmp_path / "d")
    assert info.provenance["stacks"]["msi"]["composite"]["method"] == "median"
    row = read_index(tmp_path / "d").set_index("id").loc[0]
    assert list(row["scenes"]) == [Path(s.path).name for s in (second, first, radar)]
    assert list(row["scene_pixels"]) == [0, 0, 256]


def test_months_are_time_windows(sources: Sources, second: SceneSource, tmp_path: Path) -> None:
    first, _ = sources.config.scenes
    scenes = tuple(replace(first, date=f"2022-{month:02d}-15") for month in range(1, 13, 2))
    config = sources.build(scenes=scenes, monthly_windows=MonthlyWindows(2022, 2), msi=MsiConfig(bands=("B04",)))
    build_dataset(config, tmp_path / "d", QUIET)
    bands = DatasetInfo.read(tmp_path / "d").layers["msi"].radiometry.bands
    assert bands[:2] == ("B04@2022-01/2022-02", "B04@2022-03/2022-04")
    assert len(bands) == 6
    with pytest.raises(ConfigError, match="either `time_windows` or `monthly_windows`"):
        sources.build(monthly_windows=MonthlyWindows(2022, 2), time_windows={"a": ("2022-01-01", "2022-02-01")})


def test_scenes_of_other_dates_are_left_out(sources: Sources, second: SceneSource, tmp_path: Path) -> None:
    first, radar = sources.config.scenes
    config = sources.build(scenes=(second, first, radar), dates=("2022-07-01", "2022-07-31"))
    build_dataset(config, tmp_path / "d", QUIET)
    names = [scene["name"] for scene in DatasetInfo.read(tmp_path / "d").provenance["scenes"]]
    assert names == [Path(scene.path).name for scene in (first, radar)]
    with pytest.raises(ConfigError, match=r"'dates' .* holds no scene"):
        build_dataset(replace(config, dates=("2021-01-01", "2021-12-31")), tmp_path / "e", QUIET)


def test_passes_become_bands_of_their_own(sources: Sources, tmp_path: Path, make_raster: Factory) -> None:
    optical, radar = sources.config.scenes
    other = make_raster(tmp_path / "sources" / "S1A_IW_GRDH_20220720.tif", sources.sar * 3)
    scenes = (
        optical,
        replace(radar, orbit_pass="descending", relative_orbit=68),
        replace(radar, path=Location(other), orbit_pass="ascending", relative_orbit=119),
    )
    with pytest.raises(ConfigError, match="several passes or relative orbits"):
        build_dataset(sources.build(scenes=scenes), tmp_path / "d", QUIET)
    build_dataset(sources.build(scenes=scenes, sar=SarConfig(orbits="separate")), tmp_path / "d", QUIET)
    radiometry = DatasetInfo.read(tmp_path / "d").layers["sar"].radiometry
    assert radiometry.bands == ("VV@ascending-119", "VH@ascending-119", "VV@descending-68", "VH@descending-68")
    with rasterio.open(tmp_path / "d" / "sar_images" / "cerradata_sar_0.tif") as file:
        np.testing.assert_allclose(file.read()[[0, 2]], sources.sar[[0, 0], :16, :16] * [[[3]], [[1]]], rtol=1e-5)


def test_only_patches_inside_the_area_are_built(sources: Sources, tmp_path: Path) -> None:
    """A triangle: only patches that lie in it with all of their pixels."""
    shape = box(WEST, NORTH - 640, WEST + 490, NORTH - 160)  # rows 1 to 3, columns 0 to 2 and a pixel of the next
    file = tmp_path / "area.gpkg"
    gpd.GeoDataFrame(geometry=[shape], crs="EPSG:32722").to_file(file)
    everything = SelectionConfig(1.0, 1.0)
    grid = replace(sources.config.grid, bounds=(WEST, NORTH - 640, WEST + 800, NORTH), crs="EPSG:32722", like=None)
    config = sources.build(area=AreaConfig(vector=Location(file)), selection=everything, grid=grid)
    build_dataset(config, tmp_path / "d", QUIET)
    assert list(read_index(tmp_path / "d")["id"]) == [5, 6, 7, 10, 11, 12, 15, 16, 17]
    gpd.GeoDataFrame(geometry=[box(WEST, NORTH - 100, WEST + 100, NORTH)], crs="EPSG:32722").to_file(file)
    with pytest.raises(ConfigError, match="Not one patch of 16 pixels lies inside the area of interest"):
        build_dataset(config, tmp_path / "e", QUIET)


def test_overlapping_patches(sources: Sources, tmp_path: Path) -> None:
    config = sources.build(stride=8, selection=SelectionConfig(1.0, 1.0))
    build_dataset(config, tmp_path / "d", QUIET)
    table = read_index(tmp_path / "d").set_index("id")
    assert len(table) == 7 * 9
    assert DatasetInfo.read(tmp_path / "d").grid is not None
    assert DatasetInfo.read(tmp_path / "d").grid["stride"] == 8  # type: ignore[index]
    with rasterio.open(tmp_path / "d" / "sar_images" / "cerradata_sar_11.tif") as file:  # row 1, column 2
        np.testing.assert_allclose(file.read(), sources.sar[:, 8:24, 16:32], rtol=1e-5)
        assert file.transform == Affine(10, 0, WEST + 160, 0, -10, NORTH - 80)
    assert verify_dataset(tmp_path / "d") == []


def test_valid_share_by_class_is_reported(sources: Sources, tmp_path: Path) -> None:
    report = build_dataset(sources.config, tmp_path / "d", QUIET)
    shares = DatasetInfo.read(tmp_path / "d").selection["valid_shares"]
    assert shares == report.tally.valid_shares
    lost = {i: share for i, share in enumerate(shares) if share is not None and share < 1}
    assert len(lost) == 2  # one pixel without SAR, one without MSI, of two classes


def test_variables_land_in_folders_of_their_own(sources: Sources, tmp_path: Path, make_raster: Factory) -> None:
    heights = make_raster(tmp_path / "sources" / "dem.tif", np.mgrid[:64, :80][1][None].astype(np.float32))
    scenes = (*sources.config.scenes, SceneSource("elevation", Location(heights)))
    variables = {
        "slope": VariableConfig("slope"),
        "ndvi": VariableConfig("index", index="NDVI"),
        "ratio": VariableConfig("sar-ratio"),
    }
    config = sources.build(scenes=scenes, variables=variables, msi=MsiConfig(bands=MSI_BANDS))
    build_dataset(config, tmp_path / "d", QUIET)
    info = DatasetInfo.read(tmp_path / "d")
    assert {"slope", "ndvi", "ratio"} <= set(info.layers)
    assert info.provenance["variables"]["ndvi"]["kind"] == "index"
    for name, expected in (("slope", np.degrees(np.arctan(0.1))), ("ratio", -6.0206)):
        with rasterio.open(tmp_path / "d" / name / f"cerradata_{name}_7.tif") as file:
            np.testing.assert_allclose(file.read(), expected, rtol=1e-3)
            assert file.descriptions == (name,)
    assert info.layers["slope"].statistics["slope"]["mean"] == pytest.approx(5.71, abs=0.01)
    assert verify_dataset(tmp_path / "d") == []


def test_a_scene_that_cannot_be_opened_is_left_out_and_named(
    sources: Sources, second: SceneSource, tmp_path: Path
) -> None:
    first, radar = sources.config.scenes
    Path(second.path).write_bytes(b"II*\0")
    config = sources.build(scenes=(second, first, radar))
    report = build_dataset(config, tmp_path / "d", QUIET)
    assert len(report.errors) == 1
    assert f"scene {second.path} is left out" in report.errors[0]
    build_dataset(sources.config, tmp_path / "without", QUIET)
    assert list(read_index(tmp_path / "d")["content_hash"]) == list(read_index(tmp_path / "without")["content_hash"])
    with pytest.raises(SceneError, match=r"S2A_MSIL2A_20220810.tif cannot be opened as a raster"):
        build_dataset(config, tmp_path / "e", replace(QUIET, strict=True))
    with pytest.raises(SceneError, match="There is no scene"):  # a wrong path is no damage
        build_dataset(
            replace(config, scenes=(replace(second, path=Location("/none.tif")), first)), tmp_path / "e", QUIET
        )


def test_an_area_elsewhere_is_told_with_both_places(sources: Sources, tmp_path: Path) -> None:
    config = sources.build(area=AreaConfig(bounds=(-9.0, -49.0, -8.0, -48.0)))  # latitude first
    with pytest.raises(ConfigError, match=r"touches no scene: S2A_MSIL2A_20220710.tif covers .*each other's place"):
        build_dataset(config, tmp_path / "d", QUIET)


def test_what_can_be_told_before_anything_is_built(sources: Sources, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="each once"):
        MsiConfig(bands=("B02", "B02"))
    with pytest.raises(ConfigError, match="Give less than 8"):
        sources.build(edge_width=10)
    with pytest.raises(ConfigError, match="workers is 0"):
        build_dataset(sources.config, tmp_path / "d", BuildOptions(workers=0))
    with pytest.raises(ConfigError, match="No dask scheduler answers"):
        build_dataset(sources.config, tmp_path / "d", BuildOptions(scheduler="tcp://127.0.0.1:9"))
    assert not (tmp_path / "d").exists()
