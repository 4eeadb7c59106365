"""Simulated data say so in the dataset, the run, its scores, the map and the reports."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rasterio

from cerradata.commands.main import main
from cerradata.core.locations import Location
from cerradata.core.types import SIMULATED_TAG
from cerradata.evaluation.report import write_report
from cerradata.mapping.map import MapConfig, map_scenes
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.patches.info import DatasetInfo
from cerradata.runs import RunFolder
from cerradata.training import TrainConfig, TrainOptions, train

Run = Any  # a RunFolder
Sources = Any  # of the fixture
LABEL = "cerradata simulation, parameters 0123456789ab, seed 1, world 0"


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


def test_old_datasets_and_runs_are_read(dataset_copy: Path, run_copy: Run) -> None:
    path = dataset_copy / "dataset.json"
    plain = json.loads(path.read_text())
    del plain["provenance"]["simulated"]
    path.write_text(json.dumps(plain))
    assert DatasetInfo.read(dataset_copy).simulated == ()
    record = run_copy.read()
    old = replace(record, dataset={k: v for k, v in record.dataset.items() if k != "simulated"})
    assert old.simulated == ()


def test_the_dataset_and_what_is_printed(simulated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert DatasetInfo.read(simulated).simulated == (LABEL,)
    words = f"Simulated data ({LABEL}): no figure here is of a real place."
    for command in (["verify", str(simulated), "--quiet"], ["stats", str(simulated)]):
        assert main(command) == 0
        assert words in " ".join(capsys.readouterr().out.split())
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
    assert "no figure here is of a real place" in " ".join(capsys.readouterr().out.split())
    files = map_scenes(
        RunFolder(run.path),
        MapConfig(sources.config.scenes, sources.config.grid, crop=32, overlap=8, quiet=True),
        tmp_path / "map.tif",
    )
    assert files.simulated == (LABEL,)
    with rasterio.open(files.map) as file:
        assert file.tags()[SIMULATED_TAG] == LABEL
    assert "<strong>Simulated data.</strong>" in write_report(run.path, tmp_path / "page.html").read_text()
