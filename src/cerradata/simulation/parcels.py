"""Parcels: who owns which rectangle. A function of the place alone, so tiles agree without asking each other.

The land is divided into districts (the cells nearest to jittered lattice points); each has a direction of its own, in
which it is divided into strips, and these into parcels.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cerradata.core.types import FloatArray
from cerradata.simulation.noise import Window, draw, key_of, mix, uniform

_DISTRICT = 320  # pixels of 10 m between lattice points
_SIZES = (24.0, 78.0)  # least and greatest mean side of a district's parcels, in pixels


@dataclass(frozen=True)
class Parcels:
    """The parcel of each pixel.

    Attributes:
        id: (rows, columns) uint64, random bits of the parcel.
        x: (rows, columns) float32, world column of the parcel's centre, less the window's first column.
        y: (rows, columns) float32, world row of it, less the window's first row.
        edge: (rows, columns) float32, distance from the parcel's border in pixels of 10 m.
    """

    id: npt.NDArray[np.uint64]
    x: FloatArray
    y: FloatArray
    edge: FloatArray


def parcels_of(window: Window, seed: int) -> Parcels:
    """The parcels of a window of 10 m pixels."""
    district, east, south = _districts(window, seed)
    regular = uniform(mix(district, 1)) < 0.55  # surveyed along the meridians, or along a road or stream
    angle = np.where(regular, (uniform(mix(district, 2)) - 0.5) * 0.3, uniform(mix(district, 2)) * np.pi / 2)
    cos, sin = np.cos(angle), np.sin(angle)
    u, v = east * cos + south * sin, south * cos - east * sin
    low, high = np.log(_SIZES)
    side = np.exp(low + (high - low) * uniform(mix(district, 3)) ** 1.5)
    column, u_middle, u_room = _divide(u, side, uniform(mix(district, 4)))
    own_side = side * (0.7 + 0.9 * uniform(mix(district, 5, column)))
    row, v_middle, v_room = _divide(v, own_side, uniform(mix(district, 6, column)))
    parcel = mix(district, 7, column, row)
    # a third of the parcels is halved once more
    halved = uniform(mix(parcel, 1)) < 0.33
    lower = v < v_middle
    half = own_side / 4
    v_room = np.where(halved, np.minimum(v_room, np.abs(v - v_middle)), v_room)
    v_middle = np.where(halved, np.where(lower, v_middle - half, v_middle + half), v_middle)
    parcel = mix(parcel, (halved & lower).astype(np.int64))
    # back from the district's directions; only the way to the centre is turned, so that nothing large is subtracted
    du, dv = u_middle - u, v_middle - v
    rows, columns = np.arange(window.rows) + 0.5, np.arange(window.columns) + 0.5
    x = (columns[None, :] + du * cos - dv * sin).astype(np.float32)
    y = (rows[:, None] + du * sin + dv * cos).astype(np.float32)
    return Parcels(parcel, x, y, np.minimum(u_room, v_room).astype(np.float32))


def _divide(
    position: FloatArray, side: FloatArray, shift: FloatArray
) -> tuple[npt.NDArray[np.int64], FloatArray, FloatArray]:
    """Number, middle, and distance to the nearer end, of the piece of length `side` in which each position lies."""
    scaled = position / side + shift
    number = np.floor(scaled)
    middle = (number + 0.5 - shift) * side
    return number.astype(np.int64), middle, side / 2 - np.abs(position - middle)


def _districts(window: Window, seed: int) -> tuple[npt.NDArray[np.uint64], FloatArray, FloatArray]:
    """Random bits of each pixel's district, and its place east and south of the district's centre in pixels."""
    key = key_of(seed, "district")
    rows = np.arange(int(window.y[0] // _DISTRICT) - 1, int(window.y[-1] // _DISTRICT) + 2)
    columns = np.arange(int(window.x[0] // _DISTRICT) - 1, int(window.x[-1] // _DISTRICT) + 2)
    best = np.full(window.shape, np.inf, np.float32)
    found = np.zeros(window.shape, np.uint64)
    east, south = np.zeros(window.shape, np.float32), np.zeros(window.shape, np.float32)
    for r in rows.tolist():
        for c in columns.tolist():
            centre_y = (r + 0.15 + 0.7 * float(draw(key_of(key, "y"), r, c))) * _DISTRICT
            centre_x = (c + 0.15 + 0.7 * float(draw(key_of(key, "x"), r, c))) * _DISTRICT
            part = _around(window, centre_y, centre_x)
            dy = (window.y[part[0]] - centre_y).astype(np.float32)[:, None]
            dx = (window.x[part[1]] - centre_x).astype(np.float32)[None, :]
            distance = dy**2 + dx**2
            nearer = distance < best[part]
            best[part][nearer] = distance[nearer]
            found[part][nearer] = mix(key, r, c)
            east[part][nearer] = np.broadcast_to(dx, distance.shape)[nearer]
            south[part][nearer] = np.broadcast_to(dy, distance.shape)[nearer]
    return found, east, south


def _around(window: Window, y: float, x: float) -> tuple[slice, slice]:
    """The part of a window that can be nearest to a lattice point: no pixel is farther from its nearest one."""
    reach = 1.3 * _DISTRICT
    rows, columns = np.searchsorted(window.y, (y - reach, y + reach)), np.searchsorted(window.x, (x - reach, x + reach))
    return slice(int(rows[0]), int(rows[1])), slice(int(columns[0]), int(columns[1]))
