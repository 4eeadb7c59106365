"""The simulated Sentinel-1 GRD product: its files, its numbers, its geometry, and that it says what it is."""

import hashlib
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from pyproj import Geod, Transformer

from cerradata.core.errors import ConfigError
from cerradata.core.types import SIMULATED_TAG
from cerradata.simulation.grd import GrdOptions, digital_numbers, noise_power, write_grd
from cerradata.simulation.grd_geometry import LIGHT

Array = npt.NDArray[np.float64]
OPTIONS = GrdOptions(shape=(150, 210), border=3)
LABEL = "a test -- of nothing"


def bright(longitude: Array, latitude: Array) -> Array:
    return np.stack([np.full(longitude.shape, 0.1), np.full(longitude.shape, 0.02)])


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_grd(tmp_path_factory.mktemp("grd"), OPTIONS, bright, simulated=LABEL)


def annotation(product: Path) -> ET.Element:
    (path,) = (product / "annotation").glob("*-vv-*.xml")
    return ET.parse(path).getroot()


def test_files_and_names_are_those_of_a_product(product: Path) -> None:
    assert re.fullmatch(r"S1A_IW_GRDH_1SDV_\d{8}T\d{6}_\d{8}T\d{6}_\d{6}_[0-9A-F]{6}_[0-9A-F]{4}\.SAFE", product.name)
    files = {re.sub(r"\d{8}t.*(?=\.)", "", str(p.relative_to(product))) for p in product.rglob("*") if p.is_file()}
    names = [f"s1a-iw-grd-{band}-" for band in ("vv", "vh")]
    assert files == {
        "manifest.safe",
        *(f"measurement/{n}.tiff" for n in names),
        *(f"annotation/{n}.xml" for n in names),
        *(f"annotation/calibration/{kind}-{n}.xml" for n in names for kind in ("calibration", "noise")),
    }
    listed = re.findall(r'href="\./([^"]+)"', (product / "manifest.safe").read_text())
    assert {str(p.relative_to(product)) for p in product.rglob("*") if p.is_file()} == {"manifest.safe", *listed}


def test_the_same_arguments_give_the_same_bytes(product: Path, tmp_path: Path) -> None:
    again = write_grd(tmp_path, OPTIONS, bright, simulated=LABEL)

    def digests(folder: Path) -> dict[str, str]:
        return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.*")}

    assert (again.name, digests(again)) == (product.name, digests(product))
    other = write_grd(tmp_path, replace(OPTIONS, seed=1), bright, simulated=LABEL)
    assert other.name != product.name


def test_every_file_says_that_it_is_simulated(product: Path) -> None:
    for path in (*product.rglob("*.xml"), product / "manifest.safe"):
        assert "Simulated, not observed: a test" in path.read_text()
        ET.parse(path)
    for path in product.rglob("*.tiff"):
        with rasterio.open(path) as file:
            assert file.tags()[SIMULATED_TAG] == LABEL


def test_images_are_numbers_in_the_sensors_geometry(product: Path) -> None:
    for path in product.rglob("*.tiff"):
        with rasterio.open(path) as file:
            assert (file.dtypes, file.shape, file.crs) == (("uint16",), OPTIONS.shape, None)
            points, crs = file.gcps
            numbers = file.read(1)
        assert crs.to_epsg() == 4326
        assert len(points) == 35
        assert (numbers[:, :3] == 0).all()
        assert (numbers[:, -3:] == 0).all()
        assert numbers[:, 3:-3].min() >= 1


def test_gdal_opens_it_by_its_manifest(product: Path) -> None:
    with rasterio.open(product / "manifest.safe") as file:
        assert (file.driver, file.count, file.shape) == ("SAFE", 2, OPTIONS.shape)
        assert file.tags()["ORBIT_DIRECTION"] == "DESCENDING"
        assert file.tags()["PRODUCT_TYPE"] == "GRD"


def test_numbers_are_backscatter_and_noise_with_speckle() -> None:
    numbers = digital_numbers(replace(OPTIONS, border=0, looks=4.4), bright).astype(float)
    power = numbers[0] ** 2
    assert power.var() / power.mean() ** 2 == pytest.approx(1 / 4.4, rel=0.15)
    flat = digital_numbers(replace(OPTIONS, border=0, looks=None), bright).astype(float)
    assert power.mean() == pytest.approx((flat[0] ** 2).mean(), rel=0.02)
    dark = digital_numbers(replace(OPTIONS, border=0, looks=None), lambda x, y: 0 * bright(x, y)).astype(float)
    # A is 420 for VV and grows by 8 % to far range and 1 % down the image
    level = dark[0] ** 2 / 420**2 / noise_power(OPTIONS)
    assert 0.95 < np.median(level[:, :10]) < 1.08
    assert 1.1 < np.median(level[:, -10:]) < 1.25


@pytest.mark.parametrize("noise_format", ["range", "range-azimuth"])
def test_the_noise_varies_as_that_of_the_sensor(noise_format: str) -> None:
    decibels = 10 * np.log10(noise_power(GrdOptions(noise_format=noise_format)))
    assert -30.5 < decibels.min() < -28
    assert -25.5 < decibels.max() < -22
    along = np.ptp(decibels, axis=0).max()
    assert along == pytest.approx(0.5, abs=0.01) if noise_format == "range" else along > 1


@pytest.mark.parametrize("ascending", [False, True], ids=["descending", "ascending"])
def test_the_swath_leans_and_looks_to_the_right(ascending: bool) -> None:
    geometry = GrdOptions(ascending=ascending).geometry
    longitude, latitude = geometry.place(np.asarray([0, 599]), np.asarray([0, 799]))
    track, _, length = Geod(ellps="WGS84").inv(longitude[0, 0], latitude[0, 0], longitude[1, 0], latitude[1, 0])
    look, _, width = Geod(ellps="WGS84").inv(longitude[0, 0], latitude[0, 0], longitude[0, 1], latitude[0, 1])
    assert track % 360 == pytest.approx(349 if ascending else 191, abs=0.6)
    assert (look - track) % 360 == pytest.approx(90, abs=0.6)
    assert length == pytest.approx(5_990, rel=0.01)
    assert width == pytest.approx(7_990, rel=0.01)


@pytest.mark.parametrize("height", [0.0, 800.0])
def test_orbit_and_ranges_fit_the_geolocation_grid(tmp_path: Path, height: float) -> None:
    """Each point lies across the flight at the time of its line, as far away as its sample says."""
    folder = write_grd(tmp_path, replace(OPTIONS, height=height, ascending=True), bright, simulated=LABEL)
    root = annotation(folder)
    geometry = replace(OPTIONS, height=height, ascending=True).geometry
    to_earth = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    for point in root.iter("geolocationGridPoint"):
        said = {child.tag: child.text for child in point}
        line, pixel = int(said["line"]), int(said["pixel"])
        place = np.asarray(to_earth.transform(float(said["longitude"]), float(said["latitude"]), float(said["height"])))
        position, velocity = (v[0] for v in geometry.satellite(np.asarray([line * geometry.line_seconds])))
        look = place - position
        assert np.linalg.norm(look) == pytest.approx(float(said["slantRangeTime"]) * LIGHT / 2, abs=0.01)
        assert abs(look @ velocity) / np.linalg.norm(velocity) < 0.01
        coefficients = [float(c) for c in root.findtext(".//srgrCoefficients").split()]
        start = float(root.findtext(".//sr0"))
        ground = np.polynomial.polynomial.polyval(np.linalg.norm(look) - start, coefficients)
        assert ground == pytest.approx(10 * pixel, abs=0.05)


def test_too_small_a_product_is_refused() -> None:
    with pytest.raises(ConfigError, match="64 lines and samples or more"):
        GrdOptions(shape=(20, 100))
