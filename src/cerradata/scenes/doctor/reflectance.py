"""Scale and offset of Sentinel-2: what dark pixels, vegetation and water say of them, whatever the metadata say.

All that selects pixels here is a difference of bands, which an offset that is wrong in all bands leaves as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cerradata.core.types import BoolArray, FloatArray
from cerradata.scenes.doctor.case import Case, Standard
from cerradata.scenes.doctor.finding import Fault, Finding
from cerradata.scenes.doctor.order import levels_of

Verdict = Literal["good", "missing", "twice"]

STEP = 0.1
"""Reflectance of the offset: 1000 of 10000."""

_PIXELS = 50
_SHARE = 0.005
_MOST_CLOUDS = 0.85
"""Share of masked ground above which what is left lies under haze, which is as bright as an offset that is missing."""


@dataclass(frozen=True)
class Evidence:
    """What one kind of pixel says of the offset.

    Attributes:
        what: Kind of pixels, and what was measured.
        value: Reflectance found.
        low: Least that is plausible.
        high: Most that is plausible.
    """

    what: str
    value: float
    low: float
    high: float

    @property
    def verdict(self) -> Verdict:
        """What follows."""
        return "missing" if self.value > self.high else "twice" if self.value < self.low else "good"

    def __str__(self) -> str:
        """What was measured, with its value."""
        return f"{self.what} is {self.value:.3f}"


def check_scale(case: Case) -> list[Finding]:
    """Name a factor of 10,000 that is applied to reflectance, or not applied to digital numbers.

    Args:
        case: A Sentinel-2 scene.
    """
    numbers = [case.sample.numbers[band] for band in case.sample.with_data]
    every = np.concatenate(numbers) if numbers else np.empty(0)
    if every.size < _PIXELS:
        return []
    middle, high = (float(q) for q in np.quantile(every, (0.5, 0.99)))
    scale = case.radiometry.scale
    if high <= 2.5 and scale < 0.01:
        return [
            Finding(
                Fault.SCALE_TWICE,
                case.name,
                f"half of the numbers are below {middle:.4g} and 99 % below {high:.4g}, read as digital numbers (scale "
                f"{scale:g}): they are reflectance already",
                "digital numbers of hundreds or thousands",
                "multiply the numbers by 10000 and store them as uint16, 0 = no data, with `offset: 0`",
            )
        ]
    if middle * scale > 10:
        return [
            Finding(
                Fault.SCALE_MISSING,
                case.name,
                f"half of the numbers are above {middle:.4g}, read with a scale of {scale:g}: a reflectance of "
                f"{middle * scale:.4g}",
                "a scale of 0.0001 for digital numbers",
                "correct the scale in the product's metadata: 0.0001",
            )
        ]
    return []


def offset_evidence(case: Case) -> list[Evidence]:
    """What the pixels of a Sentinel-2 scene say of its offset; nothing where none of them can tell."""
    sample = case.sample
    have = {band: sample.of(band) for band in sample.with_data}
    if not _shows_ground(case):
        return []
    return [
        *_vegetation(have),
        *(_blue(have) if case.is_surface else ()),
        *_water(have),
        *_cirrus(have),
        *_negative(have),
    ]


def _vegetation(have: dict[str, FloatArray]) -> list[Evidence]:
    infrared = have.get("B08", have.get("B8A"))
    if infrared is None or not {"B03", "B04"} <= set(have):
        return []
    green, red = have["B03"], have["B04"]
    # chlorophyll absorbs red: 0.02 to 0.06 at the surface, 0.04 to 0.08 at the top of the atmosphere
    return _low("red of green vegetation", red[(infrared - red > 0.2) & (green > red)], red.size, (-0.025, 0.1))


def _blue(have: dict[str, FloatArray]) -> list[Evidence]:
    infrared = have.get("B08", have.get("B8A"))
    if infrared is None or not {"B02", "B04"} <= set(have):
        return []
    blue, red = have["B02"], have["B04"]
    # dry savanna has 0.04 to 0.07 at the surface; at the top of the atmosphere the air adds as much as an offset
    return _low("blue of land with some vegetation", blue[infrared - red > 0.12], blue.size, (-0.025, 0.1))


def _low(what: str, values: FloatArray, of: int, allowed: tuple[float, float]) -> list[Evidence]:
    """The lower quarter, which haze touches least; nothing where there are few pixels or an offset does not explain it."""
    if values.size < max(_PIXELS, _SHARE * of):
        return []
    low, high = allowed
    value = float(np.quantile(values, 0.25))
    if not low - STEP < value < high + STEP:
        return []
    return [Evidence(f"the lower quartile of {what}", value, low, high)]


def _water(have: dict[str, FloatArray]) -> list[Evidence]:
    if not {"B03", "B8A", "B11", "B12"} <= set(have):
        return []
    green, infrared, first, second = (have[band] for band in ("B03", "B8A", "B11", "B12"))
    flat = (np.abs(first - second) < 0.015) & (np.abs(infrared - first) < 0.03)
    chosen = flat & (green - second > 0.015) & (green - second < 0.15)
    if not _enough(chosen):
        return []
    return [Evidence("the median short-wave infrared (B12) of water", float(np.median(second[chosen])), -0.04, 0.07)]


def _cirrus(have: dict[str, FloatArray]) -> list[Evidence]:
    if "B10" not in have:
        return []
    # water vapour absorbs all of B10 below the clouds; a high cloud may raise it, so the low quantile tells
    return [Evidence("the 5 % quantile of the cirrus band (B10)", float(np.quantile(have["B10"], 0.05)), -0.03, 0.08)]


def _negative(have: dict[str, FloatArray]) -> list[Evidence]:
    dark = [have[band] for band in ("B02", "B03", "B04", "B11", "B12") if band in have]
    if not dark:
        return []
    value = float(np.quantile(np.min(dark, axis=0), 0.05))
    # only that it is too low tells: a bright scene has no dark pixel
    return [Evidence("the 5 % quantile of the darkest band", value, -0.035, np.inf)] if value < -0.035 else []


def _shows_ground(case: Case) -> bool:
    """Whether enough is left beside the clouds."""
    return case.sample.values.shape[1] >= _PIXELS and case.sample.masked <= _MOST_CLOUDS


def _enough(chosen: BoolArray) -> bool:
    return bool(chosen.sum() >= max(_PIXELS, _SHARE * chosen.size))


def verdict_of(evidence: Sequence[Evidence]) -> Verdict | None:
    """What most of the evidence says; None where there is none, or it is divided."""
    counts = {verdict: sum(e.verdict == verdict for e in evidence) for verdict in ("good", "missing", "twice")}
    best = max(counts, key=lambda verdict: counts[verdict])
    if counts[best] == 0 or sum(count == counts[best] for count in counts.values()) > 1:
        return None
    return best  # type: ignore[return-value]


def peer_evidence(case: Case, levels: dict[str, FloatArray], name: str) -> list[Evidence]:
    """What a comparison with the quantiles of other scenes or of a dataset says, of the offset that all bands share.

    Args:
        case: A Sentinel-2 scene.
        levels: (3,) reflectance at 5, 50 and 95 % by band.
        name: What they are of.

    Returns:
        Nothing where the bands differ by more than an offset would make them.
    """
    bands = [band for band in case.sample.with_data if band in levels and band != "B10"]
    if len(bands) < 3 or not _shows_ground(case):
        return []
    low = np.array([np.quantile(case.sample.of(band), 0.05) - levels[band][0] for band in bands])
    middle = np.array([np.quantile(case.sample.of(band), 0.5) - levels[band][1] for band in bands])
    both = np.concatenate([low, middle])
    if np.median(np.abs(both - np.median(both))) > 0.03 or np.ptp(low) > 0.08:
        return []
    # half of the way to an offset that is wrong, and half again
    return [Evidence(f"the median difference from {name}", float(np.median(both)), -0.07, 0.07)]


def check_offset(case: Case, standard: Standard | None, good: Sequence[Case]) -> list[Finding]:
    """Name an offset that is missing, applied twice or not declared.

    Args:
        case: A Sentinel-2 scene.
        standard: A dataset or run to compare with, where the scene's own pixels do not tell.
        good: Scenes whose own pixels say that their offset is right; they are compared with if there is no standard.
    """
    evidence = offset_evidence(case)
    if verdict_of(evidence) is None:
        evidence = [*evidence, *_comparison(case, standard, good)]
    verdict = verdict_of(evidence)
    said = "; ".join(str(e) for e in evidence if e.verdict == verdict)
    offset = round(case.radiometry.offset / case.radiometry.scale)
    match verdict:
        case "missing":
            remedy = "declare `offset: -1000`"
            if offset < 0:
                remedy = "take the offset out once more: the numbers carry it twice; fetch the product from its source"
            return [_offset(case, Fault.OFFSET_MISSING, f"{said} ({_source(case, offset)})", evidence, verdict, remedy)]
        case "twice":
            remedy = "declare `offset: 0`: the numbers have the offset taken out already"
            if offset == 0:
                remedy = "add 1000 to the numbers, 0 stays no data: an offset was taken out that was never in them"
            return [_offset(case, Fault.OFFSET_TWICE, f"{said} ({_source(case, offset)})", evidence, verdict, remedy)]
    if case.offset_declared:
        told = verdict == "good" or case.sample.values.shape[1] < _PIXELS  # `check_pixels` says that masks hide all
        return [] if told else [_open_question(case)]
    if verdict is None:
        return [_undeclared(case, "neither dark pixels nor a comparison tell it", "look into MTD_MSIL*.xml")]
    good_said = "; ".join(str(e) for e in evidence if e.verdict == "good")
    return [_undeclared(case, f"{good_said} without any", "declare `offset: 0`")]


def _comparison(case: Case, standard: Standard | None, good: Sequence[Case]) -> list[Evidence]:
    theirs = standard.of_sensor("sentinel-2") if standard is not None else None
    if standard is not None and theirs is not None:
        return peer_evidence(case, levels_of(theirs.quantiles, theirs.scale, theirs.offset), standard.name)
    peers = [other for other in good if other.radiometry.product_level == case.radiometry.product_level]
    found = []
    for peer in peers[:5]:
        levels = {band: np.quantile(peer.sample.of(band), (0.05, 0.5, 0.95)) for band in peer.sample.with_data}
        found += peer_evidence(case, levels, f"scene {peer.name}")
    # all of the peers that are near enough to tell must agree
    return found[:1] if len({e.verdict for e in found}) == 1 else []


def _source(case: Case, offset: int) -> str:
    if not case.offset_declared:
        return "no offset is declared or stated"
    if case.stated.offsets:
        stated = ", ".join(str(value) for value in case.stated.offsets)
        return f"read with the offset {offset}; the product's metadata state {stated}"
    return f"read with the offset {offset}"


def _offset(
    case: Case, fault: Fault, found: str, evidence: Sequence[Evidence], verdict: Verdict, remedy: str
) -> Finding:
    first = next(e for e in evidence if e.verdict == verdict)
    high = "" if np.isinf(first.high) else f" to {first.high:g}"
    return Finding(fault, case.name, found, f"{first.low:g}{high} of reflectance", remedy, band="all bands")


def _undeclared(case: Case, found: str, remedy: str) -> Finding:
    return Finding(
        Fault.OFFSET_UNDECLARED,
        case.name,
        f"no offset is declared, and no metadata state one; {found}",
        "BOA_ADD_OFFSET (L2A) or RADIO_ADD_OFFSET (L1C)",
        remedy,
    )


def _open_question(case: Case) -> Finding:
    return Finding(
        Fault.UNDETERMINED,
        case.name,
        "no vegetation, water or cirrus band to tell the offset from",
        "dark pixels, or a dataset or scene to compare with",
        "the declared offset was taken on trust",
        severity="note",
    )
