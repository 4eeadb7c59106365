"""Whether what is declared contradicts what the product's own metadata say."""

from collections.abc import Iterator

from cerradata.scenes.doctor.case import Case
from cerradata.scenes.doctor.finding import Fault, Finding, Severity
from cerradata.scenes.doctor.reflectance import Verdict


def check_stated(case: Case, offset: Verdict | None) -> list[Finding]:
    """Name declarations that contradict the metadata.

    Args:
        case: Any scene.
        offset: What the pixels say of a Sentinel-2 offset: if they confirm the declared one, the metadata are wrong.
    """
    return [*_offset(case, offset), *_others(case)]


def _offset(case: Case, offset: Verdict | None) -> Iterator[Finding]:
    radiometry, stated = case.radiometry, case.stated
    if radiometry.sensor != "sentinel-2" or not stated.offsets or not case.offset_declared:
        return
    declared = round(radiometry.offset / radiometry.scale)
    if stated.offsets == (declared,) or offset in ("missing", "twice"):
        return
    said = ", ".join(str(value) for value in stated.offsets)
    confirmed = offset == "good"
    remedy = (
        "keep the declaration: the pixels confirm it, the metadata are wrong"
        if confirmed
        else f"declare `offset: {said}`, or leave it out; keep it only if you know that the metadata are wrong"
    )
    yield _finding(case, "offset", str(declared), said, remedy, "note" if confirmed else "fault")


def _others(case: Case) -> Iterator[Finding]:
    radiometry, stated = case.radiometry, case.stated
    for name in ("product_level", "orbit_pass", "relative_orbit"):
        declared, said = getattr(radiometry, name), getattr(stated, name)
        if declared is not None and said is not None and declared != said:
            yield _finding(case, name, str(declared), str(said), f"declare `{name}: {said}`, or leave it out", "fault")
    if case.scene.date is not None and stated.date is not None and case.scene.date != stated.date:
        yield _finding(
            case,
            "date",
            f"{case.scene.date}",
            f"{stated.date}",
            f"declare `date: {stated.date}`, or leave it out",
            "fault",
        )


def _finding(case: Case, name: str, declared: str, said: str, remedy: str, severity: Severity) -> Finding:
    files = ", ".join(str(path).rsplit("/", 1)[-1] for path in case.stated.files) or "the metadata"
    return Finding(
        Fault.CONTRADICTION, case.name, f"`{name}` is declared {declared}", f"{said}, as {files} say", remedy,
        severity=severity,
    )  # fmt: skip
