"""What a Sentinel-1 GRD product holds and says of itself: images, date, pass, relative orbit."""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final
from xml.etree import ElementTree

from cerradata.core.errors import SceneError
from cerradata.scenes.grd.xml import damaged, local_name, parse_xml, texts
from cerradata.scenes.product import ProductFiles

_MANIFEST = "manifest.safe"
_POLARISATION = re.compile(r"-(vv|vh|hh|hv)-", re.IGNORECASE)
_TIFF = (".tif", ".tiff")
_ORBITS: Final = 175  # revolutions of a repeat cycle of 12 days

# Relative orbit = (absolute orbit - this) mod 175 + 1: https://sentiwiki.copernicus.eu/web/s1-products
_FIRST_ORBIT: Final[Mapping[str, int]] = MappingProxyType({"S1A": 73, "S1B": 27, "S1C": 172, "S1D": 42})
# Sentinel-1C was moved in June 2026; its last image before is of orbit 8018, the constant since then is 99:
# https://dataspace.copernicus.eu/news/2026-5-28-sentinel-1-orbital-reconfiguration-dates
_MOVED: Final[Mapping[str, tuple[int, int]]] = MappingProxyType({"S1C": (8018, 99)})


@dataclass(frozen=True)
class PolarisationFiles:
    """The files of one polarisation, as names of `GrdProduct.files`. None: there is no such file.

    Attributes:
        measurement: The TIFF.
        annotation: The XML file of the image.
        calibration: The calibration tables.
        noise: The thermal noise.
    """

    measurement: str
    annotation: str | None
    calibration: str | None
    noise: str | None


@dataclass(frozen=True)
class GrdProduct:
    """A product, before any image is opened.

    Attributes:
        files: Its files.
        polarisations: Files of each polarisation ("VV", "VH", "HH", "HV").
        date: Day of acquisition.
        orbit_pass: "ascending" or "descending".
        relative_orbit: Number of the relative orbit; None if the mission is not known.
    """

    files: ProductFiles
    polarisations: Mapping[str, PolarisationFiles]
    date: dt.date | None
    orbit_pass: str | None
    relative_orbit: int | None


def read_product(files: ProductFiles) -> GrdProduct:
    """Find the images of a product and read its manifest.

    Raises:
        SceneError: If there is no manifest or there are several, the product is none of Level-1 GRD, or files are missing
            or damaged.
    """
    manifest = _manifest(files)
    root = parse_xml(files, manifest)
    said = texts(root)
    _require_grd(files, said)
    polarisations = _polarisations(files, PurePosixPath(manifest).parent)
    if not polarisations:
        raise SceneError(
            f"{files.root} has no image (measurement/*-vv-*.tiff or another polarisation): fetch the product again."
        )
    annotation = next((p.annotation for p in polarisations.values() if p.annotation is not None), None)
    header = texts(parse_xml(files, annotation)) if annotation is not None else {}
    try:
        absolute = _orbit_number(root, "orbitNumber") or int(header.get("absoluteOrbitNumber", 0))
        start = said.get("startTime") or header.get("startTime")
        return GrdProduct(
            files=files,
            polarisations=polarisations,
            date=dt.date.fromisoformat(start[:10]) if start else None,
            orbit_pass=(said.get("pass") or header.get("pass", "")).lower() or None,
            relative_orbit=_orbit_number(root, "relativeOrbitNumber")
            or relative_orbit(header.get("missionId") or f"S1{said.get('number', '')}", absolute),
        )
    except ValueError as error:
        raise damaged(files, manifest, str(error)) from error


def relative_orbit(mission: str, absolute: int) -> int | None:
    """The relative orbit of an absolute one.

    Args:
        mission: "S1A", "S1B", "S1C" or "S1D".
        absolute: Number of the orbit since launch.

    Returns:
        1 to 175; None for another mission, or if `absolute` is none.
    """
    if mission not in _FIRST_ORBIT or absolute <= 0:
        return None
    last, moved = _MOVED.get(mission, (absolute, 0))
    first = _FIRST_ORBIT[mission] if absolute <= last else moved
    return (absolute - first) % _ORBITS + 1


def manifests(files: ProductFiles) -> list[str]:
    """The manifests among the files of a folder or zip: one a product."""
    return [name for name in files.names if PurePosixPath(name).name.lower() == _MANIFEST]


def _manifest(files: ProductFiles) -> str:
    found = manifests(files)
    if not found:
        kind = "zip" if files.zipped else "folder"
        raise SceneError(
            f"{files.root} is no Sentinel-1 product: the {kind} holds no {_MANIFEST}. Give the SAFE folder, or the zip of "
            "one, as it was downloaded; for geocoded files give the file or a folder of them, with `unit`."
        )
    if len(found) > 1:
        raise SceneError(
            f"{files.root} holds {len(found)} products: {', '.join(str(PurePosixPath(n).parent) for n in found)}. One scene is "
            "one product: give each as a scene of its own."
        )
    return found[0]


def _require_grd(files: ProductFiles, said: Mapping[str, str]) -> None:
    family, kind = said.get("familyName", ""), said.get("productType", "").upper()
    if family and "SENTINEL-1" not in family.upper():
        raise SceneError(f"{files.root} is a product of {family}, but declared as sentinel-1.")
    if kind != "GRD":
        raise SceneError(
            f"{files.root} is a product of type {kind or 'unknown'}: only GRD (ground range detected) is read. Fetch the GRD "
            "product of the same acquisition (IW_GRDH), or geocode this one and give the files with `unit`."
        )


def _polarisations(files: ProductFiles, root: PurePosixPath) -> Mapping[str, PolarisationFiles]:
    measurements = _by_polarisation(files, root / "measurement", "", _TIFF)
    annotations = _by_polarisation(files, root / "annotation", "", (".xml",))
    calibrations = _by_polarisation(files, root / "annotation" / "calibration", "calibration-", (".xml",))
    noises = _by_polarisation(files, root / "annotation" / "calibration", "noise-", (".xml",))
    return {
        band: PolarisationFiles(name, annotations.get(band), calibrations.get(band), noises.get(band))
        for band, name in measurements.items()
    }


def _by_polarisation(
    files: ProductFiles, folder: PurePosixPath, prefix: str, suffixes: tuple[str, ...]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in files.names:
        path = PurePosixPath(name)
        if path.parent != folder or path.suffix.lower() not in suffixes or not path.name.startswith(prefix):
            continue
        match = _POLARISATION.search(path.name)
        if match is None:
            continue
        band = match[1].upper()
        if band in found:
            raise SceneError(
                f"{files.root} holds two files of {band}: {found[band]} and {name}. A GRD product has one a polarisation: "
                "fetch the product again."
            )
        found[band] = name
    return found


def _orbit_number(root: ElementTree.Element, tag: str) -> int | None:
    for element in root.iter():
        if local_name(element) == tag and element.get("type", "start") == "start" and element.text:
            return int(element.text)
    return None
