"""Commands on datasets: build, index, verify, split."""

from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from cerradata.commands.show import Format, show_json, show_lines, show_selection, show_simulated
from cerradata.commands.statistics import count_lacks, show_lacks
from cerradata.core.errors import CerradataError, DatasetError
from cerradata.core.files import write_text
from cerradata.core.locations import Location
from cerradata.core.plain import plain
from cerradata.legend import LegendName
from cerradata.patches.assign import assign_splits
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.patches.certificate import certificate_lines
from cerradata.patches.config import BuildConfig
from cerradata.patches.copy import DEFAULT_LEGEND, CopyFacts, index_copy
from cerradata.patches.index import read_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import discover
from cerradata.patches.split import SplitOptions, Strategy
from cerradata.patches.store.remote import dataset_folder, require_local
from cerradata.patches.verify import verify_dataset
from cerradata.patches.verify.store_files import StoreFiles

CONFIG_FILE = "build.yaml"


def build(
    settings: BuildConfig,
    out: Location,
    *,
    scheduler: str = "processes",
    workers: int = 2,
    strict: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Build a dataset from scenes and a reference map.

    Scenes are brought onto one grid, the reference becomes label and edge masks of every level of the legend, and both
    are cut into patches in the layout of CerraData-4MM. Usually called with --config build.yaml. A build that was
    interrupted goes on when the same command is given again.

    Args:
        settings: The build.
        out: Folder of the dataset.
        scheduler: processes (of this machine), threads, or the address of a dask scheduler (tcp://host:8786).
        workers: Processes or threads.
        strict: Let the first file that cannot be read end the build; otherwise such files are listed at the end.
        overwrite: Replace the dataset that is there.
        quiet: Show no progress.
    """
    folder = require_local(out, "build")
    report = build_dataset(settings, folder, BuildOptions(workers, scheduler, strict, overwrite, quiet))
    write_text(folder / CONFIG_FILE, yaml.safe_dump(plain(settings), sort_keys=False, allow_unicode=True))
    show_selection(report.tally, report.info.legend)
    points = report.info.provenance["reference"]["points"]
    if points is not None:
        show_lines(
            [
                f"reference: {points['points']:,} points on the grid label {points['pixels']:,} pixels; "
                f"{points['conflicting']:,} pixels with points of different classes have no label"
            ]
        )
    visible = [seam for seam in report.info.provenance["seams"] if seam["significant"]]
    if visible:
        worst = visible[0]
        band, jump = max(worst["jump"].items(), key=lambda item: abs(item[1]))
        show_lines(
            [
                f"seams: between {len(visible)} pairs of scenes values jump by more than chance; most from "
                f"{worst['scenes'][0]} to {worst['scenes'][1]}: {jump:+.3f} in {band} (`cerradata report` lists them)"
            ]
        )
    rate = report.tally.patches["kept"] / max(report.seconds, 1e-9)
    show_lines([f"{out}: {report.info.patches:,} patches in {report.seconds:.1f} s ({rate:.0f} a second)"])
    show_simulated(report.info.simulated)
    if report.resumed:
        show_lines([f"{report.resumed} blocks of an interrupted run were taken over"])
    for error in report.errors:
        show_lines([f"not read: {error}"])
    return 1 if report.errors else 0


def index(
    directory: Location,
    facts: CopyFacts,
    *,
    workers: int = 2,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Make index.parquet and dataset.json for a copy that lacks them, the published download for example.

    Every patch is read once. The defaults are those of the published CerraData-4MM. Folders train/, val/ and test/
    become the splits.

    Args:
        directory: Folder of the copy.
        facts: What the files do not say.
        workers: Threads.
        overwrite: Replace an index that is there.
        quiet: Show no progress.
    """
    root = require_local(directory, "index")
    info = index_copy(root, facts, workers=workers, overwrite=overwrite, quiet=quiet)
    layers = ", ".join(f"{layer} ({len(own.radiometry.bands)} bands)" for layer, own in info.layers.items())
    show_lines(
        [f"{directory}: {info.patches:,} patches of {info.patch_size} pixels, {layers}, levels {list(info.labels)}"]
    )
    show_lacks(count_lacks(info, read_index(root)))
    return 0


def verify(
    directory: Location,
    *,
    deep: bool = False,
    legend: LegendName = DEFAULT_LEGEND,
    workers: int = 2,
    format: Format = "text",
    quiet: bool = False,
) -> int:
    """Check that a dataset is whole, packed or not: exit code 0 if it is, else 1 and a list of what is wrong.

    Missing, extra, unpaired, cut and wrongly sized files, what files say of themselves, index and dataset.json, splits
    that share patches or ground; of a packed store its files, and whether it is that of the index. With --deep also the
    pixels: those that differ from what was indexed, values outside the legend, edges that are not those of the labels, and
    band statistics.

    Args:
        directory: Folder of the dataset, or the URI of a packed one.
        deep: Read every pixel too; takes some ten times as long.
        legend: Legend of a copy without dataset.json.
        workers: Threads, or processes where there are many patches.
        format: text or json.
        quiet: Show no progress.
    """
    root = dataset_folder(directory)
    problems = verify_dataset(root, legend=legend, deep=deep, workers=workers, quiet=quiet)
    simulated = _simulated(root)
    if format == "json":
        plain_problems = [problem.to_dict() for problem in problems]
        show_json({"whole": not problems, "deep": deep, "simulated": list(simulated), "problems": plain_problems})
    elif problems:
        show_lines(f"{problem.kind}: {problem.message}" for problem in problems)
        show_lines([f"{directory}: {len(problems)} problems"])
        show_simulated(simulated)
    else:
        how = "every pixel read" if deep else "no pixel read: --deep does"
        show_lines([f"{directory} is whole: {_patches(root)} ({how})"])
        show_simulated(simulated)
    return 1 if problems else 0


def _patches(root: Path) -> str:
    """How many patches a whole dataset has, and how they lie there where they are packed."""
    try:
        count = DatasetInfo.read(root).patches
    except DatasetError:  # a copy that nobody indexed
        count = len(discover(root).ids)
    if StoreFiles.of(root) is None:
        return f"{count:,} patches"
    try:
        discover(root)
    except DatasetError:
        return f"{count:,} packed patches"
    return f"{count:,} patches as GeoTIFFs and packed"


def _simulated(root: Path) -> tuple[str, ...]:
    """Which simulations made a dataset; nothing for a copy without `dataset.json`, or where it cannot be read."""
    try:
        return DatasetInfo.read(root).simulated
    except CerradataError:  # a damaged `dataset.json` is among the problems already
        return ()


@dataclass(frozen=True)
class SplitSettings:
    """How to split; what is not given is chosen by the strategy.

    Attributes:
        strategy: random: any patch to any split. blocks: whole spatial blocks, with a buffer between splits; scores on
            it are honest. published-ratios: 10 % test, then 20 % of the rest for validation, at random, as published
            (but not the published split, whose lists do not exist).
        seed: Decides the assignment.
        val_share: Share of validation patches; by default 0.15.
        test_share: Share of test patches; by default 0.15.
        block_size: Side of a block in metres.
        buffer: Least distance in metres between patches of different splits; by default one patch.
    """

    strategy: Strategy | None = None
    seed: int = 0
    val_share: float | None = None
    test_share: float | None = None
    block_size: float | None = None
    buffer: float | None = None

    def options(self) -> SplitOptions | None:
        """The options of the strategy; None if none is given."""
        if self.strategy is None:
            return None
        chosen = {f.name: getattr(self, f.name) for f in fields(self)}
        return SplitOptions(**{name: value for name, value in chosen.items() if value is not None})


def split(
    directory: Location,
    settings: SplitSettings,
    *,
    overwrite: bool = False,
    format: Format = "text",
) -> int:
    """Assign patches to train, val and test in the index; print and save the certificate of the split.

    Without --strategy the splits that are there (those of a copy's folders, for example) are certified as they are.

    Args:
        directory: Folder of the dataset.
        settings: How to split.
        overwrite: Replace the splits that a copy's train/, val/ and test/ folders give.
        format: text or json.
    """
    certificate = assign_splits(require_local(directory, "split"), settings.options(), overwrite=overwrite)
    if format == "json":
        show_json(certificate.to_dict())
    else:
        show_lines(certificate_lines(certificate))
    return 0
