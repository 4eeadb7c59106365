"""The ratio of the two polarisations of Sentinel-1."""

from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from cerradata.core.types import FloatArray
from cerradata.cube.variables.variable import Request, Variable, VariableInputs
from cerradata.scenes.radiometry import from_power

_BANDS = ("VH", "VV")


@dataclass(frozen=True)
class SarRatio:
    """VH / VV of the composite of each time window."""

    time_windows: tuple[str, ...]

    def compute(self, window: GeoBox, inputs: VariableInputs) -> FloatArray:
        """(time windows, rows, columns), see `Variable.compute`."""
        return np.stack(
            [ratio(*inputs.composite("sentinel-1", window, _BANDS, when)) for when in self.time_windows or ("",)]
        )


def sar_ratio_variable(request: Request) -> Variable:
    """VH / VV in decibels."""
    windows = request.available.time_windows
    return Variable(
        request.name,
        "sar-ratio",
        "Cross-polarisation ratio VH / VV",
        "db",
        {"sentinel-1": _BANDS},
        {"formula": "10 log10(VH / VV), linear power"},
        "VH and VV of Sentinel-1 in linear power",
        SarRatio(windows),
        time_windows=windows,
    )


def ratio(cross: FloatArray, like: FloatArray) -> FloatArray:
    """VH / VV in decibels, 10 log10(VH / VV).

    Args:
        cross: VH in linear power, NaN = no data.
        like: VV in linear power, same shape.

    Returns:
        float32 of the same shape; NaN where either has no data or is not positive.
    """
    positive = (cross > 0) & (like > 0)
    divided = np.divide(cross, like, out=np.full(cross.shape, np.nan, np.float32), where=positive)
    return from_power(divided, "db")
