"""`Problem`: one thing that is wrong with a dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "missing",
    "extra",
    "unpaired",
    "corrupt",
    "wrong size",
    "wrong type",
    "wrong value",
    "changed",
    "name",
    "dataset",
    "statistics",
    "split",
    "leftover",
]

_EXAMPLES = 5


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: What kind of wrong.
        message: Which file or patch, and what is wrong with it.
        patch_id: The patch, where it is one.
    """

    kind: Kind
    message: str
    patch_id: int | None = None

    def to_dict(self) -> dict[str, str | int | None]:
        """Plain values for JSON."""
        return {"kind": self.kind, "patch_id": self.patch_id, "message": self.message}


def of_patches(kind: Kind, ids: Sequence[int], what: str) -> list[Problem]:
    """One problem that patches share, however many they are; none if there are none.

    Args:
        kind: What kind of wrong.
        ids: The patches.
        what: What is wrong with them; ": patch 7" or ": 3 patches (7, 8, 9)" follows.
    """
    if not ids:
        return []
    if len(ids) == 1:
        return [Problem(kind, f"{what}: patch {ids[0]}", ids[0])]
    some = ", ".join(str(i) for i in ids[:_EXAMPLES])
    return [Problem(kind, f"{what}: {len(ids):,} patches ({some}{', ...' if len(ids) > _EXAMPLES else ''})")]
