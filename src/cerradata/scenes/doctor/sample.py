"""`Sample`: some pixels of a scene, spread over its footprint, so that a whole tile takes seconds and little memory."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from cerradata.core.types import BoolArray, FloatArray
from cerradata.scenes.mask import SceneMask
from cerradata.scenes.scene import Scene

_WINDOWS = 5
"""Windows across and down. 25 of them see each cover of a tile, and a tile of 12 bands is read in seconds."""
_SIDE = 192
"""Rows and columns of a window, in the smallest pixels of the scene."""
_ENOUGH = 400
"""Co-located pixels below which windows are put where the data are, for a scene with a wide empty margin."""
_OVERVIEW = 400


@dataclass(frozen=True)
class Sample:
    """Sampled pixels of a scene.

    Attributes:
        numbers: Valid stored numbers of each band, unmasked, (pixels,) at the band's own resolution.
        values: (bands, pixels) co-located values of the pixels that are valid in every band that has data: means over the
            largest pixel of the scene, in the unit that may be averaged; unmasked. Rows of bands without data are NaN.
        bands: Names of the rows of `values`.
        valid: Share of the pixels read that hold data, by band, masked or not.
        masked: Share of the co-located pixels with data that the scene's masks hide.
        kinds: NumPy kind of the stored numbers of each band: "u", "i", "f".
    """

    numbers: Mapping[str, FloatArray]
    values: FloatArray
    bands: tuple[str, ...]
    valid: Mapping[str, float]
    masked: float
    kinds: Mapping[str, str]

    def of(self, band: str) -> FloatArray:
        """(pixels,) co-located values of a band."""
        found: FloatArray = self.values[self.bands.index(band)]
        return found

    def quantile(self, band: str, q: float) -> float:
        """A quantile of the stored numbers of a band, NaN if it has none."""
        numbers = self.numbers[band]
        return float(np.quantile(numbers, q)) if numbers.size else math.nan

    @property
    def with_data(self) -> tuple[str, ...]:
        """Bands that have any data."""
        return tuple(band for band in self.bands if self.valid[band] > 0)


@dataclass(frozen=True)
class _Piece:
    numbers: dict[str, FloatArray]
    values: FloatArray
    valid: dict[str, tuple[int, int]]
    masked: tuple[int, int]
    kinds: dict[str, str]


def take_sample(scene: Scene) -> Sample:
    """Read the sample of a scene.

    Raises:
        SceneError: If a file cannot be read.
    """
    coarse = max((band.grid for band in scene.bands.values()), key=lambda grid: abs(grid.resolution.x))
    side = max(8, round(_SIDE * abs(scene.footprint_grid.resolution.x) / abs(coarse.resolution.x)))
    sample = _joined(
        scene, [_piece(scene, coarse, *window) for window in spread((coarse.shape[0], coarse.shape[1]), side)]
    )
    if sample.values.shape[1] >= _ENOUGH or sample.masked > 0:
        return sample
    places = list(_where_data_are(scene, coarse, side))
    return _joined(scene, [_piece(scene, coarse, *window) for window in places]) if places else sample


def spread(shape: tuple[int, int], side: int, count: int = _WINDOWS) -> list[tuple[slice, slice]]:
    """Windows of `side` pixels spread evenly over a raster; one window over all of a small one.

    Args:
        shape: Rows and columns of the raster.
        side: Rows and columns of a window.
        count: Windows across and down, at most.
    """

    def along(size: int) -> list[slice]:
        if size <= side * count:
            return [slice(start, min(start + side, size)) for start in range(0, size, side)]
        step = (size - side) / (count - 1)
        return [slice(round(i * step), round(i * step) + side) for i in range(count)]

    return [(rows, columns) for rows in along(shape[0]) for columns in along(shape[1])]


def _where_data_are(scene: Scene, coarse: GeoBox, side: int) -> Iterator[tuple[slice, slice]]:
    """Windows around pixels with data, found in an overview of the band with the largest pixels that has any."""
    files = sorted(scene.bands.values(), key=lambda band: -abs(band.grid.resolution.x))
    rows, columns = coarse.shape
    for file in files[:2]:
        height, width = file.grid.shape
        shape = (min(height, _OVERVIEW), min(width, _OVERVIEW))
        numbers, hidden = file.read(
            slice(0, height), slice(0, width), what=f"the overview of scene {scene.name}", shape=shape
        )
        data = np.isfinite(scene.radiometry.to_values(numbers))
        found = np.argwhere(data & ~hidden if hidden is not None else data)
        if len(found):
            for row, column in found[np.linspace(0, len(found) - 1, _WINDOWS**2).astype(int)]:
                top = min(max(int(row * rows / shape[0]) - side // 2, 0), max(rows - side, 0))
                left = min(max(int(column * columns / shape[1]) - side // 2, 0), max(columns - side, 0))
                yield slice(top, min(top + side, rows)), slice(left, min(left + side, columns))
            return


def _piece(scene: Scene, coarse: GeoBox, rows: slice, columns: slice) -> _Piece:
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    hidden = np.zeros(shape, bool)
    for mask in scene.masks:
        hidden |= masked_on(mask, coarse, rows, columns)
    numbers: dict[str, FloatArray] = {}
    kinds: dict[str, str] = {}
    valid: dict[str, tuple[int, int]] = {}
    values = []
    for name, band in scene.bands.items():
        factor, part = _part(band.grid, coarse, rows, columns)
        raw, empty = band.read(*part, what=f"band {name} of scene {scene.name}", shape=_shape(shape, factor))
        data = scene.radiometry.to_values(raw)
        if empty is not None:
            data[empty] = np.nan
        good = np.isfinite(data)
        fine = np.repeat(np.repeat(hidden, factor, 0), factor, 1)
        numbers[name] = np.asarray(raw[good & ~fine], dtype=np.float32)
        kinds[name] = raw.dtype.kind
        valid[name] = (int(good.sum()), good.size)
        values.append(data.reshape(shape[0], factor, shape[1], factor).mean((1, 3)))
    stack = np.stack(values)
    covered = np.isfinite(stack).any(0)
    stack[:, hidden] = np.nan
    return _Piece(
        numbers, stack.reshape(len(stack), -1), valid, (int((covered & hidden).sum()), int(covered.sum())), kinds
    )


def _part(grid: GeoBox, coarse: GeoBox, rows: slice, columns: slice) -> tuple[int, tuple[slice, slice]]:
    """The window of a band that lies under a window of the coarsest grid, and its pixels in one of the coarsest."""
    ratio = abs(coarse.resolution.x) / abs(grid.resolution.x)
    factor = round(ratio) if abs(ratio - round(ratio)) < 1e-3 else 1
    step = ~grid.transform * coarse.transform
    left, top = step * (columns.start, rows.start)
    right, bottom = step * (columns.stop, rows.stop)

    def inside(start: float, stop: float, size: int) -> slice:
        first = min(max(round(start), 0), size - 1)
        return slice(first, min(max(round(stop), first + 1), size))

    return factor, (inside(top, bottom, grid.shape[0]), inside(left, right, grid.shape[1]))


def _shape(shape: tuple[int, int], factor: int) -> tuple[int, int]:
    return shape[0] * factor, shape[1] * factor


def masked_on(mask: SceneMask, grid: GeoBox, rows: slice, columns: slice) -> BoolArray:
    """Where a mask hides any part of the pixels of a window.

    Args:
        mask: The mask.
        grid: Grid of the window.
        rows: Rows of `grid`.
        columns: Columns of `grid`.

    Returns:
        (rows, columns); a pixel of `grid` is looked up at 3 x 3 places.
    """
    step: Affine = ~mask.grid.transform * grid.transform
    height, width = mask.grid.shape
    places = [
        (np.arange(part.start, part.stop)[:, None] + np.array([0.17, 0.5, 0.83])).ravel() for part in (rows, columns)
    ]
    ys = np.floor(places[0] * step.e + step.f).astype(int).clip(0, height - 1)
    xs = np.floor(places[1] * step.a + step.c).astype(int).clip(0, width - 1)
    found = mask.read(slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)) != 0
    fine = found[ys - ys.min()][:, xs - xs.min()]
    result: BoolArray = fine.reshape(len(places[0]) // 3, 3, len(places[1]) // 3, 3).any((1, 3))
    return result


def _joined(scene: Scene, pieces: list[_Piece]) -> Sample:
    bands = tuple(scene.bands)
    valid = {
        band: sum(piece.valid[band][0] for piece in pieces) / max(sum(piece.valid[band][1] for piece in pieces), 1)
        for band in bands
    }
    values = np.concatenate([piece.values for piece in pieces], axis=1)
    used = [i for i, band in enumerate(bands) if valid[band] > 0]
    kept = np.isfinite(values[used]).all(0) if used else np.zeros(values.shape[1], bool)
    hidden, covered = (sum(piece.masked[i] for piece in pieces) for i in (0, 1))
    return Sample(
        numbers={band: np.concatenate([piece.numbers[band] for piece in pieces]) for band in bands},
        values=values[:, kept],
        bands=bands,
        valid=valid,
        masked=hidden / max(covered, 1),
        kinds=pieces[0].kinds,
    )
