"""`train`: one training, from a dataset to a run folder."""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from safetensors.torch import save

from cerradata.core.errors import ConfigError, RunError
from cerradata.core.files import atomic_path
from cerradata.core.plain import plain
from cerradata.data import CerraData4MM, CerraData4MMDataModule
from cerradata.models import create_model
from cerradata.patches.index import ids_of_split, read_columns
from cerradata.patches.info import DatasetInfo
from cerradata.runs import ModelRecord, RunFolder, RunRecord, hash_of_ids
from cerradata.runs.folder import CONFIG_FILE, RECORD_FILE
from cerradata.training.config import TrainConfig
from cerradata.training.processes import is_first_process
from cerradata.training.progress import EpochProgress
from cerradata.training.task import SegmentationTask
from cerradata.training.weights import class_weights

_MONITOR = "val_macro_f1"


@dataclass(frozen=True)
class TrainOptions:
    """How a training runs, as opposed to what it gives.

    Attributes:
        resume: Go on with the unfinished training in the run folder.
        overwrite: Replace the run that is there.
        quiet: Show no progress.
    """

    resume: bool = False
    overwrite: bool = False
    quiet: bool = False


def train(config: TrainConfig, out: Path, options: TrainOptions | None = None) -> RunFolder:
    """Train a network on the training split, choose the best epoch on the validation split, write a run folder.

    Args:
        config: What to train.
        out: The run folder.
        options: How to run.

    Returns:
        The run folder, whole.

    Raises:
        CerradataError: If dataset, configuration or output do not allow it.
    """
    options = options or TrainOptions()
    module, task = _prepare(config)
    run = RunFolder(out)
    trainer = _trainer(config, run, options)
    # Only one process of a distributed training writes
    if trainer.is_global_zero:
        _open_run(config, module.train_dataset, out, options)
    last = run.checkpoints / "last.ckpt"
    _fit(trainer, task, module, last if options.resume and last.is_file() else None)
    if trainer.is_global_zero:
        best = _best_checkpoint(trainer)
        _save_weights(task, best, run)
        run.finish(_record(config, module, _best_row(run, best)))
    trainer.strategy.barrier()
    return run


def _prepare(config: TrainConfig) -> tuple[CerraData4MMDataModule, SegmentationTask]:
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    module = CerraData4MMDataModule(
        config.data,
        config.batches(),
        seed=config.seed,
        modality=config.modality,
        level=config.level,
        bands=config.bands,
    )
    dataset = module.train_dataset
    network = create_model(
        config.model,
        in_channels=module.normalise.channels,
        classes=len(dataset.level),
        encoder=config.encoder,
    )
    return module, SegmentationTask(
        network,
        dataset.level.names,
        learning_rate=config.learning_rate,
        schedule=config.schedule,
        weights=class_weights(config.class_weights, dataset.class_table().pixels),
    )


def _open_run(config: TrainConfig, dataset: CerraData4MM, out: Path, options: TrainOptions) -> RunFolder:
    resolved = plain(config)
    run = RunFolder(out)
    patches = _hash_of_patches(dataset.root)
    if options.resume and (out / RECORD_FILE).is_file():
        raise RunError(f"{out} is finished: there is nothing to resume. Give --overwrite to train again.")
    begun_on = run.begun_on() if options.resume else None
    if begun_on is None or not (out / CONFIG_FILE).is_file():
        return RunFolder.create(
            out, config=resolved, legend=dataset.legend, overwrite=options.overwrite, patches=patches
        )
    if run.config() != resolved:
        raise ConfigError(f"{out} was begun with another configuration: resume with the same, or give --overwrite.")
    if begun_on != patches:
        raise RunError(
            f"{out} was begun on other training or validation patches than {config.data} has now: was it split anew? Restore "
            "the split, or give --overwrite to begin again."
        )
    return run


def _hash_of_patches(root: Path) -> str:
    """SHA-256 of what the training and the validation patches hold."""
    index = read_columns(root, ())
    seen = sorted(
        (split, content) for split, content in zip(index["split"], index["content_hash"], strict=True) if split
    )
    return hashlib.sha256(repr([patch for patch in seen if patch[0] != "test"]).encode()).hexdigest()


def _fit(trainer: lightning.Trainer, task: SegmentationTask, module: CerraData4MMDataModule, last: Path | None) -> None:
    with warnings.catch_warnings():
        # of a resumed training, where it must hold something
        warnings.filterwarnings("ignore", "Checkpoint directory .* exists and is not empty", UserWarning)
        try:
            # weights_only: a checkpoint of somebody else must not run code
            trainer.fit(task, module, ckpt_path=last, weights_only=True)
        except UnpicklingError as error:
            raise RunError(
                f"{last} is no checkpoint of ours, or is damaged ({error}): give --overwrite to begin again."
            ) from error
        except SystemExit as error:  # what Lightning makes of Ctrl-C
            if trainer.interrupted:
                raise KeyboardInterrupt from error
            raise


class _SeedSteps(Callback):
    """Seeds dropout and the like anew in each step, so that a resumed training draws what an uninterrupted one draws."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Seed PyTorch; each process of a distributed training differently."""
        step = (self.seed * 1_000_003 + trainer.current_epoch) * 1_000_003 + batch_idx
        torch.manual_seed((step * 1_003 + trainer.global_rank) % (1 << 63))


def _trainer(config: TrainConfig, run: RunFolder, options: TrainOptions) -> lightning.Trainer:
    callbacks: list[Callback] = [
        ModelCheckpoint(run.checkpoints, filename="best", monitor=_MONITOR, mode="max", save_last=True),
        EarlyStopping(_MONITOR, mode="max", patience=config.patience),
        _SeedSteps(config.seed),
    ]
    if not options.quiet and is_first_process():
        callbacks.append(EpochProgress())
    # A log folder of its own each time: the logger deletes what is there.
    attempt = f"{len(list(run.attempts.glob('*'))):03}"
    return lightning.Trainer(
        max_epochs=config.epochs,
        callbacks=callbacks,
        logger=[
            CSVLogger(run.logs, name=run.attempts.name, version=attempt),
            TensorBoardLogger(run.path, name="logs", version="tensorboard"),
        ],
        default_root_dir=run.path,
        enable_progress_bar=False,  # ours shows epochs; see `progress.py`
        enable_model_summary=False,
        num_sanity_val_steps=0,  # its scores would be those of random weights
        log_every_n_steps=1,
        use_distributed_sampler=False,  # ours know of processes
        **config.trainer,
    )


def _best_checkpoint(trainer: lightning.Trainer) -> Path:
    callback = trainer.checkpoint_callback
    path = "" if callback is None else str(getattr(callback, "best_model_path", ""))
    if not path:
        raise RunError("The training ended before its first epoch: there are no weights. Run it again.")
    return Path(path)


def _save_weights(task: SegmentationTask, best: Path, run: RunFolder) -> None:
    state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "network."
    weights = {name.removeprefix(prefix): t.contiguous() for name, t in state.items() if name.startswith(prefix)}
    with atomic_path(run.weights) as temporary:
        temporary.write_bytes(save(weights))
    task.network.load_state_dict(weights)


def _best_row(run: RunFolder, best: Path) -> dict[str, float]:
    epoch = int(torch.load(best, map_location="cpu", weights_only=True)["epoch"])
    for row in run.history().to_dict("records"):
        if int(row["epoch"]) == epoch:
            return {str(name): float(value) for name, value in row.items() if np.isfinite(value)}
    return {"epoch": float(epoch)}


def _record(config: TrainConfig, module: CerraData4MMDataModule, best: dict[str, float]) -> RunRecord:
    dataset, normalise = module.train_dataset, module.normalise
    info, index = DatasetInfo.read(dataset.root), read_columns(dataset.root, ())
    seen: dict[str, tuple[int, ...]] = {"train": tuple(dataset.ids), "val": tuple(ids_of_split(index, "val"))}
    hashes = dict(zip(index["id"], index["content_hash"], strict=True))
    return RunRecord(
        model=ModelRecord(config.model, config.encoder, normalise.channels, len(dataset.level)),
        modality=config.modality,
        bands=dataset.bands,
        level=dataset.level.number,
        legend=dataset.legend,
        radiometry=dataset.radiometry,
        normalisation=normalise.name,
        validity=config.validity,
        statistics={band: dict(values) for band, values in module.statistics.items()},
        split_ids=seen,
        split_hashes={split: tuple(hashes[i] for i in ids) for split, ids in seen.items()},
        split_hash=hash_of_ids(seen),
        dataset={
            "name": info.name,
            "patches": info.patches,
            "attribution": list(info.attribution),
            "simulated": list(info.simulated),
            "time_windows": info.provenance.get("time_windows", {}),
            "stacks": info.provenance.get("stacks", {}),
        },
        patch_size=info.patch_size,
        seed=config.seed,
        best=best,
    )
