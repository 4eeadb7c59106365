import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cerradata.core.errors import DatasetError
from cerradata.training.weights import class_weights


@given(arrays(np.int64, st.integers(1, 20), elements=st.integers(0, 10**10)).filter(lambda pixels: pixels.any()))
def test_weights_are_inverse_frequencies_by_the_largest(pixels: np.ndarray) -> None:
    weights = class_weights("inverse", pixels).numpy()
    present = pixels > 0
    frequency = pixels / pixels.sum()
    inverse = 1 / frequency[present]
    np.testing.assert_allclose(weights[present], inverse / inverse.max(), rtol=1e-6)
    assert (weights[~present] == 0).all()


def test_weights_of_the_published_classes() -> None:
    pixels = np.array([18186594, 28283543, 2231928, 5247, 267463, 631431, 4546])
    weights = class_weights("inverse", pixels)
    assert float(weights[6]) == 1, "the rarest class"
    assert float(weights[1]) == pytest.approx(4546 / 28283543)
    assert weights.dtype == torch.float32


def test_no_weights_on_request() -> None:
    assert class_weights("none", np.array([3, 4])) is None


def test_training_split_without_labels_is_refused() -> None:
    with pytest.raises(DatasetError, match="no labelled pixel"):
        class_weights("inverse", np.zeros(3, np.int64))
