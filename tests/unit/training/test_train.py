import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn

from cerradata.core.errors import CerradataError, ConfigError, DatasetError, OutputError, RunError
from cerradata.core.locations import Location
from cerradata.data import AugmentationConfig, CerraData4MM
from cerradata.patches.index import ids_of_split, read_index
from cerradata.runs import RunFolder, hash_of_ids
from cerradata.training import TrainConfig, TrainOptions, load_run, train
from cerradata.training.task import SegmentationTask

QUIET = TrainOptions(quiet=True)
FLIPS = AugmentationConfig(flips=True, turns=True)
RESUME = TrainOptions(quiet=True, resume=True)
Training = Callable[..., TrainConfig]


class Dotted(nn.Module):
    """A pixel-wise network with dropout: a second of training, and random numbers in it."""

    def __init__(self, *, in_channels: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5), nn.Conv2d(8, classes, 1)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.layers(image)


@pytest.fixture
def fast(tiny_training: Training, monkeypatch: pytest.MonkeyPatch) -> Training:
    """A factory of trainings of a small network by import path."""
    monkeypatch.setitem(sys.modules, "their_package", type("Module", (), {"Dotted": Dotted}))

    def config(**changes: object) -> TrainConfig:
        return tiny_training(**{"model": "their_package:Dotted", "epochs": 4, "augmentation": FLIPS, **changes})

    return config


def weights(run: RunFolder) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in load_file(run.weights).items()}


def assert_same_weights(ours: RunFolder, theirs: RunFolder) -> None:
    assert weights(ours).keys() == weights(theirs).keys()
    for name, array in weights(ours).items():
        np.testing.assert_array_equal(array, weights(theirs)[name], err_msg=name)


def interrupt_in_epoch(epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = SegmentationTask.training_step

    def training_step(self: SegmentationTask, batch: dict[str, Any], batch_index: int) -> torch.Tensor:
        if self.current_epoch == epoch and batch_index == 1:
            raise RuntimeError("pulled the plug")
        return real(self, batch, batch_index)

    monkeypatch.setattr(SegmentationTask, "training_step", training_step)


def interrupted(config: TrainConfig, out: Path, epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    options = RESUME if out.exists() else QUIET
    with monkeypatch.context() as patch:
        interrupt_in_epoch(epoch, patch)
        with pytest.raises(RuntimeError, match="pulled the plug"):
            train(config, out, options)


def test_run_folder_is_whole(trained_run: RunFolder, split_dataset: Path) -> None:
    record = trained_run.read()
    index = read_index(split_dataset).set_index("id")
    own = {split: tuple(ids_of_split(read_index(split_dataset), split)) for split in ("train", "val")}
    assert record.split_ids == own
    assert record.split_hash == hash_of_ids(own)
    assert record.split_hashes == {s: tuple(index.loc[list(ids), "content_hash"]) for s, ids in own.items()}
    assert record.model.in_channels == len(record.bands) == 14
    assert (record.model.classes, record.level, record.normalisation) == (14, 2, "1to1")
    assert record.radiometry["msi"].offset == pytest.approx(-0.1)
    assert record.radiometry["sar"].unit == "amplitude"
    assert record.statistics == CerraData4MM(split_dataset).statistics
    assert (record.patch_size, record.dataset["name"], record.dataset["patches"]) == (32, "golden", 36)
    history = trained_run.history()
    assert list(history["epoch"]) == [0, 1]
    assert {"train_loss", "val_loss", "val_macro_f1", "val_mean_iou", "val_overall_accuracy"} <= set(history.columns)
    assert history[["train_loss", "val_loss"]].notna().all().all()
    best = history.loc[history["val_macro_f1"].idxmax()]
    assert record.best["epoch"] == best["epoch"]
    assert record.best["val_macro_f1"] == pytest.approx(best["val_macro_f1"])
    config = yaml.safe_load((trained_run.path / "config.yaml").read_text())
    assert (config["encoder"], config["seed"], config["data"]) == ("resnet18", 666, str(split_dataset))
    assert not trained_run.checkpoints.exists()
    assert {path.name for path in trained_run.path.iterdir()} == {
        *("config.yaml", "legend.yaml", "logs", "run.json", "weights.safetensors"),
    }


def test_loaded_network_takes_stored_numbers(trained_run: RunFolder, split_dataset: Path) -> None:
    record, network = load_run(trained_run)
    images = torch.stack([CerraData4MM(split_dataset)[i]["image"] for i in range(3)])
    images[0, 3, 4, 5] = torch.nan
    assert not network.training
    with torch.inference_mode():
        logits = network(images)
        again = load_run(trained_run)[1](images)
    assert logits.shape == (3, record.model.classes, 32, 32)
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(logits, again)


def test_validation_score_of_the_record_is_that_of_the_saved_weights(
    trained_run: RunFolder, split_dataset: Path
) -> None:
    record, network = load_run(trained_run)
    task = SegmentationTask(nn.Identity(), record.legend.level(2).names, learning_rate=1)
    for sample in CerraData4MM(split_dataset, "val"):
        with torch.inference_mode():
            task.confusion.update(network(sample["image"][None]).argmax(1), sample["mask"][None])
    assert task.scores().macro_f1 == pytest.approx(record.best["val_macro_f1"], abs=0.1)


def test_same_seed_gives_the_same_weights(fast: Training, tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = train(fast(epochs=2), tmp_path / "first", QUIET)
    torch.manual_seed(2)
    second = train(fast(epochs=2), tmp_path / "second", QUIET)
    other = train(fast(epochs=2, seed=5), tmp_path / "other", QUIET)
    assert_same_weights(first, second)
    assert any((array != weights(other)[name]).any() for name, array in weights(first).items())


JITTER = AugmentationConfig(flips=True, crop=16, msi_gain=0.2, sar_gain=1.0, modality_dropout=0.5)


@pytest.mark.parametrize("options", [{}, {"fraction": 0.6, "validity": True, "augmentation": JITTER, "workers": 1}])
def test_resumed_training_gives_what_an_uninterrupted_one_gives(
    fast: Training, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(fast(**options), tmp_path / "whole", QUIET)
    out = tmp_path / "resumed"
    for epoch in (0, 2, 3):
        interrupted(fast(**options), out, epoch, monkeypatch)
    with pytest.raises(RunError, match=r"half-written.*--resume"):
        RunFolder(out).read()
    resumed = train(fast(**options), out, RESUME)
    assert_same_weights(resumed, whole)
    ours, theirs = resumed.history(), whole.history()
    assert list(ours["epoch"]) == [0, 1, 2, 3]
    for column in ("train_loss", "val_loss", "val_macro_f1"):
        np.testing.assert_array_equal(ours[column], theirs[column], err_msg=column)
    ours, theirs = resumed.read().to_dict(), whole.read().to_dict()
    assert ours == theirs


def test_resuming_needs_the_same_configuration_and_patches(
    fast: Training, split_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resplit: Callable[..., None]
) -> None:
    root, out = tmp_path / "dataset", tmp_path / "run"
    shutil.copytree(split_dataset, root)
    config = fast(data=Location(root))
    interrupted(config, out, 1, monkeypatch)
    with pytest.raises(ConfigError, match="another configuration"):
        train(fast(data=Location(root), learning_rate=0.5), out, RESUME)
    resplit(root, seed=99)
    with pytest.raises(RunError, match="split anew"):
        train(config, out, RESUME)
    resplit(root)
    assert train(config, out, RESUME).read().best


def test_run_folder_is_replaced_only_on_request(fast: Training, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(fast(epochs=1), out, QUIET)
    (out / "scores_test.json").write_text("{}")
    with pytest.raises(OutputError, match="--overwrite"):
        train(fast(epochs=1), out, QUIET)
    with pytest.raises(RunError, match="finished"):
        train(fast(epochs=1), out, RESUME)
    assert (out / "scores_test.json").exists()
    train(fast(epochs=1, seed=2), out, TrainOptions(quiet=True, overwrite=True))
    assert RunFolder(out).read().seed == 2
    assert not (out / "scores_test.json").exists()


@pytest.mark.parametrize("content", ["config.yaml", "legend.yaml", "thesis.txt"])
def test_folder_of_somebody_else_is_never_deleted(fast: Training, tmp_path: Path, content: str) -> None:
    out = tmp_path / "project"
    out.mkdir()
    (out / content).write_text("epochs: 4\n")
    for options in (QUIET, RESUME, TrainOptions(quiet=True, overwrite=True)):
        with pytest.raises(OutputError):
            train(fast(), out, options)
    assert (out / content).read_text() == "epochs: 4\n"


def test_resume_of_nothing_begins_anew(fast: Training, tmp_path: Path) -> None:
    assert train(fast(epochs=1), tmp_path / "run", RESUME).read().best["epoch"] == 0


def test_training_stops_early(fast: Training, tmp_path: Path) -> None:
    # With this rate nothing changes, so no epoch is better than the first.
    run = train(
        fast(epochs=50, patience=2, learning_rate=1e-30, augmentation=AugmentationConfig()), tmp_path / "run", QUIET
    )
    assert len(run.history()) < 10


@pytest.mark.parametrize(
    ("changes", "bands", "level"),
    [
        ({"modality": "sar", "level": 1}, ("VV", "VH"), 1),
        ({"bands": ("B08", "B04", "VH"), "class_weights": "inverse"}, ("B08", "B04", "VH"), 2),
    ],
)
def test_modality_bands_and_level_reach_the_network(
    fast: Training, tmp_path: Path, changes: dict[str, Any], bands: tuple[str, ...], level: int
) -> None:
    run = train(fast(epochs=1, **changes), tmp_path / "run", QUIET)
    record, network = load_run(run)
    assert (record.bands, record.level) == (bands, level)
    assert network(torch.ones(1, len(bands), 8, 8)).shape[1] == len(record.legend.level(level))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"modality": "optical"}, ConfigError),
        ({"bands": ("B10",)}, ConfigError),
        ({"model": "unett"}, ConfigError),
        ({"data": Location("/nowhere")}, DatasetError),
    ],
)
def test_training_that_cannot_work_leaves_no_folder(
    fast: Training, tmp_path: Path, changes: dict[str, Any], error: type[CerradataError]
) -> None:
    with pytest.raises(error):
        train(fast(**changes), tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


def test_weights_that_run_code_are_not_loaded(run_copy: RunFolder, tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
            return Path.write_text, (str(tmp_path / "broken-in"), "")

    torch.save(Malicious(), run_copy.weights)
    with pytest.raises(RunError, match="does not fit the network"):
        load_run(run_copy)
    assert not (tmp_path / "broken-in").exists()


def test_checkpoint_that_runs_code_is_not_resumed(
    fast: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
            return exec, (f"open({str(tmp_path / 'broken-in')!r}, 'w')",)

    interrupted(fast(), tmp_path / "run", 1, monkeypatch)
    torch.save(Malicious(), tmp_path / "run" / "checkpoints" / "last.ckpt")
    with pytest.raises(CerradataError, match=r"last\.ckpt"):
        train(fast(), tmp_path / "run", RESUME)
    assert not (tmp_path / "broken-in").exists()


def test_weights_of_another_network_are_refused(run_copy: RunFolder, fast: Training, tmp_path: Path) -> None:
    other = train(fast(epochs=1), tmp_path / "other", QUIET)
    shutil.copy(other.weights, run_copy.weights)
    with pytest.raises(RunError, match="does not fit the network unet/resnet18"):
        load_run(run_copy)


def test_network_learns_what_can_be_learned(fast: Training, tmp_path: Path) -> None:
    run = train(fast(epochs=5, learning_rate=0.03, batch_size=4, level=1), tmp_path / "run", QUIET)
    losses = run.history()["train_loss"]
    assert losses.iloc[-1] < 0.9 * losses.iloc[0]
