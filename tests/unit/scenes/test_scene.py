from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.scenes import SceneSource, open_scene

Factory = Callable[..., Path]
WHOLE = (slice(0, 3), slice(0, 4))


def stack(path: Path, **said: object) -> SceneSource:
    return SceneSource("sentinel-2", Location(path), **{"bands": ("B02", "B03"), "offset": -1000, **said})  # type: ignore[arg-type]


def test_a_window_is_read_on_the_band_s_own_grid(tmp_path: Path, make_sentinel2_folder: Factory) -> None:
    scene = open_scene(SceneSource("sentinel-2", Location(make_sentinel2_folder(tmp_path, size=60)), offset=-1000))
    np.testing.assert_allclose(
        scene.read("B02", slice(3, 5), slice(7, 9)), [[0.0307, 0.0308], [0.0407, 0.0408]], atol=1e-7
    )
    assert scene.read("B05", slice(0, 30), slice(29, 30)).shape == (30, 1)
    assert scene.read("B01", slice(9, 10), slice(9, 10))[0, 0] == pytest.approx(0.0909)
    assert tuple(scene.footprint_grid.shape) == (60, 60)


def test_an_unknown_band_is_told(tmp_path: Path, make_sentinel2_folder: Factory) -> None:
    folder = make_sentinel2_folder(tmp_path, size=12, bands=("B02", "B03"))
    scene = open_scene(SceneSource("sentinel-2", Location(folder), offset=0))
    with pytest.raises(SceneError, match="has no band B04: it has B02, B03"):
        scene.read("B04", slice(0, 1), slice(0, 1))


def test_a_truncated_file_is_told_with_band_and_rows(tmp_path: Path, make_raster: Factory) -> None:
    noise = np.random.default_rng(0).integers(1, 10_000, (2, 512, 256)).astype(np.uint16)
    path = tmp_path / "s2.tif"  # cloud-optimised: its directory is at the head, so that a part of it still opens
    rasterio.shutil.copy(
        make_raster(tmp_path / "plain.tif", noise), path, driver="COG", blocksize=128, overviews="none"
    )
    scene = open_scene(stack(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    np.testing.assert_allclose(
        scene.read("B02", slice(0, 10), slice(0, 10)), noise[0, :10, :10] * 1e-4 - 0.1, atol=1e-6
    )
    with pytest.raises(
        SceneError,
        match=r"Cannot read band B03 .*s2\.tif is damaged or truncated at rows 500 to 510, columns 5 to 9 .*Fetch",
    ):
        scene.read("B03", slice(500, 510), slice(5, 9))


def test_a_file_that_has_gone_is_told(tmp_path: Path, make_raster: Factory) -> None:
    path = make_raster(tmp_path / "s2.tif", np.ones((2, 3, 4), np.uint16))
    scene = open_scene(stack(path))
    path.unlink()
    with pytest.raises(SceneError, match=r"Cannot read band B02 .*s2\.tif"):
        scene.read("B02", *WHOLE)


@pytest.mark.parametrize(("dtype", "nodata"), [("int16", -32768), ("uint16", 65535), ("float32", float("nan"))])
def test_zero_stays_no_data_where_the_file_declares_another_number(
    tmp_path: Path, make_raster: Factory, dtype: str, nodata: float
) -> None:
    numbers = np.full((2, 3, 4), 2000, dtype)
    numbers[0, 0, 0], numbers[0, 1, 1] = 0, nodata
    scene = open_scene(stack(make_raster(tmp_path / "s2.tif", numbers, nodata=nodata)))
    values = scene.read("B02", *WHOLE)
    assert np.argwhere(np.isnan(values)).tolist() == [[0, 0], [1, 1]]
    assert np.nanmax(values) == np.nanmin(values) == pytest.approx(0.1)
    assert scene.radiometry.nodata == 0


def test_each_band_file_has_its_own_nodata(tmp_path: Path, make_raster: Factory) -> None:
    numbers = np.array([[1, 2], [3, 4]], np.float32)
    make_raster(tmp_path / "S1_VV.tif", numbers, nodata=1)
    make_raster(tmp_path / "S1_VH.tif", numbers, nodata=4)
    scene = open_scene(SceneSource("sentinel-1", Location(tmp_path), unit="linear"))
    read = {band: scene.read(band, slice(0, 2), slice(0, 2)) for band in ("VV", "VH")}
    np.testing.assert_array_equal(read["VV"], [[np.nan, 2], [3, 4]])
    np.testing.assert_array_equal(read["VH"], [[1, 2], [3, np.nan]])


def test_what_a_mask_band_hides_is_no_data(tmp_path: Path, make_raster: Factory) -> None:
    path = make_raster(tmp_path / "s2.tif", np.full((2, 3, 4), 2000, np.uint16))
    hidden = np.zeros((3, 4), bool)
    hidden[2, 1:3] = True
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(~hidden)
    values = open_scene(stack(path)).read("B03", slice(1, 3), slice(0, 4))
    np.testing.assert_array_equal(np.isnan(values), hidden[1:])


def test_the_fourth_band_of_a_stack_of_bytes_is_no_mask(tmp_path: Path, make_raster: Factory) -> None:
    """GDAL marks the fourth band of bytes as alpha, so that 0 in it would hide the others."""
    numbers = np.full((4, 3, 4), 100, np.uint8)
    numbers[3] = 0
    path = make_raster(tmp_path / "s2.tif", numbers)
    scene = open_scene(stack(path, bands=("B02", "B03", "B04", "B08"), offset=0))
    np.testing.assert_allclose(scene.read("B02", *WHOLE), 0.01, rtol=1e-6)


@pytest.mark.parametrize(("unit", "zero_is_data"), [("amplitude", False), ("linear", False), ("db", True)])
def test_zero_of_radar(tmp_path: Path, make_raster: Factory, unit: str, zero_is_data: bool) -> None:
    path = make_raster(tmp_path / "s1.tif", np.array([[0.0, 2.0]], np.float32))
    scene = open_scene(SceneSource("sentinel-1", Location(path), bands=("VV",), unit=unit))  # type: ignore[arg-type]
    power = scene.read("VV", slice(0, 1), slice(0, 2))
    assert (power[0, 0] == 1.0) if zero_is_data else np.isnan(power[0, 0])
    assert power[0, 1] == pytest.approx({"amplitude": 4, "linear": 2, "db": 10**0.2}[unit])
