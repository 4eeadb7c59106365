"""Reading the XML files of a product: elements by name, numbers, and messages where they are missing."""

from xml.etree import ElementTree

import numpy as np

from cerradata.core.errors import SceneError
from cerradata.core.types import FloatArray
from cerradata.scenes.product import ProductFiles


def parse_xml(files: ProductFiles, name: str) -> ElementTree.Element:
    """The root element of an XML file of a product.

    Raises:
        SceneError: If the file cannot be read or is no XML.
    """
    try:
        return ElementTree.fromstring(files.read_bytes(name))
    except ElementTree.ParseError as error:
        raise damaged(files, name, str(error)) from error


def damaged(files: ProductFiles, name: str, what: str) -> SceneError:
    """The error of a metadata file that is not as it should be."""
    return SceneError(f"{files.location(name)} is damaged ({what}): fetch the product again.")


def texts(root: ElementTree.Element) -> dict[str, str]:
    """Text of the first element of each name, without namespaces."""
    found: dict[str, str] = {}
    for element in root.iter():
        found.setdefault(local_name(element), (element.text or "").strip())
    return found


def local_name(element: ElementTree.Element) -> str:
    """Name of an element without its namespace."""
    return str(element.tag).rsplit("}", 1)[-1]


def number(parent: ElementTree.Element, tag: str) -> float:
    """The number in a child element.

    Raises:
        ValueError: If there is no such element or it holds no number.
    """
    text = parent.findtext(tag)
    if text is None:
        raise ValueError(f"<{parent.tag}> lacks <{tag}>")
    return float(text)


def numbers(parent: ElementTree.Element, tag: str) -> FloatArray:
    """The numbers in a child element, float64.

    Raises:
        ValueError: If there is no such element, or it holds no number or anything else.
    """
    text = parent.findtext(tag)
    if text is None or not text.strip():
        raise ValueError(f"<{parent.tag}> lacks <{tag}>")
    return np.asarray(text.split(), dtype=np.float64)
