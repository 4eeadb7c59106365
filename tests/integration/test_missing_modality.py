"""A dataset some of whose patches have no SAR or no MSI, through the real command line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from cerradata.commands.main import main
from cerradata.data import CerraData4MM, Normalise
from cerradata.patches.index import lacking, read_index
from cerradata.patches.info import DatasetInfo
from cerradata.runs import RunFolder

Capture = pytest.CaptureFixture[str]
NO_SAR, NO_MSI = (7, 8, 9), (20, 21)


@pytest.fixture
def incomplete(dataset_copy: Path) -> Path:
    """The golden dataset without some of its images, and without index."""
    for patch_id in NO_SAR:
        sar(dataset_copy, patch_id).unlink()
    for patch_id in NO_MSI:
        (dataset_copy / "msi_images" / f"cerradata_ms_{patch_id}.tif").unlink()
    for name in ("index.parquet", "dataset.json"):
        (dataset_copy / name).unlink()
    return dataset_copy


@pytest.fixture
def indexed(incomplete: Path) -> Path:
    """The same with the index that says so."""
    assert main(["index", str(incomplete), "--may_lack", "[sar, msi]", "--quiet"]) == 0
    return incomplete


def sar(root: Path, patch_id: int) -> Path:
    return root / "sar_images" / f"cerradata_sar_{patch_id}.tif"


def verify(capsys: Capture, root: Path, *words: str) -> tuple[int, list[dict]]:
    """Exit code and problems."""
    capsys.readouterr()
    code = main(["verify", str(root), "--format", "json", "--quiet", *words])
    return code, json.loads(capsys.readouterr().out)["problems"]


def run_json(capsys: Capture, *words: str) -> dict:
    capsys.readouterr()
    assert main([*words, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_patches_lack_must_be_declared(incomplete: Path, capsys: Capture) -> None:
    assert main(["index", str(incomplete), "--quiet"]) == 1
    assert "--may_lack '[msi, sar]'" in capsys.readouterr().err
    assert main(["index", str(incomplete), "--may_lack", "[sar]", "--quiet"]) == 1
    assert "patch 20 has no msi" in capsys.readouterr().err
    assert main(["index", str(incomplete), "--may_lack", "[sar, semantic_7c]", "--quiet"]) == 1
    assert "No patch may lack labels or edges" in capsys.readouterr().err
    assert main(["index", str(incomplete), "--may_lack", "[sar, msi]", "--quiet"]) == 0
    assert DatasetInfo.read(incomplete).optional == ("msi", "sar")
    assert lacking(read_index(incomplete)) == {"msi": frozenset(NO_MSI), "sar": frozenset(NO_SAR)}


@pytest.mark.parametrize("how", [(), ("--deep",)])
def test_verify_knows_what_is_lacking_from_what_is_missing(
    indexed: Path, capsys: Capture, how: tuple[str, ...]
) -> None:
    assert verify(capsys, indexed, *how) == (0, [])
    kept = sar(indexed, 10).rename(indexed / "kept.tif")
    code, (problem,) = verify(capsys, indexed, *how)
    assert (code, problem["kind"], problem["patch_id"]) == (1, "missing", 10)
    kept.rename(sar(indexed, 10))
    shutil.copy(sar(indexed, 10), sar(indexed, 7))
    code, (problem,) = verify(capsys, indexed, *how)
    assert (code, problem["kind"], problem["patch_id"]) == (1, "extra", 7)
    sar(indexed, 7).unlink()
    assert verify(capsys, indexed, *how) == (0, [])


def test_statistics_splits_and_report(indexed: Path, golden_dataset: Path, tmp_path: Path, capsys: Capture) -> None:
    found, whole = (run_json(capsys, "stats", str(root)) for root in (indexed, golden_dataset))
    assert found["classes"] == whole["classes"]
    assert found["bands"]["VV"]["min"] == whole["bands"]["VV"]["min"]  # the first and the last patch have SAR
    assert found["bands"]["VV"]["mean"] != whole["bands"]["VV"]["mean"]
    certificate = run_json(capsys, "split", str(indexed), "--strategy", "blocks", "--block-size", "640")
    assert sum(certificate["patches"].values()) == 36
    assert lacking(read_index(indexed)) == {"msi": frozenset(NO_MSI), "sar": frozenset(NO_SAR)}
    assert verify(capsys, indexed, "--deep") == (0, [])
    assert main(["report", str(indexed), "--out", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "31 whole; 2 without msi; 3 without sar" in page
    assert "no radar image" in page
    assert "No sample can be shown" not in page


def test_scenes_are_compared_with_the_images_that_there_are(
    indexed: Path,
    golden_dataset: Path,
    tmp_path: Path,
    capsys: Capture,
    make_sentinel2_folder: Callable[..., Path],
    make_sentinel1_stack: Callable[..., Path],
) -> None:
    make_sentinel2_folder(tmp_path / "S2A_MSIL2A_20220710T132231")
    make_sentinel1_stack(tmp_path / "S1A_IW_GRDH_1SDV_20220712.tif")
    declared = [
        {"sensor": "sentinel-2", "path": "S2A_MSIL2A_20220710T132231", "offset": 0},
        {"sensor": "sentinel-1", "path": "S1A_IW_GRDH_1SDV_20220712.tif", "bands": ["VV", "VH"], "unit": "amplitude"},
    ]
    (tmp_path / "scenes.yaml").write_text(yaml.safe_dump({"scenes": declared}))
    found = []
    for like in (golden_dataset, indexed):
        capsys.readouterr()
        code = main(["doctor", str(tmp_path / "scenes.yaml"), "--like", str(like), "--format", "json"])
        findings = json.loads(capsys.readouterr().out)["findings"]
        found.append((code, [(f["scene"], f["fault"], f["severity"]) for f in findings]))
    assert found[0] == found[1]
    assert found[0][1]


def test_a_sample_without_a_sensor_has_no_number_of_it(indexed: Path) -> None:
    dataset = CerraData4MM(indexed)
    sar_bands = [dataset.bands.index(band) for band in ("VV", "VH")]
    msi_bands = [i for i in range(14) if i not in sar_bands]
    for patch_id in (*NO_SAR, *NO_MSI, 0):
        image = dataset[dataset.ids.index(patch_id)]["image"]
        assert bool(image[sar_bands].isnan().all()) == (patch_id in NO_SAR)
        assert bool(image[msi_bands].isnan().all()) == (patch_id in NO_MSI)


@pytest.mark.parametrize("packed", [False, True])
def test_one_network_is_trained_on_all_of_them(indexed: Path, tmp_path: Path, packed: bool, capsys: Capture) -> None:
    assert main(["split", str(indexed), "--strategy", "random"]) == 0
    root = indexed
    if packed:
        root = tmp_path / "packed"
        assert main(["pack", str(indexed), "--out", str(root), "--quiet"]) == 0
    run = tmp_path / "run"
    words = f"train --data {root} --encoder resnet18 --epochs 1 --batch-size 8 --out {run} --quiet --validity true"
    assert main([*words.split(), "--augmentation.modality_dropout", "0.3"]) == 0
    assert RunFolder(run).read().model.in_channels == 16, "14 bands and a validity channel for each sensor"
    assert main(["test", str(run), "--data", str(root), "--quiet"]) == 0
    capsys.readouterr()


def test_validity_channels_tell_which_sensor_a_patch_lacks(indexed: Path) -> None:
    dataset = CerraData4MM(indexed)
    normalise = Normalise(dataset.bands, dataset.statistics, "1to1", validity=True)
    ids = [0, NO_SAR[0], NO_MSI[0]]
    batch = dataset.assemble.normalising(normalise)(dataset.stored.read(ids))
    assert batch["image"].isfinite().all()
    validity = batch["image"][:, 14:].flatten(2)
    for patch, (msi, radar) in enumerate([(1, 1), (1, 0), (0, 1)]):
        assert (validity[patch, 0] == msi).all()
        assert (validity[patch, 1] == radar).all()
    without = batch["image"][1, [dataset.bands.index("VV"), dataset.bands.index("VH")]]
    assert not without.any(), "what is not there is 0, the middle of what is there"


def test_patches_without_the_only_sensor_are_left_out(indexed: Path) -> None:
    assert set(CerraData4MM(indexed, modality="sar").ids) == set(range(36)) - set(NO_SAR)
    assert set(CerraData4MM(indexed, modality="msi").ids) == set(range(36)) - set(NO_MSI)
    assert len(CerraData4MM(indexed)) == 36
