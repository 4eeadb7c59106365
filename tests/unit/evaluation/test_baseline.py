from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

import cerradata.evaluation.baseline as baseline
from cerradata.core.errors import DatasetError
from cerradata.data import CerraData4MM
from cerradata.evaluation.baseline import random_forest_scores
from cerradata.patches.index import read_index, write_index
from cerradata.runs import RunFolder


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "_TREES", 10)
    monkeypatch.setattr(baseline, "_PIXELS", 3000)


def labelled(root: Path, split: str) -> int:
    return sum(int((sample["mask"] != 255).sum()) for sample in CerraData4MM(root, split, "sar"))


def test_forest_knows_the_pixels_that_it_was_trained_on(trained_run: RunFolder, split_dataset: Path) -> None:
    scores = random_forest_scores(trained_run.read(), split_dataset, split="train")
    assert sum(c.support for c in scores.per_class) == labelled(split_dataset, "train")
    assert scores.overall_accuracy > 50  # six classes of about the same frequency
    assert scores.per_class[0].objects > 0


def test_every_labelled_pixel_of_the_split_is_scored(trained_run: RunFolder, split_dataset: Path) -> None:
    scores = random_forest_scores(trained_run.read(), split_dataset)
    assert sum(c.support for c in scores.per_class) == labelled(split_dataset, "test")


def test_same_seed_gives_the_same_scores(trained_run: RunFolder, split_dataset: Path) -> None:
    record = replace(trained_run.read(), modality="sar", bands=("VV", "VH"))
    first, second, other = (random_forest_scores(record, split_dataset, seed=seed) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_every_training_pixel_is_as_likely_as_any_other(
    trained_run: RunFolder, split_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted = []
    real = RandomForestClassifier.fit

    def fit(self: RandomForestClassifier, numbers: np.ndarray, labels: np.ndarray) -> RandomForestClassifier:
        fitted.append((numbers, labels))
        return real(self, numbers, labels)

    monkeypatch.setattr(RandomForestClassifier, "fit", fit)
    record = replace(trained_run.read(), modality="sar", bands=("VV",))
    random_forest_scores(record, split_dataset, split="val")
    monkeypatch.setattr(baseline, "_PIXELS", 10**6)
    random_forest_scores(record, split_dataset, split="val")
    (some, some_labels), (whole, whole_labels) = fitted
    assert len(some) == 3000
    assert len(whole) == labelled(split_dataset, "train")
    known = {(number, label) for number, label in zip(whole[:, 0], whole_labels, strict=True)}
    assert {(number, label) for number, label in zip(some[:, 0], some_labels, strict=True)} <= known
    assert some[:, 0].mean() == pytest.approx(whole[:, 0].mean(), rel=0.05)


def test_training_split_without_labels_is_refused(trained_run: RunFolder, dataset_copy: Path) -> None:
    index = read_index(dataset_copy)
    index["split"] = ["train" if i < 30 else "test" for i in index["id"]]
    index["pixels_l2"] = [np.zeros(14, np.int64) for _ in index["id"]]
    write_index(dataset_copy, index)
    with pytest.raises(DatasetError, match="no labelled pixel"):
        random_forest_scores(trained_run.read(), dataset_copy)
