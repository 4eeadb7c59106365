"""The inverse of the geolocation grid against the forward map, over flat ground and over mountains."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from pyproj import Transformer

from cerradata.scenes.grd.geolocation import GeolocationGrid, utm_zone
from cerradata.simulation.grd_geometry import Geometry

Array = npt.NDArray[np.float64]


def leaning_grid(relief: float, *, ascending: bool = False, size: tuple[int, int] = (3_000, 4_000)) -> GeolocationGrid:
    """A swath that leans 11 degrees, 10 m a pixel; `relief` metres by which points lie off their place."""
    lines, pixels = np.linspace(0, size[0] - 1, 5), np.linspace(0, size[1] - 1, 7)
    heading = np.radians(-11 if ascending else 169)
    down, right = np.meshgrid(10 * lines, 10 * pixels, indexing="ij")
    x = 500_000 + down * np.sin(heading) + right * np.cos(heading)
    y = 9_000_000 + down * np.cos(heading) - right * np.sin(heading)
    off = np.random.default_rng(1).uniform(-relief, relief, (2, *x.shape))
    return GeolocationGrid(lines, pixels, x + off[0], y + off[1], "EPSG:32722", np.full(x.shape, 38.0))


def nodes(grid: GeolocationGrid, step: float) -> tuple[Array, Array]:
    """A north-up grid over all of it."""
    return np.arange(grid.x.min(), grid.x.max(), step), np.arange(grid.y.max(), grid.y.min(), -step)


@pytest.mark.parametrize("relief", [0.0, 300.0, 1500.0])
@pytest.mark.parametrize("ascending", [False, True], ids=["descending", "ascending"])
def test_inverse_and_forward_map_agree(relief: float, ascending: bool) -> None:
    grid = leaning_grid(relief, ascending=ascending)
    x, y = nodes(grid, 83.0)
    line, pixel = grid.invert(x, y)
    inside = np.isfinite(line)
    assert 0.5 < inside.mean() < 0.9  # a leaning rectangle in its box
    back_x, back_y = grid.locate(line[inside], pixel[inside])
    miss = np.hypot(
        back_x - np.broadcast_to(x, line.shape)[inside], back_y - np.broadcast_to(y[:, None], line.shape)[inside]
    )
    assert miss.max() / 10 < 1e-4  # pixels; 0.05 is asked for


def test_every_place_in_the_image_is_found_in_it() -> None:
    grid = leaning_grid(300.0)
    line, pixel = np.random.default_rng(2).uniform(0, 1, (2, 200)) * [[2_999], [3_999]]
    x, y = grid.locate(line, pixel)
    found = np.asarray([grid.invert(x[k : k + 1], y[k : k + 1]) for k in range(200)])
    np.testing.assert_allclose(found[:, 0, 0, 0], line, atol=1e-3)
    np.testing.assert_allclose(found[:, 1, 0, 0], pixel, atol=1e-3)


def test_a_window_gives_what_the_whole_gives() -> None:
    grid = leaning_grid(500.0)
    x, y = nodes(grid, 97.0)
    whole, part = grid.invert(x, y), grid.invert(x[100:150], y[80:180])
    for a, b in zip(whole, part, strict=True):
        np.testing.assert_allclose(b, a[80:180, 100:150], atol=1e-9)


def test_the_grid_covers_the_outermost_pixels_whole() -> None:
    grid = replace(leaning_grid(0.0), lines=np.linspace(0, 2_990, 5))  # ESA's last points may lie before the last line
    covering = grid.covering((3_000, 4_000))
    assert (covering.lines[0], covering.lines[-1]) == (-0.5, 2_999.5)
    assert (covering.pixels[0], covering.pixels[-1]) == (-0.5, 3_999.5)
    at = np.asarray([0.0, 700.0, 2_990.0]), np.asarray([0.0, 1_333.0, 3_999.0])
    np.testing.assert_allclose(covering.locate(*at), grid.locate(*at), atol=1e-6)


@pytest.mark.parametrize("latitude", [-7.0, 46.0])
def test_between_the_points_it_keeps_to_the_orbit(latitude: float) -> None:
    """Points as far apart as in ESA's products: 2,000 lines and 1,290 pixels."""
    geometry = Geometry((-48.2, latitude), (4_001, 2_581))
    lines, pixels = np.asarray([0, 2_000, 4_000]), np.asarray([0, 1_290, 2_580])
    to_grid = Transformer.from_crs("EPSG:4326", utm_zone(-48.2, latitude), always_xy=True)
    x, y = to_grid.transform(*geometry.place(lines, pixels))
    grid = GeolocationGrid(lines, pixels, x, y, "", np.zeros((3, 3)))
    between = np.arange(0, 4_001, 500), np.arange(0, 2_581, 129)
    true_x, true_y = to_grid.transform(*geometry.place(*between))
    found = grid.locate(*np.meshgrid(*between, indexing="ij"))
    assert np.hypot(found[0] - true_x, found[1] - true_y).max() < 2.5  # metres: a quarter of a pixel


def test_utm_zone() -> None:
    assert [utm_zone(-48.1, -7), utm_zone(-47.9, -7), utm_zone(12, 46), utm_zone(180, 1)] == [
        *("EPSG:32722", "EPSG:32723", "EPSG:32633", "EPSG:32601"),
    ]
