"""The demonstration on a simulated area, small and for one epoch."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from cerradata.commands.main import main
from cerradata.patches.info import DatasetInfo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "demo"
    words = ["demo", "--area", "9x8", "--out", str(out), "--epochs", "1", "--quiet"]
    assert main(words) == 0
    return out


def test_the_dataset_holds_both_sensors_both_levels_and_edges(demo: Path) -> None:
    assert main(["verify", str(demo / "dataset"), "--quiet"]) == 0
    info = DatasetInfo.read(demo / "dataset")
    assert set(info.layers) == {"msi", "sar"}
    assert len(info.layers["msi"].radiometry.bands) == 12
    assert info.labels == (1, 2)
    for folder in ("semantic_7c", "semantic_14c", "edge_7c", "edge_14c"):
        assert len(list((demo / "dataset" / folder).glob("*.tif"))) == info.patches
    dates = {scene["date"] for scene in info.provenance["scenes"] if scene["sensor"] == "sentinel-2"}
    assert len(dates) == 6


def test_scores_of_network_and_forest_on_the_same_pixels(demo: Path) -> None:
    scores = json.loads((demo / "scores.json").read_text())
    assert len(scores) == 4  # two models, against the reference and against the truth
    supports = [[c["support"] for c in own["per_class"]] for own in scores.values()]
    assert supports[0] == supports[1]
    assert supports[2] == supports[3] != supports[0]
    assert scores["random forest (one pixel at a time)"]["overall_accuracy"] > 50


def test_the_map_covers_the_whole_area(demo: Path) -> None:
    valid, errors, _ = cog_validate(demo / "map.tif", quiet=True)
    assert valid, errors
    with (
        rasterio.open(demo / "map.tif") as found,
        rasterio.open(demo / "area" / "truth" / "terraclass_2022.tif") as truth,
    ):
        assert found.shape == truth.shape
        assert found.transform.almost_equals(truth.transform)
        assert found.tags()["CERRADATA_LEVEL"] == "2"
        assert (found.read(1) != 255).mean() > 0.8
        assert np.isin(truth.read(1), (0, 25)).sum() == 0


def test_everything_says_that_it_is_simulated(demo: Path) -> None:
    label = json.loads((demo / "area" / "simulation.json").read_text())["simulated"]
    assert DatasetInfo.read(demo / "dataset").simulated == (label,)
    assert label in json.loads((demo / "run" / "scores_test.json").read_text())["simulated"]
    for page in ("report.html", "dataset-report.html"):
        assert "Simulated data" in (demo / page).read_text()
    with rasterio.open(demo / "map.tif") as found:
        assert label in found.tags()["CERRADATA_SIMULATED"]


def test_the_area_is_the_users_to_build_from(demo: Path, tmp_path: Path) -> None:
    words = ["build", "--config", str(demo / "area" / "build-seasons.yaml"), "--patch-size", "64"]
    assert main([*words, "--out", str(tmp_path / "seasons"), "--quiet"]) == 0
    info = DatasetInfo.read(tmp_path / "seasons")
    assert len(info.layers["msi"].radiometry.bands) == 24
    assert info.layers["msi"].radiometry.bands[0] == "B01@dry"
    assert info.layers["sar"].radiometry.bands == ("VV@dry", "VH@dry", "VV@wet", "VH@wet")
    assert main(["verify", str(tmp_path / "seasons"), "--quiet"]) == 0
