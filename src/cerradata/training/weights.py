"""Class weights from the index, and network weights from a run folder."""

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cerradata.core.errors import DatasetError, RunError
from cerradata.core.types import CountArray
from cerradata.data import Normalise
from cerradata.models import create_model
from cerradata.runs import RunFolder, RunRecord
from cerradata.training.config import ClassWeights


def class_weights(scheme: ClassWeights, pixels: CountArray) -> Tensor | None:
    """Weights of the classes in the loss.

    Args:
        scheme: "none", or "inverse": inverse frequency divided by the largest weight, as published.
        pixels: (classes,) training pixels of each class, from the index.

    Returns:
        (classes,) float32 between 0 and 1, or None for "none". A class without training pixels weighs 0: it has no
        frequency, and no pixel to weigh.

    Raises:
        DatasetError: If there is no labelled pixel at all.
    """
    if scheme == "none":
        return None
    if not pixels.any():
        raise DatasetError("The training split has no labelled pixel: split the dataset anew.")
    inverse = np.where(pixels > 0, pixels.sum() / np.maximum(pixels, 1), 0.0)
    return torch.tensor(inverse / inverse.max(), dtype=torch.float32)


class NormalisedNetwork(nn.Module):
    """A network with its normalisation in front: stored numbers in, logits out."""

    def __init__(self, normalise: Normalise, network: nn.Module) -> None:
        """Join both."""
        super().__init__()
        self.normalise = normalise
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, classes, H, W) of stored numbers (B, bands, H, W), NaN = no data."""
        logits: Tensor = self.network(self.normalise(image))
        return logits


def load_run(run: RunFolder) -> tuple[RunRecord, NormalisedNetwork]:
    """The network of a run with its weights and normalisation, in evaluation mode.

    Loading runs no code from the files: weights are safetensors.

    Raises:
        RunError: If the folder is half-written or damaged, or the weights do not fit the network.
    """
    record = run.read()
    model = record.model
    network = create_model(model.name, in_channels=model.in_channels, classes=model.classes, encoder=model.encoder)
    try:
        network.load_state_dict(load_file(run.weights))
    except (SafetensorError, RuntimeError) as error:
        raise RunError(f"{run.weights} does not fit the network {model.name}/{model.encoder}: {error}") from error
    normalise = Normalise(record.bands, record.statistics, record.normalisation)  # type: ignore[arg-type]  # checked inside
    return record, NormalisedNetwork(normalise, network).eval()
