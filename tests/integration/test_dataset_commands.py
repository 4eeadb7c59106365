"""index, split, stats and report through the real command line."""

import json
from pathlib import Path

import pytest

from cerradata.commands.main import main
from cerradata.patches.index import class_counts, read_index
from cerradata.patches.info import DatasetInfo

Capture = pytest.CaptureFixture[str]


def run_json(capsys: Capture, *words: str) -> dict:
    capsys.readouterr()
    assert main([*words, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_stats_are_those_of_the_dataset(dataset_copy: Path, tmp_path: Path, capsys: Capture) -> None:
    found = run_json(capsys, "stats", str(dataset_copy), "--out", str(tmp_path / "plots"))
    info, index = DatasetInfo.read(dataset_copy), read_index(dataset_copy)
    assert list(found["bands"]) == [*info.layers["msi"].radiometry.bands, "VV", "VH"]
    assert found["bands"]["B04"] == info.layers["msi"].statistics["B04"]
    assert set(found["bands"]["VV"]) == {"mean", "std", "min", "max"}
    for level in (1, 2):
        assert [c["pixels"] for c in found["classes"][str(level)]] == class_counts(index, level).tolist()
        assert (tmp_path / "plots" / f"classes_level_{level}.png").read_bytes().startswith(b"\x89PNG")
    assert main(["stats", str(dataset_copy)]) == 0
    assert "B8A" in capsys.readouterr().out


def test_a_copy_is_indexed_as_it_was_built(dataset_copy: Path, capsys: Capture) -> None:
    before = read_index(dataset_copy)
    assert main(["index", str(dataset_copy), "--quiet"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    for name in ("index.parquet", "dataset.json"):
        (dataset_copy / name).unlink()
    (dataset_copy / "msi_images").rename(dataset_copy / "opt_images")
    assert main(["index", str(dataset_copy), "--quiet", "--name", "a copy"]) == 0
    after = read_index(dataset_copy)
    assert after["content_hash"].tolist() == before["content_hash"].tolist()
    assert DatasetInfo.read(dataset_copy).name == "a copy"
    assert main(["verify", str(dataset_copy), "--quiet"]) == 0


def test_split_is_written_and_certified(dataset_copy: Path, capsys: Capture) -> None:
    assert main(["split", str(dataset_copy)]) == 1
    assert "no splits to certify" in capsys.readouterr().err
    found = run_json(capsys, "split", str(dataset_copy), "--strategy", "published-ratios", "--seed", "3")
    assert found == json.loads((dataset_copy / "split-certificate.json").read_text())
    assert found["patches"] == {"train": 26, "val": 6, "test": 4, "left_out": 0}  # of 36: 10 %, then 20 % of the rest
    assert found["published_test_set"] == "no"
    assert read_index(dataset_copy)["split"].value_counts().to_dict() == {"train": 26, "val": 6, "test": 4}
    assert run_json(capsys, "split", str(dataset_copy))["hash"] == found["hash"]  # certified as it is


def test_report_of_a_dataset(dataset_copy: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["report", str(dataset_copy)]) == 0
    page = (dataset_copy / "report.html").read_text()
    assert "golden" in page
    assert "Generated for tests." in page
    assert main(["report", str(tmp_path)]) == 1
    assert "is neither a dataset" in capsys.readouterr().err
