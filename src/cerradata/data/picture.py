"""Patches for the eye: images stretched, labels in the legend's colours."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from cerradata.core.types import FloatArray
from cerradata.legend import Level


def picture(image: np.ndarray[Any, Any], bands: Sequence[str]) -> np.ndarray[Any, Any]:
    """An image for the eye: true colour, or false colour of radar, each band stretched from 2 % to 98 %.

    Args:
        image: (bands, H, W) numbers, NaN = no data.
        bands: Their names.

    Returns:
        (H, W, 3) float 0 to 1; white where a band has no data.
    """
    names = [band.split("@", 1)[0] for band in bands]
    if all(band in names for band in ("B04", "B03", "B02")):
        chosen = image[[names.index(band) for band in ("B04", "B03", "B02")]]
    elif "VV" in names and "VH" in names:
        vv, vh = image[names.index("VV")], image[names.index("VH")]
        chosen = np.stack([vv, vh, vv])
    else:
        chosen = image[[0, 0, 0]] if len(image) < 3 else image[:3]
    return stretch(chosen)


def stretch(image: FloatArray, low: float = 2, high: float = 98) -> FloatArray:
    """Stretch three bands for the eye, each between two of its percentiles.

    Args:
        image: (3, H, W) red, green, blue in any unit; NaN where there is no data.
        low: Percentile that becomes 0.
        high: Percentile that becomes 1.

    Returns:
        (H, W, 3) float32, 0 to 1; white where a band has no data, 0.5 in a band of one value.
    """
    picture = np.full((*image.shape[1:], 3), 0.5, np.float32)
    for number, band in enumerate(image):
        valid = band[np.isfinite(band)]
        if valid.size:
            bottom, top = np.percentile(valid, [low, high])
            if top > bottom:
                picture[..., number] = np.clip((band - bottom) / (top - bottom), 0, 1)
    picture[~np.isfinite(image).all(axis=0)] = 1
    return picture


def paint(labels: np.ndarray[Any, Any], level: Level) -> np.ndarray[Any, Any]:
    """Labels in the legend's colours: (H, W, 3) uint8, unlabelled white."""
    table = np.full((256, 3), 255, np.uint8)
    for c in level.classes:
        table[c.id] = c.colour
    return np.asarray(table[labels.astype(np.uint8)])
