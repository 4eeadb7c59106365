"""Small and rare things, each with a place, a size and a direction: towns, fields, mines, lakes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from cerradata.core.types import BoolArray, FloatArray
from cerradata.simulation.area import PIXEL, Area
from cerradata.simulation.drainage import CELL
from cerradata.simulation.noise import Window, draw, mix, uniform

_CELL_KM = CELL * PIXEL / 1000


@dataclass(frozen=True)
class Places:
    """Ellipses or rectangles.

    Attributes:
        x: (n,) world column of the centre.
        y: (n,) world row of the centre.
        length: (n,) half of the longer side, in pixels.
        breadth: (n,) half of the shorter side, in pixels.
        angle: (n,) direction of the longer side in radians.
        chance: (n,) a number from 0 to 1 of its own, for whatever differs between places of a kind.
    """

    x: FloatArray
    y: FloatArray
    length: FloatArray
    breadth: FloatArray
    angle: FloatArray
    chance: FloatArray

    def __len__(self) -> int:
        """Number of places."""
        return len(self.x)

    def near(self, window: Window, reach: float = 1.5) -> "Places":
        """The places that may touch a window; `reach` times their length counts as theirs."""
        far = self.length * reach + 2
        found = (
            (self.x + far >= window.col)
            & (self.x - far <= window.col + window.columns * window.step)
            & (self.y + far >= window.row)
            & (self.y - far <= window.row + window.rows * window.step)
        )
        return Places(*(getattr(self, f.name)[found] for f in fields(self)))

    def local(self, i: int, window: Window, reach: float = 1.5) -> tuple[tuple[slice, slice], FloatArray, FloatArray]:
        """The part of a window around a place, and its pixels in the place's own directions.

        Returns:
            Rows and columns of the window; along and across, (rows, columns) float32, where the place's sides lie at -1
            and 1.
        """
        far = float(self.length[i]) * reach + 2
        step = window.step
        rows = _span(float(self.y[i]), far, window.row, window.rows, step)
        columns = _span(float(self.x[i]), far, window.col, window.columns, step)
        dy = (window.y[rows] - self.y[i])[:, None].astype(np.float32)
        dx = (window.x[columns] - self.x[i])[None, :].astype(np.float32)
        cos, sin = np.float32(np.cos(self.angle[i])), np.float32(np.sin(self.angle[i]))
        along = (dx * cos + dy * sin) / np.float32(self.length[i])
        across = (dy * cos - dx * sin) / np.float32(self.breadth[i])
        return (rows, columns), along, across


def join(places: Sequence[Places]) -> Places:
    """Several lists of places as one."""
    return Places(*(np.concatenate([getattr(p, f.name) for p in places]) for f in fields(Places)))


def choose_cells(
    area: Area,
    window: Window,
    potential: FloatArray,
    share: float,
    sizes_km2: FloatArray,
    key: np.uint64,
    *,
    apart_km: float = 0.0,
    longer: float = 1.5,
) -> Places:
    """Choose cells of high potential until their places cover a share of the land; at least one inside of the area.

    The area and the land around it are served apart, so that a small area has every kind of place too.

    Args:
        area: The area.
        window: The coarse grid.
        potential: (rows, columns), natural logarithm of how likely a cell is chosen.
        share: Share of the land that the places shall cover, 0 to 1.
        sizes_km2: Sizes to take in order, over and over.
        key: Decides the draw.
        apart_km: Least distance between two places.
        longer: Largest ratio of length to breadth.
    """
    rows, columns = np.indices(window.shape)
    chance = np.maximum(draw(key, window.row // CELL + rows, window.col // CELL + columns), 1e-7)
    score = potential - np.log(-np.log(chance))  # the best n scores are a weighted draw without replacement (Gumbel)
    whole = area.window
    room = 0.06 * min(whole.rows, whole.columns)  # what is to be inside shall not be cut in two by the edge
    inside = _between(window.y, whole.row + room, whole.row + whole.rows - room)[:, None] & _between(
        window.x, whole.col + room, whole.col + whole.columns - room
    )
    outside = ~(
        _between(window.y, whole.row, whole.row + whole.rows)[:, None]
        & _between(window.x, whole.col, whole.col + whole.columns)
    )
    chosen: list[tuple[int, float]] = []
    for region, km2 in ((inside, area.km2), (outside, float(outside.sum()) * _CELL_KM**2)):
        chosen += _fill(np.where(region, score, -np.inf), share * km2, sizes_km2, apart_km)
    cells = np.asarray([cell for cell, _ in chosen], np.int64)
    return _shape(cells, np.asarray([size for _, size in chosen]), window, key, longer)


def _fill(score: FloatArray, wanted_km2: float, sizes_km2: FloatArray, apart_km: float) -> list[tuple[int, float]]:
    chosen: list[tuple[int, float]] = []
    columns = score.shape[1]
    total, apart = 0.0, apart_km / _CELL_KM
    for cell in np.argsort(score, axis=None, kind="stable")[::-1].tolist():
        if (total >= wanted_km2 and chosen) or not np.isfinite(score.flat[cell]):
            break
        r, c = divmod(cell, columns)
        if apart and any(np.hypot(r - o // columns, c - o % columns) < apart for o, _ in chosen):
            continue
        size = float(sizes_km2[len(chosen) % len(sizes_km2)])
        rest = wanted_km2 - total
        size = min(size, max(rest, float(sizes_km2.min())))
        chosen.append((cell, size))
        total += size
    return chosen


def _shape(cells: np.ndarray, sizes_km2: FloatArray, window: Window, key: np.uint64, longer: float) -> Places:
    r, c = np.divmod(cells, window.columns)
    own = mix(key, window.row // CELL + r, window.col // CELL + c)
    dx, dy, ratio, angle, chance = (uniform(mix(own, k)) for k in range(5))
    stretch = np.sqrt(1 + (longer - 1) * ratio)
    half = np.sqrt(sizes_km2) * 1000 / PIXEL / 2
    return Places(
        window.col + (c + dx) * CELL,
        window.row + (r + dy) * CELL,
        half * stretch,
        half / stretch,
        angle * np.float32(np.pi),
        chance,
    )


def _between(values: FloatArray, low: float, high: float) -> BoolArray:
    return np.asarray((values >= low) & (values < high))


def _span(middle: float, far: float, first: int, count: int, step: int) -> slice:
    low = int(np.floor((middle - far - first) / step))
    high = int(np.ceil((middle + far - first) / step))
    return slice(min(max(low, 0), count), max(min(high, count), 0))
