import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from cerradata.core.errors import DatasetError
from cerradata.labels.objects import count_objects

CLASSES = 4
patches = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.sampled_from([0, 1, 2, 3, 255]),
)


def test_parts_that_touch_at_a_corner_are_two_objects() -> None:
    labels = np.array([[0, 1, 1], [1, 0, 1], [255, 1, 255]], np.uint8)
    assert count_objects(labels, 3).tolist() == [2, 3, 0]


def test_unlabelled_pixels_divide_objects_and_are_none() -> None:
    assert count_objects(np.array([[0, 255, 0]], np.uint8), 2).tolist() == [2, 0]
    assert count_objects(np.full((3, 3), 255, np.uint8), 2).tolist() == [0, 0]


@given(patches)
def test_agrees_with_one_labelling_a_class(labels: np.ndarray) -> None:
    expected = [ndimage.label(labels == class_id)[1] for class_id in range(CLASSES)]
    assert count_objects(labels, CLASSES).tolist() == expected


@given(patches)
def test_turning_the_patch_changes_nothing(labels: np.ndarray) -> None:
    assert count_objects(np.rot90(labels), CLASSES).tolist() == count_objects(labels, CLASSES).tolist()


def test_int32_labels_are_counted_and_empty_ones_have_none() -> None:
    assert count_objects(np.array([[0, 1], [0, 255]], np.int32), 2).tolist() == [1, 1]
    assert count_objects(np.zeros((0, 4), np.uint8), 2).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([[0, 7], [7, 1]], np.uint8), r"hold 7 \(2 pixels\).*0 to 1"),
        (np.array([[0, -1]], np.int16), r"hold -1 \(1 pixels\)"),
        (np.zeros(4, np.uint8), r"shape \(4,\)"),
        (np.zeros((2, 2), np.float32), "type float32"),
    ],
)
def test_what_are_no_labels_is_refused(labels: np.ndarray, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        count_objects(labels, 2)
