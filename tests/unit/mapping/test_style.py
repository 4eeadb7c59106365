from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st

from cerradata.legend import LandCoverClass, Level, load_legend
from cerradata.mapping.style import category_sidecar, qml_style

AWKWARD = Level(
    1,
    (
        LandCoverClass(0, 'Rock & <bare> "ground"', "rock", (255, 0, 16)),
        LandCoverClass(1, "Vegetação d'água", "veg", (0, 128, 0)),
    ),
)


def labels(level: Level) -> list[str]:
    return [entry.attrib["label"] for entry in ET.fromstring(qml_style(level)).iter("paletteEntry")]


def categories(level: Level) -> list[str]:
    return [entry.text or "" for entry in ET.fromstring(category_sidecar(level)).iter("Category")]


def test_style_has_value_colour_and_name_of_each_class() -> None:
    root = ET.fromstring(qml_style(AWKWARD))
    renderer = root.find("pipe/rasterrenderer")
    assert root.tag == "qgis"
    assert renderer is not None
    assert renderer.attrib["type"] == "paletted"
    assert renderer.attrib["band"] == "1"
    assert [entry.attrib for entry in renderer.iterfind("colorPalette/paletteEntry")] == [
        {"value": "0", "color": "#ff0010", "alpha": "255", "label": 'Rock & <bare> "ground"'},
        {"value": "1", "color": "#008000", "alpha": "255", "label": "Vegetação d'água"},
    ]


def test_sidecar_names_the_values_of_the_first_band_in_order() -> None:
    root = ET.fromstring(category_sidecar(AWKWARD))
    assert root.tag == "PAMDataset"
    assert [band.attrib for band in root] == [{"band": "1"}]
    assert [entry.text for entry in root.iterfind("PAMRasterBand/CategoryNames/Category")] == list(AWKWARD.names)


def test_every_level_of_a_shipped_legend_has_a_style() -> None:
    for level in load_legend("cerradata-4mm").levels:
        assert labels(level) == list(level.names)
        assert categories(level) == list(level.names)


@settings(deadline=None)  # drawing the first text builds tables of all characters
@given(st.text(min_size=1))
def test_any_name_gives_well_formed_xml(name: str) -> None:
    level = Level(1, (LandCoverClass(0, name, "x", (1, 2, 3)),))
    expected = "".join(character if character.isprintable() else " " for character in name)
    assert labels(level) == [expected]
    assert categories(level) == [expected]
