import sys

import pytest
import torch
from torch import nn

from cerradata.core.errors import ConfigError
from cerradata.models import MODELS, create_model
from cerradata.models.factory import FixedMultiple


class PixelWise(nn.Module):
    """A network of somebody else, by import path."""

    def __init__(self, *, in_channels: int, classes: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(in_channels, classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.layer(image)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module", params=MODELS)
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return create_model(request.param, in_channels=3, classes=5, encoder="resnet18")


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 100), (17, 17), (1, 40)])
def test_logits_have_the_size_of_the_image(network: nn.Module, height: int, width: int) -> None:
    with torch.inference_mode():
        logits = network.eval()(torch.randn(2, 3, height, width))
    assert logits.shape == (2, 5, height, width)
    assert torch.isfinite(logits).all()
    assert float(logits.min()) < 0, "logits, not probabilities"


def test_gradients_reach_every_parameter(network: nn.Module) -> None:
    network.train().zero_grad()
    logits = network(torch.randn(2, 3, 64, 64))
    nn.functional.cross_entropy(logits, torch.randint(5, (2, 64, 64))).backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_an_image_does_not_depend_on_its_batch(network: nn.Module) -> None:
    images = torch.randn(4, 3, 40, 40)
    with torch.inference_mode():
        together = network.eval()(images)
        alone = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=1e-4)


def test_weights_can_be_carried_over(network: nn.Module) -> None:
    other = create_model("unet", in_channels=3, classes=5, encoder="resnet18")
    image = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        assert not torch.allclose(other.eval()(image), network.eval()(image))
        other.load_state_dict(network.state_dict())
        torch.testing.assert_close(other(image), network(image))


def test_weights_follow_from_the_seed() -> None:
    first, second, third = (torch.cat([p.flatten() for p in seeded(seed).parameters()]) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def seeded(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return create_model("unet", in_channels=2, classes=3, encoder="resnet18")


@pytest.mark.parametrize("size", [1, 5, 32, 33, 63])
def test_padding_keeps_pixels_in_place(size: int) -> None:
    image = torch.randn(1, 2, size, size + 1)
    torch.testing.assert_close(FixedMultiple(nn.Identity(), 32)(image), image)


def test_network_of_others_plugs_in_by_import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "their_package", type("Module", (), {"PixelWise": PixelWise}))
    network = create_model("their_package:PixelWise", in_channels=4, classes=6)
    assert isinstance(network, PixelWise)
    assert network(torch.zeros(1, 4, 5, 5)).shape == (1, 6, 5, 5)


@pytest.mark.parametrize(
    ("name", "encoder", "message"),
    [
        ("unett", "resnet18", "no model 'unett': there are unet"),
        ("unet", "resnet19", "no encoder 'resnet19'"),
        ("no_such_package:Net", "resnet18", "cannot be imported"),
        ("torch.nn:NoSuchClass", "resnet18", "cannot be imported"),
        (":Net", "resnet18", "cannot be imported"),
        ("torch.nn:Conv2d", "resnet18", "does not take `in_channels` and `classes` alone"),
    ],
)
def test_unknown_names_are_refused(name: str, encoder: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        create_model(name, in_channels=3, classes=5, encoder=encoder)
