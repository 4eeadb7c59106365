"""How models rank on a simulated area: random forest and U-Net, MSI, SAR and both, against the reference and the truth.

    cerradata simulate --area 50x25 --out AREA
    cerradata build --config AREA/build.yaml --out DATASET
    python -m benchmarks.observations AREA DATASET --out docs/simulation --seeds 0 1 2

Each seed splits the dataset anew by blocks, and trains anew. What comes out is an observation about simulated data.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestClassifier

from cerradata.core.files import write_json
from cerradata.core.locations import Location
from cerradata.evaluation.baseline import fit_random_forest
from cerradata.evaluation.independent import IndependentLabels, score_on_reference
from cerradata.evaluation.testing import ScoreOptions, open_split, score_run
from cerradata.labels import ReferenceSource
from cerradata.patches.assign import assign_splits
from cerradata.patches.split import SplitOptions
from cerradata.runs import RunFolder
from cerradata.scores.confusion import confusion_matrix, read_confusion
from cerradata.scores.scores import Scores, score_confusion
from cerradata.training import TrainConfig, TrainOptions, train

MODALITIES = ("msi", "sar", "msi+sar")
Matrix = npt.NDArray[np.int64]


def brief(scores: Scores) -> dict[str, float]:
    return {
        "macro_f1": round(scores.macro_f1, 2),
        "mean_iou": round(scores.mean_iou, 2),
        "overall_accuracy": round(scores.overall_accuracy, 2),
        "classes_averaged": scores.classes_averaged,
    }


def off_diagonal(matrix: Matrix) -> npt.NDArray[np.float64]:
    """Row rates off the diagonal, NaN in rows without support."""
    support = matrix.sum(axis=1, keepdims=True)
    rates = np.where(support > 0, matrix / np.maximum(support, 1), np.nan)
    return rates[~np.eye(len(matrix), dtype=bool)]


def rank_correlation(ours: Matrix, theirs: Matrix) -> float:
    a, b = off_diagonal(ours), off_diagonal(theirs)
    both = np.isfinite(a) & np.isfinite(b)
    return float(spearmanr(a[both], b[both]).statistic)


def forest_scores(
    forest: RandomForestClassifier, run: RunFolder, data: Path, truth: IndependentLabels
) -> tuple[Scores, Scores]:
    """Scores of a forest against the reference and against the truth, on every second row and column of the test split."""
    test = open_split(run.read(), data, "test")
    classes = len(test.level)
    matrices = [np.zeros((classes, classes), np.int64) for _ in range(2)]
    forest.set_params(n_jobs=-1)
    for position, patch_id in enumerate(test.ids):
        sample = test[position]
        pixels = np.nan_to_num(sample["image"].numpy()[:, ::2, ::2])
        found = forest.predict(pixels.reshape(len(pixels), -1).T).astype(np.uint8)
        for matrix, labels in zip(matrices, (sample["mask"].numpy(), truth.read(patch_id)), strict=True):
            matrix += confusion_matrix(labels[::2, ::2].ravel().astype(np.uint8), found, classes)
    ours, theirs = (score_confusion(matrix, test.level.names) for matrix in matrices)
    return ours, theirs


def observe(area: Path, data: Path, seed: int, modality: str, epochs: int, out: Path) -> dict[str, Any]:
    config = TrainConfig(
        data=Location(data), encoder="resnet18", modality=modality, level=2, augmentation="flips",  # type: ignore[arg-type]
        schedule="cosine", batch_size=16, epochs=epochs, patience=epochs, seed=seed,
        trainer={"precision": "bf16-mixed"},
    )  # fmt: skip
    started = time.perf_counter()
    run = train(config, out / f"{modality.replace('+', '-')}-{seed}", TrainOptions(quiet=True))
    seconds = time.perf_counter() - started
    source = ReferenceSource("terraclass-cerrado-2022", raster=Location(area / "truth" / "terraclass_2022.tif"))
    record, quiet = run.read(), ScoreOptions(quiet=True)
    forest = fit_random_forest(record, data, seed=seed)
    labels = IndependentLabels.open(data, source, record.level)
    forest_reference, forest_truth = forest_scores(forest, run, data, labels)
    return {
        "seed": seed,
        "modality": modality,
        "training_seconds": round(seconds),
        "unet_reference": brief(score_run(run, data, quiet)),
        "unet_truth": brief(score_on_reference(run, data, source, quiet)),
        "forest_reference": brief(forest_reference),
        "forest_truth": brief(forest_truth),
        "confusion": read_confusion(run.confusion("test"))[1].tolist(),
    }


def summarise(
    rows: list[dict[str, Any]], summary: dict[str, Any], epochs: int, published_folder: Path
) -> dict[str, Any]:
    both = sum((np.asarray(row["confusion"]) for row in rows if row["modality"] == "msi+sar"), np.zeros((14, 14), int))
    published = {
        name: read_confusion(published_folder / f"{name}_concat_w_l2_confusion_matrix.csv")[1]
        for name in ("unet", "transnuseg")
    }
    return {
        "simulated": summary["simulated"],
        "area_km": summary["area"],
        "epochs": epochs,
        "runs": [{k: v for k, v in row.items() if k != "confusion"} for row in rows],
        "confusion_msi_sar": both.tolist(),
        "spearman_with_published": {
            name: round(rank_correlation(both, own), 3) if both.any() else None for name, own in published.items()
        },
        "spearman_of_the_two_published": round(rank_correlation(published["unet"], published["transnuseg"]), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("area", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/simulation"))
    parser.add_argument("--published", type=Path, default=Path("../shared/data/published"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    summary = json.loads((arguments.area / "simulation.json").read_text())
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in arguments.seeds:
            options = SplitOptions("blocks", seed=seed, val_share=0.15, test_share=0.25)
            assign_splits(arguments.data, options, overwrite=True)
            for modality in MODALITIES:
                rows.append(observe(arguments.area, arguments.data, seed, modality, arguments.epochs, Path(folder)))
                print(json.dumps({k: v for k, v in rows[-1].items() if k != "confusion"}), flush=True)
                shutil.rmtree(next(Path(folder).iterdir()))
                found = summarise(rows, summary, arguments.epochs, arguments.published)
                write_json(arguments.out / "observations.json", found)
    print(json.dumps({k: v for k, v in found.items() if k not in ("runs", "confusion_msi_sar")}, indent=1))


if __name__ == "__main__":
    main()
