"""What a product's own metadata say: offset, date, level, baseline, orbit. From SAFE (`MTD_MSIL*.xml`) or a STAC item.

Whether digital numbers carry an offset is read here and nowhere else. The date does not tell it: since processing
baseline 04.00 (January 2022) the numbers have 1000 added, and reprocessed older scenes have it too.
"""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from cerradata.core.errors import SceneError
from cerradata.scenes.bands import SENTINEL2, band_of_file

SIMULATED_PROPERTY = "cerradata:simulated"
"""Property of a STAC item that says the same as the tag `core.types.SIMULATED_TAG`."""

QUANTIFICATION = 10_000.0
"""Digital numbers of a reflectance of 1 where the metadata say nothing else."""

# The elements of each level's offset and quantification. https://sentiwiki.copernicus.eu/web/s2-products
_OFFSET_ELEMENT = {"L1C": "RADIO_ADD_OFFSET", "L2A": "BOA_ADD_OFFSET"}
_QUANTIFICATION_ELEMENT = {"L1C": "QUANTIFICATION_VALUE", "L2A": "BOA_QUANTIFICATION_VALUE"}
# The COGs of Earth Search say so where the offset was taken out of the numbers, while their items may still state it:
# https://github.com/Element84/earth-search/issues/9
_APPLIED_PROPERTIES = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_ALREADY_APPLIED = "the item says that the offset is out of the numbers already, and states one all the same"


@dataclass(frozen=True)
class ProductMetadata:
    """What the metadata of a product say. None: they do not say.

    Attributes:
        offsets: Distinct offsets of the bands, to be added to a digital number; empty if they are not known. Metadata
            of a product before baseline 04.00 have no offset, which means 0.
        quantification: Digital numbers of a reflectance of 1.
        date: Day of acquisition.
        product_level: "L1C" or "L2A".
        processing_baseline: For example "05.10".
        orbit_pass: "ascending" or "descending".
        relative_orbit: Number of the relative orbit.
        simulated: Which simulation made the product; None for a real one.
        trouble: Why an offset that is stated cannot be trusted, or "".
        files: The metadata files read.
    """

    offsets: tuple[int, ...] = ()
    quantification: float | None = None
    date: dt.date | None = None
    product_level: str | None = None
    processing_baseline: str | None = None
    orbit_pass: str | None = None
    relative_orbit: int | None = None
    simulated: str | None = None
    trouble: str = ""
    files: tuple[Path, ...] = ()


def read_metadata(folder: Path) -> ProductMetadata:
    """The metadata of the product in a folder; an empty answer if it holds none.

    What both a SAFE file and a STAC item say is taken from the SAFE file; offsets are collected from both.

    Args:
        folder: `MTD_MSIL2A.xml` or `MTD_MSIL1C.xml` is looked for in it and below, a STAC item (*.json) in it.

    Raises:
        SceneError: If a metadata file is damaged, or there are several of a kind.
    """
    found = ProductMetadata()
    safe = _one(sorted(p for level in _OFFSET_ELEMENT for p in folder.rglob(f"MTD_MSI{level}.xml")), folder)
    if safe is not None:
        found = read_safe(safe)
    items = {path: item for path in sorted(folder.glob("*.json")) if (item := _stac_item(path)) is not None}
    chosen = _one(list(items), folder)
    return found if chosen is None else _merged(found, read_stac(items[chosen], chosen))


def product_offset(metadata: ProductMetadata, scene: str) -> int | None:
    """The offset of a product from its metadata; None if they do not say.

    Args:
        metadata: What the metadata say.
        scene: Name of the scene, for messages.

    Raises:
        SceneError: If they contradict themselves, or the offset is not the same for all bands.
    """
    where = " and ".join(str(path) for path in metadata.files)
    if metadata.trouble:
        raise SceneError(f"Scene {scene}: {metadata.trouble} ({where}). Look at the numbers and give `offset`.")
    if len(metadata.offsets) > 1:
        raise SceneError(
            f"Scene {scene}: {where} state several offsets ({', '.join(map(str, metadata.offsets))}), one for all bands "
            "is needed. If the bands in use share one, give it as `offset`."
        )
    return metadata.offsets[0] if metadata.offsets else None


def read_safe(path: Path) -> ProductMetadata:
    """The metadata of a Sentinel-2 product in the SAFE format.

    Args:
        path: `MTD_MSIL1C.xml` or `MTD_MSIL2A.xml`; namespaces of its elements do not matter.

    Raises:
        SceneError: If the file is no XML, or a number in it is none.
    """
    level = path.stem[-3:].upper()
    texts: dict[str, list[str]] = {}
    try:
        for element in ElementTree.parse(path).iter():
            texts.setdefault(element.tag.rsplit("}", 1)[-1], []).append((element.text or "").strip())
        quantification = texts.get(_QUANTIFICATION_ELEMENT[level])
        return ProductMetadata(
            offsets=_distinct(float(text) for text in texts.get(_OFFSET_ELEMENT[level], ["0"])),
            quantification=float(quantification[0]) if quantification else None,
            date=_day(_first(texts, "PRODUCT_START_TIME", "DATATAKE_SENSING_START")),
            product_level=level,
            processing_baseline=_first(texts, "PROCESSING_BASELINE"),
            files=(path,),
        )
    except (ElementTree.ParseError, ValueError) as error:
        raise SceneError(f"{path} is damaged ({error}): fetch the product's metadata again.") from error


def read_stac(item: Mapping[str, Any], path: Path) -> ProductMetadata:
    """The metadata of a scene in a STAC item.

    Scale and offset are those of `raster:bands` (STAC 1.0), of `bands`, or of the asset itself (STAC 1.1), of the assets
    that are Sentinel-2 bands. A scale without offset means an offset of 0.

    Args:
        item: The item.
        path: Its file, for messages.

    Raises:
        SceneError: If it is not what a STAC item is, or the scale is not the same for all bands.
    """
    try:
        properties = item.get("properties") or {}
        scaling = [stated for key, asset in item.get("assets", {}).items() if (stated := _scaling(key, asset))]
        orbit = properties.get("sat:relative_orbit")
        offsets = _distinct(offset / scale for scale, offset in scaling)
        applied = any(properties.get(name) for name in _APPLIED_PROPERTIES)
        return ProductMetadata(
            offsets=offsets,
            quantification=_quantification([scale for scale, _ in scaling], path),
            date=_day(properties.get("datetime") or properties.get("start_datetime")),
            product_level=_stac_level(properties),
            processing_baseline=_text(properties, "s2:processing_baseline", "processing:version"),
            orbit_pass=_text(properties, "sat:orbit_state"),
            relative_orbit=None if orbit is None else int(orbit),
            simulated=_text(properties, SIMULATED_PROPERTY),
            trouble=_ALREADY_APPLIED if applied and any(offsets) else "",
            files=(path,),
        )
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        raise SceneError(f"{path} is no STAC item that can be understood ({error!r}): fetch it again.") from error


def _stac_item(path: Path) -> dict[str, Any] | None:
    """The STAC item in a file; None if it is some other JSON."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SceneError(f"{path} is no JSON ({error}): fetch it again, or remove it.") from error
    is_item = isinstance(plain, dict) and plain.get("type") == "Feature" and "stac_version" in plain
    return plain if is_item else None


def _scaling(key: str, asset: Mapping[str, Any]) -> tuple[float, float] | None:
    """Scale and offset (in reflectance) that a band's asset states; None if it is no band or states nothing."""
    if not _is_band(key, asset):
        return None
    stated: dict[str, Any] = {}
    for source in (asset, *asset.get("bands", [])[:1], *asset.get("raster:bands", [])[:1]):
        for name in ("scale", "offset"):
            value = source.get(f"raster:{name}", source.get(name))
            if value is not None:
                stated[name] = value
    if not stated:
        return None
    return float(stated.get("scale", 1 / QUANTIFICATION)), float(stated.get("offset", 0))


def _is_band(key: str, asset: Mapping[str, Any]) -> bool:
    described = [asset.get(name, []) for name in ("eo:bands", "bands")]
    if max(map(len, described)) > 1:  # a picture in true colours names three
        return False
    names = (key, *(band.get("name") for bands in described for band in bands))
    file = str(asset.get("href", "")).rsplit("/", 1)[-1]
    return band_of_file(file, "sentinel-2") is not None or any(name in SENTINEL2 for name in names)


def _quantification(scales: list[float], path: Path) -> float | None:
    numbers = sorted({round(1 / scale, 6) for scale in scales})
    if len(numbers) > 1:
        raise SceneError(
            f"{path} states several scales for the bands (1/{', 1/'.join(f'{n:g}' for n in numbers)}), one for all is "
            "needed. Bring the bands to one scale, or correct the item."
        )
    return numbers[0] if numbers else None


def _stac_level(properties: Mapping[str, Any]) -> str | None:
    for text in (properties.get("processing:level"), properties.get("s2:product_type")):
        for level in _OFFSET_ELEMENT:
            if isinstance(text, str) and text.upper().endswith((level, f"MSI{level[1:]}")):  # "L2A", "S2MSI2A"
                return level
    return None


def _merged(first: ProductMetadata, second: ProductMetadata) -> ProductMetadata:
    missing = {
        field.name: getattr(second, field.name)
        for field in fields(ProductMetadata)
        if getattr(first, field.name) in (None, "")
    }
    offsets = _distinct((*first.offsets, *second.offsets))
    return replace(first, **missing, offsets=offsets, files=(*first.files, *second.files))


def _one(paths: list[Path], folder: Path) -> Path | None:
    if len(paths) > 1:
        raise SceneError(
            f"{folder} holds the metadata of several products: {', '.join(map(str, paths))}. One folder is one "
            "scene of one date: give each its own folder."
        )
    return paths[0] if paths else None


def _distinct(offsets: Iterable[float]) -> tuple[int, ...]:
    return tuple(sorted({round(offset) for offset in offsets}))


def _first(texts: Mapping[str, list[str]], *names: str) -> str | None:
    return next((texts[name][0] for name in names if texts.get(name)), None)


def _text(properties: Mapping[str, Any], *names: str) -> str | None:
    return next((str(properties[name]) for name in names if properties.get(name) is not None), None)


def _day(text: str | None) -> dt.date | None:
    return None if text is None else dt.date.fromisoformat(text[:10])
