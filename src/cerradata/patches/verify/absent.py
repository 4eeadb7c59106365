"""Layers that patches lack: does the index say it in the right form, and does `dataset.json` allow it?"""

from collections.abc import Iterator

import geopandas as gpd
import numpy as np

from cerradata.patches.index import lacking
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import INDEX_FILE, INFO_FILE, SENSOR_LAYERS
from cerradata.patches.verify.problem import Problem, of_patches


def says_lists(index: gpd.GeoDataFrame) -> bool:
    """Whether the column `lacks`, if there is one, has a list of names in each row."""
    return "lacks" not in index or all(
        np.ndim(layers) == 1 and all(isinstance(layer, str) for layer in layers) for layers in index["lacks"]
    )


def check_lacks(index: gpd.GeoDataFrame, info: DatasetInfo) -> Iterator[Problem]:
    """Check what the index says that patches lack.

    Args:
        index: The index; its column `lacks`, if any, has lists.
        info: What `dataset.json` says.
    """
    if info.optional and "lacks" not in index:
        what = (
            f"{INFO_FILE} says that patches may lack {', '.join(info.optional)}, but {INDEX_FILE} has no column lacks"
        )
        yield Problem("dataset", f"{what}, so it is not known which do.")
        return
    absent = lacking(index)
    for layer in sorted(absent.keys() - set(info.optional)):
        what = f"{INDEX_FILE} says that a patch lacks {layer}, which {INFO_FILE} lets no patch lack"
        yield from of_patches("dataset", sorted(absent[layer]), what)
    sensors = [absent.get(sensor, frozenset()) for sensor in SENSOR_LAYERS if sensor in info.layers]
    blind = frozenset.intersection(*sensors) if sensors else frozenset()
    yield from of_patches("dataset", sorted(blind), f"no image of {' or '.join(SENSOR_LAYERS)} by {INDEX_FILE}")
