"""The manifest of a simulated Sentinel-1 GRD product, and what all its XML files share."""

import datetime as dt
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_NAMESPACES: Final = MappingProxyType(
    {
        "xmlns:xfdu": "urn:ccsds:schema:xfdu:1",
        "xmlns:safe": "http://www.esa.int/safe/sentinel-1.0",
        "xmlns:s1": "http://www.esa.int/safe/sentinel-1.0/sentinel-1",
        "xmlns:s1sarl1": "http://www.esa.int/safe/sentinel-1.0/sentinel-1/sar/level-1",
        "xmlns:gml": "http://www.opengis.net/gml",
    }
)

_MEASUREMENT: Final = "s1Level1MeasurementSchema"


@dataclass(frozen=True)
class Header:
    """What each file of a product says of it.

    Attributes:
        mission: "S1A" and so on.
        start: Time of the first line.
        stop: Time of the last line.
        absolute_orbit: Number of the orbit since launch.
        relative_orbit: Number of the relative orbit.
        take: Number of the data take.
        ascending: Whether the satellite flies north.
        simulated: Which simulation made it.
    """

    mission: str
    start: dt.datetime
    stop: dt.datetime
    absolute_orbit: int
    relative_orbit: int
    take: int
    ascending: bool
    simulated: str

    @property
    def ascending_node(self) -> dt.datetime:
        """When the satellite crossed the equator to the north; 7 degrees south that is most of an orbit of 99 minutes ago."""
        return self.start - dt.timedelta(minutes=96 if self.ascending else 51)


def manifest(header: Header, polarisations: Sequence[str], files: Sequence[str]) -> ET.Element:
    """The manifest: platform, orbit, time, polarisations, the address of each file and which files describe which image.

    Args:
        header: The product.
        polarisations: Its polarisations.
        files: Addresses in the product of its images and their XML files.
    """
    metadata = [
        *(
            element("metadataObject", element("metadataWrap", element("xmlData", content)), ID=name)
            for name, content in _said(header, polarisations).items()
        ),
        *(
            element("metadataObject", element("dataObjectPointer", dataObjectID=_id(name)), ID=f"{_id(name)}Annotation")
            for name in files
            if _schema(name) != _MEASUREMENT
        ),
    ]
    data = [
        element(
            "dataObject",
            element("byteStream", element("fileLocation", locatorType="URL", href=f"./{name}")),
            ID=_id(name),
            repID=_schema(name),
        )
        for name in files
    ]
    units = element(
        "xfdu:contentUnit", *(_unit(name, files) for name in files), unitType="SAFE Archive Information Package"
    )
    root = element(
        "xfdu:XFDU",
        element("informationPackageMap", units),
        element("metadataSection", *metadata),
        element("dataObjectSection", *data),
    )
    for name, uri in _NAMESPACES.items():
        root.set(name, uri)
    root.set("version", "esa/safe/sentinel-1.0/sentinel-1/sar/level-1/grd/standard/iwdp")
    return root


def _said(header: Header, polarisations: Sequence[str]) -> dict[str, ET.Element]:
    """What the manifest itself says of a product, by the names of ESA's sections."""
    return {
        "platform": element(
            "safe:platform",
            element("safe:familyName", "SENTINEL-1"),
            element("safe:number", header.mission[-1]),
            element(
                "safe:instrument",
                element("safe:familyName", "Synthetic Aperture Radar", abbreviation="SAR"),
                element(
                    "safe:extension",
                    element("s1sarl1:instrumentMode", element("s1sarl1:mode", "IW"), element("s1sarl1:swath", "IW")),
                ),
            ),
        ),
        "measurementOrbitReference": element(
            "safe:orbitReference",
            *(element("safe:orbitNumber", str(header.absolute_orbit), type=end) for end in ("start", "stop")),
            *(element("safe:relativeOrbitNumber", str(header.relative_orbit), type=end) for end in ("start", "stop")),
            element(
                "safe:extension",
                element(
                    "s1:orbitProperties",
                    element("s1:pass", "ASCENDING" if header.ascending else "DESCENDING"),
                    element("s1:ascendingNodeTime", time_text(header.ascending_node)),
                ),
            ),
        ),
        "generalProductInformation": element(
            "s1sarl1:standAloneProductInformation",
            element("s1sarl1:missionDataTakeID", str(header.take)),
            *(element("s1sarl1:transmitterReceiverPolarisation", band) for band in polarisations),
            element("s1sarl1:productClassDescription", f"Simulated, not observed: {header.simulated}"),
            element("s1sarl1:productType", "GRD"),
        ),
        "acquisitionPeriod": element(
            "safe:acquisitionPeriod",
            element("safe:startTime", time_text(header.start)),
            element("safe:stopTime", time_text(header.stop)),
        ),
    }


def time_text(moment: dt.datetime) -> str:
    """A time as ESA writes it, in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")


def element(tag: str, *content: str | ET.Element, **attributes: str) -> ET.Element:
    """An XML element with text, children and attributes."""
    made = ET.Element(tag, attributes)
    for part in content:
        if isinstance(part, str):
            made.text = part
        else:
            made.append(part)
    return made


def _unit(name: str, files: Sequence[str]) -> ET.Element:
    """The unit of a file; that of an image names the XML files of the same image."""
    pointer = element("dataObjectPointer", dataObjectID=_id(name))
    if _schema(name) != _MEASUREMENT:
        return element("xfdu:contentUnit", pointer, unitType="Metadata Unit", repID=_schema(name))
    stem = _stem(name)
    about = [f"{_id(other)}Annotation" for other in files if other != name and _stem(other).endswith(stem)]
    return element(
        "xfdu:contentUnit", pointer, unitType="Measurement Data Unit", repID=_MEASUREMENT, dmdID=" ".join(about)
    )


def _schema(name: str) -> str:
    kinds = {"calibration/calib": "Calibration", "calibration/noise": "Noise", "annotation/": "Product"}
    kind = next((kind for part, kind in kinds.items() if part in name), None)
    return _MEASUREMENT if kind is None else f"s1Level1{kind}Schema"


def _id(name: str) -> str:
    prefix = "product" if _schema(name) == "s1Level1ProductSchema" else ""
    return prefix + _stem(name).replace("-", "")


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
