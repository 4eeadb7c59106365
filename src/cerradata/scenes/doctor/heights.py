"""Heights: their vertical datum, and whether they can be heights."""

import numpy as np

from cerradata.scenes.doctor.case import Case
from cerradata.scenes.doctor.finding import Fault, Finding

_LOWEST, _HIGHEST = -450.0, 8900.0
"""Metres: the shore of the Dead Sea and Mount Everest, with room for the geoid."""


def check_heights(case: Case) -> list[Finding]:
    """Name heights without a vertical datum, and numbers that are no heights in metres.

    Args:
        case: An elevation scene.
    """
    findings = []
    if case.radiometry.vertical_datum is None:
        findings.append(
            Finding(
                Fault.DATUM_UNDECLARED,
                case.name,
                "no vertical datum is declared",
                "what the heights are above: a geoid (EGM2008, EGM96) or an ellipsoid; they differ by up to 100 m",
                "declare `vertical_datum`: Copernicus DEM and most others are above EGM2008, SRTM above EGM96",
                band="elevation",
            )
        )
    heights = case.sample.values.ravel()
    outside = heights[(heights < _LOWEST) | (heights > _HIGHEST)]
    if outside.size:
        values, counts = np.unique(outside, return_counts=True)
        usual = float(values[counts.argmax()])
        filled = counts.max() > outside.size / 2 and counts.max() > 1
        remedy = f"declare `nodata: {usual:g}`" if filled else "convert the numbers to metres"
        findings.append(
            Finding(
                Fault.ELEVATION,
                case.name,
                f"{outside.size / heights.size:.1%} of the heights are impossible, most often {usual:g} m",
                f"{_LOWEST:g} to {_HIGHEST:g} m",
                remedy,
                band="elevation",
            )
        )
    return findings
