"""Every configuration that is shipped runs through the real command line, on simulated areas.

Of the shipped builds only the paths are replaced, and what ties them to their place and year: a misspelt key, a refused
combination or a setting that does not come to pass fails here.
"""

import datetime as dt
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import yaml
from pyproj import Transformer
from rasterio.vrt import WarpedVRT
from shapely import Polygon
from shapely.geometry import LineString, box

from cerradata.commands.main import main
from cerradata.legend import load_legend
from cerradata.patches.index import patch_polygon, read_index
from cerradata.patches.info import DatasetInfo
from cerradata.simulation.catalog import SceneFiles
from cerradata.simulation.grd import GrdOptions, write_grd
from cerradata.simulation.safe import write_safe, zip_safe
from cerradata.simulation.sentinel2 import scene_order
from cerradata.simulation.simulate import Simulation, SimulationConfig, simulate_area

CONFIGS = Path(__file__).parents[2] / "configs"
BICO, MATOPIBA, TRAINING = (
    CONFIGS / name for name in ("bico-do-papagaio-2022.yaml", "matopiba-2024.yaml", "train-unet.yaml")
)
SIMULATED_YEAR = 2022
CENTRE = (-48.0, -7.0)  # degrees; of every simulated area
ACROSS, ALONG = 5.4, 2.7  # kilometres: 4 x 2 patches
BACKSCATTER_DB = {23: (-20.0, -27.0), 17: (-3.0, -10.0), 21: (-3.0, -10.0), 1: (-7.5, -13.5)}  # by TerraClass code
SOIL_DB = (-10.0, -17.0)

Config = dict[str, Any]


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    root = tmp_path_factory.mktemp("simulation") / "area"
    config = SimulationConfig(f"{ACROSS}x{ALONG}", seed=3, sar_units="linear")
    return simulate_area(config, root, workers=1, quiet=True)


@pytest.fixture(scope="module")
def bico(simulation: Simulation, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path]:
    """The shipped configuration, pointed at the simulation, and the dataset that it makes."""
    folder = tmp_path_factory.mktemp("bico")
    config = read(BICO)
    with rasterio.open(simulation.root / "truth" / "terraclass_2022.tif") as truth:
        left, _, _, top = truth.bounds
    # all but a corner of the area
    whole = box(left, top - 2 * 1280, left + 4 * 1280, top)
    gpd.GeoDataFrame(geometry=[whole - box(left, top - 100, left + 100, top)], crs="EPSG:32723").to_file(
        folder / "area.gpkg"
    )
    config["area"]["vector"] = str(folder / "area.gpkg")
    config["reference"]["raster"] = str(simulation.root / "reference" / "terraclass_2022.tif")
    entries = entries_of(config, "sentinel-2")
    for entry, path in zip(entries, write_sentinel2(simulation, entries, folder), strict=True):
        entry["path"] = str(path)
    entries = entries_of(config, "sentinel-1")
    for entry, path in zip(entries, write_sentinel1(simulation, len(entries), folder), strict=True):
        entry["path"] = str(path)
    return config, build(config, folder)


@pytest.fixture(scope="module")
def matopiba(simulation: Simulation, tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Path]:
    """The shipped configuration, pointed at the simulation, and the dataset that it makes."""
    folder = tmp_path_factory.mktemp("matopiba")
    config = read(MATOPIBA)
    config["area"]["bounds"] = [-48.0236, -7.0119, -47.9757, -6.9881]
    shift = int(config["reference"]["date"]) - SIMULATED_YEAR
    windows = {name: [years_before(day, shift) for day in span] for name, span in config["time_windows"].items()}
    config["time_windows"] = windows
    config["reference"]["raster"] = str(simulation.root / "reference" / "terraclass_2022.tif")
    (elevation,) = entries_of(config, "elevation")
    elevation["path"] = str(simulation.root / "elevation" / "elevation_30m.tif")
    config["variables"]["distance_to_water"]["vector"] = str(write_rivers(folder / "rivers.gpkg"))
    optical = [s for s in simulation.scenes if s.sensor == "sentinel-2" and in_windows(s, windows)]
    point_at(entries_of(config, "sentinel-2"), optical)
    for orbit_pass in ("ascending", "descending"):
        radar = [s for s in simulation.scenes if s.properties.get("sat:orbit_state") == orbit_pass]
        point_at(
            [entry for entry in entries_of(config, "sentinel-1") if entry["orbit_pass"] == orbit_pass],
            [scene for scene in radar if scene.sensor == "sentinel-1"],
        )
    return config, build(config, folder)


def read(path: Path) -> Config:
    found: Config = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def build(config: Config, folder: Path) -> Path:
    """Run a build and verify what it made."""
    path, out = folder / "build.yaml", folder / "dataset"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    assert main(["build", "--config", str(path), "--out", str(out), "--quiet"]) == 0
    assert main(["verify", str(out), "--quiet"]) == 0
    return out


def entries_of(config: Config, sensor: str) -> list[Config]:
    return [entry for entry in config["scenes"] if entry["sensor"] == sensor]


def point_at(entries: list[Config], scenes: list[SceneFiles]) -> None:
    assert len(entries) >= len(scenes), "each time window needs its scenes"
    for entry, scene in zip(entries, itertools.cycle(scenes), strict=False):
        entry["path"] = str(scene.folder)


def in_windows(scene: SceneFiles, windows: dict[str, list[str]]) -> bool:
    return any(first <= str(scene.datetime.date()) <= last for first, last in windows.values())


def years_before(day: str, years: int) -> str:
    date = dt.date.fromisoformat(day)
    return str(date.replace(year=date.year - years))


def write_sentinel2(simulation: Simulation, entries: list[Config], folder: Path) -> Iterator[Path]:
    """A zip for each entry, of the tile that its name says: tiles of a zone overlap, so they show the same ground."""
    optical = scene_order([scene for scene in simulation.scenes if scene.sensor == "sentinel-2"])
    by_zone = {zone: itertools.cycle([s for s in optical if f"_T{zone}x" in s.id]) for zone in ("22", "23")}
    for entry in entries:
        tile = re.search(r"_T(\w{5})_", entry["path"]).group(1)
        safe = write_safe(folder, next(by_zone[tile[:2]]), tile=tile)
        yield zip_safe(safe)


def write_sentinel1(simulation: Simulation, count: int, folder: Path) -> Iterator[Path]:
    """Zips of GRD products of two relative orbits of one pass, west and east, each in slices from north to south."""
    with rasterio.open(simulation.root / "truth" / "terraclass_2022.tif") as file:
        codes, inverse = file.read(1), ~file.transform
    to_grid = Transformer.from_crs("EPSG:4326", "EPSG:32723", always_xy=True)
    table = np.full((2, 256), np.asarray(SOIL_DB)[:, None])
    for code, decibels in BACKSCATTER_DB.items():
        table[:, code] = decibels

    def backscatter(longitude: npt.NDArray[np.float64], latitude: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        columns, rows = inverse * to_grid.transform(longitude, latitude)
        rows, columns = (
            np.clip(at.astype(int), 0, size - 1) for at, size in zip((rows, columns), codes.shape, strict=True)
        )
        return 10 ** (table[:, codes[rows, columns]] / 10)

    for number in range(count):
        orbit, slice_ = number % 2, number // 2
        slices = (count + 1 - orbit) // 2
        place = (orbit - 0.5) * ACROSS / 2, (0.5 - (slice_ + 0.5) / slices) * (ALONG + 0.8)
        options = GrdOptions(
            centre=(CENTRE[0] + place[0] / 110.5, CENTRE[1] + place[1] / 110.6),
            shape=(round(100 * (ALONG + 0.8) / slices) + 80, round(100 * ACROSS / 2) + 150),
            start=dt.datetime(2022, 7, 12 + orbit, 9, 5, 11) + dt.timedelta(seconds=25 * slice_),
            absolute_orbit=44_066 + 15 * orbit,
        )
        yield zip_safe(write_grd(folder, options, backscatter, simulated="a simulated area"))


def write_rivers(path: Path) -> Path:
    river = LineString([(-48.02, -6.99), (-48.0, -7.003), (-47.98, -7.006)])
    gpd.GeoDataFrame(geometry=[river], crs="EPSG:4674").to_file(path)
    return path


def wanted_patches(config: Config, area: Polygon) -> list[Polygon]:
    """Footprints of the patches inside an area, from its upper left corner, on whole multiples of 10 m."""
    side = config["patch_size"] * 10.0
    left, bottom, right, top = area.bounds
    left, top = np.floor(left / 10 + 1e-3) * 10, np.ceil(top / 10 - 1e-3) * 10
    corners = itertools.product(np.arange(left, right - side + 1, side), np.arange(top, bottom + side - 1, -side))
    patches = [box(x, y - side, x + side, y) for x, y in corners]
    return [patch for patch in patches if area.contains(patch)]


def labelled(config: Config, patch: Polygon, crs: str) -> bool:
    """Whether the reference has a class at every pixel of a patch, read without this project."""
    unlabelled = load_legend(config["legend"]).source(config["reference"]["codes"]).unlabelled
    with (
        rasterio.open(config["reference"]["raster"]) as file,
        WarpedVRT(file, crs=crs, transform=rasterio.transform.from_origin(patch.bounds[0], patch.bounds[3], 10, 10),
                  width=config["patch_size"], height=config["patch_size"]) as warped,
    ):  # fmt: skip
        return not np.isin(warped.read(1), [int(code) for code in unlabelled]).any()


def check_patches(config: Config, root: Path, area: Polygon) -> None:
    """Kept are the patches inside the area that the rule allows, and no others."""
    info, index = DatasetInfo.read(root), read_index(root)
    crs = info.grid["crs"]
    inside = wanted_patches(config, area)
    rule = config["selection"]
    assert rule["max_unlabelled"] == 0
    expected = [patch for patch in inside if labelled(config, patch, crs)]
    tally = info.selection["patches"]
    assert sum(tally.values()) == len(inside)
    assert tally["kept"] + tally["invalid"] == len(expected)
    assert tally["kept"] == len(index) == info.patches > 0
    assert (index["valid_share"] >= 1 - rule["max_invalid"]).all()
    found = [patch_polygon(transform, config["patch_size"]) for transform in index["transform"]]
    assert all(any(patch.equals(other) for other in expected) for patch in found)


def check_files(config: Config, root: Path, layers: dict[str, tuple[str, ...]]) -> None:
    """Every layer has its bands, every level its labels and edges, a file a patch, in `dataset.json` and on disk."""
    info, legend = DatasetInfo.read(root), load_legend(config["legend"])
    assert {name: own.radiometry.bands for name, own in info.layers.items()} == layers
    assert info.labels == tuple(level.number for level in legend.levels)
    for name, own in info.layers.items():
        files = list((root / own.folder).glob("*.tif"))
        assert len(files) == info.patches, name
        with rasterio.open(files[0]) as file:
            assert file.descriptions == layers[name]
            assert file.shape == (config["patch_size"],) * 2
    for level in legend.levels:
        for kind in ("semantic", "edge"):
            assert len(list((root / f"{kind}_{len(level)}c").glob("*.tif"))) == info.patches


def test_every_shipped_configuration_is_tested() -> None:
    assert sorted(CONFIGS.iterdir()) == sorted([BICO, MATOPIBA, TRAINING])


@pytest.mark.parametrize("path", [BICO, MATOPIBA], ids=lambda path: path.stem)
def test_as_shipped_a_build_asks_for_the_scenes(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--config", str(path), "--out", str(tmp_path / "out"), "--quiet"]) == 1
    assert re.search(r"There is no scene \S*configs/scenes/\S*YYYYMMDDThhmmss", capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_the_published_dataset_again(bico: tuple[Config, Path]) -> None:
    config, root = bico
    # 16 scenes of Sentinel-2 and 7 of Sentinel-1, as published
    assert Counter(entry["sensor"] for entry in config["scenes"]) == {"sentinel-2": 16, "sentinel-1": 7}
    check_files(config, root, {"msi": tuple(config["msi"]["bands"]), "sar": tuple(config["sar"]["bands"])})
    (area,) = gpd.read_file(config["area"]["vector"]).geometry
    check_patches(config, root, area)
    info = DatasetInfo.read(root)
    assert info.grid["crs"] == config["grid"]["crs"]
    assert info.edge_width == config["edge_width"]
    assert info.attribution == tuple(config["attribution"])
    msi, sar = (info.layers[name].radiometry for name in ("msi", "sar"))
    assert (msi.scale, msi.offset) == (1e-4, -config["msi"]["stored_offset"] * 1e-4)
    calibration = {entry["calibration"] for entry in entries_of(config, "sentinel-1")}
    assert (sar.unit, {sar.calibration}, sar.orbit_pass) == (config["sar"]["unit"], calibration, "descending")


def test_both_zones_and_both_orbits_come_onto_the_grid(bico: tuple[Config, Path]) -> None:
    _, root = bico
    scenes = DatasetInfo.read(root).provenance["scenes"]
    radar = {s["radiometry"]["relative_orbit"] for s in scenes if s["sensor"] == "sentinel-1"}
    assert len(radar) == 2
    used = {name for names in read_index(root)["scenes"] for name in names}
    assert {re.search(r"_T(\d\d)", name).group(1) for name in used if name.startswith("S2")} == {"22", "23"}
    # the composite prefers clear scenes: the first in the list are of July, under cloud, and give nothing
    assert "20220711" in scenes[0]["name"]
    assert not any("20220711" in name for name in used)


def test_another_area_and_year(matopiba: tuple[Config, Path]) -> None:
    config, root = matopiba
    windows = list(config["time_windows"])
    passes = sorted({entry["orbit_pass"] for entry in entries_of(config, "sentinel-1")})
    assert (config["sar"]["orbits"], len(passes)) == ("by-pass", 2)
    check_files(
        config,
        root,
        {
            "msi": tuple(f"{band}@{window}" for window in windows for band in config["msi"]["bands"]),
            "sar": tuple(f"{b}@{w}-{p}" for w in windows for p in passes for b in config["sar"]["bands"]),
            "elevation": ("elevation",),
            # an index is that of each season's composite, the others have one band
            **{
                name: tuple(f"{name}@{window}" for window in windows) if own["kind"] == "index" else (name,)
                for name, own in config["variables"].items()
            },
        },
    )
    info = DatasetInfo.read(root)
    to_grid = Transformer.from_crs("EPSG:4326", info.grid["crs"], always_xy=True)
    bounds = box(*config["area"]["bounds"]).segmentize(1e-3)
    check_patches(config, root, Polygon(zip(*to_grid.transform(*bounds.exterior.xy), strict=True)))
    middle = sum(config["area"]["bounds"][::2]) / 2
    assert info.grid["crs"] == f"EPSG:327{int((middle + 180) // 6 + 1)}"
    (elevation,) = entries_of(config, "elevation")
    assert info.layers["elevation"].radiometry.vertical_datum == elevation["vertical_datum"]
    assert info.layers["msi"].radiometry.offset == -config["msi"]["stored_offset"] * 1e-4
    assert info.layers["sar"].radiometry.unit == config["sar"]["unit"]
    assert set(info.provenance["variables"]) == set(config["variables"])


@pytest.mark.parametrize("name", ["bico", "matopiba"])
def test_what_the_file_says_comes_to_pass(name: str, request: pytest.FixtureRequest) -> None:
    """Nothing that the shipped file sets is lost, and the dataset says that it is simulated."""
    config, root = request.getfixturevalue(name)
    resolved = read(root / "build.yaml")
    for key in config.keys() - {"scenes", "reference", "area"}:
        said = {key: config[key]} if not isinstance(config[key], dict) else config[key]
        kept = {key: resolved[key]} if not isinstance(config[key], dict) else resolved[key]
        for own, value in said.items():
            assert_within(value, kept[own], f"{key}: {own}")
    info = DatasetInfo.read(root)
    assert info.simulated
    stacks = info.provenance["stacks"]
    for layer in ("msi", "sar"):
        assert stacks[layer]["composite"]["method"] == config[layer]["composite"]["method"]
    assert stacks["sar"]["orbits"] == config["sar"]["orbits"]
    aligned = any(column.startswith("alignment_") for column in read_index(root).columns)
    assert aligned == config.get("alignment", True)


def assert_within(said: object, kept: Any, where: str) -> None:  # noqa: ANN401 - any YAML values
    if isinstance(said, dict):
        for key, value in said.items():
            assert_within(value, kept[key], f"{where}: {key}")
    else:
        assert kept == said, where


def test_the_shipped_training(bico: tuple[Config, Path], tmp_path: Path) -> None:
    _, data = bico
    run = tmp_path / "run"
    assert main(["split", str(data), "--strategy", "random", "--val-share", "0.2", "--test-share", "0.2"]) == 0
    # The published training, but for one epoch and with the smallest encoder of its family.
    words = [
        "--config",
        str(TRAINING),
        "--data",
        str(data),
        "--out",
        str(run),
        "--epochs",
        "1",
        "--encoder",
        "resnet18",
    ]
    assert main(["train", *words, "--batch-size", "8", "--quiet"]) == 0
    assert (run / "run.json").is_file()
