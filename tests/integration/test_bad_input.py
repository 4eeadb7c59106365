"""Bad input through the real command line: a clear error, exit code 1, and nothing lost."""

import errno
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import yaml

from cerradata.commands.main import main
from cerradata.core import raster
from cerradata.patches import cut
from cerradata.patches.index import read_index, write_index
from cerradata.runs.folder import RECORD_FILE, UNFINISHED_FILE

Capture = pytest.CaptureFixture[str]


@dataclass
class Project:
    """Scenes, reference and a build configuration that works, for a test to break."""

    folder: Path
    config: dict[str, Any]

    def build(self, *words: str, out: str = "dataset") -> int:
        path = self.folder / "build.yaml"
        path.write_text(yaml.safe_dump(self.config))
        return main(["build", "--config", str(path), "--out", str(self.folder / out), "--quiet", *words])


@pytest.fixture
def project(
    tmp_path: Path,
    make_sentinel2_folder: Callable[..., Path],
    make_reference_raster: Callable[..., Path],
) -> Project:
    make_sentinel2_folder(tmp_path / "s2")
    make_reference_raster(tmp_path / "reference.tif")
    config = {
        "legend": "cerradata-4mm",
        "patch_size": 32,
        "scenes": [{"sensor": "sentinel-2", "path": "s2", "offset": -1000}],
        "reference": {"raster": "reference.tif", "codes": "terraclass-cerrado-2022"},
        "selection": {"max_unlabelled": 0.5},
    }
    return Project(tmp_path, config)


def band(project: Project, name: str) -> Path:
    return next((project.folder / "s2").glob(f"*_{name}_*.tif"))


def test_the_project_builds_before_it_is_broken(project: Project) -> None:
    assert project.build() == 0
    assert main(["verify", str(project.folder / "dataset"), "--quiet"]) == 0


def test_a_missing_band_file_is_named(project: Project, capsys: Capture) -> None:
    band(project, "B05").unlink()
    project.config["scenes"][0]["bands"] = ["B04", "B05", "B08"]
    assert project.build() == 1
    assert "lacks B05" in capsys.readouterr().err


def test_band_files_of_different_footprints(
    project: Project, capsys: Capture, make_raster: Callable[..., Path]
) -> None:
    path = band(project, "B03")
    make_raster(path, np.ones((192, 192), np.uint16), transform=rasterio.Affine(10, 0, 800_000, 0, -10, 9_000_000))
    assert project.build() == 1
    message = capsys.readouterr().err
    assert "B03" in message
    assert "800000" in message


def test_a_scene_without_crs(project: Project, capsys: Capture, make_raster: Callable[..., Path]) -> None:
    make_raster(band(project, "B02"), np.ones((192, 192), np.uint16), crs=None)
    assert project.build() == 1
    assert "no coordinate reference system" in capsys.readouterr().err


def test_an_unknown_crs_of_the_grid(project: Project, capsys: Capture) -> None:
    project.config["grid"] = {"crs": "EPSG:999999"}
    assert project.build() == 1
    assert "EPSG:999999" in capsys.readouterr().err


def test_scene_and_reference_that_do_not_overlap(
    project: Project, capsys: Capture, make_raster: Callable[..., Path]
) -> None:
    far = rasterio.Affine(10, 0, 200_000, 0, -10, 9_500_000)
    make_raster(project.folder / "reference.tif", np.ones((50, 50), np.uint8), transform=far)
    assert project.build() == 1
    assert "does not touch the target grid" in capsys.readouterr().err


def test_a_file_that_is_no_image(project: Project, capsys: Capture) -> None:
    path = band(project, "B04")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])  # the directory of this GeoTIFF lies at its end
    assert project.build() == 1
    assert f"{path.name} cannot be opened as a raster" in capsys.readouterr().err


def test_a_truncated_image_costs_only_the_patches_that_it_hides(
    project: Project, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cut, "_BLOCK_PIXELS", 64)  # nine blocks of 2 x 2 patches
    path = band(project, "B04")
    with rasterio.open(path) as file:
        pixels, place = file.read(), {"crs": file.crs, "transform": file.transform}
    profile = {"driver": "GTiff", "count": 1, "height": 192, "width": 192, "dtype": "uint16", "blockysize": 8}
    with rasterio.open(path, "w", **profile, **place) as file:
        file.write(pixels)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.75)])  # cut short on the way here
    assert project.build() == 1
    found = capsys.readouterr()
    assert "rejected (unreadable)" in found.out
    assert f"not read: Cannot read band B04 of scene s2: {path}" in " ".join(found.out.split())
    index = read_index(project.folder / "dataset")
    assert 0 < len(index) < 36
    assert set(index["row"]) <= {0, 1, 2, 3}
    assert main(["verify", str(project.folder / "dataset"), "--deep", "--quiet"]) == 0
    assert project.build("--strict", out="strict") == 1
    assert path.name in capsys.readouterr().err


def test_a_code_that_the_legend_does_not_know(project: Project, capsys: Capture) -> None:
    with rasterio.open(project.folder / "reference.tif", "r+") as file:
        codes = file.read(1)
        codes[5, 5:12] = 77
        file.write(codes, 1)
    assert project.build() == 1
    assert "77 (7 pixels)" in capsys.readouterr().err


def test_patches_larger_than_the_area(project: Project, capsys: Capture) -> None:
    project.config["patch_size"] = 512
    assert project.build() == 1
    assert "192 rows and 192 columns" in capsys.readouterr().err


def test_a_misspelled_key_is_refused(project: Project, capsys: Capture) -> None:
    project.config["patchsize"] = 64
    with pytest.raises(SystemExit) as stop:
        project.build()
    assert stop.value.code == 2
    assert "patchsize" in capsys.readouterr().err


def test_a_scene_without_declared_offset(project: Project, capsys: Capture) -> None:
    del project.config["scenes"][0]["offset"]
    assert project.build() == 1
    assert "BOA_ADD_OFFSET" in capsys.readouterr().err


def test_another_dataset_is_not_overwritten(project: Project, capsys: Capture) -> None:
    assert project.build() == 0
    before = (project.folder / "dataset" / "dataset.json").read_bytes()
    project.config["patch_size"] = 64
    assert project.build() == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (project.folder / "dataset" / "dataset.json").read_bytes() == before
    assert project.build("--overwrite") == 0


def test_a_folder_of_somebody_else_is_never_deleted(project: Project, capsys: Capture) -> None:
    precious = project.folder / "dataset" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("years of work")
    assert project.build("--overwrite") == 1
    assert "is no dataset of ours" in capsys.readouterr().err
    assert precious.read_text() == "years of work"


def test_no_space_is_said_and_the_build_goes_on_later(
    project: Project, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(raster.Path, "write_bytes", full)
        assert project.build() == 1
    assert "No space left" in capsys.readouterr().err
    assert not (project.folder / "dataset" / "dataset.json").exists()
    assert project.build() == 0  # the same command goes on
    assert main(["verify", str(project.folder / "dataset"), "--quiet"]) == 0


def test_an_output_that_cannot_be_a_folder(project: Project, capsys: Capture) -> None:
    (project.folder / "dataset").write_text("a file")
    assert project.build() == 1
    assert "is a file" in capsys.readouterr().err
    (project.folder / "dataset").unlink()
    (project.folder / "file").write_text("a file")
    assert project.build(out="file/below") == 1
    assert "Cannot write" in capsys.readouterr().err


def damage_missing(root: Path) -> str:
    path = root / "msi_images" / "cerradata_ms_7.tif"
    path.unlink()
    return "patch 7 has no file in msi"


def damage_extra(root: Path) -> str:
    shutil.copy(root / "msi_images" / "cerradata_ms_7.tif", root / "msi_images" / "cerradata_ms_9999.tif")
    return "cerradata_ms_9999.tif belongs to no patch"


def damage_size(root: Path) -> str:
    path = root / "sar_images" / "cerradata_sar_8.tif"
    with rasterio.open(path) as file:
        profile, pixels = file.profile, file.read()
    profile.update(height=31)
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels[:, :31])
    return "cerradata_sar_8.tif has 31 x 32 pixels"


def damage_unreadable(root: Path) -> str:
    path = root / "edge_7c" / "cerradata_edge_7c_9.tif"
    path.write_bytes(b"no image")
    return "cerradata_edge_7c_9.tif cannot be read"


def damage_value(root: Path) -> str:
    path = root / "semantic_14c" / "cerradata_semantic_14c_10.tif"
    with rasterio.open(path, "r+") as file:
        labels = file.read(1)
        labels[0, :3] = 14
        file.write(labels, 1)
    return "cerradata_semantic_14c_10.tif holds 14 (3 pixels)"


@pytest.mark.parametrize(
    "damage", [damage_missing, damage_extra, damage_size, damage_unreadable, damage_value], ids=lambda f: f.__name__
)
def test_verify_names_each_damage(damage: Callable[[Path], str], dataset_copy: Path, capsys: Capture) -> None:
    assert main(["verify", str(dataset_copy), "--deep", "--quiet"]) == 0
    capsys.readouterr()
    expected = damage(dataset_copy)
    assert main(["verify", str(dataset_copy), "--deep", "--quiet"]) == 1
    assert expected in " ".join(capsys.readouterr().out.split())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """A dataset with splits and a run trained on it for one epoch."""
    folder = tmp_path_factory.mktemp("trained")
    data, run = folder / "data", folder / "run"
    shutil.copytree(request.getfixturevalue("golden_dataset"), data)
    assert main(["split", str(data), "--strategy", "random", "--val-share", "0.2", "--test-share", "0.2"]) == 0
    words = ["--modality", "msi", "--encoder", "resnet18", "--epochs", "1", "--batch-size", "8", "--quiet"]
    assert main(["train", "--data", str(data), "--out", str(run), *words]) == 0
    return data, run


def test_a_run_is_not_tested_on_its_own_training_patches(
    trained: tuple[Path, Path], tmp_path: Path, capsys: Capture
) -> None:
    data, run = trained
    other = tmp_path / "renamed"
    shutil.copytree(data, other)
    index = read_index(other)
    index["split"] = index["split"].map({"train": "test", "test": "train", "val": "val"})
    write_index(other, index)
    assert main(["test", str(run), "--data", str(other), "--quiet"]) == 1
    assert "were used to train" in capsys.readouterr().err
    assert not (run / "scores_test.json").exists()


def test_a_half_written_run_is_named(trained: tuple[Path, Path], tmp_path: Path, capsys: Capture) -> None:
    data, run = trained
    half = tmp_path / "half"
    shutil.copytree(run, half)
    (half / RECORD_FILE).rename(half / UNFINISHED_FILE)
    assert main(["test", str(half), "--data", str(data), "--quiet"]) == 1
    assert "half-written" in capsys.readouterr().err
    damaged = tmp_path / "damaged"
    shutil.copytree(run, damaged)
    (damaged / "weights.safetensors").write_bytes(b"not weights")
    assert main(["test", str(damaged), "--data", str(data), "--quiet"]) == 1
    assert "weights.safetensors" in capsys.readouterr().err


def test_training_needs_splits(golden_dataset: Path, tmp_path: Path, capsys: Capture) -> None:
    assert main(["train", "--data", str(golden_dataset), "--out", str(tmp_path / "run"), "--quiet"]) == 1
    assert "cerradata split" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_existing_map_is_not_overwritten(trained: tuple[Path, Path], tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "map.tif"
    out.write_text("a map of somebody else")
    assert main(["map", str(trained[1]), str(tmp_path), "--out", str(out)]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_text() == "a map of somebody else"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("monthly_windows: {year: 2022, months: 5}", "error: monthly_windows: 5 months do not divide a year"),
        ("area: {reference: true, bounds: [0, 0, 1, 1]}", "error: area: give one of `vector`"),
        ("area: {bounds: [165480, 9223140, 168000, 9225000]}", "error: area: bounds [165480.0"),
        ("patch_size:", "error: A key of the configuration has no value, or one of the wrong kind"),
        ("reference:", "error: A key of the configuration has no value, or one of the wrong kind"),
    ],
)
def test_what_a_configuration_says_wrong_is_told_in_one_message(
    project: Project, capsys: Capture, line: str, words: str
) -> None:
    project.config |= yaml.safe_load(line)
    assert project.build() == 1
    assert capsys.readouterr().err.startswith(words)
