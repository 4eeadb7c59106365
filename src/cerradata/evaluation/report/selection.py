"""What the selection of patches kept and rejected, and what it cost each class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cerradata.core.errors import DatasetError
from cerradata.evaluation.report.page import share_of
from cerradata.legend import LandCoverClass, Level
from cerradata.patches.select import REASONS, Reason, SelectionTally

_MEANINGS: dict[Reason, str] = {
    "unlabelled": "too few pixels with a reference",
    "invalid": "too many pixels without data",
    "unreadable": "could not be read",
}


@dataclass(frozen=True)
class RejectedRow:
    """A reason in a table.

    Attributes:
        reason: Its name.
        meaning: What it means.
        patches: Patches rejected for it.
        share: Percent of all patches.
        pixels: Labelled pixels in these patches.
    """

    reason: str
    meaning: str
    patches: int
    share: float | None
    pixels: int


@dataclass(frozen=True)
class CostRow:
    """A class in a table.

    Attributes:
        land_cover: The class.
        kept: Pixels in the patches that were kept.
        rejected: Pixels in the patches that were rejected.
        lost: Percent of the pixels that was rejected; None for a class without pixels.
    """

    land_cover: LandCoverClass
    kept: int
    rejected: int
    lost: float | None


@dataclass(frozen=True)
class SelectionView:
    """A selection on a page.

    Attributes:
        rule: What was asked of a patch, in words.
        kept: Patches that were kept.
        total: Patches that were looked at.
        rejected: One row a reason.
        costs: One row a class.
        lost: Names of the classes that lost more than half of their pixels.
    """

    rule: str
    kept: int
    total: int
    rejected: tuple[RejectedRow, ...]
    costs: tuple[CostRow, ...]
    lost: tuple[str, ...]


def describe_selection(selection: Mapping[str, Any], level: Level) -> SelectionView | None:
    """The part `selection` of `dataset.json` on a page; None where nothing is known of a selection (in a copy).

    Args:
        selection: The rule, and patches and pixels by kind.
        level: The finest level of the legend, at which pixels were counted.

    Raises:
        DatasetError: If it does not hold what `build` writes.
    """
    if "patches" not in selection or "pixels" not in selection:
        return None
    try:
        tally = SelectionTally.from_dict(selection)
        total = sum(tally.patches.values())
        return SelectionView(
            rule=_rule(selection),
            kept=tally.patches["kept"],
            total=total,
            rejected=tuple(_rejected(tally, reason, total) for reason in REASONS),
            costs=tuple(_cost(tally, c) for c in level.classes),
            lost=tuple(tally.lost_classes(level)),
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DatasetError(
            f"`selection` in dataset.json is not what this release writes ({error!r}): build the dataset again."
        ) from error


def _rule(selection: Mapping[str, Any]) -> str:
    limits = []
    if "max_unlabelled" in selection:
        limits.append(f"{_at_most(selection['max_unlabelled'])} of its pixels had no reference")
    if "max_invalid" in selection:
        limits.append(f"{_at_most(selection['max_invalid'])} lacked data in a band")
    return f"A patch was kept if {' and '.join(limits)}." if limits else ""


def _at_most(share: float) -> str:
    return f"at most {100 * share:g} %" if share else "none"


def _rejected(tally: SelectionTally, reason: Reason, total: int) -> RejectedRow:
    patches = tally.patches[reason]
    return RejectedRow(reason, _MEANINGS[reason], patches, share_of(patches, total), int(tally.pixels[reason].sum()))


def _cost(tally: SelectionTally, c: LandCoverClass) -> CostRow:
    kept = int(tally.pixels["kept"][c.id])
    rejected = sum(int(tally.pixels[reason][c.id]) for reason in REASONS)
    return CostRow(c, kept, rejected, share_of(rejected, kept + rejected))
