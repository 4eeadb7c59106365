"""Three real places: Sentinel-2, Sentinel-1 and a land-cover map, from scene files to a map."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml

from cerradata.commands.main import main
from cerradata.patches.index import read_index
from cerradata.patches.info import DatasetInfo

PLACES = ("282D_485L_3_3", "38D_378R_2_3", "637U_59R_1_3")
BRAZIL = PLACES[0]
MSI = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"]

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, Path]:
    """The three places, built through the command line in patches of 32 pixels."""
    samples = request.getfixturevalue("shared_data") / "terramesh"
    folder = tmp_path_factory.mktemp("terramesh")
    built = {}
    for place in PLACES:
        config = folder / f"{place}.yaml"
        config.write_text(yaml.safe_dump(build_config(samples, place)))
        built[place] = folder / place
        assert main(["build", "--config", str(config), "--out", str(built[place]), "--quiet"]) == 0
    return built


def build_config(samples: Path, place: str) -> dict[str, object]:
    return {
        "name": f"TerraMesh {place}",
        "legend": "terramesh-lulc",
        "patch_size": 32,
        # The samples' grids are not snapped to 10 m: take theirs, so that nothing is resampled.
        "grid": {"like": str(samples / "LULC" / f"{place}.tif")},
        "scenes": [
            {
                "sensor": "sentinel-2",
                "path": str(samples / "S2L2A" / f"{place}.tif"),
                "bands": MSI,
                "offset": 0,
                "product_level": "L2A",
            },
            {
                "sensor": "sentinel-1",
                "path": str(samples / "S1RTC" / f"{place}.tif"),
                "bands": ["VV", "VH"],
                "unit": "db",
                "calibration": "gamma0",
            },
            {"sensor": "elevation", "path": str(samples / "DEM" / f"{place}.tif")},
        ],
        "reference": {"raster": str(samples / "LULC" / f"{place}.tif"), "codes": "terramesh"},
        "attribution": ["TerraMesh samples, CC BY-SA 4.0", "Contains modified Copernicus Sentinel data"],
    }


@pytest.mark.parametrize("place", PLACES)
def test_a_place_becomes_a_whole_dataset(place: str, datasets: dict[str, Path], shared_data: Path) -> None:
    root = datasets[place]
    assert main(["verify", str(root), "--quiet"]) == 0
    info, index = DatasetInfo.read(root), read_index(root)
    assert set(info.layers) == {"msi", "sar", "elevation"}
    assert info.layers["sar"].radiometry.unit == "db"
    assert info.layers["sar"].radiometry.calibration == "gamma0"
    assert 0 < len(index) <= 49
    patch = index.iloc[0]
    window = rasterio.windows.Window(32 * patch["col"], 32 * patch["row"], 32, 32)
    for layer, folder, file in (
        ("sar", "S1RTC", "sar_images/cerradata_sar"),
        ("msi", "S2L2A", "msi_images/cerradata_ms"),
    ):
        with rasterio.open(shared_data / "terramesh" / folder / f"{place}.tif") as source:
            raw = source.read(window=window)
        with rasterio.open(root / f"{file}_{patch['id']}.tif") as source:
            stored = source.read()
            assert source.descriptions == info.layers[layer].radiometry.bands
        if layer == "sar":
            np.testing.assert_allclose(stored, raw, atol=1e-3)  # decibels in, decibels out
        else:
            np.testing.assert_array_equal(stored, raw + 1000)  # offset 0 in, stored with 1000


def test_the_brazilian_l1c_sample_carries_the_offset(shared_data: Path, tmp_path: Path) -> None:
    """The same place declared with the offset that its numbers carry gives reflectance near zero, not 0.1 above it."""
    samples = shared_data / "terramesh"
    config = build_config(samples, BRAZIL)
    bands = [*MSI[:10], "B10", *MSI[10:]]
    scene = {"sensor": "sentinel-2", "path": str(samples / "S2L1C" / f"{BRAZIL}.tif"), "bands": bands, "offset": -1000}
    config["scenes"] = [scene]
    path = tmp_path / "l1c.yaml"
    path.write_text(yaml.safe_dump(config))
    assert main(["build", "--config", str(path), "--out", str(tmp_path / "l1c"), "--quiet"]) == 0
    least = DatasetInfo.read(tmp_path / "l1c").layers["msi"].statistics["B10"]["min"]
    assert 1000 <= least < 1100  # stored number = reflectance x 10000 + 1000


@pytest.fixture(scope="module")
def runs(datasets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One epoch for each modality, on the Brazilian place."""
    root, folder = datasets[BRAZIL], tmp_path_factory.mktemp("runs")
    assert main(["split", str(root), "--strategy", "random", "--val-share", "0.2", "--test-share", "0.2"]) == 0
    trained = {}
    for modality in ("msi", "sar", "msi+sar"):
        trained[modality] = folder / modality
        options = ["--modality", modality, "--encoder", "resnet18", "--epochs", "1", "--batch-size", "16", "--quiet"]
        assert main(["train", "--data", str(root), "--out", str(trained[modality]), *options]) == 0
    return trained


@pytest.mark.parametrize("modality", ["msi", "sar", "msi+sar"])
def test_each_modality_trains_and_is_scored(
    modality: str, runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["test", str(runs[modality]), "--format", "json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert 0 <= scores["macro_f1"] <= 100
    assert json.loads((runs[modality] / "scores_test.json").read_text()) == scores
    assert scores["classes_averaged"] + len(scores["absent"]) == len(scores["per_class"]) == 8


def test_one_place_is_mapped_with_both_sensors(
    runs: dict[str, Path], datasets: dict[str, Path], shared_data: Path, tmp_path: Path
) -> None:
    scenes = datasets[BRAZIL].parent / f"{BRAZIL}.yaml"
    out = tmp_path / "map.tif"
    options = ["--crop", "64", "--overlap", "16", "--quiet"]
    assert main(["map", str(runs["msi+sar"]), str(scenes), "--out", str(out), *options]) == 0
    with rasterio.open(out) as found, rasterio.open(shared_data / "terramesh" / "LULC" / f"{BRAZIL}.tif") as like:
        assert found.shape == like.shape
        assert found.crs == like.crs
        assert found.transform.almost_equals(like.transform)
        assert found.nodata == 255
        classes = set(np.unique(found.read(1)).tolist())
        assert found.tags()["CERRADATA_LEGEND"] == "terramesh-lulc"
    assert classes <= {*range(8), 255}
    assert (tmp_path / "map.qml").is_file()


def test_a_run_needs_the_sensors_that_it_was_trained_on(
    runs: dict[str, Path], shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = shared_data / "terramesh" / "S2L2A" / f"{BRAZIL}.tif"
    words = ["map", str(runs["msi+sar"]), str(scene), "--bands", f"[{','.join(MSI)}]", "--offset", "0"]
    assert main([*words, "--out", str(tmp_path / "map.tif")]) == 1
    assert "sentinel-1" in capsys.readouterr().err
    assert not (tmp_path / "map.tif").exists()
