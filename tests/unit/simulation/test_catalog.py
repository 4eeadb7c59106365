import datetime as dt
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pystac
import pytest
import rasterio
from affine import Affine
from pystac.extensions.eo import EOExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import RasterExtension
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource
from shapely.geometry import Polygon, shape

from cerradata.core.errors import ConfigError, SceneError
from cerradata.scenes.bands import SENTINEL2
from cerradata.simulation.catalog import MSI, SceneFiles, scene_item, write_catalog, write_item

Factory = Callable[..., Path]
NOON = dt.datetime(2022, 7, 10, 13, 22, 31, tzinfo=dt.UTC)
SIMULATED = "cerradata simulation, parameters 1a2b3c, seed 1, world 0"
WORDS = {"title": "Simulated", "description": "Simulated scenes.", "simulated": SIMULATED}
STAC = "https://schemas.stacspec.org/v1.1.0"


def optical(folder: Path, make_raster: Factory, **changes: object) -> SceneFiles:
    """Five bands at three resolutions, 60 x 60 pixels of 10 m: number = 1000 + 100 * row + col; SCL is 4 everywhere."""
    files = {}
    for band in ("B02", "B8A", "B01", "B12", "SCL"):
        resolution = 20 if band == "SCL" else SENTINEL2[band].resolution
        count = 600 // resolution
        rows, columns = np.mgrid[:count, :count]
        pixels = (
            np.full((count, count), 4, np.uint8) if band == "SCL" else (1000 + 100 * rows + columns).astype(np.uint16)
        )
        files[band] = make_raster(folder / f"T22MGU_{band}_{resolution}m.tif", pixels, resolution=resolution, nodata=0)
    said: dict[str, Any] = {
        "id": "S2A_MSIL2A_20220710T132231_T22MGU",
        "sensor": "sentinel-2",
        "folder": folder,
        "files": files,
        "datetime": NOON,
        "properties": {
            "s2:processing_baseline": "05.10",
            "processing:level": "L2A",
            "eo:cloud_cover": 12.3,
            "view:sun_elevation": 48.5,
            "sat:orbit_state": "descending",
            "sat:relative_orbit": 38,
        },
        "scale": 1e-4,
        "offset": -0.1,
        "unit": "reflectance",
        "nodata": 0,
        "simulated": SIMULATED,
    }
    return SceneFiles(**said | changes)


def radar(folder: Path, make_raster: Factory, **changes: object) -> SceneFiles:
    files = {p: make_raster(folder / f"S1A_{p}.tif", np.full((60, 60), -12, np.float32)) for p in ("VV", "VH")}
    said: dict[str, Any] = {
        "id": "S1A_IW_GRDH_20220712",
        "sensor": "sentinel-1",
        "folder": folder,
        "files": files,
        "datetime": dt.datetime(2022, 7, 12, 9, tzinfo=dt.UTC),
        "properties": {"sat:orbit_state": "ascending", "sar:product_type": "RTC", "sar:looks_equivalent_number": 4.4},
        "unit": "db",
        "nodata": math.nan,
        "simulated": SIMULATED,
    }
    return SceneFiles(**said | changes)


def elevation(folder: Path, make_raster: Factory) -> SceneFiles:
    """An elevation raster in degrees."""
    place = {"crs": "EPSG:4326", "transform": Affine(0.001, 0, -48, 0, -0.001, -7)}
    path = make_raster(folder / "elevation.tif", np.full((20, 30), 200, np.float32), nodata=-9999, **place)
    return SceneFiles(
        id="elevation",
        sensor="elevation",
        folder=folder,
        files={"elevation": path},
        datetime=dt.datetime(2013, 1, 1, tzinfo=dt.UTC),
        unit="metre",
        nodata=-9999,
        simulated=SIMULATED,
    )


@pytest.fixture
def scenes(tmp_path: Path, make_raster: Factory) -> list[SceneFiles]:
    """A scene of each sensor, each in a folder of its own under `tmp_path`."""
    return [
        optical(tmp_path / "sentinel-2" / "a", make_raster),
        radar(tmp_path / "sentinel-1" / "b", make_raster),
        elevation(tmp_path / "elevation", make_raster),
    ]


def core_errors(document: dict[str, Any], kind: str) -> list[str]:
    """What is wrong in an item or catalogue by the schemas of STAC that pystac ships; extensions need the internet."""
    cache = get_local_schema_cache()
    registry: Any = Registry().with_resources([(uri, Resource.from_contents(text)) for uri, text in cache.items()])
    schema = cache[f"{STAC}/{kind}-spec/json-schema/{kind}.json"]
    return [error.message for error in jsonschema.Draft7Validator(schema, registry=registry).iter_errors(document)]


def test_the_catalogue_can_be_walked(tmp_path: Path, scenes: list[SceneFiles]) -> None:
    catalog = pystac.Catalog.from_file(str(write_catalog(tmp_path, scenes, **WORDS)))
    assert (catalog.title, catalog.extra_fields["cerradata:simulated"]) == ("Simulated", SIMULATED)
    items = list(catalog.get_items(recursive=True))
    assert [item.id for item in items] == [scene.id for scene in scenes]
    for item, scene in zip(items, scenes, strict=True):
        assert item.get_self_href() == str(scene.folder / f"{scene.id}.json")
        assert item.get_root() is item.get_parent() is catalog
        assert item.datetime == scene.datetime
        assert item.properties["cerradata:simulated"] == SIMULATED
        assert item.properties["license"] == "CC0-1.0"
        assert {key: Path(asset.get_absolute_href() or "") for key, asset in item.assets.items()} == scene.files


def test_all_addresses_are_relative_so_that_the_folder_can_move(tmp_path: Path, scenes: list[SceneFiles]) -> None:
    root = tmp_path / "moved"
    write_catalog(tmp_path, scenes, **WORDS)
    root.mkdir()
    for name in ("catalog.json", "sentinel-2", "sentinel-1", "elevation"):
        (tmp_path / name).rename(root / name)
    documents = [json.loads(path.read_text()) for path in root.rglob("*.json")]
    links = [part["href"] for d in documents for part in (*d["links"], *d.get("assets", {}).values())]
    assert all(link.startswith("./") or link.startswith("../") for link in links)
    items = list(pystac.Catalog.from_file(str(root / "catalog.json")).get_items(recursive=True))
    files = [Path(asset.get_absolute_href() or "") for item in items for asset in item.assets.values()]
    assert len(files) == 8
    assert all(file.is_file() and file.is_relative_to(root) for file in files)


def test_projection_and_raster_are_those_of_the_files(tmp_path: Path, scenes: list[SceneFiles]) -> None:
    write_catalog(tmp_path, scenes, **WORDS)
    for scene in scenes:
        item = pystac.Item.from_file(str(scene.folder / f"{scene.id}.json"))
        for band, asset in item.assets.items():
            with rasterio.open(scene.files[band]) as file:
                assert ProjectionExtension.ext(item).code == file.crs.to_string()
                assert ProjectionExtension.ext(asset).shape == list(file.shape)
                assert ProjectionExtension.ext(asset).transform == list(file.transform)[:6]
                stated = RasterExtension.ext(asset).bands or []
                assert [str(number.data_type) for number in stated] == list(file.dtypes)
                assert stated[0].spatial_resolution == asset.extra_fields["gsd"] == file.transform.a
                if file.nodata is not None:
                    assert stated[0].nodata == file.nodata


def test_scale_offset_and_unit_are_stated_for_each_band_but_the_classes(tmp_path: Path, make_raster: Factory) -> None:
    path = write_item(optical(tmp_path, make_raster))
    assets = json.loads(path.read_text())["assets"]
    for band in ("B02", "B8A", "B01", "B12"):
        (stated,) = assets[band]["raster:bands"]
        assert (stated["scale"], stated["offset"], stated["unit"]) == (1e-4, -0.1, "reflectance")
        assert assets[band]["roles"] == ["data"]
    assert assets["SCL"]["raster:bands"] == [{"data_type": "uint8", "spatial_resolution": 20.0, "nodata": 0}]
    assert assets["SCL"]["roles"] == ["data", "mask"]
    assert "eo:bands" not in assets["SCL"]


def test_an_offset_of_zero_is_stated_too(tmp_path: Path, make_raster: Factory) -> None:
    path = write_item(optical(tmp_path, make_raster, offset=0.0))
    assert json.loads(path.read_text())["assets"]["B02"]["raster:bands"][0]["offset"] == 0


def test_the_spectrum_of_each_band_is_stated(tmp_path: Path, make_raster: Factory) -> None:
    item = scene_item(optical(tmp_path, make_raster))
    (band,) = EOExtension.ext(item.assets["B12"]).bands or []
    assert (band.name, band.common_name, band.center_wavelength, band.full_width_half_max) == (
        "B12",
        "swir22",
        2.2024,
        0.175,
    )


def test_the_table_of_bands_is_that_of_the_scenes() -> None:
    assert {band.name: band.resolution for band in MSI.values()} == {b.name: b.resolution for b in SENTINEL2.values()}
    assert list(MSI) == list(SENTINEL2)
    waves = [band.wavelength for band in MSI.values()]
    assert waves == sorted(waves)


def test_the_radar_says_how_it_was_taken(tmp_path: Path, make_raster: Factory) -> None:
    document = json.loads(write_item(radar(tmp_path, make_raster)).read_text())
    said = {name: value for name, value in document["properties"].items() if name.startswith(("sar:", "sat:"))}
    assert said == {
        "sar:instrument_mode": "IW",
        "sar:frequency_band": "C",
        "sar:center_frequency": 5.405,
        "sar:polarizations": ["VV", "VH"],
        "sar:product_type": "RTC",
        "sar:looks_equivalent_number": 4.4,
        "sat:orbit_state": "ascending",
    }
    assert document["assets"]["VH"]["sar:polarizations"] == ["VH"]
    assert document["assets"]["VH"]["raster:bands"][0]["nodata"] == "nan"


def test_the_extensions_are_those_whose_fields_are_used(scenes: list[SceneFiles]) -> None:
    names = [{uri.split("/")[3] for uri in scene_item(scene).stac_extensions} for scene in scenes]
    assert names[0] == {"eo", "processing", "projection", "raster", "sat", "sentinel-2", "view"}
    assert names[1] == {"projection", "raster", "sar", "sat"}
    assert names[2] == {"projection", "raster"}


def test_the_core_of_stac_is_kept(tmp_path: Path, scenes: list[SceneFiles]) -> None:
    catalog = json.loads(write_catalog(tmp_path, scenes, **WORDS).read_text())
    assert core_errors(catalog, "catalog") == []
    for scene in scenes:
        document = json.loads((scene.folder / f"{scene.id}.json").read_text())
        assert core_errors(document, "item") == []
        assert core_errors(document | {"bbox": "none"}, "item") != []


def test_reading_and_writing_again_changes_nothing(tmp_path: Path, scenes: list[SceneFiles]) -> None:
    write_catalog(tmp_path, scenes, **WORDS)
    for scene in scenes:
        document = json.loads((scene.folder / f"{scene.id}.json").read_text())
        again = pystac.Item.from_dict(document, preserve_dict=True)
        assert again.to_dict(include_self_link=False, transform_hrefs=False) == document


def test_the_same_scenes_give_the_same_bytes(tmp_path: Path, scenes: list[SceneFiles]) -> None:
    def written() -> dict[Path, bytes]:
        write_catalog(tmp_path, scenes, **WORDS)
        return {path: path.read_bytes() for path in tmp_path.rglob("*.json")}

    first = written()
    assert written() == first
    assert len(first) == 4


def test_the_outline_covers_the_raster_and_follows_its_bent_edges(tmp_path: Path, make_raster: Factory) -> None:
    # A strip of 100 km: in degrees its edges are bent by some 20 m
    wide = make_raster(tmp_path / "T_B01.tif", np.ones((1, 1667), np.uint16), resolution=60)
    item = scene_item(optical(tmp_path, make_raster, files={"B01": wide}))
    outline = shape(item.geometry)
    assert isinstance(outline, Polygon)
    assert outline.is_valid
    assert outline.exterior.is_ccw
    assert item.bbox == list(outline.bounds)
    with rasterio.open(wide) as file:
        x, y = file.xy(0, 833)
        longitude, latitude = rasterio.warp.transform(file.crs, "EPSG:4326", [x], [y])
    middle = outline.centroid
    assert (middle.x, middle.y) == pytest.approx((longitude[0], latitude[0]), abs=2e-4)
    corners = np.asarray(outline.exterior.coords)[[0, 8, 16, 24]]
    assert not Polygon(corners).buffer(1e-7).covers(outline)


def test_a_scene_that_says_too_little_is_refused(tmp_path: Path, make_raster: Factory) -> None:
    for changes, words in (
        ({"id": "../S2A"}, "is no file name"),
        ({"files": {}}, "has no file"),
        ({"datetime": dt.datetime(2022, 7, 10)}, "is not in UTC"),
        ({"datetime": NOON.astimezone(dt.timezone(dt.timedelta(hours=-3)))}, "is not in UTC"),
    ):
        with pytest.raises(ConfigError, match=words):
            optical(tmp_path, make_raster, **changes)


def test_files_that_are_no_band_are_named(tmp_path: Path, make_raster: Factory) -> None:
    several = make_raster(tmp_path / "several.tif", np.ones((2, 6, 6), np.uint16))
    nowhere = make_raster(tmp_path / "nowhere.tif", np.ones((6, 6), np.uint16), crs=None)
    for path, words in (
        (several, "several.tif has 2 bands and a CRS"),
        (nowhere, "nowhere.tif has 1 bands and no CRS"),
        (tmp_path / "missing.tif", "missing.tif cannot be opened"),
    ):
        with pytest.raises(SceneError, match=words):
            write_item(optical(tmp_path, make_raster, files={"B02": path}))
    assert not list(tmp_path.glob("*.json"))


def test_two_scenes_of_one_name_are_refused(tmp_path: Path, make_raster: Factory) -> None:
    scene = optical(tmp_path, make_raster)
    with pytest.raises(ConfigError, match="two scenes S2A_MSIL2A_20220710T132231_T22MGU"):
        write_catalog(tmp_path, [scene, scene], **WORDS)
