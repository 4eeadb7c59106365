"""Seams: how much values jump where one scene takes over from another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cerradata.core.types import Array, BoolArray, FloatArray

_LEAST_PIXELS = 200
"""Pixel pairs along a seam below which texture alone can look like a jump."""
_SIGNIFICANT = 4.0
"""Standard errors above which a jump is none of chance."""


@dataclass(frozen=True)
class SeamTally:
    """Differences across seams by pair of scenes, added up block by block.

    Attributes:
        pairs: By (layer, place of one scene, place of the other): number of pixel pairs, and (bands,) sum and sum of
            squares of the differences, the second scene minus the first.
    """

    pairs: Mapping[tuple[str, int, int], tuple[int, FloatArray, FloatArray]]

    @staticmethod
    def empty() -> "SeamTally":
        """No seams."""
        return SeamTally({})

    @staticmethod
    def of(layer: str, values: FloatArray, source: Array, *, decibels: bool) -> "SeamTally":
        """The seams of one window.

        Args:
            layer: Name of the layer.
            values: (bands, rows, columns) of one time window, NaN = no data.
            source: (rows, columns) uint16: 1 + place of the scene, 0 = none, 65535 = several.
            decibels: Compare as ratio in decibels: for backscatter in linear power.
        """
        pairs: dict[tuple[str, int, int], tuple[int, FloatArray, FloatArray]] = {}
        known = (source > 0) & (source < np.iinfo(np.uint16).max)
        for axis in (0, 1):
            first, second = (_shifted(axis, step) for step in (0, 1))
            border = known[first] & known[second] & (source[first] != source[second])
            if border.any():
                _collect(pairs, layer, (values[:, *first], values[:, *second]), (source[first], source[second]), border,
                         decibels=decibels)  # fmt: skip
        return SeamTally(pairs)

    def __add__(self, other: "SeamTally") -> "SeamTally":
        """The seams of both."""
        merged = dict(self.pairs)
        for key, found in other.pairs.items():
            merged[key] = _added(merged[key], found) if key in merged else found
        return SeamTally(merged)

    def to_dict(self) -> list[dict[str, Any]]:
        """Plain values for a journal."""
        return [
            {"pair": list(key), "count": count, "total": total.tolist(), "squares": squares.tolist()}
            for key, (count, total, squares) in sorted(self.pairs.items())
        ]

    @staticmethod
    def from_dict(plain: Sequence[Mapping[str, Any]]) -> "SeamTally":
        """The reverse of `to_dict`."""
        return SeamTally(
            {
                (entry["pair"][0], entry["pair"][1], entry["pair"][2]): (
                    entry["count"],
                    np.asarray(entry["total"], np.float64),
                    np.asarray(entry["squares"], np.float64),
                )
                for entry in plain
            }
        )


def seam_report(
    tally: SeamTally, scenes: Mapping[str, Sequence[str]], bands: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """What is to be said of each seam, the largest jump first.

    Args:
        tally: The differences.
        scenes: Names of the scenes by layer, in their order.
        bands: Bands by layer.

    Returns:
        For each pair of scenes: the layer, both names, the pixel pairs along the seam, and by band the mean jump (second minus
        first: reflectance, or decibels for radar), and whether it is more than chance: at least 200 pixel pairs, and four
        standard errors.
    """
    report = []
    for (layer, first, second), (count, total, squares) in sorted(tally.pairs.items()):
        mean = total / count
        error = np.sqrt(np.maximum(squares / count - mean**2, 0) / count)
        beyond = (count >= _LEAST_PIXELS) & (np.abs(mean) > _SIGNIFICANT * error)
        report.append(
            {
                "layer": layer,
                "scenes": [scenes[layer][first], scenes[layer][second]],
                "pixels": count,
                "jump": {band: round(float(value), 6) for band, value in zip(bands[layer], mean, strict=True)},
                "significant": [band for band, is_beyond in zip(bands[layer], beyond, strict=True) if is_beyond],
            }
        )
    return sorted(report, key=lambda seam: -max(abs(value) for value in seam["jump"].values()))


def _shifted(axis: int, step: int) -> tuple[slice, slice]:
    part = slice(step, None if step else -1)
    return (part, slice(None)) if axis == 0 else (slice(None), part)


def _collect(
    pairs: dict[tuple[str, int, int], tuple[int, FloatArray, FloatArray]],
    layer: str,
    values: tuple[FloatArray, FloatArray],
    sources: tuple[Array, Array],
    border: BoolArray,
    *,
    decibels: bool,
) -> None:
    here, there = (pixels[:, border].astype(np.float64) for pixels in values)
    if decibels:
        with np.errstate(divide="ignore", invalid="ignore"):
            jump = 10 * (np.log10(there) - np.log10(here))
    else:
        jump = there - here
    places = [source[border].astype(np.int64) - 1 for source in sources]
    turned = places[0] > places[1]  # always the later scene minus the earlier one
    jump[:, turned] *= -1
    low, high = np.minimum(*places), np.maximum(*places)
    whole = np.isfinite(jump).all(axis=0)
    keys = low * (1 << 16) + high
    for key in np.unique(keys[whole]):
        own = jump[:, whole & (keys == key)]
        found = (own.shape[1], own.sum(axis=1), np.square(own).sum(axis=1))
        name = (layer, int(key >> 16), int(key & 0xFFFF))
        pairs[name] = _added(pairs[name], found) if name in pairs else found


def _added(
    one: tuple[int, FloatArray, FloatArray], other: tuple[int, FloatArray, FloatArray]
) -> tuple[int, FloatArray, FloatArray]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]
