import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from cerradata.core.errors import ConfigError
from cerradata.patches import cut
from cerradata.patches.cut import PatchGrid


def grid(height: int, width: int) -> GeoBox:
    return GeoBox((height, width), Affine(10, 0, 700_000, 0, -10, 9_000_000), "EPSG:32722")


@given(
    size=st.integers(1, 9),
    more=st.tuples(st.integers(0, 80), st.integers(0, 80)),
    stride=st.integers(0, 12),
    block=st.integers(1, 40),
)
def test_every_patch_is_cut_exactly_once(size: int, more: tuple[int, int], stride: int, block: int) -> None:
    height, width = size + more[0], size + more[1]
    patches = PatchGrid(grid(height, width), size, stride)
    step = stride or size
    numbers = np.arange(height * width).reshape(1, height, width)
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cut, "_BLOCK_PIXELS", block)
        blocks = patches.blocks()
        assert [one.number for one in blocks] == list(range(len(blocks)))
        for one in blocks:
            window = patches.window(one)
            left, top = ~patches.grid.transform * (window.transform.c, window.transform.f)
            rows, columns = (
                slice(round(n), round(n) + count) for n, count in zip((top, left), window.shape, strict=True)
            )
            for row, col, layers in patches.cut(one, {"layer": numbers[:, rows, columns]}):
                assert patches.patch_id(row, col) not in found
                found[patches.patch_id(row, col)] = (row, col, layers["layer"])
    assert sorted(found) == list(range(patches.rows * patches.columns))
    assert (patches.rows - 1) * step + size <= height < patches.rows * step + size
    for patch_id, (row, col, pixels) in found.items():
        assert divmod(patch_id, patches.columns) == (row, col)
        expected = numbers[:, row * step : row * step + size, col * step : col * step + size]
        np.testing.assert_array_equal(pixels, expected)
        assert pixels.shape == (1, size, size)


def test_patch_lies_where_its_pixels_lie() -> None:
    patches = PatchGrid(grid(70, 90), 16)
    assert (patches.rows, patches.columns) == (4, 5)
    assert patches.transform(2, 3) == Affine(10, 0, 700_480, 0, -10, 8_999_680)
    assert patches.patch_grid(2, 3).transform == patches.transform(2, 3)
    assert patches.patch_grid(2, 3).shape == (16, 16)


def test_blocks_hold_about_a_thousand_pixels_a_side() -> None:
    blocks = PatchGrid(grid(2560, 1300), 128).blocks()
    assert [(b.row, b.col, b.rows, b.columns) for b in blocks] == [
        *((0, 0, 8, 8), (0, 8, 8, 2), (8, 0, 8, 8), (8, 8, 8, 2), (16, 0, 4, 8), (16, 8, 4, 2)),
    ]


def test_overlapping_patches_make_no_larger_blocks() -> None:
    """A block of 45 x 45 patches would be a lot to lose, and to hold."""
    blocks = PatchGrid(grid(2560, 1300), 128, 20).blocks()
    assert max(b.rows * b.columns for b in blocks) == 64


def test_patch_larger_than_a_block_is_a_block_of_its_own() -> None:
    assert len(PatchGrid(grid(4096, 2048), 2048).blocks()) == 2


@pytest.mark.parametrize("shape", [(15, 100), (100, 15)])
def test_area_smaller_than_a_patch_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match=f"has {shape[0]} rows and {shape[1]} columns"):
        PatchGrid(grid(*shape), 16)
