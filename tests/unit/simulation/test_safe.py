import datetime as dt
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.locations import Location
from cerradata.scenes import SceneSource, open_scene
from cerradata.scenes.bands import MSI_BANDS, SENTINEL2, band_of_file
from cerradata.simulation.catalog import SceneFiles
from cerradata.simulation.safe import write_safe, zip_safe

Factory = Callable[..., Path]
SIMULATED = "cerradata simulation, parameters 1a2b3c, seed 1, world 0"
NAME = "S2A_MSIL2A_20220710T132231_N0510_R038_T22MGU_20220710T132231.SAFE"
PROPERTIES = {
    "s2:processing_baseline": "05.10",
    "eo:cloud_cover": 12.3,
    "view:sun_elevation": 48.5,
    "view:sun_azimuth": 35.25,
    "sat:orbit_state": "descending",
    "sat:relative_orbit": 38,
}


def scene_files(
    folder: Path, make_raster: Factory, bands: Sequence[str] = (*MSI_BANDS, "SCL"), **changes: object
) -> SceneFiles:
    """All bands of L2A and SCL, or others; 60 x 60 pixels of 10 m: number = 1000 + 100 * row + col; B02 has 0 and 65535."""
    files = {}
    for band in bands:
        resolution = 20 if band == "SCL" else SENTINEL2[band].resolution
        count = 600 // resolution
        rows, columns = np.mgrid[:count, :count]
        pixels = (1000 + 100 * rows + columns).astype(np.uint16)
        if band == "SCL":
            pixels = (columns % 12).astype(np.uint8)
        if band == "B02":
            pixels[0, :2] = 0, 65535
        tags = {"CERRADATA_SIMULATED": SIMULATED, "SEED": "1"}
        files[band] = make_raster(folder / f"{band}.tif", pixels, resolution=resolution, nodata=0, tags=tags)
    said: dict[str, Any] = {
        "id": "S2A_20220710",
        "sensor": "sentinel-2",
        "folder": folder,
        "files": files,
        "datetime": dt.datetime(2022, 7, 10, 13, 22, 31, tzinfo=dt.UTC),
        "properties": PROPERTIES,
        "scale": 1e-4,
        "offset": -0.1,
        "unit": "reflectance",
        "nodata": 0,
        "simulated": SIMULATED,
    }
    return SceneFiles(**said | changes)


@pytest.fixture
def scene(tmp_path: Path, make_raster: Factory) -> SceneFiles:
    return scene_files(tmp_path / "source", make_raster)


@pytest.fixture
def product(tmp_path: Path, scene: SceneFiles) -> Path:
    return write_safe(tmp_path / "out", scene, tile="22MGU")


def texts(path: Path, name: str) -> list[str | None]:
    """The text of each element of a name."""
    return [element.text for element in ET.parse(path).iter(name)]


def test_the_folder_is_named_and_laid_out_like_a_product(product: Path) -> None:
    assert product.name == NAME
    assert [path.name for path in product.parent.iterdir()] == [NAME]
    files = {path.relative_to(product).as_posix() for path in product.rglob("*") if path.is_file()}
    granule = "GRANULE/L2A_T22MGU_A000000_20220710T132231"
    resolutions = {band: SENTINEL2[band].resolution for band in MSI_BANDS} | {"SCL": 20}
    images = {
        f"{granule}/IMG_DATA/R{size}m/T22MGU_20220710T132231_{band}_{size}m.jp2" for band, size in resolutions.items()
    }
    assert files == {"MTD_MSIL2A.xml", f"{granule}/MTD_TL.xml"} | images
    assert {f"{name}.jp2" for name in texts(product / "MTD_MSIL2A.xml", "IMAGE_FILE")} == images


def test_the_images_lose_nothing(product: Path, scene: SceneFiles) -> None:
    for path in product.rglob("*.jp2"):
        band = path.name.split("_")[2]
        with rasterio.open(path) as image, rasterio.open(scene.files[band]) as source:
            assert image.driver == "JP2OpenJPEG"
            assert image.dtypes == source.dtypes
            assert (image.crs, image.transform) == (source.crs, source.transform)
            assert image.tags() == {"CERRADATA_SIMULATED": SIMULATED, "SEED": "1"}
            np.testing.assert_array_equal(image.read(), source.read())


def test_the_scene_reader_opens_it(product: Path, scene: SceneFiles) -> None:
    read = open_scene(SceneSource("sentinel-2", Location(product), offset=-1000))
    assert tuple(read.bands) == MSI_BANDS
    assert read.date == dt.date(2022, 7, 10)
    for name, band in read.bands.items():
        with rasterio.open(scene.files[name]) as source:
            assert band.grid.transform == source.transform
    with rasterio.open(read.bands["B02"].location) as image:
        values = read.radiometry.to_values(image.read(1))
    assert np.isnan(values[0, 0])
    assert values[2, 5] == pytest.approx((1205 - 1000) / 10_000)
    assert band_of_file("T22MGU_20220710T132231_SCL_20m.jp2", "sentinel-2") is None


def test_gdal_knows_the_product(product: Path, scene: SceneFiles) -> None:
    metadata = product / "MTD_MSIL2A.xml"
    with rasterio.open(f"SENTINEL2_L2A:{metadata}:10m:EPSG_32722") as stack:
        descriptions = [text.split(",")[0] for text in stack.descriptions]
        blue = descriptions.index("B2") + 1
        assert stack.transform.a == 10
        assert stack.tags()["PROCESSING_BASELINE"] == "05.10"
        assert stack.tags(blue)["BOA_ADD_OFFSET"] == "-1000"
        with rasterio.open(scene.files["B02"]) as source:
            np.testing.assert_array_equal(stack.read(blue), source.read(1))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("PRODUCT_START_TIME", ["2022-07-10T13:22:31.000Z"]),
        ("PRODUCT_URI", [NAME]),
        ("PROCESSING_LEVEL", ["Level-2A"]),
        ("PROCESSING_BASELINE", ["05.10"]),
        ("SPACECRAFT_NAME", ["Sentinel-2A"]),
        ("SENSING_ORBIT_NUMBER", ["38"]),
        ("SENSING_ORBIT_DIRECTION", ["DESCENDING"]),
        ("SPECIAL_VALUE_TEXT", ["NODATA", "SATURATED"]),
        ("SPECIAL_VALUE_INDEX", ["0", "65535"]),
        ("BOA_QUANTIFICATION_VALUE", ["10000"]),
        ("BOA_ADD_OFFSET", ["-1000"] * 13),
        ("Cloud_Coverage_Assessment", ["12.3"]),
        ("PRODUCT_DOI", [f"Simulated, not observed: {SIMULATED}"]),
    ],
)
def test_the_product_says_what_its_numbers_are(product: Path, name: str, values: list[str]) -> None:
    assert texts(product / "MTD_MSIL2A.xml", name) == values


def test_bands_are_numbered_as_esa_does(product: Path) -> None:
    tree = ET.parse(product / "MTD_MSIL2A.xml")
    numbers = {int(e.attrib["bandId"]): e.attrib["physicalBand"] for e in tree.iter("Spectral_Information")}
    assert list(numbers) == list(range(13))
    assert (numbers[0], numbers[7], numbers[8], numbers[9], numbers[12]) == ("B1", "B8", "B8A", "B9", "B12")
    assert [int(e.attrib["band_id"]) for e in tree.iter("BOA_ADD_OFFSET")] == list(range(13))
    assert (
        tree.getroot().tag == "{https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd}Level-2A_User_Product"
    )


def test_the_tile_says_where_it_lies(product: Path) -> None:
    (path,) = product.rglob("MTD_TL.xml")
    assert texts(path, "HORIZONTAL_CS_CODE") == ["EPSG:32722"]
    assert texts(path, "HORIZONTAL_CS_NAME") == ["WGS84 / UTM zone 22S"]
    assert texts(path, "NROWS") == texts(path, "NCOLS") == ["60", "30", "10"]
    assert texts(path, "ULX") == ["700020"] * 3
    assert texts(path, "ULY") == ["9000000"] * 3
    assert texts(path, "XDIM") == ["10", "20", "60"]
    assert texts(path, "YDIM") == ["-10", "-20", "-60"]
    assert texts(path, "ZENITH_ANGLE") == ["41.500000"]
    assert texts(path, "AZIMUTH_ANGLE") == ["35.250000"]


def test_what_is_not_given_is_not_said(tmp_path: Path, make_raster: Factory) -> None:
    said = {"s2:processing_baseline": "03.01", "sat:relative_orbit": 38}
    old = scene_files(tmp_path / "source", make_raster, offset=0.0, properties=said)
    product = write_safe(tmp_path, old, tile="22MGU")
    assert "_N0301_" in product.name
    (tile,) = product.rglob("MTD_TL.xml")
    for path, name in (
        (product / "MTD_MSIL2A.xml", "BOA_ADD_OFFSET_VALUES_LIST"),
        (product / "MTD_MSIL2A.xml", "Cloud_Coverage_Assessment"),
        (tile, "Tile_Angles"),
    ):
        assert texts(path, name) == []


def test_a_comment_says_that_it_is_simulated(tmp_path: Path, make_raster: Factory) -> None:
    product = write_safe(tmp_path, scene_files(tmp_path / "source", make_raster, simulated="a -- b---c"), tile="22MGU")
    for path in product.rglob("*.xml"):
        ET.parse(path)  # two hyphens in a comment are no XML
        assert path.read_text().splitlines()[1] == "<!-- Simulated, not observed: a - - b- - -c -->"


def test_the_same_scene_gives_the_same_bytes_in_place_of_the_old(tmp_path: Path, scene: SceneFiles) -> None:
    def written() -> dict[Path, bytes]:
        product = write_safe(tmp_path / "out", scene, tile="22MGU")
        return {path: path.read_bytes() for path in product.rglob("*") if path.is_file()}

    first = written()
    (tmp_path / "out" / NAME / "left-over.txt").write_text("of somebody")
    (tmp_path / "out" / f".{NAME}.making").mkdir()  # of a run that was killed
    assert written() == first
    assert [path.name for path in (tmp_path / "out").iterdir()] == [NAME]


def test_a_failure_leaves_what_was_there(tmp_path: Path, scene: SceneFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    product = write_safe(tmp_path / "out", scene, tile="22MGU")
    before = {path: path.read_bytes() for path in product.rglob("*") if path.is_file()}

    def full(*_: object) -> None:
        raise RuntimeError("the disk is gone")

    monkeypatch.setattr("cerradata.simulation.safe.write_xml", full)
    with pytest.raises(RuntimeError, match="the disk is gone"):
        write_safe(tmp_path / "out", scene, tile="22MGU")
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("changes", "tile", "words"),
    [
        ({"sensor": "sentinel-1"}, "22MGU", "is of sentinel-1: only Sentinel-2"),
        ({}, "T22MGU", "'T22MGU' is no tile.*write it as 22MGU"),
        ({"properties": {"sat:relative_orbit": 38}}, "22MGU", "give the properties s2:processing_baseline"),
        ({"properties": {"s2:processing_baseline": "05.10"}}, "22MGU", "sat:relative_orbit"),
    ],
)
def test_a_scene_that_is_no_product_is_refused(
    tmp_path: Path, make_raster: Factory, changes: dict[str, Any], tile: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        write_safe(tmp_path / "out", scene_files(tmp_path / "source", make_raster, **changes), tile=tile)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("raster", "words"),
    [
        ({"resolution": 30}, "30.0 m, uint16. It must be 10, 20 or 60 m"),
        ({"array": np.ones((6, 6), np.float32)}, "10.0 m, float32. It must be .* uint16 or uint8"),
        ({"crs": "EPSG:31982"}, "one UTM zone of WGS84"),
    ],
)
def test_files_that_fit_no_product_are_refused(
    tmp_path: Path, make_raster: Factory, raster: dict[str, Any], words: str
) -> None:
    path = make_raster(tmp_path / "B02.tif", **raster)
    with pytest.raises(ConfigError, match=words):
        write_safe(tmp_path, scene_files(tmp_path / "source", make_raster, files={"B02": path}), tile="22MGU")


def test_bands_of_two_zones_are_refused(tmp_path: Path, make_raster: Factory) -> None:
    files = {"B02": make_raster(tmp_path / "B02.tif"), "B03": make_raster(tmp_path / "B03.tif", crs="EPSG:32723")}
    with pytest.raises(ConfigError, match="all its files must be in one UTM zone"):
        write_safe(tmp_path, scene_files(tmp_path / "source", make_raster, files=files), tile="22MGU")


def test_a_missing_file_is_named(tmp_path: Path, make_raster: Factory) -> None:
    files = {"B02": tmp_path / "missing.tif"}
    with pytest.raises(SceneError, match=r"missing\.tif cannot be opened"):
        write_safe(tmp_path, scene_files(tmp_path / "source", make_raster, files=files), tile="22MGU")


L1C_NAME = "S2A_MSIL1C_20220710T132231_N0510_R038_T22MGU_20220710T132231.SAFE"


@pytest.fixture
def l1c(tmp_path: Path, make_raster: Factory) -> Path:
    return write_safe(
        tmp_path / "out", scene_files(tmp_path / "source", make_raster, tuple(SENTINEL2)), tile="22MGU", level="L1C"
    )


def test_l1c_has_one_folder_for_all_resolutions_and_b10(l1c: Path) -> None:
    assert l1c.name == L1C_NAME
    files = {path.relative_to(l1c).as_posix() for path in l1c.rglob("*") if path.is_file()}
    granule = "GRANULE/L1C_T22MGU_A000000_20220710T132231"
    images = {f"{granule}/IMG_DATA/T22MGU_20220710T132231_{band}.jp2" for band in SENTINEL2}
    assert files == {"MTD_MSIL1C.xml", f"{granule}/MTD_TL.xml"} | images
    assert {f"{name}.jp2" for name in texts(l1c / "MTD_MSIL1C.xml", "IMAGE_FILE")} == images


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("PRODUCT_URI", [L1C_NAME]),
        ("PROCESSING_LEVEL", ["Level-1C"]),
        ("PRODUCT_TYPE", ["S2MSI1C"]),
        ("QUANTIFICATION_VALUE", ["10000"]),
        ("RADIO_ADD_OFFSET", ["-1000"] * 13),
        ("BOA_QUANTIFICATION_VALUE", []),
        ("BOA_ADD_OFFSET", []),
    ],
)
def test_l1c_says_what_its_numbers_are(l1c: Path, name: str, values: list[str]) -> None:
    assert texts(l1c / "MTD_MSIL1C.xml", name) == values


def test_gdal_knows_l1c(l1c: Path) -> None:
    metadata = l1c / "MTD_MSIL1C.xml"
    assert ET.parse(metadata).getroot().tag.endswith("User_Product_Level-1C.xsd}Level-1C_User_Product")
    with rasterio.open(f"SENTINEL2_L1C:{metadata}:60m:EPSG_32722") as stack:
        assert [text.split(",")[0] for text in stack.descriptions[:3]] == ["B1", "B9", "B10"]
        (cirrus,) = l1c.rglob("*_B10.jp2")
        with rasterio.open(cirrus) as image:
            np.testing.assert_array_equal(stack.read(3), image.read(1))


def test_l1c_before_04_00_has_no_offset(tmp_path: Path, make_raster: Factory) -> None:
    said = PROPERTIES | {"s2:processing_baseline": "02.05"}
    old = scene_files(tmp_path / "source", make_raster, tuple(SENTINEL2), offset=0.0, properties=said)
    product = write_safe(tmp_path, old, tile="22MGU", level="L1C")
    assert texts(product / "MTD_MSIL1C.xml", "Radiometric_Offset_List") == []
    assert open_scene(SceneSource("sentinel-2", Location(product))).radiometry.offset == 0


@pytest.mark.parametrize(
    ("bands", "level", "words"),
    [
        (("B02", "SCL"), "L1C", r"L1C has no SCL\. Levels are L1C and L2A"),
        (("B02", "B10"), "L2A", "L2A has no B10"),
        (("B02",), "L3", "there is no level 'L3'"),
    ],
)
def test_a_level_has_its_own_images(
    tmp_path: Path, make_raster: Factory, bands: tuple[str, ...], level: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        write_safe(tmp_path, scene_files(tmp_path / "source", make_raster, bands), tile="22MGU", level=level)  # type: ignore[arg-type]


def test_a_zip_holds_the_whole_product_and_is_the_same_each_time(product: Path) -> None:
    path = zip_safe(product)
    assert path == product.with_name(f"{NAME}.zip")
    first = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    assert content == {
        f"{NAME}/{file.relative_to(product).as_posix()}": file.read_bytes()
        for file in product.rglob("*")
        if file.is_file()
    }
    assert zip_safe(product).read_bytes() == first
    assert {file.name for file in product.parent.iterdir()} == {NAME, f"{NAME}.zip"}
