import json
from pathlib import Path

import pytest

from cerradata.commands.main import main
from cerradata.core.errors import LegendError
from cerradata.legend import load_legend
from cerradata.legend.crosswalk import Crosswalk

LEGEND = load_legend("cerradata-4mm")
MAPBIOMAS = """from,to,share,note
3,Primary natural vegetation,,forest formation
4,Primary natural vegetation,,savanna formation
9,Forestry,,
15,Pasture,,
21,Pasture,0.6,mosaic of uses
21,"Temporary agriculture, 1 cycle",0.4,mosaic of uses
33,Wt,,by its short name
27,unlabelled,,not observed
"""
TERRAMESH = """
from_legend: terramesh-lulc
from_source: terramesh
pairs:
  - {from: Water, to: Water body}
  - {from: Trees, to: Primary natural vegetation}
  - {from: Flooded vegetation, to: Primary natural vegetation}
  - {from: Crops, to: "Temporary agriculture, 1 cycle", note: or more cycles}
  - {from: Built area, to: Urban area}
  - {from: Bare ground, to:}
  - {from: Snow or ice, to: unlabelled}
  - {from: Rangeland, to: Pasture}
"""


def write(tmp_path: Path, text: str, name: str = "mapbiomas.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def read(tmp_path: Path, text: str, name: str = "mapbiomas.csv") -> Crosswalk:
    return Crosswalk.read(write(tmp_path, text, name))


def test_each_pair_says_its_kind(tmp_path: Path) -> None:
    crosswalk = read(tmp_path, MAPBIOMAS)
    assert [(pair.code, crosswalk.kind(pair)) for pair in crosswalk.pairs] == [
        (3, "many-to-one"),
        (4, "many-to-one"),
        (9, "one-to-one"),
        (15, "many-to-one"),
        (21, "many-to-many"),
        (21, "one-to-many"),
        (33, "one-to-one"),
        (27, "unlabelled"),
    ]
    assert [pair.share for pair in crosswalk.pairs][4:6] == [0.6, 0.4]
    assert crosswalk.pairs[0].note == "forest formation"


def test_an_ambiguous_code_is_refused_whatever_its_shares(tmp_path: Path) -> None:
    with pytest.raises(LegendError, match=r"21 \(Pasture or Temporary agriculture, 1 cycle\).*not decided by chance"):
        read(tmp_path, MAPBIOMAS).source_codes(LEGEND)


def test_an_ambiguous_code_may_be_left_without_label(tmp_path: Path) -> None:
    codes = read(tmp_path, MAPBIOMAS).source_codes(LEGEND, "unlabelled")
    assert dict(codes.classes) == {3: 1, 4: 1, 9: 7, 15: 0, 33: 3}
    assert codes.unlabelled == (21, 27)
    assert codes.name == "mapbiomas.csv"


def test_a_code_that_is_a_class_and_none_is_ambiguous(tmp_path: Path) -> None:
    crosswalk = read(tmp_path, "from,to\n3,Pasture\n3,unlabelled\n")
    assert crosswalk.ambiguous == {3: ("Pasture", "unlabelled")}
    with pytest.raises(LegendError, match="Pasture or unlabelled"):
        crosswalk.source_codes(LEGEND)


def test_classes_that_nothing_becomes_are_listed(tmp_path: Path) -> None:
    unmapped = read(tmp_path, MAPBIOMAS).unmapped(LEGEND)
    assert "Mining" in unmapped
    assert "Temporary agriculture, 1 cycle" in unmapped  # an ambiguous code maps to nothing
    assert not {"Pasture", "Forestry", "Water body", "Primary natural vegetation"} & set(unmapped)
    assert len(unmapped) == 10


def test_unknown_classes_are_told_with_the_known_ones(tmp_path: Path) -> None:
    crosswalk = read(tmp_path, "from,to\n3,Forrest\n4,Pasture\n")
    assert crosswalk.unmapped(LEGEND)
    with pytest.raises(LegendError, match="'Forrest' is no class of legend 'cerradata-4mm': it has Pasture, Primary"):
        crosswalk.source_codes(LEGEND)


def test_a_class_of_a_coarser_level_is_not_refined_by_chance(tmp_path: Path) -> None:
    with pytest.raises(LegendError, match=r"'Agriculture' is a class of level 1.*not decided here"):
        read(tmp_path, "from,to\n18,Agriculture\n").source_codes(LEGEND)


def test_from_one_legend_to_another_by_the_names_of_classes(tmp_path: Path) -> None:
    codes = read(tmp_path, TERRAMESH, "terramesh.yaml").source_codes(LEGEND)
    assert dict(codes.classes) == {1: 3, 2: 1, 3: 1, 4: 10, 5: 5, 9: 0}
    assert set(codes.unlabelled) == {0, 6, 7, 8}


def test_names_of_the_other_legend_must_be_known_and_complete(tmp_path: Path) -> None:
    strange = read(tmp_path, TERRAMESH.replace("Trees", "Treees"), "strange.yaml")
    with pytest.raises(LegendError, match="'Treees' is no class of legend 'terramesh-lulc'"):
        strange.source_codes(LEGEND)
    forgotten = TERRAMESH.replace("  - {from: Rangeland, to: Pasture}\n", "")
    with pytest.raises(LegendError, match="says nothing of Rangeland"):
        read(tmp_path, forgotten, "forgotten.yaml").source_codes(LEGEND)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("from,to\n", "has no row"),
        ("", "has the columns none"),
        ("code,class\n3,Pasture\n", "has the columns code, class"),
        ("from;to\n3;Pasture\n", "separated by commas"),
        ("from,to\n3,Pasture\n3,pasture\n", "'pasture' twice"),
        ("from,to\n3,Temporary agriculture, 1 cycle\n", "line 2 has more or fewer fields"),
        ("from,to\n,Pasture\n", "line 2: `from` is empty"),
        ("from,to,share\n3,Pasture,60\n", "line 2: `share` is '60'"),
        ("from,to,share\n3,Pasture,0.7\n3,Mining,0.7\n", "add up to 1.4"),
    ],
)
def test_csv_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(LegendError, match=words):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {from: 3}", "row 1: 'to' is unknown or missing"),
        ("- {from: 3, to: Pasture, weight: 1}", "row 1: 'weight' is unknown"),
        ("legend: a\npairs: []", "unknown key 'legend'"),
        ("from_legend: terramesh-lulc\npairs: [{from: Water, to: Water body}]", "belong together"),
        ("3: Pasture", "unknown key 3"),
        ("[", "no valid YAML"),
    ],
)
def test_yaml_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(LegendError, match=words):
        read(tmp_path, text, "crosswalk.yaml")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(LegendError, match="cannot be read"):
        Crosswalk.read(tmp_path / "nothing.csv")


def test_command_tells_what_is_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["crosswalk", str(write(tmp_path, MAPBIOMAS)), "--legend", "cerradata-4mm"]
    assert main(words) == 1
    shown = capsys.readouterr().out
    assert "many-to-one" in shown
    assert "Ambiguous: 21 may be Pasture or Temporary agriculture, 1 cycle." in shown
    assert "Nothing becomes Secondary natural vegetation" in shown
    assert main([*words, "--format", "json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["pairs"][0] == {
        "from": 3,
        "to": "Primary natural vegetation",
        "kind": "many-to-one",
        "share": None,
        "note": "forest formation",
    }
    assert told["ambiguous"] == [{"from": 21, "to": ["Pasture", "Temporary agriculture, 1 cycle"]}]
    assert told["problems"] == []


def test_command_accepts_what_can_be_used_and_refuses_what_is_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write(tmp_path, TERRAMESH, "terramesh.yaml")
    assert main(["crosswalk", str(good), "--legend", "cerradata-4mm"]) == 0
    unknown = write(tmp_path, "from,to\n3,Forrest\n")
    capsys.readouterr()
    assert main(["crosswalk", str(unknown), "--legend", "cerradata-4mm"]) == 1
    assert "'Forrest' is no class" in capsys.readouterr().out
