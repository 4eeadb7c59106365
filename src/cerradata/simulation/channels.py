"""Rivers in a window: how far each pixel is from the nearest one, and what it is there."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from cerradata.core.types import FloatArray
from cerradata.simulation.noise import Window
from cerradata.simulation.world import World

REACH = 130
"""Pixels around a window that decide about it: distances from rivers are cut off there."""


@dataclass(frozen=True)
class Channels:
    """Distance from the nearest river course, and what it is there.

    Attributes:
        distance: (rows, columns) float32 metres from the middle of the water; at most `REACH` pixels from a small river.
        width: (rows, columns) float32 width of that river's water in metres.
        level: (rows, columns) float32 elevation of its bed in metres.
    """

    distance: FloatArray
    width: FloatArray
    level: FloatArray


def draw_channels(world: World, window: Window) -> Channels:
    """Distance from the rivers in a window: from the nearest course, or from the trunk river where its bank is nearer."""
    padded = window.pad(-(-REACH // window.step))
    rivers = world.terrain.rivers.inside(padded)
    frame = -(-REACH // window.step)
    inner = (slice(frame, -frame), slice(frame, -frame))
    distance = np.full(window.shape, REACH * 10, np.float32)
    width, level = np.zeros(window.shape, np.float32), np.zeros(window.shape, np.float32)
    if len(rivers.x):
        at = np.full(padded.shape, -1, np.int32)
        rows = ((rivers.y - padded.row) / padded.step).astype(int)
        columns = ((rivers.x - padded.col) / padded.step).astype(int)
        order = np.argsort(rivers.width, kind="stable")  # where two courses meet in a pixel, the wider one holds
        at[rows[order], columns[order]] = order
        far, nearest = distance_transform_edt(at < 0, return_indices=True)
        index = at[nearest[0][inner], nearest[1][inner]]
        distance = np.minimum(far[inner].astype(np.float32) * np.float32(10 * window.step), distance)
        width, level = np.where(distance < REACH * 10, rivers.width[index], 0), rivers.level[index]
    trunk = world.terrain.trunk
    broad = trunk.distance(window)
    nearer = broad - trunk.width / 2 < distance - width / 2
    bed = trunk.level(window.y)[:, None]
    return Channels(
        np.where(nearer, broad, distance),
        np.where(nearer, np.float32(trunk.width), width).astype(np.float32),
        np.where(nearer, bed, level).astype(np.float32),
    )
