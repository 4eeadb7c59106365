"""Progress of a training: one bar of epochs, with the validation score."""

import lightning
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class EpochProgress(Callback):
    """Shows epochs, training loss, validation macro F1 and the time left on standard error."""

    def __init__(self) -> None:
        """Prepare the bar."""
        super().__init__()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, TextColumn("{task.fields[figures]}"), console=Console(stderr=True))

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the bar; a resumed training starts where it was."""
        self.bar.start()
        done = trainer.current_epoch
        self.task = self.bar.add_task("Training", total=trainer.max_epochs, completed=done, figures="")

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Advance by an epoch and show its figures."""
        found = trainer.callback_metrics
        loss, score = (float(found.get(name, float("nan"))) for name in ("train_loss", "val_macro_f1"))
        self.bar.update(self.task, advance=1, figures=f"loss {loss:.3f}, validation macro F1 {score:.1f} %")

    def teardown(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:
        """Stop the bar, whatever ended the training."""
        self.bar.stop()
