import json
from pathlib import Path

import pytest
import yaml

from cerradata.core.errors import LegendError
from cerradata.legend import LegendName, available_legends, legend_from_dict, load_legend

THREE_LEVELS = """
name: ecoregion
title: Three levels
levels:
  - classes:
      - {id: 0, name: Natural, short: N, colour: [0, 100, 0]}
      - {id: 1, name: Used, short: U, colour: [200, 200, 0]}
  - classes:
      - {id: 0, name: Forest, short: F, colour: [0, 100, 0], parent: 0}
      - {id: 1, name: Crop, short: C, colour: [200, 200, 0], parent: 1}
      - {id: 2, name: Dune, short: D, colour: [200, 200, 100], parent: 0}
  - classes:
      - {id: 0, name: Dry forest, short: DF, colour: [0, 100, 0], parent: 0}
      - {id: 1, name: Soya, short: So, colour: [200, 200, 0], parent: 1, translations: {pt: Soja}}
      - {id: 2, name: Maize, short: Ma, colour: [200, 250, 0], parent: 1, aliases: [Corn]}
      - {id: 3, name: Dune, short: Du, colour: [200, 200, 100], parent: 2}
sources:
  map-2020:
    codes: {3: 0, 39: 1, 41: 2, 23: 3}
    unlabelled: [0, 27]
  survey:
    codes: {forest: 0, soya: 1, "39": 1}
"""


def written(tmp_path: Path, old: str = "", new: str = "") -> str:
    path = tmp_path / "ecoregion.yaml"
    path.write_text(THREE_LEVELS.replace(old, new, 1) if old else THREE_LEVELS, "utf-8")
    return str(path)


def test_the_shipped_legends_load() -> None:
    assert available_legends() == ("cerradata-4mm", "osm-landuse", "terramesh-lulc")
    sizes = {name: [len(level) for level in load_legend(name).levels] for name in available_legends()}
    assert sizes == {"cerradata-4mm": [7, 14], "osm-landuse": [7], "terramesh-lulc": [8]}
    assert {name: load_legend(name).name for name in sizes} == {name: name for name in sizes}


@pytest.mark.parametrize("name", available_legends())
def test_plain_values_and_json_give_the_same_legend_back(name: str) -> None:
    legend = load_legend(name)
    plain = legend.to_dict()
    assert legend_from_dict(plain, origin="here") == legend
    assert legend_from_dict(json.loads(json.dumps(plain)), origin="here") == legend  # JSON turns integer keys into text
    assert legend_from_dict(yaml.safe_load(yaml.safe_dump(plain, allow_unicode=True)), origin="here") == legend


def test_a_legend_of_three_levels_from_a_file(tmp_path: Path) -> None:
    legend = load_legend(written(tmp_path))
    assert [len(level) for level in legend.levels] == [2, 3, 4]
    assert legend.lookup(3, 1)[:4].tolist() == [0, 1, 1, 0]
    assert legend.finest.find("soja").id == 1
    assert legend.finest.find("Corn").id == 2
    assert legend.source("map-2020").classes == {3: 0, 39: 1, 41: 2, 23: 3}
    assert legend.source("survey").classes == {"forest": 0, "soya": 1, 39: 1}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title:", "titel:", "unknown key 'titel': known are citation, levels, name, sources, title"),
        ("{id: 0, name: Dry", "{idd: 0, name: Dry", "level 3 has the unknown key 'idd'"),
        ("unlabelled:", "nodata:", "source map-2020 has the unknown key 'nodata': known are codes, unlabelled"),
        ("name: ecoregion", "", "the key 'name' is missing"),
        (" parent: 2}", " parent: 3}", "'Dune' of level 3 has parent 3; level 2 has ids 0 to 2"),
        ("{id: 2, name: Maize", "{id: 1, name: Maize", r"Level 3 has class ids \[0, 1, 1, 3\]: they must be 0, 1, 2"),
        ("name: Maize", "name: Soya", "Level 3 has the name 'Soya' twice"),
        ("short: Ma", "short: So", "Level 3 has the short 'So' twice"),
        ("unlabelled: [0, 27]", "unlabelled: [0, 23]", "'map-2020' lists code 23 as a class and as unlabelled"),
        ("41: 2", "41: 4", "maps code 41 to class 4; level 3 has ids 0 to 3"),
        ("41: 2", "39: 2", "the key 39 stands twice"),
        ("forest: 0", "no: 0", "code False is neither a whole number nor a text; put it in quotes"),
        ("colour: [0, 100, 0]", "colour: [0, 100]", "is not of the form"),
        ("id: 0, name: Natural", "id: zero, name: Natural", "is not of the form"),
        (
            "{id: 0, name: Natural, short: N, colour: [0, 100, 0]}",
            "Natural",
            "holds 'Natural' where keys were expected",
        ),
        ("levels:", "levels: [", "is no valid YAML"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = written(tmp_path, old, new)
    with pytest.raises(LegendError, match=words):
        load_legend(path)


@pytest.mark.parametrize("content", [b"", b"- a\n- b\n", b"text", b"\xff\xfe\x00"])
def test_a_file_that_is_no_legend_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no-legend.yaml"
    path.write_bytes(content)
    with pytest.raises(LegendError, match=r"no-legend\.yaml"):
        load_legend(str(path))


def test_a_legend_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(LegendError, match=r"No legend 'cerradata-5'.*one of cerradata-4mm, osm-landuse"):
        load_legend("cerradata-5")
    with pytest.raises(LegendError, match="No legend"):
        load_legend(str(tmp_path))  # a folder


def test_a_name_stays_and_a_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert LegendName.absolute("cerradata-4mm") == "cerradata-4mm"
    assert LegendName.absolute("my.yaml") == str(tmp_path / "my.yaml")
