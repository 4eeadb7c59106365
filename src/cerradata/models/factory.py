"""Networks by name or import path."""

import importlib
from typing import Any, Protocol, cast

import segmentation_models_pytorch as smp
from torch import Tensor, nn

from cerradata.core.errors import ConfigError

MODELS = ("unet",)


class ModelClass(Protocol):
    """What a class of others must take to plug in by its import path."""

    def __call__(self, *, in_channels: int, classes: int) -> nn.Module:
        """Make a network that maps (B, in_channels, H, W) to logits (B, classes, H, W)."""


def create_model(name: str, *, in_channels: int, classes: int, encoder: str = "resnet50") -> nn.Module:
    """Make a network with random weights.

    Args:
        name: "unet", or the import path of a class ("package.module:Class") that takes `in_channels` and `classes`.
        in_channels: Bands of the images.
        classes: Classes of the level.
        encoder: Encoder of the U-Net, any name of segmentation-models-pytorch; the published one is "resnet50".

    Returns:
        A module from (B, in_channels, H, W) float32 to logits (B, classes, H, W).

    Raises:
        ConfigError: If there is no such network, encoder or class.
    """
    if ":" in name:
        found = _import_class(name)
        try:
            return found(in_channels=in_channels, classes=classes)
        except TypeError as error:
            raise ConfigError(f"Model {name!r} does not take `in_channels` and `classes` alone: {error}.") from error
    match name:
        case "unet":
            return _unet(encoder, in_channels, classes)
        case _:
            raise ConfigError(
                f"There is no model {name!r}: there are {', '.join(MODELS)}, and your own as `package.module:Class`."
            )


class FixedMultiple(nn.Module):
    """Pads images to a multiple of a size by reflection, and cuts the logits back."""

    def __init__(self, network: nn.Module, multiple: int) -> None:
        """Wrap a network that takes sizes that are multiples of `multiple` only."""
        super().__init__()
        self.network = network
        self.multiple = multiple

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, classes, H, W) of images (B, bands, H, W) of any H and W."""
        height, width = image.shape[-2:]
        below, right = -height % self.multiple, -width % self.multiple
        if below or right:
            # reflection needs more pixels than it adds; a tiny image is continued by its border instead
            mode = "reflect" if below < height and right < width else "replicate"
            image = nn.functional.pad(image, (0, right, 0, below), mode=mode)
        logits: Tensor = self.network(image)
        return logits[..., :height, :width]


def _unet(encoder: str, in_channels: int, classes: int) -> nn.Module:
    try:
        network = smp.Unet(encoder_name=encoder, encoder_weights=None, in_channels=in_channels, classes=classes)
    except (KeyError, RuntimeError) as error:  # of smp, and of timm for its own names
        known = ", ".join(sorted(smp.encoders.get_encoder_names())[:12])
        raise ConfigError(
            f"There is no encoder {encoder!r}: segmentation-models-pytorch has {known}, ... and timm's as `tu-<name>`."
        ) from error
    return FixedMultiple(network, 32)


def _import_class(path: str) -> ModelClass:
    module, _, name = path.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ConfigError(
            f"Model {path!r} cannot be imported ({error}): write `package.module:Class` of an installed package."
        ) from error
    return cast(ModelClass, found)
