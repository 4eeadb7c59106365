"""The bands of the sensors: each fact once."""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from cerradata.core.types import Sensor


@dataclass(frozen=True)
class Band:
    """A band of a sensor.

    Attributes:
        name: The product's own name ("B8A", "VV").
        title: What it measures.
        resolution: Native ground sampling distance in metres.
    """

    name: str
    title: str
    resolution: int


SENTINEL2: Final = MappingProxyType(
    {
        band.name: band
        for band in (
            Band("B01", "coastal aerosol", 60),
            Band("B02", "blue", 10),
            Band("B03", "green", 10),
            Band("B04", "red", 10),
            Band("B05", "red edge 1", 20),
            Band("B06", "red edge 2", 20),
            Band("B07", "red edge 3", 20),
            Band("B08", "near infrared", 10),
            Band("B8A", "narrow near infrared", 20),
            Band("B09", "water vapour", 60),
            Band("B10", "cirrus", 60),
            Band("B11", "short-wave infrared 1", 20),
            Band("B12", "short-wave infrared 2", 20),
        )
    }
)
"""Sentinel-2 MSI in the order of the L1C product; L2A has all but B10."""

SENTINEL1: Final = MappingProxyType(
    {b.name: b for b in (Band("VV", "VV backscatter", 10), Band("VH", "VH backscatter", 10))}
)
ELEVATION: Final = MappingProxyType({"elevation": Band("elevation", "height above the vertical datum", 30)})

MSI_BANDS: Final = tuple(name for name in SENTINEL2 if name != "B10")
"""The 12 bands of CerraData-4MM, in its order."""

BANDS: Final = MappingProxyType({"sentinel-2": SENTINEL2, "sentinel-1": SENTINEL1, "elevation": ELEVATION})

# B8A.jp2, T33UUU_20170216T102101_B02.jp2, T23MKN_20220710T132231_B05_20m.jp2, S2A_B01.tif
_SENTINEL2_FILE = re.compile(r"(?:^|[_.-])(B(?:0[1-9]|1[0-2]|8A))(?:_\d\dm)?\.(?:jp2|tif|tiff)$", re.IGNORECASE)
# Quality masks lie beside the bands in a product and end like them: MSK_DETFOO_B02.jp2
_SENTINEL2_MASK = re.compile(r"^MSK_", re.IGNORECASE)
# S1A_..._VV.tif, s1a-iw-grd-vh-20220710....tiff
_SENTINEL1_FILE = re.compile(r"(?:^|[_.-])(VV|VH)(?=[_.-])(?=.*\.(?:tif|tiff)$)", re.IGNORECASE)


def band_of_file(name: str, sensor: Sensor) -> str | None:
    """The band that a file name tells; None where it tells none, or several (`..._VV_VH.tif`).

    Args:
        name: File name without folder.
        sensor: Whose naming to follow.
    """
    match sensor:
        case "sentinel-2":
            found = set() if _SENTINEL2_MASK.match(name) else set(_SENTINEL2_FILE.findall(name.upper()))
        case "sentinel-1":
            found = set(_SENTINEL1_FILE.findall(name.upper()))
        case "elevation":
            return None
    return found.pop() if len(found) == 1 else None


def base_band(name: str) -> str:
    """The band's name without its time window: "B04" of "B04@dry"."""
    return name.split("@", 1)[0]
