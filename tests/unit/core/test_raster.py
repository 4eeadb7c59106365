import errno
import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.enums import ColorInterp

from cerradata.core.errors import OutputError
from cerradata.core.raster import RasterLook, write_geotiff

TRANSFORM = Affine(10, 0, 700_000, 0, -10, 9_000_000)
DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")


@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 1000),
)
def test_pixels_come_back_bit_by_bit(
    tmp_path_factory: pytest.TempPathFactory, dtype: str, shape: tuple[int, int, int], seed: int
) -> None:
    path = tmp_path_factory.mktemp("raster") / "a.tif"
    pixels = (np.random.default_rng(seed).normal(size=shape) * 100).astype(np.int64).astype(dtype)
    write_geotiff(path, pixels, TRANSFORM, "EPSG:32722", RasterLook())
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), pixels)
        assert set(file.dtypes) == {dtype}
        assert (file.transform, file.crs.to_epsg(), file.nodata) == (TRANSFORM, 32722, None)


def test_names_tags_nodata_and_palette(tmp_path: Path) -> None:
    path = tmp_path / "labels.tif"
    look = RasterLook(255, ("labels",), {"CERRADATA_LEVEL": "2"}, {0: (206, 239, 98), 3: (19, 50, 255)})
    write_geotiff(path, np.full((1, 5, 7), 3, np.uint8), TRANSFORM, "EPSG:32722", look)
    with rasterio.open(path) as file:
        assert (file.nodata, file.descriptions) == (255, ("labels",))
        assert file.tags()["CERRADATA_LEVEL"] == "2"
        assert file.colorinterp == (ColorInterp.palette,)
        assert file.colormap(1)[3] == (19, 50, 255, 255)


def test_nan_is_kept_as_nodata(tmp_path: Path) -> None:
    pixels = np.array([[[1.5, np.nan]]], np.float32)
    write_geotiff(tmp_path / "a.tif", pixels, TRANSFORM, None, RasterLook(float("nan")))
    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.read(), pixels)
        assert np.isnan(file.nodata)
        assert file.crs is None


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left to write"):
        write_geotiff(path, np.zeros((1, 8, 8), np.uint8), TRANSFORM, "EPSG:32722", RasterLook())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
