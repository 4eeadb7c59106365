from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.scenes import BandFile, SceneSource, open_scene
from cerradata.scenes.files import raster_grid
from cerradata.scenes.mask import ClassMask, edge_strip

Factory = Callable[..., Path]


def test_the_strip_is_as_wide_as_asked() -> None:
    data = np.zeros((40, 60), bool)
    data[5:35, 10:50] = True
    kept = ~edge_strip(data, 400.0, (100.0, 100.0))
    rows, columns = np.nonzero(kept)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 30, 14, 45)


def test_the_array_ends_where_the_data_end() -> None:
    kept = ~edge_strip(np.ones((20, 20), bool), 300.0, (100.0, 100.0))
    assert kept[3:-3, 3:-3].all()
    assert not kept[:3].any()


def test_holes_are_no_edge() -> None:
    data = np.ones((30, 30), bool)
    data[14:16, 14:16] = False
    assert not edge_strip(data, 200.0, (100.0, 100.0))[10:20, 10:20].any()


@pytest.mark.parametrize("lean", [0.0, 0.19, 1.3])
def test_noise_along_a_slanted_edge_is_hidden(lean: float) -> None:
    """Data right of a slanted line; the first 300 m are noise. The strip is computed on cells of 100 m."""
    rows, columns = np.mgrid[:600, :900]
    inside = (columns - 300 - lean * (rows - 300)) * 10 / np.hypot(1, lean)  # metres from the line
    data, noise = inside > 0, (inside > 0) & (inside < 300)
    hidden = np.kron(edge_strip(data[::10, ::10], 500.0, (100.0, 100.0)), np.ones((10, 10), bool))
    assert not (noise & ~hidden).any()
    framed = (rows > 70) & (rows < 530) & (columns < 830)
    assert not (hidden & (inside > 700) & framed).any()


def test_a_mask_whose_file_has_gone_is_told_with_its_name(
    tmp_path: Path, make_sentinel2_folder: Factory, make_raster: Factory
) -> None:
    folder = make_sentinel2_folder(tmp_path / "july", size=12, bands=("B02",))
    classes = make_raster(folder / "SCL.tif", np.full((6, 6), 4, np.uint8), resolution=20)
    radar = make_raster(tmp_path / "S1A_VV.tif", np.ones((4, 4), np.float32))
    (cloud,) = open_scene(SceneSource("sentinel-2", Location(folder), offset=0)).masks
    (border,) = open_scene(SceneSource("sentinel-1", Location(radar), ("VV",), unit="linear", border=10.0)).masks
    classes.unlink()
    radar.unlink()
    with pytest.raises(SceneError, match=r"Cannot read the scene classification of scene july: .*SCL\.tif"):
        cloud.read(slice(0, 2), slice(0, 2))
    with pytest.raises(SceneError, match=r"Cannot read the edge of scene S1A_VV\.tif: .*S1A_VV\.tif"):
        border.read(slice(0, 2), slice(0, 2))


@settings(max_examples=20)
@given(
    top=st.integers(0, 20), left=st.integers(0, 20), rows=st.integers(1, 20), columns=st.integers(1, 20),
    buffer=st.sampled_from([0.0, 15.0, 20.0, 30.0, 60.0]),
)  # fmt: skip
def test_a_buffer_hides_what_is_near_whatever_the_window(
    top: int, left: int, rows: int, columns: int, buffer: float, cloudy: BandFile
) -> None:
    """One cloudy pixel of 20 m at row 20, column 18 of 40 x 40."""
    mask = ClassMask(cloudy, (9,), "july", buffer)
    found = mask.read(slice(top, top + rows), slice(left, left + columns))
    row, col = np.mgrid[top : top + rows, left : left + columns]
    np.testing.assert_array_equal(found, 20 * np.hypot(row - 20, col - 18) <= buffer)


@pytest.fixture(scope="module")
def cloudy(tmp_path_factory: pytest.TempPathFactory, make_raster: Callable[..., Path]) -> BandFile:
    classes = np.full((40, 40), 4, np.uint8)
    classes[20, 18] = 9
    path = Location(make_raster(tmp_path_factory.mktemp("scl") / "SCL.tif", classes, resolution=20))
    return BandFile(path, 1, raster_grid(path)[0])
