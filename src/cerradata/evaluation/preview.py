"""A picture of a map for people: small, in the legend's colours."""

from pathlib import Path

import numpy as np
import rasterio
from matplotlib.image import imsave
from rasterio.enums import Resampling

from cerradata.core.files import atomic_path

_LARGEST = 1600


def map_preview(map_file: Path, out: Path) -> Path:
    """Write a PNG of a land-cover map, at most 1,600 pixels wide or high; no data is white.

    Args:
        map_file: A map as `write_map` writes it: one band of class ids with a colour table.
        out: The PNG.

    Returns:
        `out`.

    Raises:
        OutputError: If there is no space or no permission.
    """
    with rasterio.open(map_file) as file:
        shrink = max(1.0, max(file.shape) / _LARGEST)
        shape = (max(1, round(file.height / shrink)), max(1, round(file.width / shrink)))
        classes = file.read(1, out_shape=shape, resampling=Resampling.mode)
        palette = file.colormap(1)
        nodata = file.nodata
    table = np.full((256, 3), 255, np.uint8)
    for value, colour in palette.items():
        if value != nodata:
            table[value] = colour[:3]
    with atomic_path(out) as temporary:
        # pixel by pixel, not as a figure with margins; without the program's version in the file
        imsave(temporary, table[classes], format="png", metadata={"Software": None})  # type: ignore[dict-item]  # None: leave out
    return out
