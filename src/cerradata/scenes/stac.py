"""The metadata of a scene in a STAC item, as catalogues have it or a user writes it beside the files."""

import json
from collections.abc import Mapping
from typing import Any

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.scenes.bands import SENTINEL2, band_of_file
from cerradata.scenes.metadata import LEVELS, QUANTIFICATION, ProductMetadata, day, distinct, read_name

SIMULATED_PROPERTY = "cerradata:simulated"
"""Property of a STAC item that says the same as the tag `core.types.SIMULATED_TAG`."""

# The COGs of Earth Search say so where the offset was taken out of the numbers, while their items may still state it:
# https://github.com/Element84/earth-search/issues/9
_APPLIED_PROPERTIES = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_ALREADY_APPLIED = "the item says that the offset is out of the numbers already, and states one all the same"


def stac_item(content: bytes, location: Location) -> dict[str, Any] | None:
    """The STAC item in a file; None if it is some other JSON.

    Raises:
        SceneError: If it is no JSON.
    """
    try:
        plain = json.loads(content)
    except ValueError as error:
        raise SceneError(f"{location} is no JSON ({error}): fetch it again, or remove it.") from error
    is_item = isinstance(plain, dict) and plain.get("type") == "Feature" and "stac_version" in plain
    return plain if is_item else None


def read_stac(item: Mapping[str, Any], location: Location, file: str | None = None) -> ProductMetadata:
    """The metadata of a scene in a STAC item.

    Scale and offset are those of `raster:bands` (STAC 1.0), of `bands`, or of the asset itself (STAC 1.1), of the assets
    that are Sentinel-2 bands. A scale without offset means an offset of 0.

    Args:
        item: The item.
        location: Its file, for messages.
        file: Name of the one file with all bands that the item lies beside. If one of the assets is that file, scale and
            offset are those of its bands.

    Raises:
        SceneError: If it is not what a STAC item is, or the scale is not the same for all bands.
    """
    try:
        properties = item.get("properties") or {}
        scaling = _scalings(item.get("assets") or {}, file)
        orbit, orbit_state = properties.get("sat:relative_orbit"), _text(properties, "sat:orbit_state")
        offsets = distinct(offset / scale for scale, offset in scaling)
        applied = any(properties.get(name) for name in _APPLIED_PROPERTIES)
        found = ProductMetadata(
            offsets=offsets,
            quantification=_quantification([scale for scale, _ in scaling], location),
            date=day(properties.get("datetime") or properties.get("start_datetime")),
            product_level=_level(properties),
            processing_baseline=_text(properties, "s2:processing_baseline", "processing:version"),
            orbit_pass=None if orbit_state is None else orbit_state.lower(),
            relative_orbit=None if orbit is None else int(orbit),
            simulated=_text(properties, SIMULATED_PROPERTY),
            trouble=_ALREADY_APPLIED if applied and any(offsets) else "",
            files=(location,),
        )
        return found.completed(read_name(_text(properties, "s2:product_uri")))
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, ZeroDivisionError) as error:
        raise SceneError(f"{location} is no STAC item that can be understood ({error!r}): fetch it again.") from error


def _scalings(assets: Mapping[str, Mapping[str, Any]], file: str | None) -> list[tuple[float, float]]:
    """Scale and offset (in reflectance) of each band for which they are stated."""
    own = [asset for asset in assets.values() if file is not None and _file_name(asset) == file]
    if own:
        described = (max((asset.get(name, []) for name in ("raster:bands", "bands")), key=len) for asset in own)
        stated = [_scaling(asset, band) for asset, bands in zip(own, described, strict=True) for band in bands or [{}]]
    else:
        bands = [asset for key, asset in assets.items() if _is_band(key, asset)]
        stated = [_scaling(asset, *asset.get("bands", [])[:1], *asset.get("raster:bands", [])[:1]) for asset in bands]
    return [scaling for scaling in stated if scaling is not None]


def _scaling(*sources: Mapping[str, Any]) -> tuple[float, float] | None:
    """Scale and offset that an asset and its band state, the last one to be heard; None if they state nothing."""
    stated: dict[str, Any] = {}
    for source in sources:
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
    return band_of_file(_file_name(asset), "sentinel-2") is not None or any(name in SENTINEL2 for name in names)


def _file_name(asset: Mapping[str, Any]) -> str:
    return str(asset.get("href", "")).split("?", 1)[0].rsplit("/", 1)[-1]  # a signed address has a query


def _quantification(scales: list[float], location: Location) -> float | None:
    numbers = sorted({round(1 / scale, 6) for scale in scales})
    if len(numbers) > 1:
        raise SceneError(
            f"{location} states several scales for the bands (1/{', 1/'.join(f'{n:g}' for n in numbers)}), one for all "
            "is needed. Bring the bands to one scale, or correct the item."
        )
    return numbers[0] if numbers else None


def _level(properties: Mapping[str, Any]) -> str | None:
    for text in (properties.get("processing:level"), properties.get("s2:product_type")):
        for level in LEVELS:
            if isinstance(text, str) and text.upper().endswith((level, f"MSI{level[1:]}")):  # "L2A", "S2MSI2A"
                return level
    return None


def _text(properties: Mapping[str, Any], *names: str) -> str | None:
    return next((str(properties[name]) for name in names if properties.get(name) is not None), None)
