import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cerradata.core.errors import ConfigError
from cerradata.core.types import LabelArray
from cerradata.labels import edge_mask

LABELS = arrays(
    np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.sampled_from([0, 1, 2, 13, 254, 255])
)


def drawn(picture: str) -> LabelArray:
    """Labels of a picture: a letter a class, `?` unlabelled."""
    rows = picture.split()
    return np.array(
        [[255 if character == "?" else ord(character) - ord("a") for character in row] for row in rows], np.uint8
    )


def shown(edges: LabelArray) -> str:
    """A picture of an edge mask: `#` edge, `.` none."""
    return "\n".join("".join("#" if pixel else "." for pixel in row) for row in edges)


@pytest.mark.parametrize(
    ("picture", "width", "expected"),
    [
        ("aaabbb aaabbb", 1, "..##.. ..##.."),
        ("aaabbb aaabbb", 2, ".####. .####."),
        # one pixel of another class: its four neighbours, as the crow flies no others
        ("aaaaa aaaaa aabaa aaaaa aaaaa", 1, "..... ..#.. .###. ..#.. ....."),
        ("aaaaa aaaaa aabaa aaaaa aaaaa", 2, "..#.. .###. ##### .###. ..#.."),
        # diagonal neighbours are 1.4 pixels apart
        ("aab aab aab", 1, ".## .## .##"),
        ("ba aa", 1, "## #."),
        ("ba aa", 2, "## ##"),
        # unlabelled pixels are no edges and make none
        ("aa??bb", 1, "......"),
        ("aa??bb", 2, "......"),
        ("??? ?a? ???", 2, "... ... ..."),
        ("a?b a?b", 1, "... ..."),
        # two labelled classes two pixels apart over an unlabelled one are within reach of width 2
        ("a?b a?b", 2, "#.# #.#"),
        # the border of the raster is no boundary
        ("aaa aaa", 2, "... ..."),
        # three classes meet
        ("aab aac", 1, ".## .##"),
    ],
)  # fmt: skip
def test_drawn_boundaries(picture: str, width: int, expected: str) -> None:
    assert shown(edge_mask(drawn(picture), width)) == "\n".join(expected.split())


@pytest.mark.parametrize("picture", ["a", "?", "aaaa", "a a a", "ab", "a b"])
def test_rasters_of_one_row_or_column(picture: str) -> None:
    labels = drawn(picture)
    expected = np.full(labels.shape, len(np.unique(labels)) > 1, np.uint8)
    np.testing.assert_array_equal(edge_mask(labels), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64])
def test_any_integer_type_and_the_largest_ids(dtype: type[np.integer]) -> None:  # type: ignore[type-arg]
    labels = np.array([[0, 254, 254, 255], [0, 0, 254, 254]], dtype)
    edges = edge_mask(labels)
    assert edges.tolist() == [[1, 1, 0, 0], [0, 1, 1, 0]]
    assert edges.dtype == np.uint8


@given(labels=LABELS, width=st.integers(1, 4))
def test_against_the_definition(labels: LabelArray, width: int) -> None:
    expected = np.zeros(labels.shape, np.uint8)
    for r, c in np.argwhere(labels != 255):
        for r2, c2 in np.argwhere(labels != 255):
            if (r - r2) ** 2 + (c - c2) ** 2 <= width**2 and labels[r, c] != labels[r2, c2]:
                expected[r, c] = 1
    np.testing.assert_array_equal(edge_mask(labels, width), expected)


@given(labels=LABELS, width=st.integers(1, 3))
def test_flips_turns_and_other_ids_change_nothing(labels: LabelArray, width: int) -> None:
    edges = edge_mask(labels, width)
    for change in (np.flipud, np.fliplr, np.rot90, np.transpose):
        np.testing.assert_array_equal(edge_mask(change(labels), width), change(edges))
    other_ids = np.arange(256)
    other_ids[[0, 1, 2, 13, 254]] = [7, 254, 0, 1, 3]
    np.testing.assert_array_equal(edge_mask(other_ids[labels], width), edges)


@settings(max_examples=50)
@given(data=st.data(), width=st.integers(1, 3))
def test_a_window_with_a_halo_has_the_edges_of_the_whole(data: st.DataObject, width: int) -> None:
    labels = data.draw(arrays(np.uint8, (17, 19), elements=st.sampled_from([0, 1, 255])))
    whole = edge_mask(labels, width)
    top, left = data.draw(st.integers(0, 16)), data.draw(st.integers(0, 18))
    bottom, right = data.draw(st.integers(top + 1, 17)), data.draw(st.integers(left + 1, 19))
    above, before = max(top - width, 0), max(left - width, 0)
    with_halo = edge_mask(labels[above : bottom + width, before : right + width], width)
    window = with_halo[top - above : bottom - above, left - before : right - before]
    np.testing.assert_array_equal(window, whole[top:bottom, left:right])


@pytest.mark.parametrize("width", [0, -1])
def test_an_edge_has_a_width(width: int) -> None:
    with pytest.raises(ConfigError, match=f"edge width of {width} pixels marks nothing: give 1 or more"):
        edge_mask(np.zeros((2, 2), np.uint8), width)
