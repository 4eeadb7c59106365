"""Sources of a small area whose every value is known, and a run trained on the golden dataset."""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cerradata.core.locations import Location
from cerradata.cube.grid import GridConfig
from cerradata.labels import ReferenceSource
from cerradata.legend import LegendName
from cerradata.patches.config import BuildConfig
from cerradata.patches.index import read_index, write_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.split import SplitOptions, split_patches
from cerradata.scenes import SceneSource
from cerradata.scenes.bands import MSI_BANDS

ROWS, COLUMNS, PATCH = 64, 80, 16  # 4 rows and 5 columns of patches
CODES = (1, 11, 14, 23, 2, 17, 9, 12, 13, 15, 21, 20)
MINING = 16

Array = npt.NDArray[Any]
Run = Any  # a RunFolder: importing PyTorch takes seconds, so only the tests that need it do


@dataclass(frozen=True)
class Sources:
    """Scene files and a reference on one 10 m grid, and what is in them.

    Attributes:
        config: A build of them.
        msi: (12, ROWS, COLUMNS) uint16 digital numbers, 1001 + 100 * row + col + 10 * band; 0 = no data.
        sar: (2, ROWS, COLUMNS) float32 amplitudes, VV = 1 + 100 * row + col, VH half of it; 0 = no data.
        codes: (ROWS, COLUMNS) uint8 TerraClass codes.
    """

    config: BuildConfig
    msi: Array
    sar: Array
    codes: Array

    def build(self, **changes: object) -> BuildConfig:
        """The build with other settings."""
        return replace(self.config, **changes)


@pytest.fixture
def sources(tmp_path: Path, make_raster: Callable[..., Path]) -> Sources:
    """Patches 1 and 19 have an unlabelled pixel, patch 5 lacks a SAR pixel, patch 12 an MSI pixel.

    All mining lies in patch 1.
    """
    row, col = np.mgrid[:ROWS, :COLUMNS]
    msi = (1001 + 100 * row + col + 10 * np.arange(12)[:, None, None]).astype(np.uint16)
    vv = (1 + 100 * row + col).astype(np.float32)
    sar = np.stack([vv, vv / 2])
    # rectangles of 12 x 20 pixels, so that class boundaries lie inside of patches, and at row 32 on a border of blocks too
    codes = np.asarray(CODES, np.uint8)[((row + 4) // 12 * 4 + col // 20) % len(CODES)]
    codes[2:5, 20:30] = MINING
    codes[8, 20], codes[63, 79] = 0, 25
    sar[1, 20, 3] = 0
    msi[3, 40, 45] = 0
    folder = tmp_path / "sources"
    stack = make_raster(folder / "S2A_MSIL2A_20220710.tif", msi)
    radar = make_raster(folder / "S1A_IW_GRDH_20220712.tif", sar)
    reference = make_raster(folder / "terraclass.tif", codes)
    config = BuildConfig(
        scenes=(
            SceneSource("sentinel-2", Location(stack), bands=MSI_BANDS, offset=-1000, product_level="L2A"),
            SceneSource("sentinel-1", Location(radar), bands=("VV", "VH"), unit="amplitude"),
        ),
        reference=ReferenceSource("terraclass-cerrado-2022", raster=Location(reference), date="2022"),
        legend=LegendName("cerradata-4mm"),
        grid=GridConfig(like=Location(reference)),
        patch_size=PATCH,
    )
    return Sources(config, msi, sar, codes)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 2 x 2 patches, so that the small area has six of them."""
    monkeypatch.setattr("cerradata.patches.cut._BLOCK_PIXELS", 2 * PATCH)


@pytest.fixture(scope="session")
def bytes_of() -> Callable[[Path], dict[str, str]]:
    """A function that gives the SHA-256 of each file of a dataset by its path in it, but for the log."""

    def digests(root: Path) -> dict[str, str]:
        files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != "build-log.jsonl")
        return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    return digests


def split_in_place(root: Path, seed: int = 3) -> None:
    """Split a dataset at random: 60 % train, 20 % val, 20 % test."""
    info, index = DatasetInfo.read(root), read_index(root)
    options = SplitOptions("random", seed=seed, val_share=0.2, test_share=0.2)
    index["split"] = split_patches(index, info.legend, info.patch_size, options).to_numpy()
    write_index(root, index)


@pytest.fixture(scope="session")
def resplit() -> Callable[..., None]:
    """`split_in_place`."""
    return split_in_place


@pytest.fixture(scope="session")
def split_dataset(golden_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The golden dataset with splits. Do not change it."""
    root = tmp_path_factory.mktemp("split") / "dataset"
    shutil.copytree(golden_dataset, root)
    split_in_place(root)
    return root


@pytest.fixture(scope="session")
def tiny_training(split_dataset: Path) -> Callable[..., Any]:
    """A factory of trainings of a second or two on `split_dataset`."""

    from cerradata.training import TrainConfig

    def config(**changes: object) -> TrainConfig:
        # Level 2 of six classes of 14, small batches, a small encoder
        plain = TrainConfig(Location(split_dataset), encoder="resnet18", epochs=2, batch_size=8, learning_rate=3e-3)
        return replace(plain, **changes)

    return config


@pytest.fixture(scope="session")
def trained_run(tiny_training: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of two epochs on both sensors at level 2. Do not change it: see `run_copy`."""
    from cerradata.training import TrainOptions, train

    return train(tiny_training(), tmp_path_factory.mktemp("runs") / "run", TrainOptions(quiet=True))


@pytest.fixture
def run_copy(trained_run: Run, tmp_path: Path) -> Run:
    """A copy of the run that a test may change."""
    from cerradata.runs import RunFolder

    return RunFolder(Path(shutil.copytree(trained_run.path, tmp_path / "run")))


def pytest_configure(config: pytest.Config) -> None:
    """Compute in one thread."""
    # Threads that wait for each other on a busy machine make the tiny trainings of these tests ten times as slow
    os.environ.setdefault("OMP_NUM_THREADS", "1")
