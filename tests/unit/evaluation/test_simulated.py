"""Simulated data say so in the dataset, the run, its scores, the map and the reports."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rasterio
import yaml

from cerradata.commands.main import main
from cerradata.core.locations import Location
from cerradata.core.plain import plain
from cerradata.core.types import SIMULATED_TAG
from cerradata.evaluation.report import write_report
from cerradata.evaluation.report.results import read_scores, read_simulated
from cerradata.mapping.map import MapConfig, map_scenes
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.patches.info import DatasetInfo
from cerradata.runs import RunFolder
from cerradata.training import TrainConfig, TrainOptions, train

Run = Any  # a RunFolder
Sources = Any  # of the fixture
LABEL = "cerradata simulation, parameters 0123456789ab, seed 1, world 0"
LINE = f"Simulated data ({LABEL}): no figure here is of a real place."


@pytest.fixture
def simulated(sources: Sources, tmp_path: Path, resplit: Callable[..., None]) -> Path:
    """A dataset whose Sentinel-2 scene and reference carry the tag."""
    for location in (sources.config.scenes[0].path, sources.config.reference.raster):
        with rasterio.open(location, "r+") as file:
            file.update_tags(**{SIMULATED_TAG: LABEL})
    root = tmp_path / "dataset"
    build_dataset(sources.config, root, BuildOptions(quiet=True))
    resplit(root)
    return root


def test_a_real_dataset_says_nothing(golden_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert DatasetInfo.read(golden_dataset).simulated == ()
    assert main(["verify", str(golden_dataset), "--quiet"]) == 0
    assert "imulated" not in capsys.readouterr().out
    page = write_report(golden_dataset, tmp_path / "page.html").read_text()
    assert "imulated data" not in page
    assert page.count("\n.notice {") == 1  # the banner has a style of its own and leaves that of other notices


def test_a_new_index_does_not_make_it_real(simulated: Path) -> None:
    assert main(["index", str(simulated), "--overwrite", "--quiet"]) == 0
    assert DatasetInfo.read(simulated).simulated == (LABEL,)


def test_old_datasets_and_runs_are_read(dataset_copy: Path, run_copy: Run) -> None:
    path = dataset_copy / "dataset.json"
    info = json.loads(path.read_text())
    del info["provenance"]["simulated"]
    path.write_text(json.dumps(info))
    assert DatasetInfo.read(dataset_copy).simulated == ()
    record = run_copy.read()
    old = replace(record, dataset={k: v for k, v in record.dataset.items() if k != "simulated"})
    assert old.simulated == ()


def test_the_dataset_and_what_is_printed(simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert DatasetInfo.read(simulated).simulated == (LABEL,)
    for command in (["verify", str(simulated), "--quiet"], ["stats", str(simulated)]):
        assert main(command) == 0
        assert LINE in capsys.readouterr().out.splitlines()
    assert main(["stats", str(simulated), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["simulated"] == [LABEL]
    page = write_report(simulated, tmp_path / "page.html").read_text()
    assert page.index("<strong>Simulated data.</strong>") < page.index("<h1>")
    assert f"<small>{LABEL}</small>" in page
    assert "(simulated data)</title>" in page


def test_the_run_its_scores_its_map_and_its_page(
    simulated: Path, sources: Sources, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = TrainConfig(Location(simulated), encoder="resnet18", epochs=1, batch_size=4)
    run = train(replace(config, normalisation="none"), tmp_path / "run", TrainOptions(quiet=True))
    assert run.read().simulated == (LABEL,)
    capsys.readouterr()
    assert main(["test", str(run.path), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["simulated"] == [LABEL]
    assert json.loads(run.scores("test").read_text())["simulated"] == [LABEL]
    assert main(["test", str(run.path), "--quiet"]) == 0
    assert LINE in capsys.readouterr().out.splitlines()
    scores = read_scores(run.scores("test"), run.read().legend.level(run.read().level))
    assert scores is not None
    assert scores.classes_averaged > 0
    assert read_simulated(run.scores("test")) == (LABEL,)
    files = map_scenes(
        RunFolder(run.path),
        MapConfig(sources.config.scenes, sources.config.grid, crop=32, overlap=8, quiet=True),
        tmp_path / "map.tif",
    )
    assert files.simulated == (LABEL,)
    with rasterio.open(files.map) as file:
        assert file.tags()[SIMULATED_TAG] == LABEL
    page = write_report(run.path, tmp_path / "page.html").read_text()
    assert "<strong>Simulated data.</strong> No picture and no figure on this page is of a real place." in page


def test_build_and_map_print_it(
    simulated: Path, sources: Sources, run_copy: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "build.yaml"
    config.write_text(yaml.safe_dump(plain(sources.config)))
    assert main(["build", "--config", str(config), "--out", str(tmp_path / "again"), "--quiet"]) == 0
    assert LINE in capsys.readouterr().out.splitlines()
    out = tmp_path / "map.tif"  # the run is of real data, the scenes are not
    assert (
        main(["map", str(run_copy.path), str(config), "--out", str(out), "--crop", "32", "--overlap", "8", "--quiet"])
        == 0
    )
    assert LINE in capsys.readouterr().out.splitlines()
    with rasterio.open(out) as file:
        assert file.tags()[SIMULATED_TAG] == LABEL


def test_each_source_is_named_once(sources: Sources, tmp_path: Path) -> None:
    said = ("world 1", "world 0", "world 1")
    files = (*(scene.path for scene in sources.config.scenes), sources.config.reference.raster)
    for location, text in zip(files, said, strict=True):
        with rasterio.open(location, "r+") as file:
            file.update_tags(**{SIMULATED_TAG: text})
    build_dataset(sources.config, tmp_path / "dataset", BuildOptions(quiet=True))
    assert json.loads((tmp_path / "dataset" / "dataset.json").read_text())["provenance"]["simulated"] == [
        "world 0",
        "world 1",
    ]


def test_a_damaged_dataset_says_it_too(simulated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next((simulated / "msi_images").iterdir()).unlink()
    assert main(["verify", str(simulated), "--quiet"]) == 1
    assert LINE in capsys.readouterr().out.splitlines()
    (simulated / "dataset.json").write_text("{")
    assert main(["verify", str(simulated), "--quiet"]) == 1
    assert "is no JSON" in " ".join(capsys.readouterr().out.split())


def test_a_real_run_that_was_tested_on_simulated_data(
    run_copy: Run, split_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(split_dataset, tmp_path / "dataset"))
    info = DatasetInfo.read(root)
    replace(info, provenance={**info.provenance, "simulated": [LABEL]}).write(root)
    assert "imulated data" not in write_report(run_copy.path, tmp_path / "before.html").read_text()
    assert main(["test", str(run_copy.path), "--data", str(root), "--quiet"]) == 0
    assert LINE in capsys.readouterr().out.splitlines()
    assert run_copy.read().simulated == ()
    page = write_report(run_copy.path, tmp_path / "page.html").read_text()
    assert "<strong>Simulated data.</strong> The scores and pictures of the test split are of no real place." in page
    assert f"<small>{LABEL}</small>" in page
