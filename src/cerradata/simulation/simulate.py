"""`simulate_area`: a simulated area as scene files, a reference map, its truth, a catalogue and a build configuration."""

import datetime as dt
import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from cerradata import __version__
from cerradata.core.errors import ConfigError, OutputError
from cerradata.core.files import claim_folder, write_json, write_text
from cerradata.core.journal import Journal
from cerradata.core.processes import end_with_parent
from cerradata.core.progress import track
from cerradata.simulation.area import Area
from cerradata.simulation.catalog import SceneFiles, write_catalog, write_item
from cerradata.simulation.configuration import write_configurations
from cerradata.simulation.elevation import write_elevation
from cerradata.simulation.parameters import Parameters
from cerradata.simulation.reference import write_matrix, write_reference, write_truth
from cerradata.simulation.safe import write_safe
from cerradata.simulation.sentinel1 import SarUnits, swaths_of, write_swath
from cerradata.simulation.sentinel2 import military_square, scene_order, tiles_of, write_tile
from cerradata.simulation.world import World, simulate_world

SUMMARY = "simulation.json"
_JOURNAL = "simulation-journal.jsonl"


@dataclass(frozen=True)
class SimulationConfig:
    """What to simulate.

    Attributes:
        area: Size in kilometres, west to east by south to north.
        seed: Decides the landscape, the weather and the noise: the same seed gives the same pixels.
        world: 0 for the parameters as they stand; another number perturbs them within their stated ranges.
        sar_units: What the numbers of the Sentinel-1 scenes are.
    """

    area: str = "50x25"
    seed: int = 1
    world: int = 0
    sar_units: SarUnits = "amplitude"

    def __post_init__(self) -> None:
        """Raise `ConfigError` for an area or a seed that is none."""
        Area.parse(self.area)
        if self.seed < 0:
            raise ConfigError(f"The seed is {self.seed}: give 0 or a positive number.")


@dataclass(frozen=True)
class Simulation:
    """What was written.

    Attributes:
        root: The folder.
        scenes: The scenes, as they are in the catalogue.
        summary: What `simulation.json` says: label, area, frequencies, agreement of the reference with the truth.
    """

    root: Path
    scenes: tuple[SceneFiles, ...]
    summary: Mapping[str, Any]


def simulate_area(
    config: SimulationConfig, root: Path, *, workers: int = 2, overwrite: bool = False, quiet: bool = False
) -> Simulation:
    """Simulate an area and write it. One that was interrupted goes on where it was when it is called again.

    Args:
        config: What to simulate.
        root: The folder.
        workers: Processes. Each holds a strip of a tile and the numbers of its six dates, about 0.6 GB.
        overwrite: Replace the simulation that is there.
        quiet: Show no progress.

    Raises:
        CerradataError: If the configuration is wrong, or the folder holds something else or cannot be written.
    """
    parameters = Parameters.load(config.world)
    journal = _claim(root, config, parameters, overwrite=overwrite)
    done = {entry["task"]: entry for entry in journal.entries() if "task" in entry}
    with threadpool_limits(1):  # the sums of matrix products must not depend on the number of threads
        world = simulate_world(Area.parse(config.area), parameters, config.seed)
    tasks = [task for task in _tasks(world) if task not in done]
    work = _run(tasks, world, config, root, workers)
    for task, outcome in track(work, what="Simulating", total=len(tasks), quiet=quiet):
        done[task] = {"task": task, **outcome}
        journal.append(done[task])
    scenes = [_scene_from(plain, root) for task in _tasks(world) for plain in done[task].get("scenes", [])]
    simulation = _finish(world, config, root, scenes, done)
    journal.path.unlink(missing_ok=True)
    return simulation


def _claim(root: Path, config: SimulationConfig, parameters: Parameters, *, overwrite: bool) -> Journal:
    journal = Journal(root / _JOURNAL)
    fingerprint = hashlib.sha256(
        json.dumps([asdict(config), parameters.digest, __version__], sort_keys=True).encode()
    ).hexdigest()
    if journal.path.exists() and not overwrite:
        if next(journal.entries(), {}).get("configuration") != fingerprint:
            raise OutputError(
                f"{root} holds an unfinished simulation of another area, seed, world or release: choose another --out, or "
                "give --overwrite."
            )
        return journal
    claim_folder(root, markers=(SUMMARY, _JOURNAL), overwrite=overwrite, what="simulation")
    journal.append({"configuration": fingerprint})
    return journal


def _tasks(world: World) -> list[str]:
    """Names of the pieces of work, the long ones first."""
    tiles = [f"sentinel-2 {i}" for i in range(len(tiles_of(world.area)))]
    swaths = [f"sentinel-1 {i}" for i in range(len(swaths_of(world)))]
    return ["reference", "truth", *tiles, *swaths, "elevation"]


def _run(
    tasks: Sequence[str], world: World, config: SimulationConfig, root: Path, workers: int
) -> Iterator[tuple[str, dict[str, Any]]]:
    if workers <= 1 or len(tasks) <= 1:
        with threadpool_limits(1):
            for task in tasks:
                yield task, _do(world, task, root, config)
        return
    # spawned, not forked: GDAL and BLAS have threads of their own
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_prepare, initargs=(world, config, root)) as pool:
        pending: dict[Future[dict[str, Any]], str] = {pool.submit(_do_here, task): task for task in tasks}
        try:
            for future in as_completed(pending):
                yield pending[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_here: list[tuple[World, SimulationConfig, Path]] = []
"""What a worker process works on."""


def _prepare(world: World, config: SimulationConfig, root: Path) -> None:
    threadpool_limits(1)
    _here[:] = [(world, config, root)]
    end_with_parent()


def _do_here(task: str) -> dict[str, Any]:
    world, config, root = _here[0]
    return _do(world, task, root, config)


def _do(world: World, task: str, root: Path, config: SimulationConfig) -> dict[str, Any]:
    """Do a piece of work: a function of the world and the task alone, so the number of workers changes no pixel."""
    kind, _, number = task.partition(" ")
    match kind:
        case "sentinel-2":
            scenes = write_tile(world, tiles_of(world.area)[int(number)], _folder(root, kind))
        case "sentinel-1":
            scenes = [write_swath(world, swaths_of(world)[int(number)], _folder(root, kind), config.sar_units)]
        case "elevation":
            scenes = [write_elevation(world, _folder(root, kind))]
        case "truth":
            return {"pixels": write_truth(world, _folder(root, kind))[1].tolist()}
        case "reference":
            matrix = write_reference(world, _folder(root, kind))[1]
            write_matrix(root / kind / "confusion.csv", matrix)
            return {"confusion": matrix.tolist()}
        case _:
            raise ConfigError(f"There is no piece of work {task!r}.")
    for scene in scenes:
        write_item(scene)  # now, not only with the catalogue: a scene is whole without it
    return {"scenes": [_scene_to(scene, root) for scene in scenes]}


def _folder(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir(exist_ok=True)
    return folder


def _scene_to(scene: SceneFiles, root: Path) -> dict[str, Any]:
    return {
        **{name: getattr(scene, name) for name in ("id", "sensor", "unit", "simulated", "scale", "offset")},
        "nodata": "nan" if scene.nodata is not None and np.isnan(scene.nodata) else scene.nodata,
        "properties": dict(scene.properties),
        "folder": str(scene.folder.relative_to(root)),
        "files": {band: str(path.relative_to(root)) for band, path in scene.files.items()},
        "datetime": scene.datetime.isoformat(),
    }


def _scene_from(plain: Mapping[str, Any], root: Path) -> SceneFiles:
    return SceneFiles(
        **{
            **plain,
            "nodata": None if plain["nodata"] is None else float(plain["nodata"]),
            "folder": root / plain["folder"],
            "files": {band: root / path for band, path in plain["files"].items()},
            "datetime": dt.datetime.fromisoformat(plain["datetime"]),
        }
    )


def _finish(
    world: World, config: SimulationConfig, root: Path, scenes: Sequence[SceneFiles], done: Mapping[str, Any]
) -> Simulation:
    """Write what is about the whole: SAFE product, catalogue, configurations, parameters, and at last the summary."""
    optical = scene_order([scene for scene in scenes if scene.sensor == "sentinel-2"])
    chosen = next((scene for scene in optical if scene.offset), optical[0])
    safe = write_safe(root / "sentinel-2", chosen, tile=military_square(chosen))
    title = f"Simulated Bico do Papagaio, {config.area} km"
    write_catalog(
        root, scenes, title=title, simulated=world.label,
        description=f"Simulated scenes, not observations of a real place ({world.label}).",
    )  # fmt: skip
    write_configurations(root, world.area, scenes, name=f"{title} (seed {config.seed}, world {config.world})")
    write_text(
        root / "parameters.yaml", (files("cerradata.simulation") / "parameters.yaml").read_text(encoding="utf-8")
    )
    matrix = np.asarray(done["reference"]["confusion"], np.int64)
    pixels = np.asarray(done["truth"]["pixels"], np.int64)
    summary = {
        "simulated": world.label,
        "software": f"cerradata {__version__}",
        **asdict(config),
        "parameters_sha256": world.parameters.digest,
        "truth_pixels": pixels.tolist(),
        "reference_confusion": matrix.tolist(),
        "reference_agreement_percent": round(100 * float(np.trace(matrix) / matrix.sum()), 3),
        "safe": safe.name,
        "scenes": len(scenes),
    }
    write_json(root / SUMMARY, summary)
    return Simulation(root, tuple(scenes), summary)
