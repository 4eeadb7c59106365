"""What the demonstrations share: steps that are announced, scores beside a random forest, a table at the end."""

from collections.abc import Mapping
from pathlib import Path

from cerradata.commands.show import show_lines, show_table
from cerradata.core.files import write_json
from cerradata.evaluation.baseline import fit_random_forest, random_forest_scores
from cerradata.evaluation.independent import IndependentLabels, score_on_reference
from cerradata.evaluation.testing import ScoreOptions, score_run, simulated_of, with_simulated
from cerradata.labels import ReferenceSource
from cerradata.runs import RunFolder
from cerradata.scores.scores import Scores

FOREST = "random forest (one pixel at a time)"
AGAINST_TRUTH = "against the truth"


def announce(step: str) -> None:
    """Print the heading of a step."""
    show_lines(["", step])


def model_name(run: RunFolder) -> str:
    """Name of a run's model for people: "unet (resnet18)"."""
    record = run.read()
    return f"{record.model.name} ({record.model.encoder})"


def score_beside_forest(
    root: Path, run: RunFolder, *, truth: ReferenceSource | None = None, quiet: bool
) -> dict[str, Scores]:
    """Scores of a run and of a random forest on the same test split, also written as `scores.json` into `root`.

    Args:
        root: Folder of the demonstration, with the dataset in `dataset`.
        run: The run.
        truth: Another reference to score both against too.
        quiet: Show no progress.

    Returns:
        By name of the model, with ", against the truth" behind it for those scores.
    """
    data, record, name = root / "dataset", run.read(), model_name(run)
    forest = fit_random_forest(record, data)
    scores = {
        name: score_run(run, data, ScoreOptions(quiet=quiet)),
        FOREST: random_forest_scores(record, data, forest=forest),
    }
    if truth is not None:
        labels = IndependentLabels.open(data, truth, record.level)
        scores[f"{name}, {AGAINST_TRUTH}"] = score_on_reference(run, data, truth, ScoreOptions(quiet=quiet))
        scores[f"{FOREST}, {AGAINST_TRUTH}"] = random_forest_scores(record, data, forest=forest, labels=labels)
    simulated = simulated_of(record, data)
    plain = {model: with_simulated(own.to_dict(), simulated) for model, own in scores.items()}
    write_json(root / "scores.json", plain)
    write_json(run.path / "baselines.json", {FOREST: plain[FOREST]})
    return scores


def show_comparison(title: str, scores: Mapping[str, Scores]) -> None:
    """Print macro F1, mean IoU and overall accuracy of several models."""
    show_table(
        title,
        ("model", "macro F1", "mean IoU", "overall accuracy", "classes averaged"),
        (
            (
                model,
                f"{own.macro_f1:.2f}",
                f"{own.mean_iou:.2f}",
                f"{own.overall_accuracy:.2f}",
                str(own.classes_averaged),
            )
            for model, own in scores.items()
        ),
    )
