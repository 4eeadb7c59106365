import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.patches.class_weights import effective_number, inverse_frequency, median_frequency
from cerradata.training.weights import class_weights

PUBLISHED = np.array([18186594, 28283543, 2231928, 5247, 267463, 631431, 4546])
SCHEMES = ("inverse", "median", "effective")


@given(arrays(np.int64, st.integers(1, 20), elements=st.integers(0, 10**10)).filter(lambda pixels: pixels.any()))
def test_weights_are_inverse_frequencies_by_the_largest(pixels: np.ndarray) -> None:
    weights = class_weights("inverse", pixels).numpy()
    present = pixels > 0
    frequency = pixels / pixels.sum()
    inverse = 1 / frequency[present]
    np.testing.assert_allclose(weights[present], inverse / inverse.max(), rtol=1e-6)
    assert (weights[~present] == 0).all()


def test_weights_of_the_published_classes() -> None:
    weights = class_weights("inverse", PUBLISHED)
    assert float(weights[6]) == 1, "the rarest class"
    assert float(weights[1]) == pytest.approx(4546 / 28283543)
    assert weights.dtype == torch.float32


def test_median_frequency_looks_at_the_patches_in_which_a_class_occurs() -> None:
    pixels = np.array(
        [
            [80, 20, 0, 0],
            [50, 0, 0, 0],  # 50 of 100 pixels are unlabelled
            [0, 0, 100, 0],
        ]
    )
    # frequencies: 130 of 150, 20 of 100, 100 of 100; their median is 130 of 150
    middle = Fraction(130, 150)
    expected = [1, middle / Fraction(20, 100), middle, 0]
    np.testing.assert_allclose(median_frequency(pixels), [float(w) for w in expected])
    np.testing.assert_allclose(class_weights("median", pixels).numpy(), [float(w) for w in expected], rtol=1e-6)


def test_median_frequency_refuses_sums() -> None:
    with pytest.raises(ConfigError, match="pixels of each patch"):
        class_weights("median", PUBLISHED)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 40))
def test_effective_number_is_the_sum_of_powers(pixels: list[int], distinct: int) -> None:
    beta = Fraction(distinct - 1, distinct)
    # 1 + beta + ... + beta^(n - 1) in exact numbers: the quotient of the paper
    inverse = [1 / sum(beta**power for power in range(n)) for n in pixels]
    expected = [float(w * len(pixels) / sum(inverse)) for w in inverse]
    np.testing.assert_allclose(effective_number(np.array(pixels), float(beta)), expected, rtol=1e-9)


def test_effective_number_between_all_alike_and_inverse_frequency() -> None:
    np.testing.assert_allclose(effective_number(PUBLISHED, 0), np.ones(7))
    nearly_inverse = effective_number(PUBLISHED, 1 - 1e-13)
    np.testing.assert_allclose(nearly_inverse / nearly_inverse.max(), inverse_frequency(PUBLISHED), rtol=1e-3)


def test_effective_number_of_the_published_classes_by_default() -> None:
    weights = effective_number(PUBLISHED)
    assert weights.sum() == pytest.approx(7)
    even_share = PUBLISHED.sum() / 7
    expected = 1 / (even_share * -np.expm1(PUBLISHED * np.log1p(-1 / even_share)))
    np.testing.assert_allclose(weights / weights[6], expected / expected[6])
    assert weights[0] / weights[1] < 1.1, "the common classes weigh nearly alike"
    assert weights[6] / weights[3] == pytest.approx(5247 / 4546, rel=1e-3), "the rare ones by inverse frequency"


@given(
    arrays(
        np.int64, st.tuples(st.integers(1, 6), st.integers(1, 8)), elements=st.one_of(st.just(0), st.integers(0, 10**9))
    ).filter(lambda pixels: pixels.any())
)
def test_every_scheme_gives_numbers_and_nothing_to_absent_classes(pixels: np.ndarray) -> None:
    for scheme in SCHEMES:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            weights = class_weights(scheme, pixels)
        assert weights.shape == pixels.shape[1:]
        assert torch.isfinite(weights).all()
        np.testing.assert_array_equal(weights.numpy() > 0, pixels.any(axis=0))


@pytest.mark.parametrize("scheme", ["inverse", "effective"])
def test_sums_suffice_for_schemes_that_do_not_look_at_patches(scheme: str) -> None:
    pixels = np.array([[5, 0, 100], [70, 2, 1]])
    torch.testing.assert_close(class_weights(scheme, pixels), class_weights(scheme, pixels.sum(axis=0)))


def test_no_weights_on_request() -> None:
    assert class_weights("none", np.array([3, 4])) is None


@pytest.mark.parametrize("scheme", SCHEMES)
def test_training_split_without_labels_is_refused(scheme: str) -> None:
    with pytest.raises(DatasetError, match="no labelled pixel"):
        class_weights(scheme, np.zeros((2, 3), np.int64))


@pytest.mark.parametrize("beta", [-0.1, 1, 1.5, float("nan")])
def test_beta_out_of_range_is_refused(beta: float) -> None:
    with pytest.raises(ConfigError, match="beta is"):
        class_weights("effective", PUBLISHED, beta)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match="beta has no meaning"):
        class_weights("inverse", PUBLISHED, 0.9)
    with pytest.raises(ConfigError, match="no class weights 'focal'"):
        class_weights("focal", PUBLISHED)
