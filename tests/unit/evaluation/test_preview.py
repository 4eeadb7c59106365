from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import rasterio

from cerradata.core.raster import RasterLook, write_geotiff
from cerradata.evaluation import preview
from cerradata.evaluation.preview import map_preview
from cerradata.legend import load_legend

PALETTE = load_legend("cerradata-4mm").finest.palette


def write_map(path: Path, classes: np.ndarray) -> Path:
    look = RasterLook(nodata=255, palette={**PALETTE, 255: (0, 0, 0)})
    write_geotiff(path, classes[None], rasterio.Affine(10, 0, 7e5, 0, -10, 9e6), "EPSG:32722", look)
    return path


def picture(path: Path) -> np.ndarray:
    return np.rint(matplotlib.image.imread(path)[..., :3] * 255).astype(int)


def test_preview_shows_classes_in_their_colours_and_no_data_white(tmp_path: Path) -> None:
    classes = np.full((90, 150), 255, np.uint8)
    classes[:30], classes[30:60, :75] = 3, 13
    out = map_preview(write_map(tmp_path / "map.tif", classes), tmp_path / "map.png")
    expected = np.array([*(PALETTE[i] for i in range(14)), (255, 255, 255)])[np.minimum(classes, 14)]
    np.testing.assert_array_equal(picture(out), expected)


@pytest.mark.parametrize(("shape", "expected"), [((400, 100), (50, 12)), ((51, 200), (13, 50)), ((400, 2), (50, 1))])
def test_preview_of_a_large_map_is_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], expected: tuple[int, int]
) -> None:
    monkeypatch.setattr(preview, "_LARGEST", 50)
    classes = np.full(shape, 7, np.uint8)
    found = picture(map_preview(write_map(tmp_path / "map.tif", classes), tmp_path / "map.png"))
    assert found.shape == (*expected, 3)
    assert (found == PALETTE[7]).all()
