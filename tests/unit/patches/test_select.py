import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cerradata.legend import LandCoverClass, Level
from cerradata.patches.config import SelectionConfig
from cerradata.patches.select import SelectionTally, reason_to_reject

LEVEL = Level(1, tuple(LandCoverClass(i, name, name[:1], (i, i, i)) for i, name in enumerate(("Ant", "Bee", "Cow"))))


@pytest.mark.parametrize(
    ("max_unlabelled", "max_invalid", "unlabelled", "valid", "reason"),
    [
        (0, 0, 0, 1, None),
        (0, 0, 0.001, 1, "unlabelled"),
        (0, 0, 0, 0.999, "invalid"),
        (0, 0, 0.001, 0.999, "unlabelled"),
        (0.5, 0, 0.5, 1, None),
        (0.5, 0, 0.51, 1, "unlabelled"),
        (1, 0, 1, 1, "unlabelled"),  # not one label
        (0, 0.25, 0, 0.75, None),
        (0, 0.25, 0, 0.74, "invalid"),
        (0, 1, 0, 0, "invalid"),  # not one pixel
        (1, 1, 0.99, 0.01, None),
    ],
)
def test_rule(max_unlabelled: float, max_invalid: float, unlabelled: float, valid: float, reason: str | None) -> None:
    assert reason_to_reject(SelectionConfig(max_unlabelled, max_invalid), unlabelled, valid) == reason


@given(st.integers(1, 999))
def test_patch_at_the_limit_is_kept_whatever_the_rounding(invalid: int) -> None:
    valid = np.arange(1000) >= invalid
    assert reason_to_reject(SelectionConfig(max_invalid=invalid / 1000), 0, float(valid.mean())) is None
    assert reason_to_reject(SelectionConfig(max_invalid=(invalid - 1) / 1000), 0, float(valid.mean())) == "invalid"


def test_tally_adds_up_and_survives_json() -> None:
    zeros = np.zeros(3, np.int64)
    one = SelectionTally.empty(3).add("kept", np.array([4, 0, 1]), np.array([3, 0, 1]))
    one = one.add("invalid", np.array([0, 2, 3]), np.array([0, 1, 0]))
    two = SelectionTally.empty(3).add("unreadable", zeros, zeros, patches=16)
    two = two.add("kept", np.array([1, 1, 1]), np.array([1, 1, 1]))
    both = one + two
    assert both.patches == {"kept": 2, "unlabelled": 0, "invalid": 1, "unreadable": 16}
    assert both.pixels["kept"].tolist() == [5, 1, 2]
    assert both.total.tolist() == [5, 3, 5]
    assert both.valid_shares == [pytest.approx(4 / 5), pytest.approx(2 / 3, abs=1e-6), pytest.approx(2 / 5)]
    assert SelectionTally.empty(1).valid_shares == [None]
    assert SelectionTally.from_dict(json.loads(json.dumps(both.to_dict()))).to_dict() == both.to_dict()
    assert one.patches["kept"] == 1, "a tally is a value"


@pytest.mark.parametrize(
    ("kept", "rejected", "lost"),
    [
        ([4, 4, 4], [0, 0, 0], []),
        ([4, 4, 4], [4, 5, 3], ["Bee"]),  # half is not more than half
        ([0, 4, 0], [1, 0, 0], ["Ant"]),
        ([0, 0, 0], [0, 0, 0], []),
    ],
)
def test_class_that_loses_more_than_half_is_named(kept: list[int], rejected: list[int], lost: list[str]) -> None:
    tally = SelectionTally.empty(3).add("kept", np.array(kept), np.array(kept))
    tally = tally.add("unlabelled", np.array(rejected), np.array(rejected))
    assert tally.lost_classes(LEVEL) == lost
