"""Whether the content of scenes lies where their grids say: datum, half a pixel, or any other shift."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from cerradata.core.types import FloatArray
from cerradata.scenes.doctor.case import Case, Standard
from cerradata.scenes.doctor.finding import Fault, Finding
from cerradata.scenes.doctor.place import is_half_off
from cerradata.scenes.doctor.window import content_on
from cerradata.scenes.scene import Scene
from cerradata.scenes.shift import estimate_shift

_PARTNERS = 2
_SIDE = 128
_LEAST_SIDE = 64
_ACROSS = 4
_MAX_SHIFT = 8.0
"""Pixels: the datum of SAD69 shifts by 5 pixels of 10 m along one axis and 4 along the other."""
_FEWEST = 2
_SPREAD = 0.35
_SAME_SENSOR, _OTHER_SENSOR = 0.8, 2.0
"""Pixels of 10 m. Sentinel-2 of before 2021 lies within 0.5 pixels of another date (95 %: ESA, Sentinel-2 L1C Data Quality
Report), radar that was not terrain-corrected within about 2."""
_HALF = (0.38, 0.62)
_DATUM_METRES = {True: 12.0, False: 20.0}
"""By whether both scenes are of one sensor."""
_OLD_DATUMS = {"SAD69": 29_170}
"""EPSG code of zone 0 S; those of the zones of Brazil follow."""
_NEW_DATUMS = (32_700, 31_960)
"""Likewise, of WGS 84 and SIRGAS 2000, which are within centimetres of each other."""
_BRAZIL = range(18, 26)


@dataclass(frozen=True)
class Displacement:
    """How far the content of a scene lies from that of another one.

    Attributes:
        east: Metres.
        north: Metres.
        pixel: Size of a pixel of the measurement, in metres.
        windows: Windows that determine it.
        partner: What it was measured against.
        same_sensor: Whether both are of one sensor.
    """

    east: float
    north: float
    pixel: float
    windows: int
    partner: str
    same_sensor: bool

    @property
    def pixels(self) -> float:
        """The longer of the two components, in pixels."""
        return max(abs(self.east), abs(self.north)) / self.pixel

    @property
    def is_large(self) -> bool:
        """Whether it is more than scenes of these sensors lie apart by themselves."""
        return self.is_half or self.pixels > (_SAME_SENSOR if self.same_sensor else _OTHER_SENSOR)

    @property
    def is_half(self) -> bool:
        """Whether it is half a pixel along both axes."""
        parts = (abs(self.east) / self.pixel, abs(self.north) / self.pixel)
        return self.same_sensor and all(_HALF[0] <= part <= _HALF[1] for part in parts)

    def agrees(self, other: "Displacement") -> bool:
        """Whether two displacements are one."""
        return max(abs(self.east - other.east), abs(self.north - other.north)) < 0.5 * self.pixel

    def turned(self, partner: str) -> "Displacement":
        """The displacement of the partner against the scene."""
        return Displacement(-self.east, -self.north, self.pixel, self.windows, partner, self.same_sensor)


def check_alignment(cases: Sequence[Case], standard: Standard | None) -> list[Finding]:
    """Name scenes whose content is displaced against that of the others, or of a dataset.

    A scene is named if more than half of those it was compared with agree on where it lies. Of two alone the later one is
    named, unless the corner of its grid tells which is off.

    Args:
        cases: The scenes that lie in the right place otherwise.
        standard: A dataset; its patches are compared with first.
    """
    measured = _measured([case for case in cases if case.scene.sensor != "elevation"], standard)
    findings = []
    for case, found in measured:
        large = [d for d in found if d.is_large]
        if not large:
            continue
        agreed = [d for d in large if sum(d.agrees(other) for other in large) * 2 > len(found)]
        if agreed:
            findings.append(_finding(case, agreed[0], len(agreed), len(found)))
    return findings


def _measured(cases: list[Case], standard: Standard | None) -> list[tuple[Case, list[Displacement]]]:
    found: dict[str, list[Displacement]] = {case.name: [] for case in cases}
    alone: set[tuple[str, str]] = set()
    for case in cases:
        like = _against_patches(case, standard.patches, standard.name) if standard is not None else None
        if like is not None:
            found[case.name] = [like]
    by_patches = {name for name, own in found.items() if own}
    for one, other in _pairs(cases):
        if {one.name, other.name} & by_patches:
            continue
        displacement = displacement_between(one.scene, other.scene)
        if displacement is not None:
            found[other.name].append(displacement)
            found[one.name].append(displacement.turned(other.name))
            alone.add((one.name, other.name))
    _settle_alone(cases, found, alone)
    return [(case, found[case.name]) for case in cases]


def _settle_alone(cases: list[Case], found: dict[str, list[Displacement]], pairs: set[tuple[str, str]]) -> None:
    """Of two scenes that were compared with each other only, blame one."""
    scenes = {case.name: case.scene for case in cases}
    for one, other in pairs:
        if len(found[one]) == 1 and len(found[other]) == 1:
            blamed = one if is_half_off(scenes[one].footprint_grid) else other
            found[other if blamed == one else one] = []


def _pairs(cases: list[Case]) -> Iterator[tuple[Case, Case]]:
    """Overlapping scenes; those of one sensor first, and each with few others."""
    partners = {case.name: 0 for case in cases}
    same = [(a, b) for a, b in combinations(cases, 2) if a.scene.sensor == b.scene.sensor]
    mixed = [(a, b) for a, b in combinations(cases, 2) if a.scene.sensor != b.scene.sensor]
    for pairs, most in ((same, _PARTNERS), (mixed, 1)):
        for one, other in pairs:
            if min(partners[one.name], partners[other.name]) < most and _overlap(one.scene, other.scene):
                partners[one.name] += 1
                partners[other.name] += 1
                yield one, other


def _overlap(one: Scene, other: Scene) -> bool:
    ours, theirs = (scene.footprint_grid.geographic_extent.geom for scene in (one, other))
    return bool(ours.intersection(theirs).area > 0.05 * min(ours.area, theirs.area))


def displacement_between(fixed: Scene, moving: Scene) -> Displacement | None:
    """How far the content of a scene lies from that of another; None where it cannot be determined.

    Args:
        fixed: The scene that it is measured against.
        moving: The scene.

    Raises:
        SceneError: If a file cannot be read.
    """
    if fixed.sensor == "sentinel-1" and moving.sensor != "sentinel-1":  # the one with less noise is the template
        found = displacement_between(moving, fixed)
        return None if found is None else found.turned(fixed.name)
    grid = fixed.bands[comparable_bands(fixed)[0]].grid
    windows = [grid[rows, columns] for rows, columns in _common(grid, moving)]
    return _displacement(windows, fixed, moving, fixed.name)


def _against_patches(case: Case, patches: Sequence[Scene], name: str) -> Displacement | None:
    own = [patch for patch in patches if patch.sensor == case.scene.sensor] or list(patches)
    area = case.scene.footprint_grid.geographic_extent.geom
    near = [patch for patch in own if patch.footprint_grid.geographic_extent.geom.intersects(area)]
    shifts = [shift for patch in near if (shift := _shift(patch.footprint_grid, patch, case.scene)) is not None]
    if not near:
        return None
    return _agreed(shifts, near[0].footprint_grid, name, same_sensor=near[0].sensor == case.scene.sensor)


def _common(grid: GeoBox, other: Scene) -> list[tuple[slice, slice]]:
    """Windows of a grid that another scene covers."""
    area = grid.extent.intersection(other.footprint_grid.footprint(str(grid.crs))).boundingbox
    left, top = ~grid.transform * (area.left, area.top)
    right, bottom = ~grid.transform * (area.right, area.bottom)
    rows = slice(max(round(top), 0), min(round(bottom), grid.shape[0]))
    columns = slice(max(round(left), 0), min(round(right), grid.shape[1]))
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    if min(shape) < _LEAST_SIDE:
        return []
    side = min(_SIDE, max(_LEAST_SIDE, min(shape) // 2))
    return [
        (slice(r + rows.start, r + rows.start + side), slice(c + columns.start, c + columns.start + side))
        for r in _starts(shape[0], side)
        for c in _starts(shape[1], side)
    ]


def _starts(size: int, side: int) -> list[int]:
    """First pixels of windows from one end to the other, that overlap by half at most."""
    count = min(_ACROSS, max(1, round((size - side) / (side / 2)) + 1))
    return [round(start) for start in np.linspace(0, size - side, count)]


def _displacement(windows: list[GeoBox], fixed: Scene, moving: Scene, name: str) -> Displacement | None:
    shifts = [shift for window in windows if (shift := _shift(window, fixed, moving)) is not None]
    if not windows:
        return None
    return _agreed(shifts, windows[0], name, same_sensor=fixed.sensor == moving.sensor)


def _shift(window: GeoBox, fixed: Scene, moving: Scene) -> tuple[float, float] | None:
    images = [content_on(scene, comparable_bands(scene), window) for scene in (fixed, moving)]
    if images[0] is None or images[1] is None:
        return None
    ours, theirs = images[0], images[1]
    shift = estimate_shift(ours, theirs, max_shift=min(_MAX_SHIFT, min(window.shape) / 4))
    return (shift.rows, shift.columns) if shift.determined else None


def _agreed(shifts: list[tuple[float, float]], grid: GeoBox, name: str, *, same_sensor: bool) -> Displacement | None:
    """The median of the windows, if most lie around it."""
    if len(shifts) < _FEWEST:
        return None
    every: FloatArray = np.array(shifts)
    median = np.median(every, axis=0)
    if np.median(np.abs(every - median), axis=0).max() > _SPREAD:
        return None
    size = abs(float(grid.resolution.x))
    return Displacement(float(median[1]) * size, -float(median[0]) * size, size, len(shifts), name, same_sensor)


def comparable_bands(scene: Scene) -> tuple[str, ...]:
    """The bands whose content is compared: where there is most contrast between fields, at the native resolution."""
    for wanted in (("B04", "B08"), ("VV", "VH")):
        if all(band in scene.bands for band in wanted):
            return wanted
    return (min(scene.bands, key=lambda band: abs(float(scene.bands[band].grid.resolution.x))),)


def _finding(case: Case, found: Displacement, agreeing: int, measured: int) -> Finding:
    evidence = (
        f"the content lies {found.east:+.1f} m east and {found.north:+.1f} m north of that of {found.partner} "
        f"({found.east / found.pixel:+.2f} and {found.north / found.pixel:+.2f} pixels; {found.windows} windows; "
        f"{agreeing} of {measured} comparisons agree)"
    )
    datum = _datum(case.scene, found)
    if datum is not None:
        old, east, north = datum
        return Finding(
            Fault.WRONG_DATUM,
            case.name,
            evidence,
            f"no displacement; between {old} and SIRGAS 2000 or WGS 84 it is {east:+.1f} m east and {north:+.1f} m north",
            f"its coordinates are of another datum than its file says: label it with the right one ({old} or SIRGAS 2000)",
        )
    half = found.is_half
    return Finding(
        Fault.HALF_PIXEL if half else Fault.SHIFTED,
        case.name,
        evidence,
        "less than 0.4 pixels"
        if half
        else f"less than {_SAME_SENSOR if found.same_sensor else _OTHER_SENSOR:g} pixels",
        (
            "a centre was taken for a corner: move the corner of its grid by half a pixel (`gdal_edit.py -a_ullr`)"
            if half
            else "coregister the scene, or fetch a product that is terrain-corrected; check its datum and grid"
        ),
    )


def _datum(scene: Scene, found: Displacement) -> tuple[str, float, float] | None:
    """The old datum whose distance from WGS 84 a displacement is, and that distance; None if it is of none."""
    grid = scene.footprint_grid
    code = grid.crs.epsg if grid.crs is not None else None
    zone = next((code - base for base in _NEW_DATUMS if code is not None and code - base in _BRAZIL), None)
    if zone is None:
        return None
    box = grid.boundingbox
    place = ((box.left + box.right) / 2, (box.bottom + box.top) / 2)
    for name, base in _OLD_DATUMS.items():
        moved = Transformer.from_crs(code, base + zone, always_xy=True).transform(*place)
        east, north = (a - b for a, b in zip(moved, place, strict=True))
        for sign in (1, -1):
            if np.hypot(found.east - sign * east, found.north - sign * north) < _DATUM_METRES[found.same_sensor]:
                return name, sign * east, sign * north
    return None
