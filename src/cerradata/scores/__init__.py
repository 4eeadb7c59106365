"""Confusion matrices and the scores that follow from them: pure NumPy functions."""

from cerradata.scores.confusion import confusion_matrix, read_confusion, write_confusion
from cerradata.scores.scores import AbsentClass, ClassScores, Scores, score_confusion

__all__ = [
    "AbsentClass",
    "ClassScores",
    "Scores",
    "confusion_matrix",
    "read_confusion",
    "score_confusion",
    "write_confusion",
]
