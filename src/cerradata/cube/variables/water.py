"""Distance to water: from a vector file, or from a water index of the composite."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from odc.geo.geobox import GeoBox
from scipy.ndimage import distance_transform_edt

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.core.types import BoolArray, FloatArray
from cerradata.cube.variables.config import DEFAULT_MAX_DISTANCE, DEFAULT_THRESHOLD
from cerradata.cube.variables.indices import SpectralIndex, find_index, index_parameters, index_source
from cerradata.cube.variables.variable import Request, Variable, VariableInputs
from cerradata.cube.variables.vector import burn, require_vector

_TITLE: Final = "Distance to the nearest water, at most {:g} m"


@dataclass(frozen=True)
class DistanceToVector:
    """Distance to the nearest pixel that a line or polygon of a file touches.

    Attributes:
        vector: The file.
        layer: Its layer, where it has several.
        max_distance: Metres; what is further away gets this.
        margin: Pixels around a window in which water counts.
    """

    vector: Location
    layer: str | None
    max_distance: float
    margin: int

    def compute(self, window: GeoBox, inputs: VariableInputs) -> FloatArray:
        """(1, rows, columns), see `Variable.compute`. The inputs are not asked."""
        water = burn(self.vector, self.layer, window.pad(self.margin))
        return _cropped_distance(water, window, self.max_distance, self.margin)[np.newaxis]


@dataclass(frozen=True)
class DistanceToIndex:
    """Distance to the nearest pixel where an index of the composite is above a threshold.

    Attributes:
        index: The index.
        threshold: Water is above it.
        max_distance: Metres; what is further away gets this.
        margin: Pixels around a window in which water counts.
        time_windows: One band for each, or one in all where there are none.
    """

    index: SpectralIndex
    threshold: float
    max_distance: float
    margin: int
    time_windows: tuple[str, ...]

    def compute(self, window: GeoBox, inputs: VariableInputs) -> FloatArray:
        """(time windows, rows, columns), see `Variable.compute`."""
        return np.stack([self._of(window, inputs, when) for when in self.time_windows or ("",)])

    def _of(self, window: GeoBox, inputs: VariableInputs, when: str) -> FloatArray:
        around = window.pad(self.margin)
        values = self.index.compute(inputs.composite(self.index.sensor, around, self.index.bands, when))
        distance = _cropped_distance(values > self.threshold, window, self.max_distance, self.margin)
        return np.where(np.isnan(_cropped(values, self.margin)), np.float32(np.nan), distance)


def distance_variable(request: Request) -> Variable:
    """Distance to water.

    Raises:
        ConfigError: If the vector file is missing or has no such layer, is the reference map without being declared so, or
            the index does not exist.
    """
    config, available = request.config, request.available
    limit = float(DEFAULT_MAX_DISTANCE if config.max_distance is None else config.max_distance)
    margin = math.ceil(limit / available.resolution)
    if config.vector is not None:
        require_vector(config.vector, config.layer)
        if config.vector == available.reference and not config.target_only:
            raise ConfigError(
                f"Variable {request.name!r} is made of {config.vector}, which is the reference map: as an input it would tell "
                "the labels. Give another file, or `target_only: true`."
            )
        return Variable(
            request.name,
            "distance-to-water",
            _TITLE.format(limit),
            "metre",
            {},
            {"vector": config.vector.name, "layer": config.layer, "max_distance": limit},
            f"Lines and polygons of {config.vector.name}; every pixel that they touch is water.",
            DistanceToVector(config.vector, config.layer, limit, margin),
            margin=margin,
            target_only=config.target_only,
        )
    index = find_index(str(config.index), config.constants)
    threshold = float(DEFAULT_THRESHOLD if config.threshold is None else config.threshold)
    return Variable(
        request.name,
        "distance-to-water",
        _TITLE.format(limit),
        "metre",
        {index.sensor: index.bands},
        {"threshold": threshold, "max_distance": limit, **index_parameters(index)},
        f"Pixels with {index.name} above {threshold:g} are water; {index_source(index)}",
        DistanceToIndex(index, threshold, limit, margin, available.time_windows),
        margin=margin,
        time_windows=available.time_windows,
    )


def distance_to(water: BoolArray, across: float, along: float, limit: float) -> FloatArray:
    """Exact Euclidean distance from the centre of each pixel to that of the nearest water pixel.

    Args:
        water: (rows, columns).
        across: Width of a pixel in metres.
        along: Height of a pixel in metres.
        limit: Largest distance, in metres; where there is no water at all it is everywhere.

    Returns:
        (rows, columns) float32 metres, 0 on water, at most `limit`.
    """
    if not water.any():
        return np.full(water.shape, limit, np.float32)
    distance = distance_transform_edt(~water, sampling=(along, across))
    return np.asarray(np.minimum(distance, limit), dtype=np.float32)


def _cropped_distance(water: BoolArray, window: GeoBox, limit: float, margin: int) -> FloatArray:
    across, along = abs(window.resolution.x), abs(window.resolution.y)
    return _cropped(distance_to(water, across, along, limit), margin)


def _cropped(pixels: FloatArray, margin: int) -> FloatArray:
    return pixels[margin:-margin, margin:-margin]
