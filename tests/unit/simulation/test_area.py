import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from cerradata.core.errors import ConfigError
from cerradata.simulation.area import UNIT, WORLD_CRS, Area, grid_of, strips_of, window_around, world_pixels
from cerradata.simulation.noise import Window
from cerradata.simulation.sentinel2 import tiles_of


def test_an_area_is_snapped_to_60_m_and_straddles_48_west() -> None:
    area = Area.parse("50x25")
    assert (area.width % UNIT, area.height % UNIT) == (0, 0)
    assert (area.width, area.height) == (4998, 2502)
    box = area.grid.geographic_extent.boundingbox
    assert box.left < -48 < box.right
    assert area.km2 == pytest.approx(1250, rel=1e-3)


@pytest.mark.parametrize(
    ("text", "words"),
    [("50", "write it as 50x25"), ("50by25", "is no size"), ("1x5", "2 to 400 km"), ("500x5", "2 to 400 km")],
)
def test_what_is_no_size_is_told(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Area.parse(text)


@pytest.mark.parametrize(
    ("crs", "place"),
    [
        ("EPSG:32722", Affine(10, 0, 830_000, 0, -10, 9_226_000)),
        ("EPSG:4674", Affine(9e-5, 0, -48.05, 0, -9e-5, -6.95)),
        (WORLD_CRS, Affine(30, 0, 168_000, 0, -30, 9_226_000)),
    ],
)
def test_world_pixels_are_within_a_hundredth(crs: str, place: Affine) -> None:
    grid = GeoBox((300, 410), place, crs)
    x, y = world_pixels(grid)
    transformer = Transformer.from_crs(crs, WORLD_CRS, always_xy=True)
    for row, col in [(0, 0), (299, 409), (7, 400), (151, 203)]:
        east, north = transformer.transform(*(place * (col + 0.5, row + 0.5)))
        assert x[row, col] == pytest.approx(east / 10, abs=0.01)
        assert y[row, col] == pytest.approx(-north / 10, abs=0.01)
    window = window_around(grid, 2)
    assert window.col < x.min() - 1
    assert window.row < y.min() - 1
    assert window.col + window.columns > x.max() + 1
    assert window.row + window.rows > y.max() + 1


@given(st.integers(1, 400), st.integers(1, 60), st.integers(1, 3000), st.sampled_from([1, 6]))
def test_strips_cover_each_row_once(rows: int, columns: int, pixels: int, multiple: int) -> None:
    grid = grid_of(Window(0, 0, rows, columns))
    strips = list(strips_of(grid, pixels, multiple))
    assert [top for top, _ in strips] == np.cumsum([0, *(strip.shape[0] for _, strip in strips[:-1])]).tolist()
    assert sum(strip.shape[0] for _, strip in strips) == rows
    assert all(top % multiple == 0 for top, _ in strips)


@settings(max_examples=12)
@given(st.floats(2, 90), st.floats(2, 90))
def test_tiles_cover_the_area_in_both_zones(width: float, height: float) -> None:
    area = Area.parse(f"{width:.2f}x{height:.2f}")
    tiles = tiles_of(area)
    assert {tile.zone for tile in tiles} == {32722, 32723}
    assert len({tile.name for tile in tiles}) == len(tiles)
    assert all(tile.grid.shape[0] % UNIT == tile.grid.shape[1] % UNIT == 0 for tile in tiles)
    window = area.window
    rows = np.linspace(window.row + 0.5, window.row + window.rows - 0.5, 23)
    columns = np.linspace(window.col + 0.5, window.col + window.columns - 0.5, 31)
    x, y = np.meshgrid(columns * 10, -rows * 10)
    covered = np.zeros(x.shape, bool)
    for tile in tiles:
        east, north = Transformer.from_crs(WORLD_CRS, f"EPSG:{tile.zone}", always_xy=True).transform(x, y)
        box = tile.grid.boundingbox
        covered |= (east >= box.left) & (east <= box.right) & (north >= box.bottom) & (north <= box.top)
    assert covered.all()
