"""A picture of a map for people: small, in the legend's colours."""

from pathlib import Path

import numpy as np
import rasterio
from matplotlib.figure import Figure
from rasterio.enums import Resampling

from cerradata.evaluation.plots import save_figure

_LARGEST = 1600


def map_preview(map_file: Path, out: Path) -> Path:
    """Write a PNG of a land-cover map, at most 1,600 pixels wide or high; no data is white.

    Args:
        map_file: A map as `write_map` writes it: one band of class ids with a colour table.
        out: The PNG.

    Returns:
        `out`.
    """
    with rasterio.open(map_file) as file:
        shrink = max(1.0, max(file.shape) / _LARGEST)
        shape = (round(file.height / shrink), round(file.width / shrink))
        classes = file.read(1, out_shape=shape, resampling=Resampling.mode)
        palette = file.colormap(1)
        nodata = file.nodata
    table = np.full((256, 3), 255, np.uint8)
    for value, colour in palette.items():
        if value != nodata:
            table[value] = colour[:3]
    height, width = shape
    figure = Figure(figsize=(width / 150, height / 150))
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.imshow(table[classes], interpolation="nearest", aspect="auto")
    axis.set_axis_off()
    save_figure(figure, out)
    return out
