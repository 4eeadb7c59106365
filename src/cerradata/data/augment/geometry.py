"""Moves of whole pixels: the eight symmetries of the square, and crops."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from kornia.geometry.transform import hflip, rot180, vflip
from torch import Tensor

from cerradata.data.augment.config import AugmentationConfig
from cerradata.data.draws import generator
from cerradata.scenes.bands import base_band


@dataclass(frozen=True)
class Symmetry:
    """One of the eight symmetries of the square, as at most three steps in this order.

    Kornia's mirrors copy pixels. Its `RandomRotation90` does not: it interpolates (an affine warp), which gives 0.9999999 for
    1, spreads NaN, and needs floats where labels are integers; so quarter turns are a mirror and a transposition.

    Attributes:
        upside_down: Mirrored top to bottom.
        left_right: Mirrored left to right.
        transposed: Rows become columns.
    """

    upside_down: bool = False
    left_right: bool = False
    transposed: bool = False

    @staticmethod
    def of(upside_down: bool = False, left_right: bool = False, quarters: int = 0) -> "Symmetry":
        """Mirrors, and then so many quarter turns counter-clockwise."""
        # A half turn is both mirrors; a quarter is the mirror left to right and the transposition
        return Symmetry(upside_down ^ (quarters in (2, 3)), left_right ^ (quarters in (1, 2)), quarters in (1, 3))

    def apply(self, layer: Tensor) -> Tensor:
        """(..., N, N) pixels of any dtype moved; a view or a copy."""
        if self.upside_down and self.left_right:
            layer = rot180(layer)
        elif self.upside_down:
            layer = vflip(layer)
        elif self.left_right:
            layer = hflip(layer)
        # Last, because it is a view: Kornia would copy a transposed layer twice to mirror it
        return layer.transpose(-2, -1) if self.transposed else layer

    @property
    def turn_of_directions(self) -> tuple[int, int]:
        """What happens to a direction in degrees clockwise from north (up): it becomes `sign * degrees + shift`."""
        sign, shift = 1, 0
        for step, mirrored in ((180, self.upside_down), (0, self.left_right), (270, self.transposed)):
            if mirrored:  # a mirror sends a to 180 - a, -a and 270 - a
                sign, shift = -sign, step - shift
        return sign, shift % 360


@dataclass(frozen=True)
class Placement:
    """Where the pixels of a sample go.

    Attributes:
        symmetry: How the square is turned and mirrored.
        top: First row that is kept, before that.
        left: First column that is kept.
        size: Rows and columns that are kept.
    """

    symmetry: Symmetry
    top: int
    left: int
    size: int

    @staticmethod
    def draw(config: AugmentationConfig, size: int, seed: int, epoch: int, patch_id: int) -> "Placement":
        """The placement of a patch in an epoch.

        Args:
            config: What is on.
            size: Rows and columns of the patch.
            seed: Of the training.
            epoch: Counted from 0.
            patch_id: The patch.
        """
        # Always five numbers, so that one step does not change the draws of another
        up, left, quarters, row, column = generator(seed, epoch, patch_id, "placement").random(5).tolist()
        symmetry = Symmetry.of(
            upside_down=config.flips and up < 0.5,
            left_right=config.flips and left < 0.5,
            quarters=int(4 * quarters) if config.turns else 0,
        )
        kept = size if config.crop is None else config.crop
        places = size - kept + 1
        return Placement(symmetry, int(places * row), int(places * column), kept)

    def apply(self, layer: Tensor) -> Tensor:
        """(..., N, N) pixels moved: (..., size, size), a view or a copy."""
        rows, columns = slice(self.top, self.top + self.size), slice(self.left, self.left + self.size)
        return self.symmetry.apply(layer[..., rows, columns])


def place(layer: Tensor, placements: Sequence[Placement]) -> Tensor:
    """A layer (B, ..., N, N) of any dtype with each sample moved: a new (B, ..., size, size)."""
    size = placements[0].size
    placed = layer.new_empty((*layer.shape[:-2], size, size))
    # Sample by sample: gathering those of the same symmetry costs a copy more (11 against 6 ms a batch)
    for target, source, placement in zip(placed, layer, placements, strict=True):
        target.copy_(placement.apply(source))
    return placed


def turn_directions(layer: Tensor, positions: Sequence[int], placements: Sequence[Placement]) -> None:
    """Turn the numbers of directions as their pixels were moved, in place.

    Args:
        layer: (B, C, H, W), already moved.
        positions: Which of the C bands are directions, in degrees clockwise from north; NaN stays NaN.
        placements: How each sample was moved.
    """
    if not positions:
        return
    turns = torch.tensor([one.symmetry.turn_of_directions for one in placements], dtype=layer.dtype)
    sign, shift = turns.to(layer.device)[:, :, None, None].unbind(dim=1)
    for position in positions:
        degrees = torch.remainder(sign * layer[:, position] + shift, 360)
        layer[:, position] = degrees.masked_fill(degrees == 360, 0)  # -1e-9 % 360 is 360 in float32


def aspect_bands(bands: Collection[str], descriptions: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Which bands are directions of a slope.

    Args:
        bands: Names, with their time window or without.
        descriptions: What is known of each variable, by name; its `kind` decides.
    """
    return frozenset(band for band in bands if descriptions.get(base_band(band), {}).get("kind") == "aspect")
