from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from cerradata.scenes import Radiometry, Scene
from cerradata.scenes.doctor.sample import spread, take_sample

MakeScene = Callable[..., Scene]
RADIOMETRY = Radiometry("sentinel-2", ("B02", "B05"), "reflectance", 1e-4, -0.1, 0.0)


@pytest.mark.parametrize("size", [1, 31, 32, 159, 160, 161, 1830])
def test_windows_lie_inside_and_reach_both_ends(size: int) -> None:
    windows = spread((size, size), 32)
    assert len(windows) <= 25
    assert min(rows.start for rows, _ in windows) == 0
    assert max(rows.stop for rows, _ in windows) == size
    assert all(0 < columns.stop - columns.start <= 32 for _, columns in windows)


def test_bands_of_two_resolutions_are_co_located(make_scene: MakeScene) -> None:
    rows, columns = np.mgrid[:40, :60]
    fine = (1000 + 10 * rows + columns).astype(np.uint16)
    coarse = fine.reshape(20, 2, 30, 2).mean((1, 3)).astype(np.uint16)
    scene = make_scene({"B02": fine}, RADIOMETRY)
    half = GeoBox((20, 30), scene.footprint_grid.transform * Affine.scale(2), "EPSG:32722")
    other = make_scene({"B05": coarse}, RADIOMETRY, grid=half)
    sample = take_sample(replace(scene, bands={**scene.bands, **other.bands}))
    assert sample.values.shape == (2, 600)
    np.testing.assert_allclose(sample.of("B02"), sample.of("B05"), atol=1e-4)
    assert sample.numbers["B02"].size == 2400
    assert sample.quantile("B02", 0) == 1000
    assert sample.valid == {"B02": 1.0, "B05": 1.0}


@dataclass(frozen=True)
class LeftHalf:
    """Hides the left half of 40 x 60 pixels, on cells of 30 m."""

    grid: GeoBox

    def read(self, rows: slice, columns: slice) -> np.ndarray:
        cells = np.zeros((14, 20), np.uint8)
        cells[:, :10] = 1
        return cells[rows, columns]


def test_masked_pixels_leave_the_sample(make_scene: MakeScene) -> None:
    numbers = np.full((40, 60), 1500, np.uint16)
    numbers[:, :30] = 9000
    scene = make_scene({"B02": numbers}, replace(RADIOMETRY, bands=("B02",)))
    cells = GeoBox((14, 20), scene.footprint_grid.transform * Affine.scale(3), "EPSG:32722")
    sample = take_sample(replace(scene, masks=(LeftHalf(cells),)))
    assert set(np.unique(sample.numbers["B02"])) == {1500}
    assert sample.masked == pytest.approx(0.5)
    assert sample.values.shape == (1, 1200)


def test_no_data_is_not_sampled_and_a_small_corner_of_data_is_found(make_scene: MakeScene) -> None:
    numbers = np.zeros((3000, 3000), np.uint16)
    numbers[800:900, 800:900] = 1234  # between the windows that are spread evenly
    scene = make_scene({"B02": numbers}, replace(RADIOMETRY, bands=("B02",)))
    sample = take_sample(scene)
    assert sample.values.shape[1] > 1000
    assert set(np.unique(sample.numbers["B02"])) == {1234}
