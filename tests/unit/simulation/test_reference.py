from pathlib import Path

import numpy as np
import pytest
import rasterio

from cerradata.core.types import SIMULATED_TAG
from cerradata.scores.confusion import read_confusion
from cerradata.simulation.reference import (
    _majority,
    _merge_small,
    reference_grid,
    write_matrix,
    write_reference,
    write_truth,
)
from cerradata.simulation.world import World


@pytest.fixture(scope="module")
def written(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, np.ndarray, np.ndarray]:
    folder = tmp_path_factory.mktemp("reference")
    (folder / "truth").mkdir()
    reference, matrix = write_reference(world, folder)
    truth, counts = write_truth(world, folder / "truth")
    return reference, truth, matrix, counts


def test_the_map_is_as_terraclass_is_published(
    written: tuple[Path, Path, np.ndarray, np.ndarray], world: World
) -> None:
    with rasterio.open(written[0]) as file:
        codes = file.read(1)
        assert file.crs.to_epsg() == 4674
        assert file.res[0] * 111_320 == pytest.approx(10, rel=0.01)
        assert file.tags()[SIMULATED_TAG] == world.label
        assert file.colormap(1)[11][:3] == (206, 239, 98)
    assert set(np.unique(codes)) <= {0, 1, 2, 9, 11, 12, 13, 14, 15, 16, 17, 20, 21, 22, 23, 25}
    assert 0 in codes[0]
    assert 0 in codes[:, -1]


def test_the_map_agrees_with_the_truth_as_real_maps_do(written: tuple[Path, Path, np.ndarray, np.ndarray]) -> None:
    matrix = written[2]
    agreement = np.trace(matrix) / matrix.sum()
    assert 0.80 < agreement < 0.93
    labelled = matrix.sum(axis=1)
    truth = written[3]
    assert np.abs(labelled / truth - 1)[truth > 5000].max() < 0.15  # the rows are the truth, up to what is not observed


def test_errors_lie_at_boundaries(written: tuple[Path, Path, np.ndarray, np.ndarray]) -> None:
    """On the truth's own grid: pixels of the map beside a boundary of the truth are wrong far more often."""
    with rasterio.open(written[1]) as file:
        truth, profile = file.read(1), file.profile
    with rasterio.open(written[0]) as file:
        mapped = np.zeros_like(truth)
        rasterio.warp.reproject(
            rasterio.band(file, 1), mapped, dst_transform=profile["transform"], dst_crs=profile["crs"], dst_nodata=0
        )
    known = (mapped != 0) & (mapped != 25)
    edge = np.zeros(truth.shape, bool)
    edge[:, 1:] |= truth[:, 1:] != truth[:, :-1]
    edge[1:] |= truth[1:] != truth[:-1]
    wrong = mapped != truth
    assert wrong[known & edge].mean() > 2 * wrong[known & ~edge].mean()


def test_the_matrix_can_be_scored(written: tuple[Path, Path, np.ndarray, np.ndarray], tmp_path: Path) -> None:
    path = write_matrix(tmp_path / "confusion.csv", written[2])
    names, matrix = read_confusion(path)
    assert names == tuple(str(i) for i in range(14))
    np.testing.assert_array_equal(matrix, written[2])


def test_the_truth_counts_each_pixel_of_the_area(
    written: tuple[Path, Path, np.ndarray, np.ndarray], world: World
) -> None:
    assert written[3].sum() == world.area.width * world.area.height
    with rasterio.open(written[1]) as file:
        assert file.shape == (world.area.height, world.area.width)


def test_the_reference_reaches_over_the_area(world: World) -> None:
    grid, area = reference_grid(world.area), world.area.grid.geographic_extent.boundingbox
    box = grid.boundingbox
    assert box.left < area.left < area.right < box.right
    assert box.bottom < area.bottom < area.top < box.top


def test_small_parts_go_to_their_neighbours() -> None:
    cover = np.zeros((20, 20), np.uint8)
    cover[:, 10:] = 1
    cover[5:7, 3:5] = 2  # 4 pixels within 0
    cover[12:18, 13:19] = 3  # 36 pixels within 1
    merged = _merge_small(cover, 10)
    assert (merged[:, :10] == 0).all()
    assert (merged[12:18, 13:19] == 3).all()


def test_the_majority_rounds_corners_off_and_keeps_fields() -> None:
    cover = np.zeros((20, 20), np.uint8)
    cover[5:15, 5:15] = 4
    smooth = _majority(cover, 5)
    assert smooth[10, 10] == 4
    assert smooth[5, 5] == 0  # a corner
    assert smooth[5, 10] == 4  # a side
