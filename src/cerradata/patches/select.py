"""Which patches are kept, and what the rule costs each class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cerradata.core.types import CountArray
from cerradata.legend import Level
from cerradata.patches.config import SelectionConfig

Reason = Literal["unlabelled", "invalid", "unreadable"]
_ROUNDING = 1e-9
"""1 - 0.7 is a little more than 0.3, and no patch has a thousand million pixels."""

REASONS: tuple[Reason, ...] = ("unlabelled", "invalid", "unreadable")


def reason_to_reject(config: SelectionConfig, unlabelled_share: float, valid_share: float) -> Reason | None:
    """Why a patch is rejected, or None if it is kept.

    Args:
        config: The rule.
        unlabelled_share: Share of pixels without reference, 0 to 1. A patch without any label is never kept.
        valid_share: Share of pixels with data in every band of every sensor, 0 to 1.
    """
    if unlabelled_share > config.max_unlabelled or unlabelled_share == 1:
        return "unlabelled"
    if 1 - valid_share > config.max_invalid + _ROUNDING or valid_share == 0:
        return "invalid"
    return None


@dataclass(frozen=True)
class SelectionTally:
    """Patches and pixels of each class, kept and rejected by reason. Adding two gives that of both.

    Attributes:
        patches: Number of patches, "kept" and by reason.
        pixels: (classes of the finest level,) pixels, "kept" and by reason. Unreadable patches have no known pixels.
        valid: (classes of the finest level,) pixels with data in every band of every sensor, kept or not: cloud masks take
            towns, mines and dark water more than other classes.
    """

    patches: Mapping[str, int]
    pixels: Mapping[str, CountArray]
    valid: CountArray

    @staticmethod
    def empty(classes: int) -> "SelectionTally":
        """A tally of nothing."""
        kinds = ("kept", *REASONS)
        zeros = np.zeros(classes, np.int64)
        return SelectionTally(dict.fromkeys(kinds, 0), {kind: zeros.copy() for kind in kinds}, zeros)

    def add(
        self, kind: Literal["kept"] | Reason, pixels: CountArray, valid: CountArray, patches: int = 1
    ) -> "SelectionTally":
        """The tally with further patches of one kind."""
        return SelectionTally(
            {**self.patches, kind: self.patches[kind] + patches},
            {**self.pixels, kind: self.pixels[kind] + pixels},
            self.valid + valid,
        )

    def __add__(self, other: "SelectionTally") -> "SelectionTally":
        """The tally of both."""
        return SelectionTally(
            {kind: count + other.patches[kind] for kind, count in self.patches.items()},
            {kind: counts + other.pixels[kind] for kind, counts in self.pixels.items()},
            self.valid + other.valid,
        )

    @property
    def total(self) -> CountArray:
        """(classes of the finest level,) pixels of all patches that could be read, kept or not."""
        return sum(self.pixels.values(), np.zeros_like(self.valid))

    @property
    def valid_shares(self) -> list[float | None]:
        """Share of each class' pixels that have data in every band of every sensor, 0 to 1; None for an absent class."""
        return [
            None if whole == 0 else round(int(valid) / int(whole), 6)
            for valid, whole in zip(self.valid, self.total, strict=True)
        ]

    def lost_classes(self, level: Level) -> list[str]:
        """Names of classes of which the rule rejects more than half of the pixels."""
        kept = self.pixels["kept"]
        total = self.total
        return [c.name for c in level.classes if total[c.id] > 0 and kept[c.id] < total[c.id] / 2]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "patches": dict(self.patches),
            "pixels": {kind: [int(n) for n in counts] for kind, counts in self.pixels.items()},
            "valid": [int(n) for n in self.valid],
        }

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> "SelectionTally":
        """The reverse of `to_dict`."""
        return SelectionTally(
            dict(plain["patches"]),
            {kind: np.asarray(counts, np.int64) for kind, counts in plain["pixels"].items()},
            np.asarray(plain["valid"], np.int64),
        )
