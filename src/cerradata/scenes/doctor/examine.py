"""`examine`: every check, in the order in which one fault hides another."""

from collections.abc import Sequence

from cerradata.core.errors import SceneError
from cerradata.scenes.doctor.alignment import check_alignment
from cerradata.scenes.doctor.case import Case, Standard
from cerradata.scenes.doctor.finding import Fault, Finding
from cerradata.scenes.doctor.heights import check_heights
from cerradata.scenes.doctor.order import check_order, check_order_like
from cerradata.scenes.doctor.pixels import check_pixels
from cerradata.scenes.doctor.place import check_grid, check_places
from cerradata.scenes.doctor.radar import check_radar, check_radar_like
from cerradata.scenes.doctor.reflectance import check_offset, check_scale, offset_evidence, verdict_of
from cerradata.scenes.doctor.stated import check_stated


def examine(cases: Sequence[Case], standard: Standard | None = None) -> list[Finding]:
    """Compare scenes with what is physically plausible, with each other, and with a dataset or run.

    Args:
        cases: The scenes.
        standard: A dataset or run, or None.

    Returns:
        What is wrong, scene by scene in the order given, faults before notes.
    """
    readable, findings = _readable(cases)
    good = [case for case in readable if case.scene.sensor == "sentinel-2" and _is_good(case)]
    for case in readable:
        try:
            findings += _one_scene(case, standard, [other for other in good if other is not case])
        except SceneError as error:
            findings.append(unreadable(case.name, error))
    findings += check_places(readable, standard)
    misplaced = {finding.scene for finding in findings if finding.fault in (Fault.WRONG_ZONE, Fault.NO_DATA)}
    try:
        findings += check_alignment([case for case in readable if case.name not in misplaced], standard)
    except SceneError as error:  # a part of a file that no sample touched; the message names the scene
        findings.append(unreadable("comparison of content", error))
    names = {case.name: i for i, case in enumerate(cases)}
    return sorted(_distinct(findings), key=lambda f: (names.get(f.scene, -1), f.severity != "fault"))


def unreadable(name: str, error: Exception) -> Finding:
    """A scene that cannot be opened or read."""
    return Finding(Fault.UNREADABLE, name, str(error), "a scene that can be read", "see the message")


def _readable(cases: Sequence[Case]) -> tuple[list[Case], list[Finding]]:
    readable, findings = [], []
    for case in cases:
        try:
            _ = case.sample  # read once, kept
            readable.append(case)
        except SceneError as error:
            findings.append(unreadable(case.name, error))
    return readable, findings


def _one_scene(case: Case, standard: Standard | None, good: Sequence[Case]) -> list[Finding]:
    findings = check_pixels(case)
    if any(finding.fault == Fault.NO_DATA and finding.band == "all bands" for finding in findings):
        return findings
    match case.scene.sensor:
        case "sentinel-2":
            return [*findings, *check_grid(case), *_optical(case, standard, good, spoilt=bool(findings))]
        case "sentinel-1":
            own = check_radar(case)
            like = check_radar_like(case, standard) if standard is not None and not own else []
            return [*findings, *own, *like, *check_stated(case, None)]
        case "elevation":
            return [*findings, *check_heights(case)]


def _optical(case: Case, standard: Standard | None, good: Sequence[Case], *, spoilt: bool) -> list[Finding]:
    """Scale, then order, then offset: a wrong scale or order would make the next look wrong."""
    scale = check_scale(case)
    if scale:
        return scale
    order = [] if spoilt else check_order(case)
    if not order and not spoilt and standard is not None:
        order = check_order_like(case, standard)
    if order:
        return order
    offset = check_offset(case, standard, good)
    verdict = verdict_of(offset_evidence(case))
    return [*offset, *check_stated(case, verdict)]


def _is_good(case: Case) -> bool:
    return case.offset_declared and verdict_of(offset_evidence(case)) == "good"


def _distinct(findings: Sequence[Finding]) -> list[Finding]:
    """Without a note that says less than a fault of the same name on the same scene."""
    faults = {(finding.fault, finding.scene) for finding in findings if finding.severity == "fault"}
    return [f for f in findings if f.severity == "fault" or (f.fault, f.scene) not in faults]
