"""The demonstration: all of it, small and offline, on a simulated area."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from cerradata.commands.parser import parse_file
from cerradata.commands.show import show_lines, show_selection
from cerradata.commands.simulation import show_simulation
from cerradata.commands.walkthrough import announce, model_name, score_beside_forest, show_comparison
from cerradata.core.files import claim_folder, write_json
from cerradata.core.locations import Location
from cerradata.data import AugmentationConfig
from cerradata.evaluation.preview import map_preview
from cerradata.evaluation.report import write_report
from cerradata.labels import ReferenceSource
from cerradata.mapping.map import MapConfig, map_scenes
from cerradata.patches.assign import assign_splits
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.patches.certificate import certificate_lines
from cerradata.patches.config import BuildConfig
from cerradata.patches.split import SplitOptions
from cerradata.runs import RunFolder
from cerradata.scores.confusion import merge_confusion, read_confusion
from cerradata.scores.scores import Scores, score_confusion
from cerradata.simulation.simulate import SimulationConfig, simulate_area
from cerradata.training import TrainConfig, TrainOptions, train

_MARKER = "demo.json"
_PATCH = 64  # half of the published size: twice as many blocks to split a small area by


def demo(
    *,
    out: Location = Location("demo"),  # noqa: B008 - an immutable text
    area: str = "20x14",
    seed: int = 1,
    epochs: int = 20,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """From simulated scenes to a scored land-cover map, offline, in a few minutes.

    Steps: simulate Sentinel-1, Sentinel-2 and a reference map of a small area in the Bico do Papagaio; build a dataset of
    both sensors with labels of both levels and edges; split it by blocks; train a small U-Net; score it at both levels,
    beside a random forest, against the reference and against the truth; map the whole area; write the reports.

    Args:
        out: Folder for everything that is written.
        area: Size of the area in kilometres.
        seed: Decides the landscape, the weather and the noise.
        epochs: At most so many epochs of training.
        overwrite: Replace an earlier demonstration.
        quiet: Show no progress.
    """
    started = time.perf_counter()
    root = Location.absolute(out).path
    settings = SimulationConfig(area, seed)
    claim_folder(root, markers=(_MARKER,), overwrite=overwrite, what="demo")
    write_json(root / _MARKER, {"area": area, "seed": seed, "epochs": epochs})
    announce("1/6 Simulating an area: Sentinel-1, Sentinel-2, elevation, a reference map and its truth")
    show_simulation(simulate_area(settings, root / "area", quiet=quiet))
    announce(
        "2/6 Building a dataset: clouds masked, six dates and two UTM zones on one grid, labels of two levels, edges"
    )
    config = _configuration(root)
    report = build_dataset(config, root / "dataset", BuildOptions(quiet=quiet))
    show_selection(report.tally, report.info.legend)
    announce("3/6 Splitting it by spatial blocks")
    options = SplitOptions("blocks", val_share=0.15, test_share=0.25, block_size=2560.0, seed=seed)
    show_lines(certificate_lines(assign_splits(root / "dataset", options)))
    announce("4/6 Training a small U-Net on both sensors")
    run = _train(root, epochs, quiet=quiet)
    announce("5/6 Scoring it beside a random forest, at both levels, and against the truth")
    truth = ReferenceSource(config.reference.codes, raster=Location(root / "area" / "truth" / "terraclass_2022.tif"))
    scores = score_beside_forest(root, run, truth=truth, quiet=quiet)
    announce("6/6 Mapping the whole area, writing the reports")
    files = map_scenes(run, MapConfig(config.scenes, config.grid, quiet=quiet), root / "map.tif")
    map_preview(files.map, run.plots / "map.png")
    page = write_report(run.path, root / "report.html")
    dataset_page = write_report(root / "dataset", root / "dataset-report.html")
    _show(run, scores)
    show_lines(
        [
            "These figures are of simulated data: they show that the chain works, not which model is better elsewhere.",
            f"map:     {files.map}  (open it in QGIS: colours and class names come along)",
            f"report:  {page}",
            f"dataset: {dataset_page}",
            f"Done in {(time.perf_counter() - started) / 60:.1f} minutes. The same on a real image: cerradata demo-real",
        ]
    )
    return 0


def _configuration(root: Path) -> BuildConfig:
    config: BuildConfig = parse_file(Location(root / "area" / "build.yaml"), BuildConfig)
    return replace(config, patch_size=_PATCH)


def _train(root: Path, epochs: int, *, quiet: bool) -> RunFolder:
    config = TrainConfig(
        data=Location(root / "dataset"),
        encoder="resnet18",
        modality="msi+sar",
        level=2,
        augmentation=AugmentationConfig(flips=True, turns=True),
        learning_rate=1e-3,
        schedule="cosine",
        batch_size=16,
        epochs=epochs,
        patience=epochs,
        seed=0,
    )
    return train(config, root / "run", TrainOptions(quiet=quiet))


def _show(run: RunFolder, scores: Mapping[str, Scores]) -> None:
    record = run.read()
    fine, coarse = record.legend.level(2), record.legend.level(1)
    _, matrix = read_confusion(run.confusion("test"))
    merged = merge_confusion(matrix, record.legend.lookup(fine.number, coarse.number), len(coarse))
    rows = {f"level 2, {name}": own for name, own in scores.items()}
    rows[f"level 1, {model_name(run)}"] = score_confusion(merged, coarse.names)
    show_comparison("Scores on the test split, in % (simulated data)", rows)
