"""The metadata of a Sentinel-2 product in the SAFE format: `MTD_MSIL1C.xml`, `MTD_MSIL2A.xml`."""

from collections.abc import Mapping
from xml.etree import ElementTree

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.scenes.metadata import ProductMetadata, day, distinct, read_name

# The elements of each level's offset and quantification. https://sentiwiki.copernicus.eu/web/s2-products
_OFFSET_ELEMENT = {"L1C": "RADIO_ADD_OFFSET", "L2A": "BOA_ADD_OFFSET"}
_QUANTIFICATION_ELEMENT = {"L1C": "QUANTIFICATION_VALUE", "L2A": "BOA_QUANTIFICATION_VALUE"}
_OFFSET_STATED_FROM = "04.00"
"""Processing baseline from which on each product states its offset (January 2022), and older ones none."""


def read_safe(content: bytes, location: Location) -> ProductMetadata:
    """What the metadata of a product in the SAFE format say.

    Args:
        content: `MTD_MSIL1C.xml` or `MTD_MSIL2A.xml`; namespaces of its elements do not matter.
        location: Its file, whose name says the level.

    Raises:
        SceneError: If the file is no XML, or a number in it is none.
    """
    level = location.name.rsplit(".", 1)[0][-3:].upper()
    texts: dict[str, list[str]] = {}
    try:
        for element in ElementTree.fromstring(content).iter():
            texts.setdefault(element.tag.rsplit("}", 1)[-1], []).append((element.text or "").strip())
        quantification = _first(texts, _QUANTIFICATION_ELEMENT[level])
        orbit, direction = _first(texts, "SENSING_ORBIT_NUMBER"), _first(texts, "SENSING_ORBIT_DIRECTION")
        baseline = _first(texts, "PROCESSING_BASELINE")
        stated = texts.get(_OFFSET_ELEMENT[level])
        lacking = stated is None and baseline is not None and baseline >= _OFFSET_STATED_FROM
        found = ProductMetadata(
            offsets=() if lacking else distinct(float(text) for text in stated or ["0"]),
            quantification=None if quantification is None else float(quantification),
            date=day(_first(texts, "PRODUCT_START_TIME", "DATATAKE_SENSING_START")),
            product_level=level,
            processing_baseline=baseline,
            orbit_pass=None if direction is None else direction.lower(),
            relative_orbit=None if orbit is None else int(orbit),
            trouble=f"the metadata of baseline {baseline} state no {_OFFSET_ELEMENT[level]}" if lacking else "",
            images=tuple(name.rsplit("/", 1)[-1] for name in texts.get("IMAGE_FILE", ())),
            files=(location,),
        )
        return found.completed(read_name(_first(texts, "PRODUCT_URI")))
    except (ElementTree.ParseError, ValueError) as error:
        raise SceneError(f"{location} is damaged ({error}): fetch the product's metadata again.") from error


def _first(texts: Mapping[str, list[str]], *names: str) -> str | None:
    """The first text of the first element that is there and not empty."""
    return next((texts[name][0] for name in names if texts.get(name) and texts[name][0]), None)
