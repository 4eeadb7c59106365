import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from rasterio.warp import calculate_default_transform, reproject
from torch import nn

from cerradata.commands.main import main
from cerradata.core.errors import ConfigError, OutputError, SceneError
from cerradata.core.locations import Location
from cerradata.cube.grid import GridConfig
from cerradata.data import CerraData4MM
from cerradata.mapping.map import MapConfig, map_scenes
from cerradata.mapping.predict import PredictOptions
from cerradata.patches.build import BuildOptions, build_dataset
from cerradata.patches.config import MsiConfig, SelectionConfig
from cerradata.runs import RunFolder
from cerradata.scenes import SceneSource
from cerradata.scenes.bands import MSI_BANDS
from cerradata.training import TrainConfig, TrainOptions, load_run, train

PATCH, COLUMNS = 16, 5
Sources = Any  # see tests/unit/conftest.py
Trained = Callable[..., tuple[RunFolder, Path]]
Mapped = Callable[..., np.ndarray]


class Pointwise(nn.Module):
    """A network that sees one pixel at a time, so that tiles and patches give the same."""

    def __init__(self, *, in_channels: int, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(in_channels, 16, 1), nn.Tanh(), nn.Conv2d(16, classes, 1))
        with torch.random.fork_rng():
            torch.manual_seed(4)
            for parameter in self.parameters():
                nn.init.normal_(parameter)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.layers(image)


@pytest.fixture(autouse=True)
def their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "their_package", type("Module", (), {"Pointwise": Pointwise}))


@pytest.fixture
def trained(sources: Sources, tmp_path: Path, resplit: Callable[..., None]) -> Trained:
    """Builds the small area as it is declared, and trains one epoch on it; gives run and dataset."""

    def make(name: str = "one", training: dict[str, Any] | None = None, **build: object) -> tuple[RunFolder, Path]:
        root = tmp_path / f"dataset-{name}"
        config = sources.build(selection=SelectionConfig(max_unlabelled=1, max_invalid=1), **build)
        build_dataset(config, root, BuildOptions(quiet=True))
        resplit(root)
        # so low a rate that the weights stay those of `Pointwise`
        plain = TrainConfig(Location(root), "their_package:Pointwise", epochs=1, batch_size=8, learning_rate=1e-9)
        return train(replace(plain, **(training or {})), tmp_path / f"run-{name}", TrainOptions(quiet=True)), root

    return make


@pytest.fixture
def mapped(sources: Sources, tmp_path: Path) -> Mapped:
    """Maps the scenes of the small area with a run, and gives the pixels of the map."""

    def make(run: RunFolder, **changes: object) -> np.ndarray:
        plain = MapConfig(
            sources.config.scenes, grid=sources.config.grid, crop=32, overlap=8, predict=PredictOptions(3), quiet=True
        )
        files = map_scenes(run, replace(plain, **changes), tmp_path / "map.tif")
        with rasterio.open(files.map) as file:
            return file.read(1)

    return make


def by_patch(run: RunFolder, root: Path) -> dict[int, np.ndarray]:
    """What the run says of each patch of the dataset; 255 where a band has no data."""
    record, network = load_run(run)
    result = {}
    for sample in CerraData4MM(root, modality=record.modality, bands=record.bands):
        with torch.inference_mode():
            classes = network(sample["image"][None])[0].argmax(0).numpy()
        result[sample["id"]] = np.where(torch.isfinite(sample["image"]).all(0).numpy(), classes, 255)
    return result


def assert_map_is_that_of_the_patches(found: np.ndarray, expected: dict[int, np.ndarray]) -> None:
    assert len(expected) == 20
    for patch_id, classes in expected.items():
        row, col = divmod(patch_id, COLUMNS)
        part = found[row * PATCH : (row + 1) * PATCH, col * PATCH : (col + 1) * PATCH]
        np.testing.assert_array_equal(part, classes, err_msg=f"patch {patch_id}")


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"modality": "msi", "normalisation": "0to1"},
        {"modality": "sar", "level": 1},
        {"bands": ("VH", "B11", "B02"), "normalisation": "none"},
    ],
)
def test_map_of_the_scene_is_what_the_dataset_gives(trained: Trained, mapped: Mapped, training: dict[str, Any]) -> None:
    run, root = trained(training=training)
    found, expected = mapped(run), by_patch(run, root)
    assert found.shape == (64, 80)
    assert_map_is_that_of_the_patches(found, expected)
    assert len(np.unique(found)) > 2, "a map of one class proves nothing"


def test_pixels_without_input_in_any_band_have_no_class(trained: Trained, mapped: Mapped) -> None:
    run, _ = trained()
    assert np.argwhere(mapped(run) == 255).tolist() == [[20, 3], [40, 45]]
    run, _ = trained("msi", training={"modality": "msi"})
    assert np.argwhere(mapped(run) == 255).tolist() == [[40, 45]]


def test_map_beyond_the_scene_has_no_data(trained: Trained, mapped: Mapped, sources: Sources) -> None:
    with rasterio.open(sources.config.reference.location) as file:
        west, south, east, north = file.bounds
        crs = str(file.crs)
    run, root = trained()
    wider = GridConfig(crs=crs, bounds=(west - 70, south - 50, east + 30, north + 110))
    found = mapped(run, grid=wider)
    assert found.shape == (64 + 16, 80 + 10)
    inner = found[11:75, 7:87]
    assert_map_is_that_of_the_patches(inner, by_patch(run, root))
    assert (found == 255).sum() == found.size - inner.size + 2


def test_scene_with_another_offset_gives_the_same_map(
    trained: Trained,
    mapped: Mapped,
    sources: Sources,
    tmp_path: Path,
    make_raster: Callable[..., Path],
) -> None:
    run, _ = trained()
    older = np.where(sources.msi == 0, 0, sources.msi.astype(int) - 1000).astype(np.uint16)
    path = make_raster(tmp_path / "older" / "S2A_MSIL2A_20210710.tif", older)
    msi, sar = sources.config.scenes
    scenes = (replace(msi, path=Location(path), offset=0), sar)
    np.testing.assert_array_equal(mapped(run, scenes=scenes), mapped(run))
    assert (mapped(run, scenes=(replace(msi, path=Location(path)), sar)) != mapped(run)).any(), "the offset matters"


def test_a_folder_with_metadata_is_mapped_by_its_name_alone(
    trained: Trained,
    mapped: Mapped,
    sources: Sources,
    tmp_path: Path,
    make_raster: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, _ = trained(training={"modality": "msi"})
    folder, out = tmp_path / "S2A_MSIL2A_20220710", tmp_path / "by-name.tif"
    for band, numbers in zip(MSI_BANDS, sources.msi, strict=True):
        make_raster(folder / f"T22MGU_{band}.tif", numbers)
    words = ["map", str(run.path), str(folder), "--out", str(out), "--crop", "32", "--overlap", "8", "--quiet"]
    assert main(words) == 1
    assert "`offset` is missing" in " ".join(capsys.readouterr().err.split())
    (folder / "MTD_MSIL2A.xml").write_text('<Product><BOA_ADD_OFFSET band_id="0">-1000</BOA_ADD_OFFSET></Product>')
    assert main(words) == 0
    with rasterio.open(out) as file:
        np.testing.assert_array_equal(file.read(1), mapped(run, scenes=sources.config.scenes[:1]))


def test_radar_in_another_unit_gives_the_same_map(
    trained: Trained,
    mapped: Mapped,
    sources: Sources,
    tmp_path: Path,
    make_raster: Callable[..., Path],
) -> None:
    run, _ = trained()
    decibels = np.full_like(sources.sar, np.nan)
    np.log10(sources.sar, out=decibels, where=sources.sar > 0)
    path = make_raster(tmp_path / "decibels.tif", 20 * decibels)
    msi, sar = sources.config.scenes
    found = mapped(run, scenes=(msi, replace(sar, path=Location(path), unit="db")))
    assert (found != mapped(run)).mean() < 0.001  # a float's last bits may tip a pixel


def test_stored_offset_of_the_dataset_is_followed(trained: Trained, mapped: Mapped) -> None:
    run, root = trained(msi=MsiConfig(stored_offset=0))
    assert_map_is_that_of_the_patches(mapped(run), by_patch(run, root))


def test_time_windows_are_those_of_the_dataset(
    trained: Trained,
    mapped: Mapped,
    sources: Sources,
    tmp_path: Path,
    make_raster: Callable[..., Path],
) -> None:
    wet = make_raster(tmp_path / "sources" / "S2A_MSIL2A_20220115.tif", sources.msi + 500)
    dry = sources.config.scenes[0]
    scenes = (replace(dry, path=Location(wet)), dry)
    windows = {"dry": ("2022-06-01", "2022-08-31"), "wet": ("2022-01-01", "2022-02-28")}
    run, root = trained(scenes=scenes, time_windows=windows, training={"modality": "msi"})
    assert len(run.read().bands) == 24
    found = mapped(run, scenes=scenes)
    assert_map_is_that_of_the_patches(found, by_patch(run, root))
    early = mapped(run, scenes=scenes, dates=("2022-01-01", "2022-12-31"))
    assert (early == found).all()
    with pytest.raises(ConfigError, match=r"'dates' .* holds no scene"):
        mapped(run, scenes=scenes, dates=("2021-01-01", "2021-12-31"))
    swapped = {"wet": windows["dry"], "dry": windows["wet"]}
    assert (mapped(run, scenes=scenes, time_windows=swapped) != found).any()
    with pytest.raises(ConfigError, match="trained on the time windows dry, wet; given are rainy"):
        mapped(run, scenes=scenes, time_windows={"rainy": windows["wet"]})
    with pytest.raises(ConfigError, match="holds no scene"):
        mapped(run, scenes=scenes[:1])


def test_scene_of_another_crs_is_mapped(trained: Trained, mapped: Mapped, sources: Sources, tmp_path: Path) -> None:
    run, root = trained(training={"modality": "msi"})
    source = sources.config.scenes[0]
    there = tmp_path / "23S.tif"
    with rasterio.open(source.path) as file:
        transform, width, height = calculate_default_transform(
            file.crs, "EPSG:32723", file.width, file.height, *file.bounds, resolution=10
        )
        profile = file.profile | {"crs": "EPSG:32723", "transform": transform, "width": width, "height": height}
        with rasterio.open(there, "w", **profile) as out:
            for band in range(1, 13):
                pixels = np.zeros((height, width), np.uint16)
                reproject(
                    rasterio.band(file, band), pixels, dst_transform=transform, dst_crs="EPSG:32723", src_nodata=0
                )
                out.write(pixels, band)
    found = mapped(run, scenes=(replace(source, path=Location(there)),))
    expected = np.full_like(found, 255)
    for patch_id, classes in by_patch(run, root).items():
        row, col = divmod(patch_id, COLUMNS)
        expected[row * PATCH : (row + 1) * PATCH, col * PATCH : (col + 1) * PATCH] = classes
    both = (found != 255) & (expected != 255)
    assert both.mean() > 0.85
    assert (found[both] == expected[both]).mean() > 0.85  # the ramps are shifted by half a pixel at most


def test_run_on_two_sensors_needs_both(trained: Trained, mapped: Mapped, sources: Sources, tmp_path: Path) -> None:
    run, _ = trained()
    msi, sar = sources.config.scenes
    with pytest.raises(ConfigError, match=r"msi\+sar and needs a sentinel-1 scene; given are sentinel-2"):
        mapped(run, scenes=(msi,))
    with pytest.raises(ConfigError, match="needs a sentinel-2 scene; given are sentinel-1"):
        mapped(run, scenes=(sar,))
    far = GridConfig(crs="EPSG:32722", bounds=(300_000, 8_000_000, 301_000, 8_001_000))
    with pytest.raises(SceneError, match="does not touch the grid"):
        mapped(run, grid=far)
    with pytest.raises(OutputError, match=r"ends in \.tif"):
        map_scenes(run, MapConfig((msi, sar), quiet=True), tmp_path / "map.png")
    assert not list(tmp_path.glob("*map*"))


def test_scene_without_a_band_is_refused(
    trained: Trained, mapped: Mapped, sources: Sources, make_raster: Callable[..., Path]
) -> None:
    run, _ = trained()
    msi, sar = sources.config.scenes
    make_raster(Path(sar.path), sources.sar[:1])
    lacking = SceneSource("sentinel-1", sar.path, bands=("VV",), unit="amplitude")
    with pytest.raises(SceneError, match=r"The run needs VV, VH; .* lacks VH"):
        mapped(run, scenes=(msi, lacking))


def test_map_says_where_it_comes_from(trained: Trained, mapped: Mapped, tmp_path: Path) -> None:
    run, _ = trained()
    mapped(run)
    with rasterio.open(tmp_path / "map.tif") as file:
        tags, crs, transform = file.tags(), file.crs, file.transform
    assert tags["CERRADATA_RUN"] == "run-one"
    assert tags["CERRADATA_SCENES"] == "S2A_MSIL2A_20220710.tif; S1A_IW_GRDH_20220712.tif"
    assert (tags["CERRADATA_LEGEND"], tags["CERRADATA_LEVEL"]) == ("cerradata-4mm", "2")
    grid = json.loads((tmp_path / "dataset-one" / "dataset.json").read_text())["grid"]
    assert (str(crs), list(transform)[:6]) == (grid["crs"], grid["transform"])
