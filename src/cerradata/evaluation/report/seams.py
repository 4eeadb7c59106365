"""Seams in the images, and whether anybody would see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from cerradata.core.errors import DatasetError
from cerradata.evaluation.report.layers import SENSORS
from cerradata.evaluation.report.page import listed, quantity
from cerradata.patches.info import DatasetInfo

VISIBLE_REFLECTANCE = 0.01
"""Jump of reflectance from which on an edge is seen in an image stretched for the eye."""
VISIBLE_DECIBELS = 0.5
"""Jump of backscatter from which on an edge is seen through speckle."""
_WORST = 10
_AVERAGING = ("mean", "median")


@dataclass(frozen=True)
class SeamRow:
    """A seam in a table.

    Attributes:
        scenes: The two scenes that meet.
        layer: The sensor, for people.
        days: Days between them; None where a date is not known.
        pixels: Pixel pairs along the seam.
        jump: Largest jump that is more than chance, with its unit.
        band: Its band.
        visible: Whether the jump can be seen.
    """

    scenes: tuple[str, str]
    layer: str
    days: int | None
    pixels: int
    jump: str
    band: str
    visible: bool


@dataclass(frozen=True)
class SeamsView:
    """The seams on a page.

    Attributes:
        verdict: Whether seams are visible, in words.
        tone: Kind of notice that the verdict is: "good", "warning" or "note".
        sentences: What was measured, and what could not be.
        rows: The worst seams of those that are more than chance.
        others: Further seams that are more than chance.
    """

    verdict: str
    tone: str
    sentences: tuple[str, ...]
    rows: tuple[SeamRow, ...]
    others: int


def describe_seams(info: DatasetInfo) -> SeamsView | None:
    """The seams that a build measured; None where nothing is known of them (a copy, an older build).

    Raises:
        DatasetError: If `provenance` of `dataset.json` is not what this release writes.
    """
    if "seams" not in info.provenance:
        return None
    try:
        found = info.provenance["seams"]
        dates = {scene["name"]: scene.get("date") for scene in info.provenance.get("scenes", [])}
        # A jump counts in units of what can be seen, so that decibels and reflectance are comparable.
        beyond = sorted((seam for seam in found if seam["significant"]), key=lambda seam: -_largest(info, seam)[1])
        rows = [_row(info, seam, dates) for seam in beyond]
        verdict, tone = _verdict(len(found), rows)
        return SeamsView(verdict, tone, tuple(_sentences(info, found, rows)), tuple(rows[:_WORST]), len(rows[_WORST:]))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DatasetError(
            f"`provenance.seams` in dataset.json is not what this release writes ({error!r}): build the dataset again."
        ) from error


def _decibels(info: DatasetInfo, layer: str) -> bool:
    return info.layers[layer].radiometry.sensor == "sentinel-1"


def _largest(info: DatasetInfo, seam: Mapping[str, Any]) -> tuple[str, float]:
    """Band of the largest jump that is more than chance, and this jump over what can be seen."""
    band = max(seam["significant"], key=lambda name: abs(seam["jump"][name]))
    least = VISIBLE_DECIBELS if _decibels(info, seam["layer"]) else VISIBLE_REFLECTANCE
    return band, abs(seam["jump"][band]) / least


def _row(info: DatasetInfo, seam: Mapping[str, Any], dates: Mapping[str, str | None]) -> SeamRow:
    first, second = seam["scenes"]
    band, visibility = _largest(info, seam)
    jump = seam["jump"][band]
    return SeamRow(
        scenes=(first, second),
        layer=SENSORS[info.layers[seam["layer"]].radiometry.sensor],
        days=_days(dates.get(first), dates.get(second)),
        pixels=seam["pixels"],
        jump=f"{jump:+.2f} dB" if _decibels(info, seam["layer"]) else f"{jump:+.4f}",
        band=band,
        visible=visibility >= 1,
    )


def _days(first: str | None, second: str | None) -> int | None:
    if first is None or second is None:
        return None
    return abs((date.fromisoformat(second) - date.fromisoformat(first)).days)


def _verdict(found: int, rows: Sequence[SeamRow]) -> tuple[str, str]:
    visible = sum(row.visible for row in rows)
    if visible:
        those = "A seam is" if visible == 1 else f"{visible:,} seams are"
        return f"{those} likely to be visible, of {quantity(found, 'pair')} of scenes that meet.", "warning"
    if rows:
        jump = "1 seam jumps" if len(rows) == 1 else f"{len(rows):,} seams jump"
        return (
            f"No seam is visible: {jump} by more than chance, but by less than the eye sees "
            f"(about {VISIBLE_REFLECTANCE:g} reflectance or {VISIBLE_DECIBELS:g} dB).",
            "good",
        )
    if found:
        return "No seam is visible: where two scenes meet, the values do not jump by more than chance.", "good"
    return "There are no seams: nowhere do pixels of one scene lie beside those of another.", "note"


def _sentences(info: DatasetInfo, found: Sequence[Mapping[str, Any]], rows: Sequence[SeamRow]) -> list[str]:
    sentences = []
    if found:
        pairs = "One pair of scenes meets" if len(found) == 1 else f"{len(found):,} pairs of scenes meet"
        sentences.append(
            f"{pairs} somewhere, at the edge of a scene or of a hole that a cloud left. The mean difference of the "
            "values across the seam is its jump. What changed on the ground between two dates is part of it, as is thin "
            "cloud beside a mask."
        )
        chance = len(found) - len(rows)
        if rows and chance:
            those = "1 seam is" if chance == 1 else f"{chance:,} seams are"
            sentences.append(f"{those} too short, or the jump too small, to be told from the texture of the ground.")
    stacks = info.provenance.get("stacks", {})
    averaged = [name for name, stack in stacks.items() if stack.get("composite", {}).get("method") in _AVERAGING]
    if averaged:
        sentences.append(
            f"{listed(averaged)} {'is' if len(averaged) == 1 else 'are'} averaged over several scenes, so no scene takes over "
            "from another there. A step where a scene of the average ends is not measured."
        )
    return sentences
