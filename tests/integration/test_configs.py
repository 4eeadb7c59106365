"""Every configuration that is shipped runs through the real command line."""

import shutil
from pathlib import Path

import pytest

from cerradata.commands.main import main

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def project(
    tmp_path: Path,
    make_sentinel2_folder: pytest.FixtureDef[Path],
    make_sentinel1_stack: pytest.FixtureDef[Path],
    make_reference_raster: pytest.FixtureDef[Path],
) -> Path:
    """The shipped configurations beside generated scenes, where they expect them."""
    shutil.copytree(CONFIGS, tmp_path / "configs")
    make_sentinel2_folder(tmp_path / "configs" / "scenes" / "sentinel-2", size=768)
    make_sentinel1_stack(tmp_path / "configs" / "scenes" / "sentinel-1.tif", size=768)
    make_reference_raster(tmp_path / "configs" / "reference" / "terraclass_2022.tif", terraclass(768))
    return tmp_path


def terraclass(size: int):  # noqa: ANN201 - an array
    import numpy as np

    rows = np.arange(size)[:, None] // 40
    columns = np.arange(size)[None, :] // 56
    return np.asarray((1, 11, 14, 23, 2, 17), np.uint8)[(rows + columns) % 6]


def test_every_shipped_configuration_is_tested() -> None:
    assert sorted(path.name for path in CONFIGS.iterdir()) == ["build-bico-do-papagaio.yaml", "train-unet.yaml"]


def test_the_shipped_build_and_training(project: Path) -> None:
    data, run = project / "data", project / "run"
    build = project / "configs" / "build-bico-do-papagaio.yaml"
    assert main(["build", "--config", str(build), "--out", str(data), "--quiet"]) == 0
    assert main(["verify", str(data), "--quiet"]) == 0
    assert main(["split", str(data), "--strategy", "random", "--val-share", "0.2", "--test-share", "0.2"]) == 0
    # The published training, but for one epoch and with the smallest encoder of its family.
    train = project / "configs" / "train-unet.yaml"
    words = ["--config", str(train), "--data", str(data), "--out", str(run), "--epochs", "1", "--encoder", "resnet18"]
    assert main(["train", *words, "--batch-size", "8", "--quiet"]) == 0
    assert (run / "run.json").is_file()
