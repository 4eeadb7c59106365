import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cerradata.patches.statistics import Moments, valid_pixels

STACKS = arrays(
    np.float32,
    array_shapes(min_dims=3, max_dims=3, max_side=5),
    elements=st.sampled_from([0.0, 1.0, 2.5, -7.0, 300.0, np.nan, np.inf, -np.inf]),
)


@given(STACKS, st.sampled_from([None, 0.0, float("nan")]))
def test_statistics_are_those_of_the_valid_numbers(pixels: np.ndarray, nodata: float | None) -> None:
    bands = tuple(f"band {i}" for i in range(len(pixels)))
    found = Moments.of(pixels, nodata).statistics(bands)
    for band, own in zip(bands, pixels, strict=True):
        numbers = own[np.isfinite(own) & ((own != nodata) if nodata == 0 else True)].astype(float)
        assert (band in found) == (numbers.size > 0)
        if numbers.size:
            expected = {"mean": numbers.mean(), "std": numbers.std(), "min": numbers.min(), "max": numbers.max()}
            assert found[band] == pytest.approx(expected, abs=1e-6)


@given(STACKS, st.integers(0, 5))
def test_moments_of_parts_add_up_to_those_of_the_whole(pixels: np.ndarray, at: int) -> None:
    bands = tuple("abcde"[: len(pixels)])
    parts = [pixels[:, :at], pixels[:, at:]]
    total = sum((Moments.of(part, 0) for part in parts if part.size), Moments.empty(len(pixels)))
    whole = Moments.of(pixels, 0).statistics(bands)
    assert total.statistics(bands).keys() == whole.keys()
    for band, values in total.statistics(bands).items():
        assert values == pytest.approx(whole[band], abs=1e-6)


@given(STACKS)
def test_moments_survive_json_to_the_last_bit(pixels: np.ndarray) -> None:
    moments = Moments.of(pixels, 0)
    again = Moments.from_dict(json.loads(json.dumps(moments.to_dict(), allow_nan=False)))
    for name in ("count", "total", "squares", "least", "largest"):
        np.testing.assert_array_equal(getattr(again, name), getattr(moments, name))


def test_large_numbers_lose_nothing() -> None:
    pixels = np.full((1, 128, 128), 65535, np.uint16)
    pixels[0, 0, 0] = 65534
    found = Moments.of(pixels, 0).statistics(("B04",))["B04"]
    assert found["mean"] == pytest.approx(65535 - 1 / 128**2, abs=1e-9)
    assert found["std"] == pytest.approx(1 / 128, rel=1e-2)


@pytest.mark.parametrize(
    ("numbers", "nodata", "valid"),
    [
        (np.array([0, 1], np.uint16), 0, [False, True]),
        (np.array([0, 1], np.uint16), None, [True, True]),
        (np.array([0, np.nan, np.inf], np.float32), None, [True, False, False]),
        (np.array([0, np.nan, 3], np.float32), 0, [False, False, True]),
        (np.array([0, np.nan, 3], np.float32), float("nan"), [True, False, True]),
    ],
)
def test_what_is_valid(numbers: np.ndarray, nodata: float | None, valid: list[bool]) -> None:
    assert valid_pixels(numbers, nodata).tolist() == valid
