import subprocess
import sys
from itertools import product

import numpy as np
import pytest

from cerradata.data import draws
from cerradata.data.draws import generator

FOUR = {"seed": 666, "epoch": 3, "key": 1207, "purpose": "crop"}


def test_the_same_four_give_the_same_numbers() -> None:
    first = generator(**FOUR).random(5)
    generator(**{**FOUR, "key": 1}).random(5)
    np.testing.assert_array_equal(generator(**FOUR).random(5), first)


def test_another_process_draws_the_same() -> None:
    # the file by its path: the package would import torch, which takes seconds
    code = f"import runpy; print(runpy.run_path({draws.__file__!r})['generator'](**{FOUR}).integers(2**62))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == generator(**FOUR).integers(2**62)


@pytest.mark.parametrize(
    "changed",
    [{"seed": 667}, {"epoch": 4}, {"key": 1208}, {"purpose": "order"}, {"seed": -666}, {"epoch": 1207, "key": 3}],
)
def test_any_other_gives_others(changed: dict[str, int | str]) -> None:
    assert generator(**{**FOUR, **changed}).integers(2**62) != generator(**FOUR).integers(2**62)


def test_no_two_keys_of_many_meet() -> None:
    """Among them pairs whose digits or 32-bit words are the same when written one after the other."""
    numbers = (0, 1, 11, 111, 1 << 32, 1 + (1 << 32), 1 << 64)
    keys = list(product(numbers, numbers, numbers, ("", "1", "a")))
    assert len({generator(*key).integers(2**62) for key in keys}) == len(keys)


def test_purposes_are_independent() -> None:
    """Over 2,000 patches the first draws of two steps, and of two epochs, are uncorrelated and uniform."""
    ids = range(2000)
    flips = np.array([generator(1, 0, i, "flips").random() for i in ids])
    gains = np.array([generator(1, 0, i, "gains").random() for i in ids])
    later = np.array([generator(1, 1, i, "flips").random() for i in ids])
    for other in (gains, later, np.roll(flips, 1)):
        assert abs(np.corrcoef(flips, other)[0, 1]) < 0.09  # four standard errors of 2,000 pairs
    assert np.abs(np.sort(flips) - (np.arange(2000) + 0.5) / 2000).max() < 0.037  # Kolmogorov's 1 % bound
