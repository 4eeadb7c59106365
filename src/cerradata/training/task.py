"""`SegmentationTask`: the Lightning module of a single-task training."""

from typing import Any

import lightning
import torch
import torch.distributed as dist
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torchmetrics.classification import MulticlassConfusionMatrix

from cerradata.core.types import UNLABELLED
from cerradata.scores.scores import Scores, score_confusion
from cerradata.training.config import Schedule


class SegmentationTask(lightning.LightningModule):
    """Wiring of network, cross-entropy and confusion matrix. Unlabelled pixels take no part in either."""

    def __init__(
        self,
        network: nn.Module,
        names: tuple[str, ...],
        *,
        learning_rate: float,
        schedule: Schedule = "constant",
        weights: Tensor | None = None,
    ) -> None:
        """Take the parts.

        Args:
            network: Normalised images (B, bands, H, W) to logits (B, classes, H, W).
            names: Names of the classes.
            learning_rate: Of Adam.
            schedule: Of the learning rate over the epochs.
            weights: (classes,) weights of the classes in the loss, or None.
        """
        super().__init__()
        self.network = network
        self.names = names
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.loss = nn.CrossEntropyLoss(weight=weights, ignore_index=UNLABELLED, reduction="sum")
        self.confusion = MulticlassConfusionMatrix(len(names), ignore_index=UNLABELLED)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, classes, H, W)."""
        logits: Tensor = self.network(image)
        return logits

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        """Loss of a training batch."""
        return self._step(batch, "train")[0]

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        """Loss and confusion of a validation batch."""
        _, logits = self._step(batch, "val")
        self.confusion.update(logits.argmax(dim=1), batch["mask"])

    def on_validation_epoch_end(self) -> None:
        """Scores of the validation split."""
        scores = self.scores()
        for name in ("macro_f1", "mean_iou", "overall_accuracy"):
            self.log(f"val_{name}", getattr(scores, name), prog_bar=name == "macro_f1", sync_dist=True)
        self.confusion.reset()

    def scores(self) -> Scores:
        """Scores of what the confusion matrix holds."""
        return score_confusion(self.confusion.compute().cpu().numpy().astype("int64"), self.names)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Adam, with a learning rate that stays or falls to 0 as a half cosine over the epochs."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.learning_rate)
        if self.schedule == "constant":
            return optimizer
        epochs = self.trainer.max_epochs or 1
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)]

    def _step(self, batch: dict[str, Tensor], stage: str) -> tuple[Tensor, Tensor]:
        logits = self(batch["image"])
        weight = self._labelled_weight(batch["mask"])
        if stage == "train" and dist.is_available() and dist.is_initialized():
            # The processes' gradients are averaged; of this loss they are those of one process with the whole batch
            weight = torch.as_tensor(self.all_gather(weight)).sum() / dist.get_world_size()
        loss = self.loss(logits, batch["mask"]) / weight
        self.log(
            f"{stage}_loss",
            loss,
            on_step=False,
            on_epoch=True,
            batch_size=len(logits),
            prog_bar=stage == "train",
            sync_dist=True,
        )
        return loss, logits

    def _labelled_weight(self, mask: Tensor) -> Tensor:
        """Summed weight of the labelled pixels: PyTorch's own mean is not a number where a batch has none."""
        labelled = mask[mask != UNLABELLED]
        total: Any = len(labelled) if self.loss.weight is None else self.loss.weight[labelled].sum()
        return torch.as_tensor(total, dtype=torch.float32, device=mask.device).clamp_min(1e-12)
