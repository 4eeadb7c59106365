"""`build_dataset`: scenes and a reference become a dataset on disk."""

import platform
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.core.journal import Journal
from cerradata.core.progress import track
from cerradata.cube.grid import target_grid
from cerradata.labels import open_reference
from cerradata.legend import Legend, load_legend
from cerradata.patches.block import BlockResult, BuildPlan, build_block
from cerradata.patches.config import BuildConfig
from cerradata.patches.cut import Block, PatchGrid
from cerradata.patches.index import make_index, write_index
from cerradata.patches.info import DatasetInfo, LayerInfo
from cerradata.patches.layout import discover
from cerradata.patches.record import PatchRecord
from cerradata.patches.resume import claim, finished_blocks, layer_folders, to_entry
from cerradata.patches.select import SelectionTally
from cerradata.patches.statistics import Moments
from cerradata.patches.stored import stored_layers
from cerradata.patches.summary import layer_quantiles
from cerradata.scenes import open_scene

LOG_FILE = "build-log.jsonl"


@dataclass(frozen=True)
class BuildOptions:
    """How a build runs, as opposed to what it makes.

    Attributes:
        workers: Threads. Each holds about one block (1,024 x 1,024 pixels of every band) in memory.
        strict: Let the first file that cannot be read end the build.
        overwrite: Replace the dataset that is there.
        quiet: Show no progress.
    """

    workers: int = 2
    strict: bool = False
    overwrite: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class BuildReport:
    """What came of a build.

    Attributes:
        info: The dataset.
        tally: What was kept and rejected, and why.
        errors: What could not be read, one message each.
        resumed: Blocks that an earlier, interrupted run had finished.
        seconds: Wall-clock time of this run.
    """

    info: DatasetInfo
    tally: SelectionTally
    errors: tuple[str, ...]
    resumed: int
    seconds: float


def build_dataset(config: BuildConfig, root: Path, options: BuildOptions | None = None) -> BuildReport:
    """Build a dataset.

    A build that was interrupted goes on where it was when it is called again with the same configuration and folder.

    Args:
        config: What to build.
        root: The dataset's folder.
        options: How to run.

    Returns:
        What came of it. `errors` is not empty where files could not be read: their patches are missing.

    Raises:
        CerradataError: If configuration, scenes or reference are wrong, or the output cannot be written. Nothing that
            was finished is lost.
    """
    options = options or BuildOptions()
    started = time.perf_counter()
    plan = plan_build(config, root)
    journal = claim(plan, overwrite=options.overwrite)
    _make_folders(plan)
    finished = finished_blocks(plan, journal)
    blocks = [block for block in plan.patches.blocks() if block.number not in finished]
    for result in track(_run(plan, blocks, options), what="Cutting patches", total=len(blocks), quiet=options.quiet):
        finished[result.block] = result
        if not result.errors:  # what could not be read is tried again by the next run
            journal.append(to_entry(plan, result))
    results = [finished[number] for number in sorted(finished)]
    info, tally = _finish(plan, results)
    errors = tuple(dict.fromkeys(error for result in results for error in result.errors))
    journal.path.unlink(missing_ok=True)
    seconds = time.perf_counter() - started
    resumed = len(results) - len(blocks)
    _log(root, seconds=seconds, patches=info.patches, resumed=resumed, workers=options.workers, errors=list(errors))
    return BuildReport(info, tally, errors, resumed, seconds)


def plan_build(config: BuildConfig, root: Path) -> BuildPlan:
    """Open scenes and reference and check that they fit together; read no pixel of a scene.

    Raises:
        CerradataError: If something is missing or does not fit.
    """
    legend = load_legend(config.legend)
    _refuse_equal_levels(legend)
    scenes = tuple(open_scene(source) for source in config.scenes)
    grid = target_grid(config.grid, [scene.footprint_grid for scene in scenes])
    patches = PatchGrid(grid, config.patch_size)
    reference = open_reference(config.reference, legend)
    reference.check(grid)
    plan = BuildPlan(config, root, legend, scenes, reference, patches, stored_layers(config, list(scenes)))
    _ = plan.stacks  # now, so that a missing band or overlap is told before anything is written
    return plan


def _run(plan: BuildPlan, blocks: list[Block], options: BuildOptions) -> Iterator[BlockResult]:
    """Results in block order; at most a few blocks ahead of the consumer are in memory."""
    work = partial(build_block, plan, strict=options.strict)
    if options.workers <= 1:
        yield from map(work, blocks)
        return
    with ThreadPoolExecutor(options.workers) as pool:
        try:
            yield from pool.map(work, blocks)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _finish(plan: BuildPlan, results: list[BlockResult]) -> tuple[DatasetInfo, SelectionTally]:
    """Write index and `dataset.json`, in this order: `dataset.json` says that the dataset is whole."""
    records = [record for result in results for record in result.records]
    tally = sum((result.tally for result in results), SelectionTally.empty(len(plan.legend.finest)))
    if not records:
        raise DatasetError(_nothing_kept(plan, tally, results))
    write_index(plan.root, make_index(records, plan.config.patch_size))
    info = _info(plan, results, records, tally)
    info.write(plan.root)
    return info, tally


def _info(
    plan: BuildPlan, results: list[BlockResult], records: list[PatchRecord], tally: SelectionTally
) -> DatasetInfo:
    layout = discover(plan.root, plan.config.folders)
    ids = sorted(record.id for record in records)
    layers = {}
    for name, layer in plan.layers.items():
        bands = layer.radiometry.bands
        moments = sum((result.moments[name] for result in results), Moments.empty(len(bands)))
        quantiles = layer_quantiles(layout, name, bands, ids, layer.radiometry.nodata)
        layers[name] = LayerInfo(
            layer.folder, layer.dtype, layer.radiometry.with_quantiles(quantiles), moments.statistics(bands)
        )
    grid = plan.patches.grid
    return DatasetInfo(
        name=plan.config.name,
        legend=plan.legend,
        patch_size=plan.config.patch_size,
        patches=len(records),
        layers=layers,
        labels=tuple(level.number for level in plan.legend.levels),
        edge_width=plan.config.edge_width,
        grid={
            "crs": str(grid.crs),
            "transform": list(grid.transform)[:6],
            "rows": plan.patches.rows,
            "columns": plan.patches.columns,
        },
        selection={**asdict(plan.config.selection), **tally.to_dict()},
        provenance=_provenance(plan),
        attribution=plan.config.attribution,
    )


def _provenance(plan: BuildPlan) -> dict[str, Any]:
    reference = plan.config.reference
    sources = [*(scene.simulated for scene in plan.scenes), plan.reference.simulated]
    return {
        "simulated": sorted({text for text in sources if text is not None}),
        "scenes": [
            {
                "name": scene.name,
                "sensor": scene.sensor,
                "date": None if scene.date is None else str(scene.date),
                "radiometry": scene.radiometry.to_dict(),
            }
            for scene in plan.scenes
        ],
        "reference": {
            "name": reference.location.name,
            "codes": reference.codes,
            "attribute": reference.attribute,
            "precedence": list(reference.precedence),
            "date": None if reference.date is None else str(reference.date),
            "licence": reference.licence,
        },
        "time_windows": {name: list(span) for name, span in plan.config.time_windows.items()},
        "resampling": {"msi": plan.config.msi.resampling, "sar": plan.config.sar.resampling},
    }


def _make_folders(plan: BuildPlan) -> None:
    for folder in layer_folders(plan).values():
        folder.mkdir(exist_ok=True)


def _refuse_equal_levels(legend: Legend) -> None:
    sizes = [len(level) for level in legend.levels]
    if len(set(sizes)) != len(sizes):
        raise ConfigError(
            f"Legend {legend.name!r} has two levels with the same number of classes ({sizes}): their folders, named by "
            "it (semantic_7c), would be the same. Leave one of the levels out."
        )


def _nothing_kept(plan: BuildPlan, tally: SelectionTally, results: list[BlockResult]) -> str:
    reasons = ", ".join(f"{reason}: {count}" for reason, count in tally.patches.items() if count)
    errors = [error for result in results for error in result.errors]
    rule = plan.config.selection
    return (
        f"Not one patch was kept ({reasons}). The rule allows {rule.max_unlabelled:.0%} unlabelled and "
        f"{rule.max_invalid:.0%} invalid pixels: raise `selection.max_unlabelled` or `selection.max_invalid`, or check the "
        f"scenes and the reference.{' First error: ' + errors[0] if errors else ''}"
    )


def _log(root: Path, **facts: Any) -> None:  # noqa: ANN401 - any JSON values
    machine = {"machine": platform.machine(), "python": platform.python_version(), "numpy": np.__version__}
    Journal(root / LOG_FILE).append({"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **facts, **machine})
