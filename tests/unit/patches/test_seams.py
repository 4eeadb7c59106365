"""Jumps across seams: found where radiometry differs, silent where it agrees."""

import json

import numpy as np
import pytest

from cerradata.cube.composite import SEVERAL
from cerradata.patches.seams import SeamTally, seam_report

SCENES, BANDS = {"msi": ["july", "june", "may"]}, {"msi": ["B02", "B04"]}


def mosaic(jump: float, seed: int = 0, size: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Texture of 0.1 +- 0.02; the right half comes from another scene, brighter by `jump` in B04."""
    values = np.random.default_rng(seed).normal(0.1, 0.02, (2, size, size)).astype(np.float32)
    source = np.where(np.arange(size) < size // 2, 1, 3).astype(np.uint16)[None].repeat(size, axis=0)
    values[1, source == 3] += jump
    return values, source


def report(tally: SeamTally) -> list[dict[str, object]]:
    return seam_report(tally, SCENES, BANDS)


def test_a_jump_is_reported_with_its_scenes_band_and_size() -> None:
    values, source = mosaic(0.05)
    (seam,) = report(SeamTally.of("msi", values, source, decibels=False))
    assert (seam["scenes"], seam["pixels"], seam["significant"]) == (["july", "may"], 200, ["B04"])
    assert seam["jump"]["B04"] == pytest.approx(0.05, abs=0.01)  # type: ignore[index]


@pytest.mark.parametrize("seed", range(8))
def test_where_radiometry_agrees_nothing_is_significant(seed: int) -> None:
    values, source = mosaic(0.0, seed)
    (seam,) = report(SeamTally.of("msi", values, source, decibels=False))
    assert seam["significant"] == []


def test_the_order_of_the_scenes_does_not_depend_on_which_lies_left() -> None:
    values, source = mosaic(0.05)
    turned = report(SeamTally.of("msi", values[..., ::-1], source[:, ::-1], decibels=False))
    assert turned == report(SeamTally.of("msi", values, source, decibels=False))


def test_blocks_add_up_and_survive_json() -> None:
    values, source = mosaic(0.03)
    whole = SeamTally.of("msi", values, source, decibels=False)
    halves = [
        SeamTally.of("msi", values[:, part], source[part], decibels=False) for part in (slice(0, 90), slice(90, 200))
    ]
    both = SeamTally.from_dict(json.loads(json.dumps((halves[0] + halves[1]).to_dict())))
    assert report(both) == report(whole)


def test_pixels_of_several_scenes_and_of_none_make_no_seam() -> None:
    values, source = mosaic(0.05)
    for other in (0, SEVERAL):
        source[:, 100:] = other
        assert report(SeamTally.of("msi", values, source, decibels=False)) == []
    values[:, :, 99] = np.nan
    source[:, 100:] = 3
    assert report(SeamTally.of("msi", values, source, decibels=False)) == []


def test_radar_is_compared_in_decibels() -> None:
    power = np.full((2, 300, 4), 0.01, np.float32)
    power[:, :, 2:] = 0.02
    source = np.array([[1, 1, 2, 2]] * 300, np.uint16)
    (seam,) = report(SeamTally.of("msi", power, source, decibels=True))
    assert seam["jump"]["B02"] == pytest.approx(3.0103, abs=1e-3)  # type: ignore[index]
