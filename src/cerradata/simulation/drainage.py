"""Relief and rivers, solved once on a coarse grid over the whole area; tiles refine them."""

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cerradata.core.types import Array, BoolArray, FloatArray
from cerradata.simulation.area import PIXEL, Area
from cerradata.simulation.noise import Window, draw, fractal_noise, key_of, smooth_noise
from cerradata.simulation.parameters import Parameters

CELL = 24
"""World pixels of 10 m a cell of the coarse grid: 240 m."""
_MARGIN_CELLS = 36  # rivers, towns and clearing do not begin at the area's edge
_POINTS = 48  # along the course between two cells: less than a pixel apart
_NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


@dataclass(frozen=True)
class Rivers:
    """The courses of all channels as points less than 10 m apart.

    Attributes:
        x: (points,) world column.
        y: (points,) world row.
        width: (points,) width of the water in metres.
        level: (points,) elevation of the bed in metres.
    """

    x: FloatArray
    y: FloatArray
    width: FloatArray
    level: FloatArray

    def inside(self, window: Window) -> "Rivers":
        """The points in a window."""
        found = (
            (self.x >= window.col)
            & (self.x < window.col + window.columns * window.step)
            & (self.y >= window.row)
            & (self.y < window.row + window.rows * window.step)
        )
        return Rivers(self.x[found], self.y[found], self.width[found], self.level[found])


@dataclass(frozen=True)
class Trunk:
    """The large river that comes from beyond the area: its course is a function of the row.

    Attributes:
        middle: World column about which it sways.
        sway: Amplitude of its bends in pixels of 10 m.
        width: Width of its water in metres.
        top: World row at which its bed lies at `bed`.
        bed: Elevation there in metres.
        fall: Fall in metres a pixel of 10 m, from south to north.
        seed: Decides its bends.
    """

    middle: float
    sway: float
    width: float
    top: float
    bed: float
    fall: float
    seed: int

    def level(self, rows: FloatArray) -> FloatArray:
        """Elevation of the bed in metres at world rows."""
        return np.asarray(self.bed + self.fall * (np.asarray(rows) - self.top))

    def course(self, rows: FloatArray) -> FloatArray:
        """World column of the middle of the water.

        Args:
            rows: (n,) world rows, evenly spaced.
        """
        step = round(float(rows[1] - rows[0])) if len(rows) > 1 else 1
        line = Window(round(float(rows[0]) - step / 2), 0, len(rows), 1, step)
        wide, near = (smooth_noise(key_of(self.seed, "trunk", k), line, k)[:, 0] for k in (1600, 450))
        return np.asarray(self.middle + self.sway * (wide + 0.5 * near), np.float64)

    def distance(self, window: Window) -> FloatArray:
        """(rows, columns) float32 metres from the middle of the water, for a course that bends slowly."""
        rows = window.row + (np.arange(-1, window.rows + 1) + 0.5) * window.step  # one more at each end: for the lean
        longer = self.course(rows)
        course, lean = longer[1:-1], (longer[2:] - longer[:-2]) / (2 * window.step)
        across = (window.x[None, :] - course[:, None]) / np.hypot(1, lean)[:, None]
        return np.abs(across * PIXEL).astype(np.float32)


@dataclass(frozen=True)
class Terrain:
    """Relief and rivers of an area.

    Attributes:
        window: The coarse grid: the area and some kilometres around it, in cells of 240 m.
        elevation: (rows, columns) float32 metres, filled so that every cell drains to the edge.
        slope: (rows, columns) float32, rise over run.
        catchment: (rows, columns) float32 square kilometres that drain through each cell.
        rivers: The courses of all rivers but the trunk.
        trunk: The trunk river.
    """

    window: Window
    elevation: FloatArray
    slope: FloatArray
    catchment: FloatArray
    rivers: Rivers
    trunk: Trunk


def coarse_window(area: Area) -> Window:
    """The coarse grid of an area."""
    whole = area.window
    row, col = (whole.row // CELL - _MARGIN_CELLS) * CELL, (whole.col // CELL - _MARGIN_CELLS) * CELL
    rows = -(-(whole.row + whole.rows - row) // CELL) + _MARGIN_CELLS
    columns = -(-(whole.col + whole.columns - col) // CELL) + _MARGIN_CELLS
    return Window(row, col, rows, columns, CELL)


def simulate_terrain(area: Area, parameters: Parameters, seed: int) -> Terrain:
    """Relief, drainage and rivers of an area.

    Relief is fractal, with plateaus, and a valley in which the trunk river flows north as the Tocantins does. Sinks are
    filled from the edge (priority flood, Barnes et al. 2014, doi:10.1016/j.cageo.2013.04.024), water follows the
    steepest of eight directions, and channels begin where enough land drains.
    """
    window = coarse_window(area)
    trunk = Trunk(
        window.col + window.columns * CELL * parameters.number("terrain.trunk_place"),
        100 * parameters.number("terrain.trunk_sway_km"),
        parameters.number("terrain.width_factor") * parameters.number("terrain.trunk_catchment_km2") ** 0.5,
        float(window.y[0]),
        parameters.number("terrain.trunk_bed_m"),
        parameters.number("terrain.trunk_slope") * PIXEL,
        seed,
    )
    relief, column = _relief(window, trunk, parameters, seed)
    filled = fill_sinks(relief, 0.004 + 0.05 * draw(key_of(seed, "fill"), *np.indices(relief.shape)))
    downstream = _downstream(filled)
    catchment = _accumulate(filled, downstream, (int(column[-2]), parameters.number("terrain.trunk_catchment_km2")))
    rivers = _courses(window, filled, downstream, catchment, parameters, seed)
    gradient = np.hypot(*np.gradient(relief, CELL * PIXEL))
    return Terrain(window, filled, gradient.astype(np.float32), catchment, rivers, trunk)


def _relief(window: Window, trunk: Trunk, p: Parameters, seed: int) -> tuple[FloatArray, Array]:
    """Elevation in metres, and the column of the trunk river in each row."""
    hills = fractal_noise(key_of(seed, "hills"), window, p.number("terrain.wavelength_km") * 100, octaves=6, gain=0.55)
    plateau = fractal_noise(key_of(seed, "plateau"), window, 2600, octaves=4, gain=0.45)
    z = p.number("terrain.base_m") + p.number("terrain.hills_m") * hills
    z += p.number("terrain.plateau_m") / (1 + np.exp(-9 * (plateau - 0.7)))  # a steep edge, flat on top
    course = trunk.course(window.y)
    distance = np.abs(window.x[None, :] - course[:, None]) * PIXEL / 1000
    valley = np.exp(-((distance / p.number("terrain.valley_km")) ** 2)).astype(np.float32)
    bed = trunk.level(window.y)
    z = z * (1 - 0.85 * valley) + (bed[:, None] + 6 + 3 * hills) * 0.85 * valley
    z = np.maximum(z, bed[:, None] + 2)
    column = np.clip(((course - window.col) / CELL).astype(int), 1, window.columns - 2)
    rows = np.arange(window.rows)
    for shift in (-1, 0, 1):  # three cells, so that the course stays connected where it runs askew
        z[rows, column + shift] = bed - 1.0 - 0.01 * np.arange(window.rows)[::-1]
    return z.astype(np.float32), column


def fill_sinks(relief: FloatArray, rise: FloatArray) -> FloatArray:
    """Raise the cells of sinks so that each drains to the grid's edge (priority flood).

    Args:
        relief: (rows, columns) metres.
        rise: (rows, columns) metres, above 0: how much higher than its outlet a raised cell becomes at least. Where it
            varies, water winds through a filled sink instead of running in parallel lines.

    Returns:
        (rows, columns) float64 metres.
    """
    rows, columns = relief.shape
    filled = relief.astype(np.float64).copy()
    done = np.zeros(relief.shape, bool)
    heap: list[tuple[float, int]] = []
    done[0], done[-1], done[:, 0], done[:, -1] = True, True, True, True
    for edge in np.flatnonzero(done).tolist():
        heapq.heappush(heap, (float(filled.flat[edge]), edge))
    while heap:
        level, index = heapq.heappop(heap)
        r, c = divmod(index, columns)
        for dr, dc in _NEIGHBOURS:
            i, j = r + dr, c + dc
            if 0 <= i < rows and 0 <= j < columns and not done[i, j]:
                done[i, j] = True
                filled[i, j] = max(filled[i, j], level + float(rise[i, j]))
                heapq.heappush(heap, (float(filled[i, j]), i * columns + j))
    return filled


def _downstream(filled: FloatArray) -> npt.NDArray[np.int64]:
    """Flat index of the cell to which each cell drains: its steepest neighbour; itself at the edge of the grid."""
    rows, columns = filled.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    best = np.zeros((rows, columns))
    target = index.copy()
    inner = (slice(1, -1), slice(1, -1))
    for dr, dc in _NEIGHBOURS:
        part = (slice(1 + dr, rows - 1 + dr), slice(1 + dc, columns - 1 + dc))
        drop = (filled[inner] - filled[part]) / np.hypot(dr, dc)
        steeper = drop > best[inner]
        best[inner][steeper] = drop[steeper]
        target[inner][steeper] = index[part][steeper]
    return target.ravel()


def _accumulate(filled: FloatArray, downstream: Array, inflow: tuple[int, float]) -> FloatArray:
    rows, columns = filled.shape
    cell_km2 = (CELL * PIXEL / 1000) ** 2
    amount = np.full(rows * columns, cell_km2)
    amount[(rows - 2) * columns + inflow[0]] += inflow[1]
    for index in np.argsort(filled, axis=None, kind="stable")[::-1].tolist():
        target = downstream[index]
        if target != index:
            amount[target] += amount[index]
    return amount.reshape(rows, columns).astype(np.float32)


def _courses(
    window: Window, filled: FloatArray, downstream: Array, catchment: FloatArray, p: Parameters, seed: int
) -> Rivers:
    """Smooth courses through the channel cells: a Catmull-Rom curve through jittered cell centres."""
    columns = filled.shape[1]
    flat = catchment.ravel()
    trunk = flat >= 0.5 * p.number("terrain.trunk_catchment_km2")
    channel: BoolArray = (flat >= p.number("terrain.channel_km2")) & ~trunk
    cells = np.flatnonzero(channel & (downstream != np.arange(len(downstream))))
    rows_, cols_ = np.divmod(np.arange(len(downstream)), columns)
    absolute = (window.row // CELL + rows_, window.col // CELL + cols_)
    x, y = (
        (place + 0.5 + 0.7 * (draw(key_of(seed, "course", axis), *absolute) - 0.5)) * CELL
        for axis, place in (("x", absolute[1]), ("y", absolute[0]))
    )
    before = _main_upstream(cells, downstream, flat)
    after, beyond = downstream[cells], downstream[downstream[cells]]
    t = (np.arange(_POINTS) / _POINTS)[None, :]
    curve = [_catmull_rom(v[before], v[cells], v[after], v[beyond], t) for v in (x, y)]
    # levels and widths go straight, so that water never flows up
    bed, width_of = filled.ravel(), p.number("terrain.width_factor") * np.sqrt(flat)
    level = bed[cells][:, None] * (1 - t) + bed[after][:, None] * t
    mouth = np.minimum(width_of[after], 1.4 * width_of[cells])  # a brook does not widen to the river that it meets
    width = width_of[cells][:, None] * (1 - t) + mouth[:, None] * t
    return Rivers(*(np.asarray(v.ravel(), np.float32) for v in (*curve, width, level)))


def _main_upstream(cells: Array, downstream: Array, catchment: FloatArray) -> Array:
    """The upstream cell with the largest catchment; the cell itself at a spring."""
    before = np.arange(len(downstream))
    order = cells[np.argsort(catchment[cells], kind="stable")]
    before[downstream[order]] = order  # the largest is written last
    return np.asarray(before[cells])


def _catmull_rom(a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray, t: FloatArray) -> FloatArray:
    a, b, c, d = (v[:, None] for v in (a, b, c, d))
    return np.asarray(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
