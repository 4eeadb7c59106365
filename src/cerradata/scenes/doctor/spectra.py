"""Whether spectra are those of ground under their band names: a mixture of a few covers, and how badly it fits.

The spectra are round numbers typical of each cover, for the shape, not for the level: reflectance of Sentinel-2 bands as
given by textbooks (Jensen, Remote Sensing of the Environment, 2007, chapters 11 to 13) and the USGS spectral library
(Kokaly et al., 2017, doi:10.3133/ds1035).
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.optimize import nnls

from cerradata.core.types import FloatArray

_BANDS: Final = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
_COVERS: Final = MappingProxyType(
    {
        "green vegetation": (0.02, 0.025, 0.05, 0.03, 0.08, 0.25, 0.32, 0.34, 0.36, 0.36, 0.17, 0.07),
        "dry vegetation": (0.05, 0.06, 0.09, 0.13, 0.17, 0.21, 0.24, 0.26, 0.28, 0.29, 0.34, 0.22),
        "soil": (0.06, 0.08, 0.12, 0.18, 0.21, 0.23, 0.25, 0.27, 0.28, 0.29, 0.38, 0.34),
        "turbid water": (0.05, 0.06, 0.09, 0.08, 0.075, 0.045, 0.045, 0.035, 0.03, 0.02, 0.01, 0.008),
        "air and clear water": (0.12, 0.09, 0.055, 0.032, 0.028, 0.022, 0.018, 0.013, 0.01, 0.005, 0.002, 0.001),
        "snow": (0.90, 0.90, 0.90, 0.89, 0.88, 0.86, 0.84, 0.82, 0.78, 0.60, 0.10, 0.08),
    }
)
"""Reflectance of each cover in the bands of `_BANDS`. Air stands for what L1C holds of the atmosphere."""

SPECTRAL_BANDS: Final[tuple[str, ...]] = tuple(band for band in _BANDS if band != "B09")
"""Bands that are compared. B09 at the top of the atmosphere is what water vapour leaves, B10 is not of the ground."""


def misfit(values: FloatArray, bands: Sequence[str]) -> float:
    """How badly spectra are mixtures of covers under these band names; 0 is a perfect fit.

    A constant is free, so that a wrong offset does not matter, and so is the scale.

    Args:
        values: (bands, pixels) reflectance, finite.
        bands: Names of the rows, of `SPECTRAL_BANDS`; five or more tell something.

    Returns:
        Median over the pixels of what no mixture explains: norm of the residual by norm of the spectrum without its mean.
    """
    rows = [_BANDS.index(band) for band in bands]
    covers = np.array(list(_COVERS.values()))[:, rows].T
    centred = values - values.mean(0)
    basis = covers - covers.mean(0)
    lengths = np.linalg.norm(centred, axis=0)
    residuals = [nnls(basis, spectrum)[1] for spectrum in centred.T.astype(np.float64)]
    return float(np.median(np.asarray(residuals) / np.maximum(lengths, 1e-9)))
