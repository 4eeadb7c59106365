import numpy as np
import pytest
import torch
from torch import nn

from cerradata.training.task import SegmentationTask

CLASSES = 4


def task(weights: list[float] | None = None) -> SegmentationTask:
    """The image is the logits."""
    found = SegmentationTask(
        nn.Conv2d(CLASSES, CLASSES, 1, bias=False),
        tuple("abcd"),
        learning_rate=0.1,
        weights=None if weights is None else torch.tensor(weights),
    )
    nn.init.dirac_(found.network.weight)
    found.log = lambda *_, **__: None  # no trainer is attached
    return found


def batch(unlabelled_share: float) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(1)
    mask = rng.integers(0, CLASSES, (3, 6, 7))
    mask[rng.random(mask.shape) < unlabelled_share] = 255
    return {"image": torch.from_numpy(rng.normal(size=(3, CLASSES, 6, 7)).astype("f4")), "mask": torch.from_numpy(mask)}


def reference_loss(logits: np.ndarray, mask: np.ndarray, weights: np.ndarray) -> float:
    """Weighted mean cross-entropy over the labelled pixels, in NumPy."""
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    total = weight = 0.0
    for image, row, column in zip(*np.nonzero(mask != 255), strict=True):
        own = mask[image, row, column]
        total -= weights[own] * np.log(shares[image, own, row, column])
        weight += weights[own]
    return total / weight


@pytest.mark.parametrize("weights", [None, [1.0, 0.25, 0.0, 0.03]])
@pytest.mark.parametrize("unlabelled_share", [0.0, 0.4, 0.9])
def test_unlabelled_pixels_take_no_part_in_the_loss(weights: list[float] | None, unlabelled_share: float) -> None:
    one = batch(unlabelled_share)
    expected = reference_loss(
        one["image"].numpy().astype(float), one["mask"].numpy(), np.array(weights or [1.0] * CLASSES)
    )
    assert float(task(weights).training_step(one, 0).detach()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weights", [None, [1.0, 0.25, 0.0, 0.03]])
def test_batch_without_labels_changes_nothing(weights: list[float] | None) -> None:
    own = task(weights)
    loss = own.training_step(batch(1.0), 0)
    loss.backward()
    assert float(loss.detach()) == 0
    assert torch.equal(own.network.weight.grad, torch.zeros_like(own.network.weight))


def test_batch_of_a_class_without_weight_changes_nothing() -> None:
    own = task([1.0, 1.0, 0.0, 1.0])
    one = {**batch(0.0), "mask": torch.full((3, 6, 7), 2)}
    loss = own.training_step(one, 0)
    loss.backward()
    assert float(loss.detach()) == 0
    assert torch.isfinite(own.network.weight.grad).all()


def test_validation_scores_are_of_the_labelled_pixels_of_all_batches() -> None:
    own = task()
    truth, predicted = [], []
    for share in (0.0, 0.5):
        one = batch(share)
        own.validation_step(one, 0)
        labelled = one["mask"] != 255
        truth.append(one["mask"][labelled])
        predicted.append(one["image"].argmax(1)[labelled])
    same = torch.cat(truth) == torch.cat(predicted)
    assert own.scores().overall_accuracy == pytest.approx(100 * float(same.float().mean()))
    own.on_validation_epoch_end()
    own.validation_step({**batch(0.0), "mask": batch(0.0)["image"].argmax(1)}, 0)
    assert own.scores().overall_accuracy == 100, "each epoch is scored anew"
