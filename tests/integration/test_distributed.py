"""Two processes share an evaluation and a training, over gloo on the loopback interface.

The tests start this file as a script, once a process: a fork of a process that has run PyTorch's threads may hang.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Subset

from cerradata.core.types import UNLABELLED
from cerradata.data import CerraData4MM
from cerradata.data.samplers import EvaluationBatches, TrainingBatches
from cerradata.evaluation.testing import ScoreOptions, score_run
from cerradata.patches.assign import assign_splits
from cerradata.patches.split import SplitOptions
from cerradata.runs import RunFolder
from cerradata.scores.confusion import confusion_matrix

PROCESSES = 2
PATCHES = 33  # 16 and 17 a process: two and three batches, if each filled its own
BATCH = 8
SEED, EPOCHS = 5, 3
TRAINING_SIZES = ((4, 22), (5, 21))  # batch size, patches: a tail of 6 in batches of 3, a tail of a single patch


class Network(nn.Module):
    """Few weights that are always the same, and a batch normalisation, whose buffers processes exchange.

    In double precision, so that sums over other batches do not change the class of a pixel.
    """

    def __init__(self, bands: int, classes: int) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.layers = nn.Sequential(nn.BatchNorm2d(bands), nn.Conv2d(bands, classes, 3, padding=1)).double()

    def forward(self, image: Tensor) -> Tensor:
        return self.layers(image.double() / 10_000)


def network_of(dataset: CerraData4MM, processes: int) -> nn.Module:
    network = Network(len(dataset.bands), len(dataset.level))
    return DistributedDataParallel(network) if processes > 1 else network


def evaluate(root: Path, rank: int = 0, processes: int = 1) -> tuple[np.ndarray, list[int]]:
    """Confusion matrix and ids of one process."""
    dataset = CerraData4MM(root)
    network = network_of(dataset, processes).eval()
    batches = EvaluationBatches(PATCHES, BATCH, rank=rank, processes=processes)
    classes, ids = len(dataset.level), []
    matrix = np.zeros((classes, classes), np.int64)
    for batch in DataLoader(Subset(dataset, range(PATCHES)), batch_sampler=batches):
        with torch.no_grad():
            prediction = network(batch["image"]).argmax(dim=1)
        matrix += confusion_matrix(batch["mask"].numpy(), prediction.numpy(), classes)
        ids += batch["id"].tolist()
    return matrix, ids


def train(root: Path, steps: Iterable[Iterable[list[int]]], processes: int = 1) -> tuple[list[float], list[list[int]]]:
    """First weights after training on the batches of some epochs, and the ids of each batch."""
    dataset = CerraData4MM(root)
    network = network_of(dataset, processes)
    network.eval()  # two processes have batch statistics of their own; one has those of the whole batch
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    ids = []
    for epoch in steps:
        for batch in DataLoader(dataset, batch_sampler=epoch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(
                network(batch["image"]), batch["mask"], ignore_index=UNLABELLED, reduction="sum"
            )
            (loss / batch["mask"].numel()).backward()
            optimizer.step()
            ids.append(batch["id"].tolist())
    weights = torch.cat([p.detach().flatten() for p in network.parameters()])
    return weights[:200].tolist(), ids


def epochs_of(size: int, batch_size: int, rank: int, processes: int) -> list[list[list[int]]]:
    """The batches of some epochs of one process."""
    sampler = TrainingBatches(size, batch_size, SEED, rank=rank, processes=processes)
    found = []
    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        found.append(list(sampler))
    return found


def work(root: Path, out: Path, rank: int) -> None:
    """What one of the processes does."""
    dist.init_process_group(
        "gloo",
        init_method=(out / "rendezvous").as_uri(),
        rank=rank,
        world_size=PROCESSES,
        timeout=timedelta(seconds=60),
    )
    matrix, ids = evaluate(root, rank, PROCESSES)
    total = torch.from_numpy(matrix)
    dist.all_reduce(total)
    gathered: list[Any] = [None] * PROCESSES
    dist.all_gather_object(gathered, ids)
    trainings = []
    for batch_size, size in TRAINING_SIZES:
        weights, seen = train(root, epochs_of(size, batch_size, rank, PROCESSES), PROCESSES)
        trainings.append({"weights": weights, "ids": seen})
    dist.destroy_process_group()
    result = {"matrix": total.tolist(), "ids": gathered, "trainings": trainings}
    (out / f"{rank}.json").write_text(json.dumps(result), encoding="utf-8")


def environment() -> dict[str, str]:
    """Processes that talk over the loopback interface."""
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    return {**os.environ, "GLOO_SOCKET_IFNAME": loopback, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def results(golden_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each process found."""
    out = tmp_path_factory.mktemp("processes")
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error::UserWarning", __file__, str(golden_dataset), str(out), str(rank)],
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(PROCESSES)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [json.loads((out / f"{rank}.json").read_text(encoding="utf-8")) for rank in range(PROCESSES)]


def test_two_processes_count_what_one_counts(golden_dataset: Path, results: list[dict[str, Any]]) -> None:
    matrix, ids = evaluate(golden_dataset)
    assert np.count_nonzero(matrix.sum(axis=0)) > 1, "a network that predicts one class would prove little"
    for result in results:
        np.testing.assert_array_equal(result["matrix"], matrix)
        assert [len(own) for own in result["ids"]] == [16, 17]
        assert [patch_id for own in result["ids"] for patch_id in own] == ids, "each id exactly once"
    assert ids == CerraData4MM(golden_dataset).ids[:PATCHES]


@pytest.mark.parametrize("number", range(len(TRAINING_SIZES)))
def test_two_processes_train_as_one_with_twice_the_batch(
    number: int, golden_dataset: Path, results: list[dict[str, Any]]
) -> None:
    batch_size, size = TRAINING_SIZES[number]
    first, second = (result["trainings"][number] for result in results)
    expected = {4: [4, 4, 3], 5: [5, 5]}[batch_size]  # 3 a process of a tail of 6; a tail of one is left out
    for own in (first, second):
        assert [len(ids) for ids in own["ids"]] == EPOCHS * expected
    for epoch in range(EPOCHS):
        part = slice(epoch * len(expected), (epoch + 1) * len(expected))
        seen = [patch_id for own in (first, second) for ids in own["ids"][part] for patch_id in ids]
        assert len(set(seen)) == len(seen) == 2 * sum(expected), "no patch twice in an epoch"
    whole = [batches[: len(expected)] for batches in epochs_of(size, 2 * batch_size, 0, 1)]
    weights, ids = train(golden_dataset, whole)
    assert [sorted(a + b) for a, b in zip(first["ids"], second["ids"], strict=True)] == [sorted(own) for own in ids]
    assert first["weights"] == second["weights"]
    np.testing.assert_allclose(first["weights"], weights, rtol=1e-9)


def test_training_of_two_processes_from_the_command_line(dataset_copy: Path, tmp_path: Path) -> None:
    assign_splits(dataset_copy, SplitOptions("random", seed=3, val_share=0.2, test_share=0.2))
    assert len(CerraData4MM(dataset_copy, "val")) % PROCESSES == 1, (
        "an odd number, so that processes have unequal shares"
    )
    run = tmp_path / "run"
    words = f"train --data {dataset_copy} --encoder resnet18 --epochs 2 --batch-size 4 --out {run} --quiet"
    processes = f"--trainer.accelerator cpu --trainer.devices {PROCESSES} --trainer.strategy ddp"
    done = subprocess.run(
        [sys.executable, "-m", "cerradata", *words.split(), *processes.split()],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("best epoch") == 1, "one process speaks for all"
    assert "warn" not in done.stderr.lower()
    best = RunFolder(run).read().best
    scores = score_run(RunFolder(run), dataset_copy, ScoreOptions("val", quiet=True))
    assert best["val_macro_f1"] == pytest.approx(scores.macro_f1), "each validation patch counted exactly once"
    assert best["val_overall_accuracy"] == pytest.approx(scores.overall_accuracy)


if __name__ == "__main__":
    work(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))


def test_a_trainer_of_others_shares_nothing_a_second_time(dataset_copy: Path, tmp_path: Path) -> None:
    """Lightning shares the batches of samplers among processes itself, unless they are distributed ones."""
    assign_splits(dataset_copy, SplitOptions("random", seed=3, val_share=0.2, test_share=0.2))
    script = tmp_path / "train.py"
    script.write_text(TRAINER_OF_OTHERS)
    done = subprocess.run(
        [sys.executable, str(script), str(dataset_copy), str(tmp_path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    seen = [json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in range(PROCESSES)]
    assert sorted(i for own in seen for i in own["val"]) == CerraData4MM(dataset_copy, "val").ids
    for epoch in ("0", "1"):
        trained = [i for own in seen for i in own["train"][epoch]]
        assert len(set(trained)) == len(trained)
        assert len(trained) >= len(CerraData4MM(dataset_copy, "train")) - 2 * PROCESSES + 1
    assert seen[0]["train"]["0"] != seen[0]["train"]["1"], "epochs differ"


TRAINER_OF_OTHERS = """
import json, sys
import lightning, torch
from cerradata.data import BatchConfig, CerraData4MMDataModule

class Looking(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(2, 1, 1)
        self.seen = {"train": {}, "val": []}
    def training_step(self, batch, number):
        self.seen["train"].setdefault(self.current_epoch, []).extend(batch["id"].tolist())
        return self.layer(batch["image"]).mean()
    def validation_step(self, batch, number):
        if self.current_epoch == 1:
            self.seen["val"].extend(batch["id"].tolist())
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

if __name__ == "__main__":
    module = CerraData4MMDataModule(sys.argv[1], BatchConfig(2), modality="sar")
    task = Looking()
    trainer = lightning.Trainer(accelerator="cpu", devices=2, strategy="ddp", max_epochs=2, logger=False,
                                enable_checkpointing=False, enable_progress_bar=False, num_sanity_val_steps=0)
    trainer.fit(task, module)
    with open(f"{sys.argv[2]}/rank-{trainer.global_rank}.json", "w") as file:
        json.dump(task.seen, file)
"""
