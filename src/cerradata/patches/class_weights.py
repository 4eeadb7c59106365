"""Weights of classes in a loss, from pixel counts: pure functions.

A class without pixels weighs 0 in every scheme: it has no frequency, and no pixel to weigh. `train` divides the loss by the
summed weight of the pixels of a batch, so only ratios between classes matter there; the scale of each scheme is that of
its source.
"""

from typing import Literal

import numpy as np

from cerradata.core.errors import ConfigError
from cerradata.core.types import CountArray, FloatArray

ClassWeights = Literal["none", "inverse", "median", "effective"]
"""Schemes: see `inverse_frequency`, `median_frequency` and `effective_number`."""


def inverse_frequency(pixels: CountArray) -> FloatArray:
    """Inverse frequency divided by the largest weight, as CerraData-4MM was trained (Miranda et al. 2025, arXiv 2502.00083).

    With n_c pixels of class c of n in all, w_c = (n / n_c) / max_k (n / n_k) = min_k n_k / n_c. The rarest class weighs 1.

    Args:
        pixels: (classes,) or (patches, classes) pixel counts.

    Returns:
        (classes,) float64 from 0 to 1.
    """
    totals = _totals(pixels)
    present = totals > 0
    weights = np.zeros(len(totals))
    if present.any():
        weights[present] = totals[present].min() / totals[present]
    return weights


def median_frequency(pixels: CountArray) -> FloatArray:
    """Median-frequency balancing (Eigen and Fergus 2015, ICCV, doi:10.1109/ICCV.2015.304, section 4.3).

    f_c = pixels of class c / labelled pixels of the patches in which c occurs; w_c = median_k f_k / f_c, over the classes
    that occur. A class of the median frequency weighs 1; others more or less. Unlabelled pixels count nowhere. A class
    that is rare on the whole but fills the patches in which it occurs gets a small weight: this scheme looks at patches.

    Args:
        pixels: (patches, classes) pixel counts. Counts summed over the patches do not suffice.

    Returns:
        (classes,) float64, 0 or more.

    Raises:
        ConfigError: If the counts are summed over the patches.
    """
    counts = np.asarray(pixels)
    if counts.ndim != 2:
        raise ConfigError(
            f"Median-frequency weights need the pixels of each patch, (patches, classes): these counts have the shape "
            f"{counts.shape}."
        )
    totals = _totals(counts)
    present = totals > 0
    weights = np.zeros(len(totals))
    if present.any():
        around = ((counts > 0) * counts.sum(axis=1, keepdims=True)).sum(axis=0)
        frequency = totals[present] / around[present]
        weights[present] = np.median(frequency) / frequency
    return weights


def effective_number(pixels: CountArray, beta: float | None = None) -> FloatArray:
    """Inverse effective number of samples (Cui et al. 2019, CVPR, doi:10.1109/CVPR.2019.00949).

    E_c = (1 - beta^n_c) / (1 - beta) for n_c pixels of class c, w_c = 1 / E_c, scaled so that the weights of the classes that
    occur sum to their number, as in the paper. beta = 0 weighs all classes alike; beta towards 1 is inverse frequency.

    In the paper beta = (N - 1) / N, where N is the number of distinct samples that a class can have: E_c grows like n_c at
    first and ends at N. Its values, 0.9 to 0.9999, are for thousands of images a class. With millions of pixels all
    classes would be at N, and N = all training pixels would be inverse frequency again. So by default N is an even
    share, training pixels / classes that occur: classes above it weigh nearly alike, classes far below it by their inverse
    frequency, and the factor between the rarest and the commonest is that of reaching the balance, not more.

    Args:
        pixels: (classes,) or (patches, classes) pixel counts.
        beta: From 0 to below 1; by default (N - 1) / N of an even share N.

    Returns:
        (classes,) float64, 0 or more.

    Raises:
        ConfigError: If beta is out of range.
    """
    if beta is not None and not 0 <= beta < 1:
        raise ConfigError(f"beta is {beta}: it must be 0 or more and below 1.")
    totals = _totals(pixels)
    present = totals > 0
    weights = np.zeros(len(totals))
    if present.any():
        counts = totals[present].astype(np.float64)
        # 1 - beta, not beta, is carried: beside 1e-8 a double still has all its digits
        missing = float(len(counts) / counts.sum()) if beta is None else 1 - beta
        log_beta = np.log1p(-missing) if missing < 1 else -np.inf
        effective = -np.expm1(counts * log_beta) / missing
        weights[present] = 1 / effective
        weights *= len(counts) / weights.sum()
    return weights


def scheme_weights(scheme: ClassWeights, pixels: CountArray, beta: float | None = None) -> FloatArray | None:
    """Weights of a scheme by its name.

    Args:
        scheme: "none", "inverse", "median" or "effective".
        pixels: (patches, classes) pixel counts; (classes,) suffices for all but "median".
        beta: For "effective" only, see `effective_number`.

    Returns:
        (classes,) float64, or None for "none".

    Raises:
        ConfigError: If there is no such scheme, or it cannot use these arguments.
    """
    if beta is not None and scheme != "effective":
        raise ConfigError(f"beta has no meaning for class weights {scheme!r}: leave it out, or use `effective`.")
    match scheme:
        case "none":
            return None
        case "inverse":
            return inverse_frequency(pixels)
        case "median":
            return median_frequency(pixels)
        case "effective":
            return effective_number(pixels, beta)
        case _:
            raise ConfigError(f"There are no class weights {scheme!r}: give none, inverse, median or effective.")


def _totals(pixels: CountArray) -> CountArray:
    counts = np.asarray(pixels, dtype=np.int64)
    return counts if counts.ndim == 1 else np.asarray(counts.sum(axis=0))
