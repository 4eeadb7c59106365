"""What is known of a whole dataset's numbers: quantiles of a layer."""

import numpy as np

from cerradata.patches.layout import Layout
from cerradata.patches.statistics import valid_pixels
from cerradata.patches.stored import read_layer

_SAMPLE_PATCHES = 64
_QUANTILES = (0.05, 0.5, 0.95)


def layer_quantiles(
    layout: Layout, layer: str, bands: tuple[str, ...], ids: list[int], nodata: float | None
) -> dict[str, tuple[float, float, float]]:
    """5 %, 50 % and 95 % quantile of the stored numbers of each band.

    Args:
        layout: The dataset's files.
        layer: Image layer.
        bands: Its bands in stored order.
        ids: Ids of the patches that have the layer; at most 64 patches, evenly spaced in id order, are read.
        nodata: Number that does not count.

    Returns:
        By band; a band without data is left out.
    """
    chosen = sorted({ids[int(i)] for i in np.linspace(0, len(ids) - 1, min(len(ids), _SAMPLE_PATCHES))})
    patches = [read_layer(layout.path(layer, patch_id))[0] for patch_id in chosen]
    result = {}
    for i, band in enumerate(bands):
        numbers = np.concatenate([patch[i][valid_pixels(patch[i], nodata)] for patch in patches])
        if numbers.size:
            low, middle, high = (float(q) for q in np.quantile(numbers, _QUANTILES))
            result[band] = (low, middle, high)
    return result
