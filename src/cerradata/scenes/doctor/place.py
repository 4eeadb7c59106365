"""Where scenes lie: the UTM zone, and the corner of the pixel grid."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from odc.geo.geobox import GeoBox

from cerradata.scenes.doctor.case import Case, Standard
from cerradata.scenes.doctor.finding import Fault, Finding, Severity
from cerradata.scenes.files import place_of
from cerradata.scenes.scene import Scene

_NEAR = 0.25
"""Degrees; scenes nearer than this are of one area."""
_TOUCHING = 0.02
_FAR = 3.0
_ZONE = 6.0
_DATASET = 1000
"""Weight of a patch of a dataset: any one of them outvotes the scenes."""
_OVERLAP = 1.5
"""Degrees that a tile of a zone may reach beyond it."""
_TOLERANCE = 0.05
"""Part of a pixel."""

# T22MGU_20220710T132231_B02.jp2: the tile names the zone
_TILE = re.compile(r"(?:^|_)T(\d\d)[A-Za-z]")


@dataclass(frozen=True)
class _Placed:
    """Footprint of a scene, and a weight: a dataset weighs more than any number of scenes."""

    grid: GeoBox
    weight: int = 1

    @cached_property
    def shape(self) -> Any:  # noqa: ANN401 - a polygon of shapely
        return self.grid.geographic_extent.geom

    def far_from(self, other: "_Placed") -> float:
        return float(self.shape.distance(other.shape))


def check_places(cases: Sequence[Case], standard: Standard | None) -> list[Finding]:
    """Name scenes that lie in the wrong UTM zone, and those far from all the others.

    Args:
        cases: All scenes.
        standard: A dataset; its patches tell where it lies.
    """
    placed = [_Placed(case.scene.footprint_grid) for case in cases]
    fixed = [_Placed(patch.footprint_grid, _DATASET) for patch in (standard.patches[:50] if standard else ())]
    findings: list[Finding] = []
    for i, case in enumerate(cases):
        others = [*placed[:i], *placed[i + 1 :], *fixed]
        found = _zone_by_name(case) or _zone_by_others(case, placed[i], others, last=i == len(cases) - 1)
        findings += found or _apart(case, placed[i], others)
    return findings


def _zone_by_name(case: Case) -> list[Finding]:
    """The tile in the file names against the longitude: a scene that was reprojected lies in its tile all the same."""
    zone = named_zone(case.scene)
    if zone is None:
        return []
    west = _ZONE * zone - 186
    box = case.scene.footprint_grid.geographic_extent.boundingbox
    middle = (box.left + box.right) / 2
    if west - _OVERLAP <= middle <= west + _ZONE + _OVERLAP:
        return []
    right = next((code for code in _other_zones(case) if code % 100 == zone), None)
    return [
        _wrong_zone(
            case,
            f"it lies at {place_of(case.scene.footprint_grid)} ({case.scene.footprint_grid.crs}), but its files are named "
            f"after a tile of zone {zone}",
            f"longitude {west:g} to {west + _ZONE:g}",
            right,
        )
    ]


def named_zone(scene: Scene) -> int | None:
    """The UTM zone of the tile in the names of a Sentinel-2 scene; None if they name none, or several."""
    if scene.sensor != "sentinel-2":
        return None
    names = [scene.name, *(band.location.rsplit("/", 1)[-1] for band in scene.bands.values())]
    zones = {int(match.group(1)) for name in names for match in [_TILE.search(name)] if match}
    return zones.pop() if len(zones) == 1 else None


def _zone_by_others(case: Case, own: _Placed, others: Sequence[_Placed], *, last: bool) -> list[Finding]:
    if not others or named_zone(case.scene) is not None:
        return []
    company = sum(other.weight for other in others if own.far_from(other) < _FAR)
    for code in _other_zones(case):
        moved = _Placed(GeoBox(own.grid.shape, own.grid.transform, f"EPSG:{code}"))
        joined = sum(other.weight for other in others if moved.far_from(other) < _TOUCHING)
        # two scenes alone: either may be wrong, and the later one is named
        if joined > max(company, 1) or (joined == 1 and company == 0 and last):
            unsure = " (or the scene that it would join is)" if joined == 1 else ""
            return [
                _wrong_zone(
                    case,
                    f"it lies at {place_of(own.grid)} ({own.grid.crs}); in EPSG:{code} it would lie among "
                    f"{'others' if joined < _DATASET else 'the patches of the dataset'}{unsure}",
                    f"{place_of(moved.grid)}",
                    code,
                )
            ]
    return []


def _other_zones(case: Case) -> list[int]:
    """EPSG codes of the neighbouring zones and of the other hemisphere; nothing for a CRS that is no UTM zone."""
    crs = case.scene.footprint_grid.crs
    code = crs.epsg if crs is not None else None
    if code is None or code // 100 not in (326, 327) or not 1 <= code % 100 <= 60:
        return []
    base, zone = code // 100 * 100, code % 100
    zones = [base + z for z in (zone - 1, zone + 1, zone - 2, zone + 2) if 1 <= z <= 60]
    return [*zones, (32700 if base == 32600 else 32600) + zone]


def _wrong_zone(case: Case, found: str, expected: str, code: int | None) -> Finding:
    remedy = f"correct the file: `gdal_edit.py -a_srs EPSG:{code}`" if code else "fetch the file again"
    return Finding(Fault.WRONG_ZONE, case.name, found, expected, remedy)


def _apart(case: Case, own: _Placed, others: Sequence[_Placed]) -> list[Finding]:
    """A scene far from others that lie together. It may be meant: a note."""
    together = [o for o in others if any(o is not p and o.far_from(p) < _NEAR for p in others)]
    if len(together) < 3 or min(map(own.far_from, others)) < _FAR:
        return []
    return [
        Finding(
            Fault.APART,
            case.name,
            f"it lies at {place_of(own.grid)}, {min(map(own.far_from, others)):.1f} degrees from the nearest other",
            "scenes of one area",
            "check the coordinate reference system, or leave the scene out",
            severity="note",
        )
    ]


def check_grid(case: Case) -> list[Finding]:
    """Name bands whose pixel grid is off by half a pixel: centres taken for corners.

    Args:
        case: A Sentinel-2 scene. The corners of its products are whole multiples of 20 m.
    """
    grids = {band: file.grid for band, file in case.scene.bands.items()}
    off = [band for band, grid in grids.items() if is_half_off(grid)]
    if off and len(off) < len(grids):
        return [_half(case, ", ".join(off), "fault", grids[off[0]])]
    return [_half(case, "all bands", "note", grids[off[0]])] if off else []


def is_half_off(grid: GeoBox) -> bool:
    """Whether both coordinates of the corner of a grid are half a pixel beside a whole number of pixels."""
    if grid.crs is None or grid.crs.geographic:
        return False
    size = abs(float(grid.resolution.x))
    if size > 20:  # the corners of tiles are no multiples of 60 m
        return False
    return all(abs(value / size % 1 - 0.5) < _TOLERANCE for value in (grid.transform.c, grid.transform.f))


def _half(case: Case, band: str, severity: Severity, grid: GeoBox) -> Finding:
    size = abs(float(grid.resolution.x))
    return Finding(
        Fault.HALF_PIXEL,
        case.name,
        f"the corner of the pixel grid is at ({grid.transform.c:.1f}, {grid.transform.f:.1f}), half a pixel of {size:g} m "
        "beside a whole number of pixels",
        f"a whole multiple of {size:g} m"
        + (", as in the other bands" if severity == "fault" else ", as in the products"),
        f"move the corner by {size / 2:g} m west and north (`gdal_edit.py -a_ullr`): a centre was taken for a corner",
        band=band,
        severity=severity,
    )
