"""Scenes of a small simulated area, and the faults that are put into them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from cerradata.core.locations import Location
from cerradata.scenes import BandFile, Radiometry, Scene, SceneSource, open_scene
from cerradata.scenes.doctor import Case
from cerradata.simulation.simulate import SimulationConfig, simulate_area

_FAULTS = Path(__file__).resolve().parents[4] / "benchmarks" / "faults.py"


def load_faults() -> ModuleType:
    """The faults that the benchmark puts into scenes: `tests` cannot import `benchmarks` under every way to call pytest."""
    spec = importlib.util.spec_from_file_location("doctor_faults", _FAULTS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_MODULE = load_faults()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test with the argument `injection` each of the faults, and one with `season` both for Sentinel-2."""
    if "injection" not in metafunc.fixturenames:
        return
    pairs = [
        (injection, season)
        for injection in _MODULE.INJECTIONS
        for season in (("wet", "dry") if injection.sensor == "sentinel-2" else ("dry",))
    ]
    metafunc.parametrize(
        ("injection", "season"), pairs, ids=[f"{injection.name}, {season}" for injection, season in pairs]
    )


@pytest.fixture(scope="session")
def faults() -> ModuleType:
    """`benchmarks/faults.py`."""
    return _MODULE


@pytest.fixture(scope="session")
def area(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """Every scene of a simulated area of 2.4 x 2.1 km by name, with its radiometry declared; both seasons, both zones."""
    root = tmp_path_factory.mktemp("doctor") / "area"
    simulate_area(SimulationConfig("2.4x2.1", seed=3), root, workers=1, quiet=True)
    sources = [
        *(SceneSource("sentinel-2", Location(path)) for path in sorted((root / "sentinel-2").glob("*T2?x*"))),
        *(
            SceneSource("sentinel-1", Location(path), unit="amplitude", calibration="gamma0", border=500.0)
            for path in sorted((root / "sentinel-1").iterdir())
        ),
        SceneSource("elevation", Location(root / "elevation" / "elevation_30m.tif"), vertical_datum="EGM2008"),
    ]
    scenes = [open_scene(source) for source in sources]
    return {scene.name: Case(scene) for scene in scenes}


def memory_scene(
    pixels: dict[str, np.ndarray], radiometry: Radiometry, *, grid: GeoBox | None = None, name: str = "scene"
) -> Scene:
    """A scene whose bands are arrays."""
    rows, columns = next(iter(pixels.values())).shape
    place = grid or GeoBox((rows, columns), Affine(10, 0, 700_020, 0, -10, 9_000_000), "EPSG:32722")
    bands = {}
    for band, values in pixels.items():
        file = BandFile(Location(f"/memory/{name}_{band}.tif"), 1, place)
        bands[band] = _Memory(file, values)
    return Scene(name, radiometry.sensor, None, bands, radiometry)  # type: ignore[arg-type]


class _Memory:
    def __init__(self, file: BandFile, values: np.ndarray) -> None:
        self.grid, self.nodata, self.location = file.grid, file.nodata, file.location
        self._values = values

    def read(
        self, rows: slice, columns: slice, *, what: str, shape: tuple[int, int] | None = None
    ) -> tuple[np.ndarray, None]:
        part = self._values[rows, columns]
        if shape is None:
            return part, None
        return part[np.linspace(0, part.shape[0] - 1, shape[0]).round().astype(int)][
            :, np.linspace(0, part.shape[1] - 1, shape[1]).round().astype(int)
        ], None


@pytest.fixture(scope="session")
def make_scene() -> object:
    """`memory_scene`."""
    return memory_scene
