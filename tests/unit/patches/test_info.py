import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cerradata.core.errors import DatasetError
from cerradata.legend.load import legend_from_dict
from cerradata.patches.info import DatasetInfo


def test_information_comes_back(golden_dataset: Path, tmp_path: Path) -> None:
    info = DatasetInfo.read(golden_dataset)
    info.write(tmp_path)
    assert DatasetInfo.read(tmp_path).to_dict() == info.to_dict()
    assert (tmp_path / "dataset.json").read_bytes() == (golden_dataset / "dataset.json").read_bytes()
    assert info.legend.source("terraclass-cerrado-2022").classes[23] == 3


def test_golden_dataset_is_described(golden_dataset: Path) -> None:
    info = DatasetInfo.read(golden_dataset)
    assert (info.name, info.patches, info.patch_size, info.labels, info.edge_width) == ("golden", 36, 32, (1, 2), 1)
    assert (info.grid["rows"], info.grid["columns"], info.grid["crs"]) == (6, 6, "EPSG:32722")
    assert info.attribution == ("Generated for tests.",)
    assert info.layer("msi").radiometry.product_level == "L2A"
    with pytest.raises(DatasetError, match="no layer 'elevation': it has msi, sar"):
        info.layer("elevation")


def test_layer_that_patches_may_lack_is_said_only_where_it_is_one(golden_dataset: Path, tmp_path: Path) -> None:
    info = DatasetInfo.read(golden_dataset)
    assert info.optional == ()
    assert '"optional"' not in (golden_dataset / "dataset.json").read_text()
    layers = {name: replace(layer, optional=name == "sar") for name, layer in info.layers.items()}
    replace(info, layers=layers).write(tmp_path)
    assert DatasetInfo.read(tmp_path).optional == ("sar",)
    plain = json.loads((tmp_path / "dataset.json").read_text())
    assert [name for name, layer in plain["layers"].items() if "optional" in layer] == ["sar"]


def test_text_codes_stay_text(golden_dataset: Path, tmp_path: Path) -> None:
    legend = legend_from_dict(
        {
            "name": "codes",
            "title": "Codes",
            "levels": [{"classes": [{"id": 0, "name": "A", "short": "A", "colour": [1, 2, 3]}]}],
            "sources": {"map": {"codes": {"007": 0, 7: 0, "-3": 0, "forest": 0}, "unlabelled": [0, "none"]}},
        },
        origin="test",
    )
    replace(DatasetInfo.read(golden_dataset), legend=legend).write(tmp_path)
    again = DatasetInfo.read(tmp_path).legend.source("map")
    assert set(again.classes) == {"007", 7, -3, "forest"}
    assert set(again.unlabelled) == {0, "none"}


def test_missing_information_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cerradata index"):
        DatasetInfo.read(tmp_path)


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("the whole", {"surplus": 1}),
        ("version", {"version": 2}),
        ("patches", {"patches": -1}),
        ("patches", {"patches": "36"}),
        ("labels", {"labels": [1, 1]}),
        ("edge_width", {"edge_width": 0}),
        ("legend/levels", {"legend": {"name": "x", "title": "x", "levels": [], "sources": {}}}),
    ],
)
def test_information_of_another_form_is_refused(dataset_copy: Path, where: str, change: dict[str, Any]) -> None:
    path = dataset_copy / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(DatasetError, match=rf"dataset\.json is not valid at {where}"):
        DatasetInfo.read(dataset_copy)


def test_optional_is_true_or_false(dataset_copy: Path) -> None:
    path = dataset_copy / "dataset.json"
    plain = json.loads(path.read_text())
    for value, allowed in ((False, True), ("yes", False)):
        plain["layers"]["sar"]["optional"] = value
        path.write_text(json.dumps(plain))
        if allowed:
            assert DatasetInfo.read(dataset_copy).optional == ()
        else:
            with pytest.raises(DatasetError, match="not valid at layers/sar/optional"):
                DatasetInfo.read(dataset_copy)


def test_key_that_is_missing_is_named(dataset_copy: Path) -> None:
    path = dataset_copy / "dataset.json"
    plain = json.loads(path.read_text())
    del plain["layers"]
    path.write_text(json.dumps(plain))
    with pytest.raises(DatasetError, match="'layers' is a required property"):
        DatasetInfo.read(dataset_copy)
    path.write_text("{")
    with pytest.raises(DatasetError, match="is no JSON"):
        DatasetInfo.read(dataset_copy)


def test_wrong_information_is_not_written(golden_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not valid at patch_size"):
        replace(DatasetInfo.read(golden_dataset), patch_size=0).write(tmp_path)
    assert not (tmp_path / "dataset.json").exists()
