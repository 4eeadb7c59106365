"""What a run folder holds of results: scores, other models' scores, confusion matrix, history."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from cerradata.core.errors import RunError
from cerradata.core.types import CountArray
from cerradata.legend import Level
from cerradata.runs import RunFolder
from cerradata.scores.confusion import read_confusion
from cerradata.scores.scores import AbsentClass, ClassScores, Scores

BASELINES_FILE = "baselines.json"
"""{name of a model: `Scores.to_dict()`}, in the run's folder: what other models reach on the same test split."""


def read_scores(path: Path, level: Level) -> Scores | None:
    """Scores as `test` writes them, or None if there is no such file.

    Args:
        path: JSON of `Scores.to_dict()`; its key `simulated` is for `read_simulated`.
        level: The run's level, whose classes the scores must be of.

    Raises:
        RunError: If the file cannot be read, or is of other classes.
    """
    if not path.is_file():
        return None
    scores = _scores(_read_json(path), path)
    if len(scores.per_class) != len(level):
        raise RunError(
            f"{path} holds scores of {len(scores.per_class)} classes, level {level.number} of the run's legend has "
            f"{len(level)}: run `cerradata test {path.parent}` again."
        )
    return scores


def read_simulated(path: Path) -> tuple[str, ...]:
    """Which simulations made the data that scores are of; nothing for real data, or if there is no such file.

    Args:
        path: JSON as `test` writes it.

    Raises:
        RunError: If the file cannot be read.
    """
    return tuple(_read_json(path).get("simulated", ())) if path.is_file() else ()


def read_baselines(folder: Path) -> dict[str, Scores]:
    """Scores of other models by their name; empty if there is no such file.

    Args:
        folder: The run's folder.

    Raises:
        RunError: If the file cannot be read.
    """
    path = folder / BASELINES_FILE
    if not path.is_file():
        return {}
    plain = _read_json(path)
    return {name: _scores(scores, path) for name, scores in plain.items()}


def read_matrix(path: Path, level: Level) -> CountArray | None:
    """A confusion matrix, or None if there is no such file.

    Args:
        path: CSV as `test` writes it.
        level: The run's level, whose classes the matrix must be of.

    Raises:
        DatasetError: If the file is no confusion matrix.
        RunError: If it is of other classes.
    """
    if not path.is_file():
        return None
    _, matrix = read_confusion(path)
    if len(matrix) != len(level):
        raise RunError(
            f"{path} has {len(matrix)} classes, level {level.number} of the run's legend has {len(level)}: run "
            f"`cerradata test {path.parent}` again."
        )
    return matrix


def read_history(folder: RunFolder) -> pd.DataFrame | None:
    """Losses and scores by epoch, or None if the run has no log.

    Raises:
        RunError: If the log is no table of epochs.
    """
    if not folder.metrics.is_file():
        return None
    try:
        return folder.history()
    except (ValueError, KeyError) as error:  # pandas raises a ValueError for a file that is no table
        raise RunError(
            f"{folder.metrics} is no log of a training ({error}): remove it, or copy the run again."
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{path} is no JSON ({error}): run `cerradata test {path.parent}` again.") from error
    if not isinstance(plain, dict):
        raise RunError(f"{path} holds a {type(plain).__name__}, an object was expected.")
    return plain


def _scores(plain: Mapping[str, Any], path: Path) -> Scores:
    try:
        return Scores(
            per_class=tuple(ClassScores(**_known(ClassScores, c)) for c in plain["per_class"]),
            absent=tuple(AbsentClass(**_known(AbsentClass, c)) for c in plain["absent"]),
            **{name: plain[name] for name in _OVERALL},
        )
    except (KeyError, TypeError) as error:
        raise RunError(
            f"{path} does not hold the scores that this release writes ({error!r}): run `cerradata test {path.parent}` "
            "again."
        ) from error


_OVERALL = ("macro_f1", "mean_iou", "overall_accuracy", "weighted_f1", "kappa", "classes_averaged")


def _known(kind: type[ClassScores] | type[AbsentClass], plain: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a kind; what a file holds beside them is not ours to show."""
    return {field.name: plain[field.name] for field in fields(kind)}
