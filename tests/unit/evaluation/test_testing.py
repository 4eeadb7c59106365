import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix as peer_confusion_matrix
from sklearn.metrics import f1_score, jaccard_score

from cerradata.core.errors import ConfigError, DatasetError, RunError
from cerradata.data import CerraData4MM
from cerradata.evaluation.testing import ScoreOptions, score_run
from cerradata.patches.index import class_counts, read_index, write_index
from cerradata.runs import RunFolder
from cerradata.scores.confusion import read_confusion
from cerradata.training import load_run

QUIET = ScoreOptions(batch_size=3, quiet=True)


def edit_info(root: Path, edit: Callable[[dict], None]) -> None:
    path = root / "dataset.json"
    plain = json.loads(path.read_text())
    edit(plain)
    path.write_text(json.dumps(plain))


def predictions(run: RunFolder, root: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction of each labelled pixel, one patch at a time."""
    network = load_run(run)[1]
    truth, predicted = [], []
    for sample in CerraData4MM(root, split):
        with torch.inference_mode():
            classes = network(sample["image"][None])[0].argmax(0)
        labelled = sample["mask"] != 255
        truth.append(sample["mask"][labelled].numpy())
        predicted.append(classes[labelled].numpy())
    return np.concatenate(truth), np.concatenate(predicted)


def test_scores_are_those_of_an_independent_computation(run_copy: RunFolder, split_dataset: Path) -> None:
    scores = score_run(run_copy, split_dataset, QUIET)
    truth, predicted = predictions(run_copy, split_dataset, "test")
    present = np.unique(truth)
    plain = json.loads(run_copy.scores("test").read_text())
    assert plain == json.loads(json.dumps(scores.to_dict()))
    assert plain["macro_f1"] == pytest.approx(
        100 * f1_score(truth, predicted, labels=present, average="macro", zero_division=0)
    )
    assert plain["mean_iou"] == pytest.approx(
        100 * jaccard_score(truth, predicted, labels=present, average="macro", zero_division=0)
    )
    assert plain["overall_accuracy"] == pytest.approx(100 * (truth == predicted).mean())
    np.testing.assert_array_equal(
        read_confusion(run_copy.confusion("test"))[1], peer_confusion_matrix(truth, predicted, labels=range(14))
    )
    objects = class_counts(read_index(split_dataset), 2, what="objects", split="test")
    assert [c["objects"] for c in plain["per_class"]] == objects.tolist()
    assert {path.name for path in run_copy.plots.iterdir()} == {
        *("confusion_counts.png", "confusion_percent.png", "panels_test.png", "training_curves.png"),
    }


def test_other_splits_can_be_scored_by_name(run_copy: RunFolder, split_dataset: Path) -> None:
    scores = score_run(run_copy, split_dataset, ScoreOptions(split="val", quiet=True))
    assert scores.macro_f1 == pytest.approx(run_copy.read().best["val_macro_f1"], abs=0.1)
    assert run_copy.scores("val").is_file()
    assert not run_copy.scores("test").exists()


def test_patches_seen_in_training_are_refused(
    run_copy: RunFolder, dataset_copy: Path, tmp_path: Path, resplit: Callable[..., None]
) -> None:
    resplit(dataset_copy, seed=77)
    with pytest.raises(RunError, match="used to train or to choose this run"):
        score_run(run_copy, dataset_copy, QUIET)
    renamed = Path(shutil.move(dataset_copy, tmp_path / "a-new-dataset"))
    edit_info(renamed, lambda plain: plain.update(name="another dataset"))
    with pytest.raises(RunError, match="used to train or to choose this run"):
        score_run(run_copy, renamed, QUIET)
    assert not run_copy.scores("test").exists()


def test_numbers_of_another_offset_are_refused(run_copy: RunFolder, dataset_copy: Path, resplit: Callable) -> None:
    resplit(dataset_copy)
    edit_info(dataset_copy, lambda plain: plain["layers"]["msi"]["radiometry"].update(offset=0.0))
    with pytest.raises(RunError, match=r"msi with offset -0\.1; .* has offset 0\.0.*stored_offset"):
        score_run(run_copy, dataset_copy, QUIET)


def test_numbers_of_another_unit_are_refused(run_copy: RunFolder, dataset_copy: Path, resplit: Callable) -> None:
    resplit(dataset_copy)
    edit_info(dataset_copy, lambda plain: plain["layers"]["sar"]["radiometry"].update(unit="db"))
    with pytest.raises(RunError, match=r"sar with unit amplitude; .* has unit db"):
        score_run(run_copy, dataset_copy, QUIET)


def test_other_classes_are_refused(run_copy: RunFolder, dataset_copy: Path, resplit: Callable) -> None:
    resplit(dataset_copy)
    edit_info(dataset_copy, lambda plain: plain["legend"]["levels"][1]["classes"][3].update(name="Sea"))
    with pytest.raises(RunError, match=r"Water body.*Sea"):
        score_run(run_copy, dataset_copy, QUIET)


def test_dataset_without_a_band_is_refused(run_copy: RunFolder, dataset_copy: Path, resplit: Callable) -> None:
    resplit(dataset_copy)
    edit_info(dataset_copy, lambda plain: plain["layers"]["sar"]["radiometry"].update(bands=["VV", "HH"]))
    with pytest.raises(ConfigError, match="no band 'VH'"):
        score_run(run_copy, dataset_copy, QUIET)


def test_dataset_without_splits_is_refused(run_copy: RunFolder, golden_dataset: Path) -> None:
    with pytest.raises(DatasetError, match="cerradata split"):
        score_run(run_copy, golden_dataset, QUIET)


def test_other_place_with_the_same_ids_is_scored(run_copy: RunFolder, dataset_copy: Path) -> None:
    index = read_index(dataset_copy)
    index["split"] = ["test" if i % 9 == 0 else None for i in index["id"]]
    index["content_hash"] = [f"other place {i}" for i in index["id"]]
    write_index(dataset_copy, index)
    assert score_run(run_copy, dataset_copy, QUIET).per_class[0].support > 0
