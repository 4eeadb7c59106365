"""What the selection of patches kept and rejected, and what it cost each class."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cerradata.core.errors import DatasetError
from cerradata.evaluation.report.page import percent, share_of
from cerradata.legend import LandCoverClass, Level
from cerradata.patches.select import REASONS, Reason, SelectionTally

_MEANINGS: dict[Reason, str] = {
    "unlabelled": "too few pixels with a reference",
    "invalid": "too many pixels without data",
    "unreadable": "could not be read",
}
_CLEAR_POINTS = 2.0
_CLEAR_RATIO = 1.5


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
        valid: Percent of its pixels, kept and rejected, with data in every band; None where it is not known.
        hidden: Whether clearly more of it than of all pixels lacks data.
    """

    land_cover: LandCoverClass
    kept: int
    rejected: int
    lost: float | None
    valid: float | None
    hidden: bool


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
        valid_known: Whether it is known how much of each class has data.
        hidden: Classes of which clearly more lacks data than of all pixels, one phrase each.
    """

    rule: str
    kept: int
    total: int
    rejected: tuple[RejectedRow, ...]
    costs: tuple[CostRow, ...]
    lost: tuple[str, ...]
    valid_known: bool
    hidden: tuple[str, ...]


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
        known = "valid_shares" in selection
        # Builds of earlier releases did not count pixels with data.
        tally = SelectionTally.from_dict({"valid": [0] * len(level), **selection})
        total = sum(tally.patches.values())
        overall = share_of(int(tally.valid.sum()), int(tally.total.sum()))
        costs = tuple(_cost(tally, c, overall, valid_known=known) for c in level.classes)
        return SelectionView(
            rule=_rule(selection),
            kept=tally.patches["kept"],
            total=total,
            rejected=tuple(_rejected(tally, reason, total) for reason in REASONS),
            costs=costs,
            lost=tuple(tally.lost_classes(level)),
            valid_known=known,
            hidden=tuple(_phrase(row, overall) for row in costs if row.hidden),
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


def _cost(tally: SelectionTally, c: LandCoverClass, overall: float | None, *, valid_known: bool) -> CostRow:
    kept = int(tally.pixels["kept"][c.id])
    rejected = sum(int(tally.pixels[reason][c.id]) for reason in REASONS)
    valid = share_of(int(tally.valid[c.id]), kept + rejected) if valid_known else None
    return CostRow(c, kept, rejected, share_of(rejected, kept + rejected), valid, _is_hidden(valid, overall))


def _is_hidden(valid: float | None, overall: float | None) -> bool:
    """Whether clearly more of a class lacks data than of all pixels: by 2 points, and by half as much again."""
    if valid is None or overall is None:
        return False
    return overall - valid >= _CLEAR_POINTS and 100 - valid >= _CLEAR_RATIO * (100 - overall)


def _phrase(row: CostRow, overall: float | None) -> str:
    own, all_of_them = (percent(None if share is None else 100 - share) for share in (row.valid, overall))
    return f"{row.land_cover.name} ({own} % of its pixels, against {all_of_them} % of all)"
