"""Tiles of class probabilities -> finished strips of rows, without ever holding the scene."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from cerradata.core.errors import ConfigError
from cerradata.core.types import BoolArray, FloatArray
from cerradata.mapping.plan import Tile, TilePlan


@dataclass(frozen=True, eq=False)
class Strip:
    """Finished rows of a scene, over its whole width.

    Attributes:
        row: First row in the scene.
        probabilities: (K, rows, W) float32, of each class; they sum to 1 where a model has looked.
        valid: (rows, W) bool, whether the scene has data there.
    """

    row: int
    probabilities: FloatArray
    valid: BoolArray


def blend_weights(crop: int, overlap: int) -> FloatArray:
    """Weight of each pixel of a tile where tiles are blended.

    A squared sine rises over the overlap on each side: a network sees least of the surroundings of a tile's border
    pixels, so they count least. Neighbours at the regular distance have weights that sum to 1. No weight is zero, as
    the border of the scene is seen by one tile only.

    Args:
        crop: Rows and columns of a tile.
        overlap: Rows or columns that neighbours share, 0 to `crop - 1`.

    Returns:
        (crop, crop) float32 in (0, 1].
    """
    taper = _taper(crop, overlap)
    return np.outer(taper, taper).astype(np.float32)


class StripMerger:
    """Blends overlapping tiles; gives each strip of rows as soon as no further tile touches it.

    It holds `crop` rows of the scene (or all rows of a lower scene), whatever the number of rows.
    """

    def __init__(self, plan: TilePlan, classes: int) -> None:
        """Start at the first tile of `plan`, with `classes` probabilities a pixel."""
        held = min(plan.crop, plan.height)
        self._plan = plan
        self._weights = blend_weights(plan.crop, plan.overlap)
        # The tiles stand on a grid, so the sum of their weights at (row, col) is a product of two sums.
        self._row_sums = _summed_tapers(plan.row_starts, plan.height, plan)
        self._col_sums = _summed_tapers(plan.col_starts, plan.width, plan)
        self._sums = np.zeros((classes, held, plan.width), np.float32)
        self._valid = np.zeros((held, plan.width), bool)
        self._band = 0
        self._column = 0

    @property
    def held_rows(self) -> int:
        """Rows of the scene for which this object has memory."""
        return self._sums.shape[1]

    def add(self, tile: Tile, probabilities: FloatArray, valid: BoolArray) -> Strip | None:
        """Add a tile.

        Args:
            tile: The next tile of the plan.
            probabilities: (K, crop, crop) float32. What lies outside the scene is dropped.
            valid: (crop, crop) bool, whether the scene has data there.

        Returns:
            The rows that are finished now: some after the last tile of a row band, otherwise None.

        Raises:
            ConfigError: If the tile is not the plan's next one, or the arrays have another shape.
        """
        self._check(tile, probabilities, valid)
        top, left = self._plan.row_starts[self._band], tile.col
        height, width = min(tile.height, self._plan.height - top), min(tile.width, self._plan.width - left)
        columns = slice(left, left + width)
        weighted = probabilities[:, :height, :width] * self._weights[:height, :width]
        self._sums[:, :height, columns] += weighted
        self._valid[:height, columns] |= valid[:height, :width]
        self._column += 1
        return self._finish_band() if self._column == len(self._plan.col_starts) else None

    def _finish_band(self) -> Strip:
        """Take out the rows that no further tile touches and make room for the next band."""
        top, bottom = self._plan.row_starts[self._band], self._plan.finished_row(self._band)
        rows = bottom - top
        probabilities = self._sums[:, :rows] / self._row_sums[top:bottom, np.newaxis]
        probabilities /= self._col_sums
        strip = Strip(top, probabilities, self._valid[:rows].copy())
        kept = self.held_rows - rows
        for plane in (*self._sums, self._valid):  # one plane at a time, as an overlapping copy needs a temporary one
            plane[:kept] = plane[rows:]
            plane[kept:] = 0
        self._band, self._column = self._band + 1, 0
        return strip

    def _check(self, tile: Tile, probabilities: FloatArray, valid: BoolArray) -> None:
        crop, bands = self._plan.crop, self._plan.row_starts
        expected = None
        if self._band < len(bands):
            expected = Tile(bands[self._band], self._plan.col_starts[self._column], crop, crop)
        if tile != expected:
            raise ConfigError(f"Tiles must be merged in the order of their plan: {expected} is next, {tile} was given.")
        shape = (self._sums.shape[0], crop, crop)
        if probabilities.shape != shape or valid.shape != shape[1:]:
            raise ConfigError(
                f"The tile at row {tile.row}, column {tile.col} has probabilities of shape {probabilities.shape} and a "
                f"mask of shape {valid.shape}: (classes, crop, crop) = {shape} and {shape[1:]} are needed."
            )


def merge_strips(
    tiles: Iterable[tuple[Tile, FloatArray, BoolArray]], plan: TilePlan, *, classes: int
) -> Iterator[Strip]:
    """Blend predicted tiles into strips of rows.

    Args:
        tiles: Tile, (K, crop, crop) probabilities and (crop, crop) mask of data, in the order of `plan`.
        plan: The tiles of the scene.
        classes: Number of classes K.

    Yields:
        Strips from the top of the scene to its bottom, without gap or overlap, one a row band.

    Raises:
        ConfigError: If the tiles are not those of the plan, in its order, or end too early.
    """
    merger = StripMerger(plan, classes)
    finished = 0
    for tile, probabilities, valid in tiles:
        strip = merger.add(tile, probabilities, valid)
        if strip is not None:
            finished += strip.valid.shape[0]
            yield strip
    if finished != plan.height:
        raise ConfigError(f"The tiles end at row {finished} of {plan.height}: all {len(plan)} of the plan are needed.")


def _taper(crop: int, overlap: int) -> FloatArray:
    """(crop,) float64 in (0, 1]: the weights along one axis."""
    step = np.arange(1, crop + 1)
    ramp = np.minimum(np.minimum(step, step[::-1]) / (overlap + 1), 1.0)
    return np.asarray(np.sin(0.5 * np.pi * ramp) ** 2, dtype=np.float64)


def _summed_tapers(starts: tuple[int, ...], size: int, plan: TilePlan) -> FloatArray:
    """(size,) float32: the sum of the weights of all tiles along one axis."""
    taper = _taper(plan.crop, plan.overlap)
    sums = np.zeros(size)
    for start in starts:
        part = sums[start : start + plan.crop]
        part += taper[: part.size]
    return sums.astype(np.float32)
