"""Augmentation that moves image, labels and edges alike."""

from typing import Final, Literal

import torch
from torch import Tensor, nn

Augmentation = Literal["none", "flips"]

_LAYERS: Final[tuple[str, ...]] = ("image", "mask", "edge")
_TURNS_AND_FLIPS: Final = 8


class Flips(nn.Module):
    """Turns each sample by a multiple of 90 degrees and mirrors it or not: one of the eight symmetries of the square.

    Which one follows from seed, epoch and the patch's id alone, so it does not depend on batches or workers. Scenes from
    above have no upside, so labels stay true. Patches must be square.
    """

    def __init__(self, seed: int) -> None:
        """Take the seed; `epoch` is set by the data module at the start of each epoch."""
        super().__init__()
        self.seed = seed
        self.epoch = 0

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The batch with every layer of each sample moved alike.

        Args:
            batch: `image` (B, C, H, W), `mask` (B, H, W), `edge` (B, H, W) where there are edges, and `id` (B).
        """
        choices = [self.choice(int(patch_id)) for patch_id in batch["id"]]
        moved: dict[str, Tensor] = {
            name: torch.stack([move(layer, choice) for layer, choice in zip(batch[name], choices, strict=True)])
            for name in _LAYERS
            if name in batch
        }
        return {**batch, **moved}

    def choice(self, patch_id: int) -> int:
        """Which of the eight symmetries a patch gets in this epoch."""
        key = (self.seed * 1_000_003 + self.epoch) * 1_000_003 + patch_id
        generator = torch.Generator().manual_seed(key % (1 << 63))
        return int(torch.randint(_TURNS_AND_FLIPS, (), generator=generator))


def move(layer: Tensor, choice: int) -> Tensor:
    """One of the eight symmetries of (..., H, W): `choice % 4` quarter turns, mirrored from 4 on."""
    turned = torch.rot90(layer, choice % 4, dims=(-2, -1))
    return turned.flip(-1) if choice >= 4 else turned
