"""`score_run`: the scores of a run on patches that it has not seen."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cerradata.core.errors import RunError
from cerradata.core.files import write_json
from cerradata.core.locations import Location
from cerradata.core.progress import track
from cerradata.core.types import SIMULATED_TAG, CountArray, LabelArray, SplitName
from cerradata.data import CerraData4MM, Modality
from cerradata.data.picture import picture
from cerradata.data.samplers import EvaluationBatches
from cerradata.evaluation.plots import (
    PanelRow,
    plot_confusion,
    plot_panels,
    plot_training_curves,
    save_figure,
)
from cerradata.patches.index import class_counts, read_index
from cerradata.patches.info import DatasetInfo
from cerradata.runs import RunFolder, RunRecord
from cerradata.scenes.files import raster_tag
from cerradata.scores.confusion import confusion_matrix, write_confusion
from cerradata.scores.scores import Scores, score_confusion
from cerradata.training import load_run
from cerradata.training.weights import NormalisedNetwork

_PANELS = 5


@dataclass(frozen=True)
class ScoreOptions:
    """How a run is tested.

    Attributes:
        split: Split to test on.
        batch_size: Patches in a batch.
        device: Device of PyTorch.
        quiet: Show no progress.
    """

    split: SplitName = "test"
    batch_size: int = 32
    device: str = "cpu"
    quiet: bool = False


def score_run(run: RunFolder, data: Path, options: ScoreOptions | None = None) -> Scores:
    """Score a run on a split, and write scores, confusion matrix and plots into the run folder.

    Args:
        run: The run.
        data: The dataset's folder.
        options: Split, batch size, device.

    Returns:
        The scores.

    Raises:
        RunError: If patches of the split were seen in training, or the dataset holds other numbers or classes than those
            that the run was trained on.
        DatasetError: If the dataset cannot be read.
    """
    options = options or ScoreOptions()
    record, network = load_run(run)
    dataset = open_split(record, data, options.split)
    if options.split == "test":
        record.require_unseen(content_hashes(data, dataset.ids))
    matrix = np.zeros((len(dataset.level), len(dataset.level)), np.int64)
    panels = _Panels(dataset)
    for ids, images, truth, prediction in predict_split(network, dataset, options):
        matrix += confusion_matrix(truth, prediction, len(dataset.level))
        panels.consider(ids, images, truth, prediction)
    objects = class_counts(read_index(data), dataset.level.number, what="objects", split=options.split)
    scores = score_confusion(matrix, dataset.level.names, objects)
    _write(run, options.split, scores, matrix, panels, simulated_of(record, data))
    return scores


def simulated_of(record: RunRecord, data: Path, reference: Location | None = None) -> tuple[str, ...]:
    """Which simulations made the data of a run, or those that it is tested on; nothing for real data.

    Args:
        record: The run.
        data: Folder of the dataset that it is tested on.
        reference: Raster of another reference that it is scored against.

    Raises:
        DatasetError: If the dataset cannot be read.
        SceneError: If the reference cannot be opened.
    """
    found = {*record.simulated, *DatasetInfo.read(data).simulated}
    said = None if reference is None else raster_tag(reference, SIMULATED_TAG)
    return tuple(sorted(found if said is None else {*found, said}))


def open_split(record: RunRecord, data: Path, split: SplitName) -> CerraData4MM:
    """A split of a dataset as the run needs it.

    Raises:
        RunError: If bands, units or classes are not those of the run.
    """
    modality: Modality = record.modality  # type: ignore[assignment]  # checked by the dataset
    dataset = CerraData4MM(data, split, modality, record.level, bands=record.bands)
    ours, theirs = record.legend.level(record.level).names, dataset.level.names
    if ours != theirs:
        raise RunError(f"The run tells apart {', '.join(ours)}; {data} has {', '.join(theirs)}.")
    for layer, radiometry in record.radiometry.items():
        other = dataset.radiometry[layer]
        for name in ("unit", "scale", "offset"):
            if getattr(radiometry, name) != getattr(other, name):
                raise RunError(
                    f"The run was trained on {layer} with {name} {getattr(radiometry, name)}; {data} has {name} "
                    f"{getattr(other, name)}. Build the dataset with the same `stored_offset` and `unit`."
                )
    return dataset


def content_hashes(data: Path, ids: list[int]) -> dict[int, str]:
    """Content hash of some patches, from the index."""
    index = read_index(data)
    chosen = index[index["id"].isin(ids)]
    return dict(zip(chosen["id"].astype(int), chosen["content_hash"], strict=True))


def predict_split(
    network: NormalisedNetwork, dataset: CerraData4MM, options: ScoreOptions
) -> Iterator[tuple[list[int], LabelArray, LabelArray, LabelArray]]:
    """Predict every patch of a dataset.

    Yields:
        Ids, images (B, bands, H, W) of stored numbers, truth (B, H, W) and prediction (B, H, W) of a batch.
    """
    network = network.to(options.device)
    batches = EvaluationBatches(len(dataset), options.batch_size)
    for positions in track(batches, what=f"Testing on {options.split}", total=len(batches), quiet=options.quiet):
        batch = dataset.assemble(dataset.stored.read([dataset.ids[i] for i in positions]))
        with torch.inference_mode():
            logits = network(batch["image"].to(options.device))
        prediction = logits.argmax(dim=1).cpu().numpy().astype(np.uint8)
        yield batch["id"].tolist(), batch["image"].numpy(), batch["mask"].numpy().astype(np.uint8), prediction


def with_simulated(plain: dict[str, Any], simulated: tuple[str, ...]) -> dict[str, Any]:
    """Scores as plain values, with a word on the simulation that they come from, if any."""
    return {**plain, "simulated": list(simulated)} if simulated else plain


class _Panels:
    """The patches with the most classes: the most telling ones to look at."""

    def __init__(self, dataset: CerraData4MM) -> None:
        self.dataset = dataset
        self.rows: list[tuple[int, int, PanelRow]] = []

    def consider(self, ids: list[int], images: LabelArray, truth: LabelArray, prediction: LabelArray) -> None:
        for patch_id, image, own, predicted in zip(ids, images, truth, prediction, strict=True):
            classes = len(np.unique(own))
            row = PanelRow(f"patch {patch_id}", picture(image, self.dataset.bands), own, predicted)
            self.rows = sorted([*self.rows, (-classes, patch_id, row)], key=lambda entry: entry[:2])[:_PANELS]


def _write(
    run: RunFolder, split: str, scores: Scores, matrix: CountArray, panels: _Panels, simulated: tuple[str, ...]
) -> None:
    level = panels.dataset.level
    names = [c.short for c in level.classes] if len(level) > 10 else list(level.names)
    write_confusion(run.confusion(split), matrix)
    suffix = "" if split == "test" else f"_{split}"  # the report shows the figures of the test split
    save_figure(plot_confusion(matrix, names, percent=True), run.plots / f"confusion_percent{suffix}.png")
    save_figure(plot_confusion(matrix, names, percent=False), run.plots / f"confusion_counts{suffix}.png")
    save_figure(plot_training_curves(run.history()), run.plots / "training_curves.png")
    if panels.rows:
        save_figure(plot_panels([row for _, _, row in panels.rows], level), run.plots / f"panels_{split}.png")
    write_json(run.scores(split), with_simulated(scores.to_dict(), simulated))
