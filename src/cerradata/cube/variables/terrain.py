"""Elevation, slope and aspect from an elevation model."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from odc.geo.geobox import GeoBox

from cerradata.core.types import FloatArray
from cerradata.cube.variables.variable import Request, Variable, VariableInputs
from cerradata.scenes.bands import ELEVATION

TerrainKind = Literal["elevation", "slope", "aspect"]

_HORN: Final = "B. K. P. Horn (1981), Hill shading and the reflectance map, Proceedings of the IEEE 69(1)"


@dataclass(frozen=True)
class Terrain:
    """A variable from the elevation in a window and one pixel around it."""

    kind: TerrainKind

    def compute(self, window: GeoBox, inputs: VariableInputs) -> FloatArray:
        """(1, rows, columns), see `Variable.compute`."""
        if self.kind == "elevation":
            return inputs.composite("elevation", window, tuple(ELEVATION), "")
        heights = inputs.composite("elevation", window.pad(1), tuple(ELEVATION), "")[0]
        east, north = gradient(heights, abs(window.resolution.x), abs(window.resolution.y))
        if window.resolution.y > 0:  # rows go north
            north = -north
        return (slope(east, north) if self.kind == "slope" else aspect(east, north))[np.newaxis]


def terrain_variable(request: Request, kind: TerrainKind) -> Variable:
    """Elevation, slope or aspect."""
    title, unit, source = {
        "elevation": ("Height above the vertical datum", "metre", "The elevation model of the build."),
        "slope": ("Slope of the terrain", "degree", f"Elevation on the target grid; formula: {_HORN}."),
        "aspect": (
            "Direction downhill, clockwise from north",
            "degree",
            f"Elevation on the target grid; formula: {_HORN}.",
        ),
    }[kind]
    return Variable(
        request.name,
        kind,
        title,
        "metre" if unit == "metre" else "degree",
        {"elevation": tuple(ELEVATION)},
        {},
        source,
        Terrain(kind),
        margin=0 if kind == "elevation" else 1,
        vertical_datum=request.available.vertical_datum,
    )


def gradient(heights: FloatArray, across: float, along: float) -> tuple[FloatArray, FloatArray]:
    """Rise of the terrain by Horn's formula: the mean of the differences in three rows or columns, the middle one twice.

    Where neighbours have no data the mean is that of the differences that are left, each from two heights beside each
    other if one of the outer ones is missing, which is exact on a plane; where none is left the rise is 0.

    Args:
        heights: (rows + 2, columns + 2) metres, NaN = no data.
        across: Width of a pixel in metres.
        along: Height of a pixel in metres.

    Returns:
        Rise in metres a metre towards the right and towards the top, each (rows, columns); NaN where the middle has no data.
    """
    hole = np.isnan(heights[1:-1, 1:-1])
    right = _rise(heights) / np.float32(across)
    up = -_rise(heights.T).T / np.float32(along)
    return np.where(hole, np.float32(np.nan), right), np.where(hole, np.float32(np.nan), up)


def slope(east: FloatArray, north: FloatArray) -> FloatArray:
    """Steepest angle against the horizontal in degrees, 0 to 90, from the rise towards east and north; NaN stays NaN."""
    return np.asarray(np.degrees(np.arctan(np.hypot(east, north))), dtype=np.float32)


def aspect(east: FloatArray, north: FloatArray) -> FloatArray:
    """Direction downhill in degrees clockwise from north, 0 to below 360; NaN where it is flat, and NaN stays NaN."""
    degrees = np.degrees(np.arctan2(-east, -north)) % np.float32(360)
    degrees = np.where(degrees >= 360, np.float32(0), degrees)  # -1e-9 % 360 is 360 in float32
    return np.where((east == 0) & (north == 0), np.float32(np.nan), degrees).astype(np.float32)


def _rise(heights: FloatArray) -> FloatArray:
    """Rise towards the right, a pixel: (rows + 2, columns + 2) to (rows, columns) float32."""
    ahead, behind = heights[:, 2:] - heights[:, 1:-1], heights[:, 1:-1] - heights[:, :-2]
    steps = (heights[:, 2:] - heights[:, :-2]) / 2
    steps = np.where(np.isnan(steps), np.where(np.isnan(ahead), behind, ahead), steps)
    known = ~np.isnan(steps)
    steps = np.where(known, steps, 0)
    total = steps[:-2] + 2 * steps[1:-1] + steps[2:]
    weight = known[:-2] + 2 * known[1:-1].astype(np.float32) + known[2:]
    return np.asarray(total / np.maximum(weight, 1), dtype=np.float32)
