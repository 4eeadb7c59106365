"""`Finding`: what is wrong with a scene, why we say so, and what to do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

Severity = Literal["fault", "note"]


class Fault(StrEnum):
    """Names of what can be wrong. The names are part of the command's output: they do not change."""

    OFFSET_MISSING = "offset-missing"
    OFFSET_TWICE = "offset-twice"
    OFFSET_UNDECLARED = "offset-undeclared"
    SCALE_TWICE = "scale-twice"
    SCALE_MISSING = "scale-missing"
    SAR_UNIT = "sar-unit"
    BANDS_PERMUTED = "bands-permuted"
    BAND_DUPLICATED = "band-duplicated"
    BAND_CONSTANT = "band-constant"
    NO_DATA = "no-data"
    WRONG_ZONE = "wrong-zone"
    WRONG_DATUM = "wrong-datum"
    SHIFTED = "shifted"
    HALF_PIXEL = "half-pixel-shift"
    APART = "apart"
    DATUM_UNDECLARED = "vertical-datum-undeclared"
    ELEVATION = "elevation-implausible"
    CONTRADICTION = "contradicts-metadata"
    UNREADABLE = "unreadable"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or that could not be told.

    Attributes:
        fault: What it is.
        scene: Name of the scene.
        found: The evidence: what was found, with its value.
        expected: What was expected instead.
        remedy: What to do.
        band: The band, or the bands, that it is about; "" for the whole scene.
        severity: "fault" where the numbers would be read wrongly, "note" where they are only worth a look.
    """

    fault: Fault
    scene: str
    found: str
    expected: str
    remedy: str
    band: str = ""
    severity: Severity = "fault"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "severity": self.severity,
            "fault": str(self.fault),
            "scene": self.scene,
            "band": self.band,
            "found": self.found,
            "expected": self.expected,
            "remedy": self.remedy,
        }
