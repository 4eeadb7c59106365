"""How other programs show a map: a QGIS style and GDAL's names of classes, both from the legend."""

from xml.etree import ElementTree as ET

from cerradata.legend import Level

STYLE_SUFFIX = ".qml"
"""Replaces the suffix of the map: QGIS loads `map.qml` with `map.tif`."""

SIDECAR_SUFFIX = ".aux.xml"
"""Follows the suffix of the map: GDAL reads `map.tif.aux.xml` with `map.tif` (Persistent Auxiliary Metadata)."""


def qml_style(level: Level) -> str:
    """A QGIS style that shows each class in its colour and under its name.

    Args:
        level: The level that the map is at.

    Returns:
        An XML document, the text of a `.qml` file. No data is transparent, as QGIS reads it from the raster.
    """
    root = ET.Element("qgis", version="3.0.0", styleCategories="Symbology")
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1")
    ET.SubElement(renderer, "rasterTransparency")
    palette = ET.SubElement(renderer, "colorPalette")
    for c in level.classes:
        entry = {"value": str(c.id), "color": c.hex_colour, "alpha": "255", "label": _one_line(c.name)}
        ET.SubElement(palette, "paletteEntry", entry)
    # Classes have no values between them: each pixel keeps its own, at any zoom.
    ET.SubElement(pipe, "rasterresampler", maxOversampling="1")
    return _document(root, "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n")


def category_sidecar(level: Level) -> str:
    """The names of the classes as GDAL reads them: category `i` names the value `i` of band 1.

    rasterio cannot write category names, and GeoTIFF cannot hold them; GDAL itself puts them into this file
    (https://gdal.org/en/stable/user/raster_data_model.html).

    Args:
        level: The level that the map is at.

    Returns:
        An XML document, the text of an `.aux.xml` file.
    """
    root = ET.Element("PAMDataset")
    band = ET.SubElement(root, "PAMRasterBand", band="1")
    names = ET.SubElement(band, "CategoryNames")
    for c in level.classes:
        ET.SubElement(names, "Category").text = _one_line(c.name)
    return _document(root, "")


def _document(root: ET.Element, prologue: str) -> str:
    ET.indent(root)
    return f"{prologue}{ET.tostring(root, encoding='unicode')}\n"


def _one_line(name: str) -> str:
    """`name` with a space for each character that XML forbids or folds (control characters, line ends)."""
    return "".join(character if character.isprintable() else " " for character in name)
