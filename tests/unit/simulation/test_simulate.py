import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio

from cerradata.core.errors import ConfigError, OutputError
from cerradata.core.locations import Location
from cerradata.core.types import SIMULATED_TAG
from cerradata.scenes import SceneSource, open_scene
from cerradata.simulation.simulate import Simulation, SimulationConfig, simulate_area


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def scenes(simulation: Simulation, sensor: str) -> list[Path]:
    return [scene.folder for scene in simulation.scenes if scene.sensor == sensor]


def test_it_writes_what_it_says(simulation: Simulation) -> None:
    root = simulation.root
    for name in ("build.yaml", "build-seasons.yaml", "catalog.json", "simulation.json", "parameters.yaml"):
        assert (root / name).is_file()
    for name in ("reference/terraclass_2022.tif", "truth/terraclass_2022.tif", "truth/tree_cover.tif"):
        assert (root / name).is_file()
    assert (root / "elevation" / "elevation_30m.tif").is_file()
    assert len(list((root / "sentinel-2").glob("*.SAFE"))) == 1
    summary = json.loads((root / "simulation.json").read_text())
    assert summary["seed"] == 3
    assert 80 <= summary["reference_agreement_percent"] <= 93
    assert min(summary["truth_pixels"]) > 0  # every class, even here


def test_scenes_of_six_dates_and_both_zones(simulation: Simulation) -> None:
    dates, zones, offsets = set(), set(), set()
    for folder in scenes(simulation, "sentinel-2"):
        scene = open_scene(SceneSource("sentinel-2", Location(folder)))
        dates.add(scene.date)
        zones.add(str(scene.footprint_grid.crs))
        offsets.add(round(scene.radiometry.offset * 1e4))
        assert len(scene.bands) == 12
        assert scene.simulated == simulation.summary["simulated"]
        assert scene.masks
    assert len(dates) == 6
    assert zones == {"EPSG:32722", "EPSG:32723"}
    assert offsets == {-1000, 0}


def test_the_offset_does_not_follow_from_the_date(simulation: Simulation) -> None:
    by_date: dict[object, set[float]] = {}
    for scene in simulation.scenes:
        if scene.sensor == "sentinel-2":
            by_date.setdefault(scene.datetime.date(), set()).add(scene.offset)
    assert any(len(offsets) == 2 for offsets in by_date.values())


def test_two_zones_show_the_same_ground(simulation: Simulation) -> None:
    """Where tiles of both zones and other offsets meet on one date, reflectance agrees once the offset is out."""
    date = "20220711"
    west, east = (
        next(f for f in scenes(simulation, "sentinel-2") if date in f.name and f"T{zone}x" in f.name)
        for zone in (22, 23)
    )
    values = {}
    for folder in (west, east):
        scene = open_scene(SceneSource("sentinel-2", Location(folder)))
        grid = scene.bands["B08"].grid
        values[folder] = (grid, scene.read("B08", slice(0, grid.shape[0]), slice(0, grid.shape[1])))
    (grid_a, a), (grid_b, b) = values.values()
    target = np.full(b.shape, np.nan, np.float32)
    rasterio.warp.reproject(
        a, target, src_transform=grid_a.transform, src_crs=str(grid_a.crs), src_nodata=np.nan,
        dst_transform=grid_b.transform, dst_crs=str(grid_b.crs), dst_nodata=np.nan,
        resampling=rasterio.warp.Resampling.bilinear,
    )  # fmt: skip
    both = np.isfinite(target) & np.isfinite(b)
    assert both.sum() > 1000
    assert np.corrcoef(target[both], b[both])[0, 1] > 0.95
    assert abs(np.median(target[both] - b[both])) < 0.002


def test_the_safe_product_is_the_scene(simulation: Simulation) -> None:
    safe = next((simulation.root / "sentinel-2").glob("*.SAFE"))
    product = open_scene(SceneSource("sentinel-2", Location(safe)))
    twin = next(
        open_scene(SceneSource("sentinel-2", Location(f)))
        for f in scenes(simulation, "sentinel-2")
        if open_scene(SceneSource("sentinel-2", Location(f))).footprint_grid == product.footprint_grid
        and open_scene(SceneSource("sentinel-2", Location(f))).date == product.date
    )
    assert product.radiometry.offset == twin.radiometry.offset == pytest.approx(-0.1)
    for band in ("B02", "B05", "B09"):
        rows, columns = (slice(0, n) for n in product.bands[band].grid.shape)
        np.testing.assert_array_equal(product.read(band, rows, columns), twin.read(band, rows, columns))


def test_radar_of_two_passes_with_borders(simulation: Simulation) -> None:
    folders = scenes(simulation, "sentinel-1")
    assert {f.name.split("_")[5] for f in folders} == {"DESC", "ASCE"}
    scene = open_scene(SceneSource("sentinel-1", Location(folders[0]), unit="amplitude"))
    grid = scene.bands["VV"].grid
    power = scene.read("VV", slice(0, grid.shape[0]), slice(0, grid.shape[1]))
    assert 0.05 < np.isnan(power).mean() < 0.8  # the slice's end lies inside of the raster
    assert -14 < 10 * np.log10(np.nanmedian(power)) < -6


@pytest.mark.parametrize("units", ["linear", "db"])
def test_other_units_are_the_same_backscatter(simulation: Simulation, tmp_path: Path, units: str) -> None:
    from cerradata.simulation.area import Area
    from cerradata.simulation.parameters import Parameters
    from cerradata.simulation.sentinel1 import swaths_of, write_swath
    from cerradata.simulation.world import simulate_world

    world = simulate_world(Area.parse("2.4x2.1"), Parameters.load(), 3)
    written = write_swath(world, swaths_of(world)[0], tmp_path, units)  # type: ignore[arg-type]
    original = next(scene for scene in simulation.scenes if scene.id == written.id)
    values = []
    for scene, unit in ((written, units), (original, "amplitude")):
        opened = open_scene(SceneSource("sentinel-1", Location(scene.folder), unit=unit))  # type: ignore[arg-type]
        shape = opened.bands["VH"].grid.shape
        values.append(opened.read("VH", slice(0, shape[0]), slice(0, shape[1])))
    np.testing.assert_allclose(values[0], values[1], rtol=2e-5)


def test_every_raster_says_that_it_is_simulated(simulation: Simulation) -> None:
    rasters = [p for p in simulation.root.rglob("*") if p.suffix in (".tif", ".jp2")]
    assert len(rasters) > 150
    for path in rasters:
        with rasterio.open(path) as file:
            assert file.tags().get(SIMULATED_TAG) == simulation.summary["simulated"], path


def test_the_catalogue_lists_all_scenes(simulation: Simulation) -> None:
    catalog = pystac.Catalog.from_file(str(simulation.root / "catalog.json"))
    items = list(catalog.get_items(recursive=True))
    assert {item.id for item in items} == {scene.id for scene in simulation.scenes}
    assert all(Path(a.get_absolute_href() or "").is_file() for item in items for a in item.assets.values())


def test_any_number_of_workers_writes_the_same(simulation: Simulation, tmp_path: Path) -> None:
    twin = simulate_area(SimulationConfig("2.4x2.1", seed=3), tmp_path / "area", workers=2, quiet=True)
    assert digests(twin.root) == digests(simulation.root)


def test_long_rows_are_drawn_in_parts(simulation: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maps and elevation are the same however rows are divided; speckle is drawn for each part, so radar is not."""
    for module in ("area", "reference"):
        monkeypatch.setattr(f"cerradata.simulation.{module}.LONGEST", 90)
    twin = simulate_area(SimulationConfig("2.4x2.1", seed=3), tmp_path / "area", workers=1, quiet=True)
    for name in ("reference/terraclass_2022.tif", "truth/terraclass_2022.tif", "truth/tree_cover.tif"):
        with rasterio.open(twin.root / name) as ours, rasterio.open(simulation.root / name) as theirs:
            assert (ours.read() != theirs.read()).mean() < 2e-4
    with (
        rasterio.open(twin.root / "elevation" / "elevation_30m.tif") as ours,
        rasterio.open(simulation.root / "elevation" / "elevation_30m.tif") as theirs,
    ):
        np.testing.assert_allclose(ours.read(), theirs.read(), atol=0.01)
    for scene in scenes(twin, "sentinel-1"):
        with rasterio.open(scene / f"{scene.name}_VV.tif") as ours:
            other = next(s for s in scenes(simulation, "sentinel-1") if s.name == scene.name)
            with rasterio.open(other / f"{other.name}_VV.tif") as theirs:
                a, b = ours.read(1), theirs.read(1)
        np.testing.assert_array_equal(a == 0, b == 0)
        assert a[a > 0].mean() == pytest.approx(b[b > 0].mean(), rel=0.03)


def test_a_killed_simulation_goes_on_and_is_the_same(simulation: Simulation, tmp_path: Path) -> None:
    root = tmp_path / "area"
    words = ["simulate", "--area", "2.4x2.1", "--seed", "3", "--out", str(root), "--workers", "1", "--quiet"]
    code = f"from cerradata.commands.main import main; raise SystemExit(main({words!r}))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    journal = root / "simulation-journal.jsonl"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and (not journal.exists() or journal.read_text().count("\n") < 3):
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = journal.read_text().count('"task"')
    assert 2 <= finished < 12
    kept = {p: p.stat().st_mtime_ns for p in (root / "truth").glob("*.tif")}
    resumed = simulate_area(SimulationConfig("2.4x2.1", seed=3), root, workers=1, quiet=True)
    assert digests(resumed.root) == digests(simulation.root)
    assert kept == {p: p.stat().st_mtime_ns for p in (root / "truth").glob("*.tif")}  # not done twice


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="it looks at processes in /proc, which is of Linux")
def test_no_worker_outlives_a_killed_simulation(tmp_path: Path) -> None:
    words = ["simulate", "--area", "8x6", "--out", str(tmp_path / "area"), "--workers", "2", "--quiet"]
    code = f"from cerradata.commands.main import main; raise SystemExit(main({words!r}))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and len(workers_of(process.pid)) < 3:  # two, and the tracker of resources
        time.sleep(0.1)
    started = workers_of(process.pid)
    assert len(started) >= 2
    time.sleep(3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while time.monotonic() < deadline and any(is_alive(pid) for pid in started):
        time.sleep(0.1)
    assert not [pid for pid in started if is_alive(pid)]


def workers_of(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def is_alive(pid: int) -> bool:
    path = Path(f"/proc/{pid}/stat")
    return path.exists() and path.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_an_unfinished_simulation_of_something_else_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "simulation-journal.jsonl").write_text('{"configuration": "another"}\n')
    with pytest.raises(OutputError, match="unfinished simulation of another area"):
        simulate_area(SimulationConfig("2x2"), tmp_path, quiet=True)


def test_a_full_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="is not empty"):
        simulate_area(SimulationConfig("2x2"), tmp_path, quiet=True)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(("changes", "words"), [({"area": "huge"}, "is no size"), ({"seed": -1}, "seed is -1")])
def test_wrong_settings_are_told(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SimulationConfig(**changes)  # type: ignore[arg-type]
