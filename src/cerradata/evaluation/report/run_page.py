"""The page of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from cerradata.core.errors import RunError
from cerradata.core.types import CountArray
from cerradata.evaluation.plots import plot_confusion, plot_training_curves
from cerradata.evaluation.report.layers import describe_radiometry
from cerradata.evaluation.report.page import Fact, percent, quantity, render, share_of
from cerradata.evaluation.report.pictures import Picture, figure_uri, file_uri
from cerradata.evaluation.report.results import (
    read_baselines,
    read_history,
    read_matrix,
    read_scores,
    read_simulated,
)
from cerradata.legend import LandCoverClass, Level
from cerradata.runs import RunFolder, RunRecord
from cerradata.runs.folder import CONFIG_FILE
from cerradata.scores.scores import Scores

_MODELS = {"unet": "U-Net", "transnuseg": "TransNuSeg"}
_MODALITIES = {"msi": "multispectral images", "sar": "radar images", "msi+sar": "multispectral and radar images"}
_NORMALISATIONS = {
    "none": "none (stored numbers as they are)",
    "0to1": "0to1: each band from its least to its greatest number",
    "1to1": "1to1: logarithm of each band, by the logarithms of its mean and standard deviation",
    "z-score": "z-score: each band by its mean and standard deviation",
    "percentile": "percentile: each band by its quantiles of 5 % and 95 %",
}
_BEST = {"val_macro_f1": "Validation macro F1", "val_mean_iou": "Validation mean IoU"}


@dataclass(frozen=True)
class MatrixCell:
    """A cell of the confusion matrix: pixels, and percent of the true class (None if the truth has none)."""

    pixels: int
    share: float | None


@dataclass(frozen=True)
class MatrixRow:
    """A row of the confusion matrix: the true class, its pixels, and where they went."""

    land_cover: LandCoverClass
    support: int
    cells: tuple[MatrixCell, ...]


@dataclass(frozen=True)
class ComparisonRow:
    """A model in the comparison; `own` is the run of the page."""

    name: str
    scores: Scores
    own: bool


def run_page(path: Path) -> str:
    """The page of a run as HTML.

    Args:
        path: Its folder.

    Raises:
        CerradataError: If a file is missing or damaged.
    """
    folder = RunFolder(path)
    record = folder.read()
    level = record.legend.level(record.level)
    scores = read_scores(folder.scores("test"), level)
    matrix = read_matrix(folder.confusion("test"), level)
    statistics = record.statistics
    config = folder.config() if (path / CONFIG_FILE).is_file() else {}
    return render(
        "run.html.jinja",
        {
            "record": record,
            "simulated": sorted({*record.simulated, *read_simulated(folder.scores("test"))}),
            "folder": path.resolve().name,
            "model": _model(record),
            "title": f"{_model(record)} on {record.dataset.get('name', 'an unnamed dataset')}",
            "lede": _lede(record, level),
            "level": level,
            "facts": _facts(record, scores),
            "setup": [*_setup(record), *_training(config)],
            "scores": scores,
            "comparison": _comparison(_model(record), scores, read_baselines(path)),
            "matrix": None if matrix is None else _matrix(matrix, level),
            "confusion": _confusion(folder, matrix, level),
            "curves": _curves(folder),
            "panels": _picture(folder, "panels_test.png", "Test patches: picture, reference, prediction and errors."),
            "map": _picture(folder, "map.png", "Land-cover map made with this model."),
            "layers": [describe_radiometry(r, statistics) for r in record.radiometry.values()],
            "attribution": record.dataset.get("attribution", []),
        },
    )


def _model(record: RunRecord) -> str:
    name = _MODELS.get(record.model.name, record.model.name)
    return f"{name} ({record.model.encoder})" if record.model.encoder else name


def _lede(record: RunRecord, level: Level) -> str:
    sizes = {split: len(ids) for split, ids in record.split_ids.items()}
    what = _MODALITIES.get(record.modality, record.modality)
    used = [f"{quantity(n, 'patch')} for {_PURPOSES.get(split, split)}" for split, n in sizes.items()]
    return (
        f"A model that tells apart {quantity(len(level), 'class')} (level {level.number} of the legend "
        f"{record.legend.title}) in {what}, from {quantity(len(record.bands), 'band')}; {', '.join(used)}."
    )


_PURPOSES = {"train": "training", "val": "validation", "test": "test"}


def _facts(record: RunRecord, scores: Scores | None) -> list[Fact]:
    """The scores on the test split; without them, those by which the weights were chosen."""
    if scores is None:
        known = [Fact(label, f"{percent(record.best[key])} %") for key, label in _BEST.items() if key in record.best]
        return [*known, Fact("Test scores", "none yet")]
    averaged = f"mean of {quantity(scores.classes_averaged, 'class')}"
    pixels = sum(c.support for c in scores.per_class)
    return [
        Fact("Macro F1", f"{percent(scores.macro_f1)} %", averaged),
        Fact("Mean IoU", f"{percent(scores.mean_iou)} %", averaged),
        Fact("Overall accuracy", f"{percent(scores.overall_accuracy)} %", f"of {pixels:,} test pixels"),
        Fact("Weighted F1", f"{percent(scores.weighted_f1)} %", "by pixels of the class"),
        Fact(
            "Cohen's kappa", "undefined" if scores.kappa is None else f"{scores.kappa:.4f}", "1 is perfect, 0 is chance"
        ),
    ]


def _setup(record: RunRecord) -> list[Fact]:
    facts = [
        Fact("Model", _MODELS.get(record.model.name, record.model.name)),
        *([Fact("Encoder", record.model.encoder)] if record.model.encoder else []),
        Fact("Modality", record.modality),
        Fact("Bands", ", ".join(record.bands)),
        Fact("Level", f"{record.level}", quantity(record.model.classes, "class")),
        Fact("Normalisation", _NORMALISATIONS.get(record.normalisation, record.normalisation)),
        Fact("Patch size", f"{record.patch_size} pixels"),
        Fact("Seed", str(record.seed)),
        Fact("Dataset", str(record.dataset.get("name", "not recorded")), _patches(record)),
        Fact("Split", ", ".join(f"{split} {len(ids):,}" for split, ids in record.split_ids.items()), "patches"),
    ]
    if "epoch" in record.best:
        words = [f"{label} {percent(record.best[key])} %" for key, label in _BEST.items() if key in record.best]
        facts.append(Fact("Weights kept", f"epoch {record.best['epoch']:g}", ", ".join(words)))
    return facts


def _training(config: Mapping[str, Any]) -> list[Fact]:
    """What decides which patches a training sees, how and with which weights, where it is not the usual."""
    weights = config.get("class_weights", "none")
    chosen = [
        Fact("Statistics", str(config.get("statistics", "dataset")), "of the normalisation"),
        Fact("Validity channels", "one for each sensor" if config.get("validity") else ""),
        Fact(
            "Fraction", f"{config['fraction']:.2%}" if config.get("fraction", 1) != 1 else "", "of the training patches"
        ),
        Fact("Few-shot", str(config.get("shots") or ""), "patches of each class"),
        Fact("Rare classes", f"{config['rare_share']:.0%}" if config.get("rare_share") else "", "of each batch"),
        Fact("Class weights", "" if weights == "none" else str(weights)),
        Fact("Augmentation", _augmentation(config.get("augmentation"))),
    ]
    return [fact for fact in chosen if fact.value]


def _augmentation(plain: object) -> str:
    if not isinstance(plain, dict):
        return ""
    return ", ".join(name if value is True else f"{name} {value:g}" for name, value in plain.items() if value)


def _patches(record: RunRecord) -> str:
    patches = record.dataset.get("patches")
    return quantity(patches, "patch") if isinstance(patches, int) else ""


def _comparison(model: str, scores: Scores | None, others: dict[str, Scores]) -> list[ComparisonRow]:
    """The models from the best to the worst macro F1; nothing where there is nothing to compare."""
    if not others:
        return []
    rows = [ComparisonRow(name, own, own=False) for name, own in others.items()]
    if scores is not None:
        rows.append(ComparisonRow(model, scores, own=True))
    return sorted(rows, key=lambda row: row.scores.macro_f1, reverse=True)


def _matrix(matrix: CountArray, level: Level) -> list[MatrixRow]:
    rows = []
    for c, counts in zip(level.classes, matrix.tolist(), strict=True):
        support = sum(counts)
        rows.append(MatrixRow(c, support, tuple(MatrixCell(n, share_of(n, support)) for n in counts)))
    return rows


def _confusion(folder: RunFolder, matrix: CountArray | None, level: Level) -> Picture | None:
    alt = "Confusion matrix of the test split, in percent of the true class; the figures are in the table that follows."
    make = None if matrix is None else lambda: plot_confusion(matrix, level.names, percent=True)
    return _picture(folder, "confusion_percent.png", alt, make)


def _curves(folder: RunFolder) -> Picture | None:
    history = read_history(folder)
    alt = "Curves of loss and validation scores by epoch."
    if history is None:
        return _picture(folder, "training_curves.png", alt)
    try:
        return _picture(folder, "training_curves.png", alt, lambda: plot_training_curves(history))
    except RunError:  # a table without a column to draw: the page says that there are no curves
        return None


def _picture(folder: RunFolder, name: str, alt: str, make: Callable[[], Figure] | None = None) -> Picture | None:
    """A picture of the run's folder; where it is missing, the figure that `make` gives."""
    path = folder.plots / name
    if path.is_file():
        return Picture(file_uri(path), alt)
    return None if make is None else Picture(figure_uri(make()), alt)
