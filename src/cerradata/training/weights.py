"""Class weights from the index, and network weights from a run folder."""

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from cerradata.core.errors import DatasetError, RunError
from cerradata.core.types import CountArray
from cerradata.data import NormalisationName, Normalise
from cerradata.models import create_model
from cerradata.patches.class_weights import ClassWeights, scheme_weights
from cerradata.runs import RunFolder, RunRecord


def class_weights(scheme: ClassWeights, pixels: CountArray, beta: float | None = None) -> Tensor | None:
    """Weights of the classes in the loss, see `cerradata.patches.class_weights` for the formulas and their sources.

    Args:
        scheme: "none"; "inverse", largest weight 1, as published; "median", the class of median frequency weighs 1; or
            "effective", weights sum to the number of classes that occur.
        pixels: (patches, classes) training pixels of each class, from the index; (classes,), their sum, suffices for all but
            "median".
        beta: For "effective" only.

    Returns:
        (classes,) float32, 0 or more, or None for "none". A class without training pixels weighs 0.

    Raises:
        DatasetError: If there is no labelled pixel at all.
        ConfigError: If there is no such scheme, or it cannot use these arguments.
    """
    weights = scheme_weights(scheme, pixels, beta)
    if weights is None:
        return None
    if not weights.any():
        raise DatasetError("The training split has no labelled pixel: split the dataset anew.")
    return torch.tensor(weights, dtype=torch.float32)


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
    name: NormalisationName = record.normalisation  # type: ignore[assignment]  # checked inside
    normalise = Normalise(record.bands, record.statistics, name, validity=record.validity)
    return record, NormalisedNetwork(normalise, network).eval()
