"""The confusion matrix side by side with scikit-learn, in one process."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix as peer_confusion_matrix

from cerradata.scores import confusion_matrix

PIXELS = 10_000_000
CLASSES = 14
RUNS = 5
TARGET = 10.0


def labels(pixels: int, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """A truth in runs of 20 equal pixels, as along the rows of a map, and a prediction that is right on about 80 %."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.integers(0, CLASSES, pixels // 20, dtype=np.uint8), 20)
    guess = rng.integers(0, CLASSES, truth.size, dtype=np.uint8)
    return truth, np.where(rng.random(truth.size) < 0.8, truth, guess)


def run(pixels: int = PIXELS, runs: int = RUNS) -> list[dict[str, Any]]:
    """Median rates of both, their runs alternated so that a busy machine slows both alike."""
    truth, prediction = labels(pixels)
    ours: list[float] = []
    peer: list[float] = []
    if not np.array_equal(confusion_matrix(truth, prediction, CLASSES), peer_confusion_matrix(truth, prediction)):
        raise RuntimeError("The two confusion matrices differ, so their times say nothing.")
    for _ in range(runs):
        ours.append(_seconds(lambda: confusion_matrix(truth, prediction, CLASSES)))
        peer.append(_seconds(lambda: peer_confusion_matrix(truth, prediction)))
    rates = [pixels / 1e6 / statistics.median(seconds) for seconds in (ours, peer)]
    return [
        {
            "name": f"confusion matrix, {pixels / 1e6:g} Mpx uint8, {CLASSES} classes, against scikit-learn",
            "unit": "Mpx/s",
            "ours": rates[0],
            "peer": rates[1],
            "ratio": rates[0] / rates[1],
            "target": TARGET,
        }
    ]


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    json.dump(run(), sys.stdout, indent=2)
    sys.stdout.write("\n")
