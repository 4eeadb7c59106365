"""Commands on models: train, test, map."""

from dataclasses import dataclass
from typing import Literal

from cerradata.commands.scene_list import read_scene_list
from cerradata.commands.show import Format, show_json, show_lines, show_scores, show_simulated
from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.core.types import SplitName
from cerradata.evaluation.independent import score_on_reference
from cerradata.evaluation.testing import ScoreOptions, score_run, simulated_of, with_simulated
from cerradata.labels import ReferenceSource
from cerradata.mapping.map import MapConfig, map_scenes
from cerradata.mapping.predict import PredictOptions
from cerradata.patches.store.remote import dataset_folder
from cerradata.runs import RunFolder
from cerradata.scenes import SarUnit
from cerradata.training import TrainConfig, TrainOptions
from cerradata.training import train as train_run
from cerradata.training.processes import is_first_process


def train(
    settings: TrainConfig, out: Location, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> int:
    """Train a network on a dataset; the best epoch by macro F1 on the validation split is kept.

    Args:
        settings: The training.
        out: The run folder: weights, configuration, legend, logs.
        resume: Go on with the unfinished training in the run folder.
        overwrite: Replace the run that is there.
        quiet: Show no progress.
    """
    run = train_run(settings, out.path, TrainOptions(resume, overwrite, quiet))
    if not is_first_process():
        return 0  # one process of a distributed training speaks for all
    record = run.read()
    best = record.best
    show_simulated(record.simulated)
    show_lines(
        [
            f"trained on {len(record.split_ids['train']):,} patches, validated on {len(record.split_ids['val']):,}",
            f"{out}: best epoch {best.get('epoch', 0):.0f} with macro F1 {best.get('val_macro_f1', 0):.2f} % and mean IoU "
            f"{best.get('val_mean_iou', 0):.2f} % on the validation split",
            f"Next: cerradata test {out} --data {settings.data}",
        ]
    )
    return 0


def test_command(
    run: Location,
    *,
    data: Location | None = None,
    split: SplitName = "test",
    reference: Location | None = None,
    codes: str | None = None,
    batch_size: int = 32,
    device: str = "cpu",
    format: Format = "text",
    quiet: bool = False,
) -> int:
    """Score a run on the test split: scores, confusion matrix and plots are written into the run folder.

    A test split that holds patches seen in training is refused. With --reference, the same predictions are scored against
    another map than the dataset's labels (an independent one, or the truth of a simulated area), and nothing is written.

    Args:
        run: The run folder.
        data: Folder of the dataset, or the URI of a packed one; by default the one that the run was trained on.
        split: Split to score.
        reference: Raster of another reference.
        codes: Source of the legend that translates its codes, for example terraclass-cerrado-2022.
        batch_size: Patches in a batch.
        device: Device of PyTorch: cpu, cuda, ...
        format: text or json.
        quiet: Show no progress.
    """
    folder = RunFolder(run.path)
    record = folder.read()
    root = dataset_folder(folder.config()["data"] if data is None else data)
    options = ScoreOptions(split, batch_size, device, quiet or format == "json")
    if (reference is None) != (codes is None):
        raise ConfigError("Give --reference (a raster) and --codes (the source of its codes in the legend) together.")
    if reference is not None and codes is not None:
        scores = score_on_reference(folder, root, ReferenceSource(codes, raster=reference), options)
    else:
        scores = score_run(folder, root, options)
    simulated = simulated_of(record, root, reference)
    if format == "json":
        show_json(with_simulated(scores.to_dict(), simulated))
    else:
        show_scores(scores, f"{run.name} on the {split} split of {record.dataset['name']}")
        show_simulated(simulated)
        if reference is None:
            show_lines([f"scores: {folder.scores(split)}", f"plots: {folder.plots}"])
        else:
            show_lines([f"scored against {reference}, not against the dataset's labels; nothing was written"])
    return 0


@dataclass(frozen=True)
class MapSettings:
    """How to read the scenes and run the network.

    Attributes:
        bands: Band names in the order of the file, for a file with all bands.
        offset: Sentinel-2: the product's BOA_ADD_OFFSET or RADIO_ADD_OFFSET, -1000 or 0; by default read from the metadata
            in the scene's folder, where there are any.
        unit: Sentinel-1: amplitude, linear or db.
        crop: Rows and columns of a tile that the network sees at once.
        overlap: Rows and columns that neighbouring tiles share and blend.
        batch_size: Tiles in a batch.
        device: Device of PyTorch: cpu, cuda, ...
        precision: float32, or bfloat16 where the processor is faster with it.
    """

    bands: tuple[str, ...] | None = None
    offset: int | None = None
    unit: SarUnit | None = None
    crop: int = 256
    overlap: int = 64
    batch_size: int = 8
    device: str = "cpu"
    precision: Literal["float32", "bfloat16"] = "float32"


def map_command(
    run: Location,
    scenes: tuple[Location, ...],
    settings: MapSettings,
    *,
    out: Location,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Map whole scenes with a run: a Cloud-Optimized GeoTIFF, with a QGIS style and class names beside it.

    Args:
        run: The run folder.
        scenes: A folder with one file a band (its metadata tell the offset, else say --offset), or a file with all bands
            (say --bands, and --offset or --unit); or a YAML file with `scenes:` (and `grid:`), a build configuration for
            example, where there are several.
        settings: How to read the scenes and run the network.
        out: The map, a .tif.
        overwrite: Replace the map that is there.
        quiet: Show no progress.
    """
    if out.path.exists() and not overwrite:
        raise ConfigError(f"{out} exists: choose another --out, or give --overwrite to replace it.")
    found = read_scene_list(scenes, bands=settings.bands, offset=settings.offset, unit=settings.unit)
    config = MapConfig(
        scenes=found.scenes,
        grid=found.grid,
        time_windows=found.time_windows or None,
        dates=found.dates,
        crop=settings.crop,
        overlap=settings.overlap,
        predict=PredictOptions(settings.batch_size, settings.device, settings.precision),
        quiet=quiet,
    )
    files = map_scenes(RunFolder(run.path), config, out.path)
    record = RunFolder(run.path).read()
    total = max(sum(files.pixels), 1)
    shares = [f"{c.name} {files.pixels[c.id] / total:.1%}" for c in record.legend.level(record.level).classes]
    show_lines(
        [
            f"map: {files.map} (style {files.style.name}, class names {files.sidecar.name})",
            f"pixels: {', '.join(shares)}; without data {files.pixels_without_data:,}",
        ]
    )
    show_simulated(files.simulated)
    return 0
