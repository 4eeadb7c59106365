"""`build_dataset`: scenes and a reference become a dataset on disk."""

import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cerradata.core.errors import DatasetError, NoSpaceError
from cerradata.core.files import locked_folder
from cerradata.core.journal import Journal
from cerradata.core.progress import track
from cerradata.cube.stack import stack_to_dict
from cerradata.patches.block import BlockResult
from cerradata.patches.config import BuildConfig
from cerradata.patches.index import make_index, write_index
from cerradata.patches.info import DatasetInfo, LayerInfo
from cerradata.patches.layout import discover
from cerradata.patches.plan import BuildPlan, plan_build, points_of
from cerradata.patches.record import PatchRecord
from cerradata.patches.resume import claim, finished_blocks, space_needed, to_entry
from cerradata.patches.schedule import check_scheduler, run_blocks
from cerradata.patches.seams import SeamTally, seam_report
from cerradata.patches.select import SelectionTally
from cerradata.patches.statistics import Moments
from cerradata.patches.summary import layer_quantiles

LOG_FILE = "build-log.jsonl"


@dataclass(frozen=True)
class BuildOptions:
    """How a build runs, as opposed to what it makes.

    Attributes:
        workers: Processes or threads. Each holds about one block (1,024 x 1,024 pixels of every band) in memory.
        scheduler: "processes", "threads", or the address of a dask scheduler, see `run_blocks`.
        strict: Let the first file that cannot be read end the build.
        overwrite: Replace the dataset that is there.
        quiet: Show no progress.
    """

    workers: int = 2
    scheduler: str = "processes"
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
    check_scheduler(options.scheduler, options.workers)
    started = time.perf_counter()
    plan = plan_build(config, root, strict=options.strict)
    with locked_folder(root, what="dataset"):
        journal = claim(plan, overwrite=options.overwrite)
        finished = finished_blocks(plan, journal)
        resumed = len(finished)
        try:
            _build_rest(plan, options, journal, finished)
            results = [finished[number] for number in sorted(finished)]
            info, tally = _finish(plan, results)
        except NoSpaceError as error:
            raise NoSpaceError(f"{error} {space_needed(plan, finished)}") from error
        journal.path.unlink(missing_ok=True)
    errors = tuple(dict.fromkeys((*plan.unopened, *(error for result in results for error in result.errors))))
    seconds = time.perf_counter() - started
    how = {"scheduler": options.scheduler, "workers": options.workers}
    _log(root, seconds=seconds, patches=info.patches, resumed=resumed, errors=list(errors), **how)
    return BuildReport(info, tally, errors, resumed, seconds)


def _build_rest(plan: BuildPlan, options: BuildOptions, journal: Journal, finished: dict[int, BlockResult]) -> None:
    """Build the blocks that are not finished, and add them to the journal and to `finished`."""
    _make_folders(plan)
    blocks = [block for block in plan.blocks if block.number not in finished]
    results = run_blocks(plan, blocks, scheduler=options.scheduler, workers=options.workers, strict=options.strict)
    for result in track(results, what="Cutting patches", total=len(blocks), quiet=options.quiet):
        if not result.errors:  # what could not be read is tried again by the next run
            journal.append(to_entry(result))
        finished[result.block] = replace(result, files={})  # 200 bytes a file would add up


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
    layout = discover(plan.root, {name: layer.folder for name, layer in plan.layers.items()})
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
            "stride": plan.patches.step,
        },
        selection={**asdict(plan.config.selection), **tally.to_dict(), "valid_shares": tally.valid_shares},
        provenance=_provenance(plan, sum((result.seams for result in results), SeamTally.empty())),
        attribution=plan.config.attribution,
    )


def _provenance(plan: BuildPlan, seams: SeamTally) -> dict[str, Any]:
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
            "codes": reference.codebook,
            "attribute": reference.attribute,
            "precedence": list(reference.precedence),
            "period": None if reference.period is None else list(reference.period),
            "ambiguous": reference.ambiguous,
            "points": points_of(plan),
            "date": None if reference.date is None else str(reference.date),
            "licence": reference.licence,
        },
        "time_windows": {name: list(span) for name, span in plan.config.windows.items()},
        "stacks": {name: stack_to_dict(stack.config) for name, stack in plan.stacks.items()},
        "variables": {variable.name: variable.describe() for variable in plan.variables},
        "seams": seam_report(
            seams,
            {name: [scene.name for scene in stack.scenes] for name, stack in plan.stacks.items()},
            {name: stack.bands for name, stack in plan.stacks.items()},
        ),
    }


def _make_folders(plan: BuildPlan) -> None:
    for folder in plan.folders.values():
        folder.mkdir(exist_ok=True)


def _nothing_kept(plan: BuildPlan, tally: SelectionTally, results: list[BlockResult]) -> str:
    errors = [error for result in results for error in result.errors]
    if tally.patches["unreadable"] == sum(tally.patches.values()) and errors:
        return f"Not one patch was kept: none could be read (unreadable: {tally.patches['unreadable']}). First error: {errors[0]}"
    reasons = ", ".join(f"{reason}: {count}" for reason, count in tally.patches.items() if count)
    rule = plan.config.selection
    return (
        f"Not one patch was kept ({reasons}). The rule allows {rule.max_unlabelled:.0%} unlabelled and "
        f"{rule.max_invalid:.0%} invalid pixels: raise `selection.max_unlabelled` or `selection.max_invalid`, or check the "
        f"scenes and the reference.{' First error: ' + errors[0] if errors else ''}"
    )


def _log(root: Path, **facts: Any) -> None:  # noqa: ANN401 - any JSON values
    machine = {"machine": platform.machine(), "python": platform.python_version(), "numpy": np.__version__}
    Journal(root / LOG_FILE).append({"time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **facts, **machine})
