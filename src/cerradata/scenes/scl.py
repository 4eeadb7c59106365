"""The scene classification layer (SCL) of Sentinel-2 L2A: its classes, each fact once."""

import re
from types import MappingProxyType
from typing import Final

SCL_CLASSES: Final = MappingProxyType(
    {
        0: "no data",
        1: "saturated or defective",
        2: "dark area or cast shadow",
        3: "cloud shadow",
        4: "vegetation",
        5: "not vegetated",
        6: "water",
        7: "unclassified",
        8: "cloud, medium probability",
        9: "cloud, high probability",
        10: "thin cirrus",
        11: "snow or ice",
    }
)
"""ESA, Sentinel-2 Products Specification Document: level-2A scene classification."""

MASKED_SCL: Final = (0, 1, 3, 8, 9, 10)
"""Classes that hide the ground by default. Water and cast shadow are ground."""

SCL_RESOLUTION: Final = 20
"""Metres; the files at 60 m in a product are made from it."""

# T22MGU_20220710T132231_SCL_20m.jp2, S2A_SCL.tif, SCL.tif
_SCL_FILE = re.compile(r"(?:^|[_.-])SCL(?:_\d\dm)?\.(?:jp2|tif|tiff)$", re.IGNORECASE)


def is_scl_file(name: str) -> bool:
    """Whether a file name, without folder, is that of a scene classification layer."""
    return _SCL_FILE.search(name) is not None
