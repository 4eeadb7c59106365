"""Commands on datasets: build, index, verify, split, stats."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from cerradata.commands.show import Format, show_json, show_lines, show_selection, show_simulated, show_table
from cerradata.core.errors import CerradataError
from cerradata.core.files import write_text
from cerradata.core.locations import Location
from cerradata.core.plain import plain
from cerradata.core.types import SPLITS
from cerradata.evaluation.plots import plot_class_distribution, save_figure
from cerradata.legend import LegendName
from cerradata.patches.assign import assign_splits
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.patches.certificate import certificate_lines
from cerradata.patches.config import BuildConfig
from cerradata.patches.copy import DEFAULT_LEGEND, CopyFacts, index_copy
from cerradata.patches.index import class_counts, read_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import discover
from cerradata.patches.split import SplitOptions, Strategy
from cerradata.patches.verify import verify_dataset

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
    report = build_dataset(settings, out.path, BuildOptions(workers, scheduler, strict, overwrite, quiet))
    write_text(out.path / CONFIG_FILE, yaml.safe_dump(plain(settings), sort_keys=False, allow_unicode=True))
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
    info = index_copy(directory.path, facts, workers=workers, overwrite=overwrite, quiet=quiet)
    layers = ", ".join(f"{layer} ({len(own.radiometry.bands)} bands)" for layer, own in info.layers.items())
    show_lines(
        [f"{directory}: {info.patches:,} patches of {info.patch_size} pixels, {layers}, levels {list(info.labels)}"]
    )
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
    """Check that a dataset is whole: exit code 0 if it is, else 1 and a list of what is wrong.

    Missing, extra, unpaired, cut and wrongly sized files, what files say of themselves, index and dataset.json, splits
    that share patches or ground. With --deep also the pixels: those that differ from what was indexed, values outside the
    legend, edges that are not those of the labels, and band statistics.

    Args:
        directory: Folder of the dataset.
        deep: Read every pixel too; takes some ten times as long.
        legend: Legend of a copy without dataset.json.
        workers: Threads, or processes where there are many patches.
        format: text or json.
        quiet: Show no progress.
    """
    problems = verify_dataset(directory.path, legend=legend, deep=deep, workers=workers, quiet=quiet)
    simulated = _simulated(directory.path)
    if format == "json":
        plain_problems = [problem.to_dict() for problem in problems]
        show_json({"whole": not problems, "deep": deep, "simulated": list(simulated), "problems": plain_problems})
    elif problems:
        show_lines(f"{problem.kind}: {problem.message}" for problem in problems)
        show_lines([f"{directory}: {len(problems)} problems"])
        show_simulated(simulated)
    else:
        how = "every pixel read" if deep else "no pixel read: --deep does"
        show_lines([f"{directory} is whole: {len(discover(directory.path).ids):,} patches ({how})"])
        show_simulated(simulated)
    return 1 if problems else 0


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
    certificate = assign_splits(directory.path, settings.options(), overwrite=overwrite)
    if format == "json":
        show_json(certificate.to_dict())
    else:
        show_lines(certificate_lines(certificate))
    return 0


def stats(
    directory: Location,
    *,
    out: Location | None = None,
    format: Format = "text",
) -> int:
    """Show band statistics, class distribution and class weights of a dataset.

    Args:
        directory: Folder of the dataset.
        out: Folder for a plot of the class distribution of each level.
        format: text or json.
    """
    root = directory.path
    info, table = DatasetInfo.read(root), read_index(root)
    found = dataset_statistics(info, table)
    if format == "json":
        show_json(found)
    else:
        _show_statistics(info, found)
    if out is not None:
        splits = [s for s in SPLITS if (table["split"] == s).any()]
        for number in info.labels:
            counts: dict[str, list[int]] = {s: class_counts(table, number, split=s).tolist() for s in splits}
            counts = counts or {"all": class_counts(table, number).tolist()}
            path = out.path / f"classes_level_{number}.png"
            save_figure(plot_class_distribution(info.legend.level(number), counts), path)
            if format == "text":
                show_lines([f"plot: {path}"])
    return 0


def dataset_statistics(info: DatasetInfo, table: Any) -> dict[str, Any]:  # noqa: ANN401 - a GeoDataFrame
    """Band statistics by band, and pixels, objects and inverse-frequency weights of each level's classes."""
    classes = {}
    for number in info.labels:
        level = info.legend.level(number)
        pixels, objects = class_counts(table, number), class_counts(table, number, what="objects")
        weights = [0.0 if n == 0 else float(pixels[pixels > 0].min() / n) for n in pixels]
        classes[str(number)] = [
            {
                "id": c.id,
                "name": c.name,
                "pixels": int(pixels[c.id]),
                "objects": int(objects[c.id]),
                "weight": weights[c.id],
            }
            for c in level.classes
        ]
    bands = {band: dict(values) for layer in info.layers.values() for band, values in layer.statistics.items()}
    splits = {s: int((table["split"] == s).sum()) for s in SPLITS}
    found = {"patches": info.patches, "splits": splits, "bands": bands, "classes": classes}
    return {**found, "simulated": list(info.simulated)} if info.simulated else found


def _show_statistics(info: DatasetInfo, found: dict[str, Any]) -> None:
    show_simulated(info.simulated)
    keys = ("mean", "std", "min", "max")
    show_table(
        f"{info.name}: stored numbers by band",
        ("band", *keys),
        ((band, *(f"{values[key]:,.4g}" for key in keys)) for band, values in found["bands"].items()),
    )
    for number, classes in found["classes"].items():
        total = max(sum(c["pixels"] for c in classes), 1)
        show_table(
            f"Level {number}",
            ("class", "pixels", "share", "objects", "inverse-frequency weight"),
            (
                (c["name"], f"{c['pixels']:,}", f"{c['pixels'] / total:.3%}", f"{c['objects']:,}", f"{c['weight']:.4g}")
                for c in classes
            ),
        )
