"""Sentinel-1 GRD products as they are distributed: backscatter, place, validity, what their metadata say."""

import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import xarray as xr
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.locations import Location
from cerradata.cube.resample import resample_window
from cerradata.scenes import Scene, SceneSource, open_scene
from cerradata.scenes.grd import GrdBand, incidence_angle
from cerradata.scenes.grd.product import relative_orbit
from cerradata.simulation.grd import GrdOptions, write_grd

Array = npt.NDArray[np.float64]
ANGLE_BINS = ((30, 35), (35, 40), (40, 45))
NEW, OLD = GrdOptions(shape=(320, 800)), GrdOptions(shape=(320, 800), noise_format="range")
BLOCK = 8
SMALL = GrdOptions(shape=(120, 160), looks=None)
SIMULATED = "a test"


def backscatter(longitude: Array, latitude: Array) -> Array:
    """VV of -14 to -10 dB in waves of 2 km, VH 9 dB below: near the noise of -29 to -24 dB."""
    wave = np.sin(longitude * 350) * np.cos(latitude * 300)
    return 10 ** (np.stack([-12 + 2 * wave, -21 + 2 * wave]) / 10)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Location]:
    """A factory of products, each made once: folders, or zips as they are downloaded."""
    made: dict[object, Location] = {}

    def make(
        options: GrdOptions = SMALL, truth: Callable[..., Array] = backscatter, *, packed: bool = False
    ) -> Location:
        key = (options, truth, packed)
        if key not in made:
            folder = write_grd(tmp_path_factory.mktemp("grd"), options, truth, simulated=SIMULATED)
            if packed:
                folder = Path(shutil.make_archive(str(folder.with_suffix("")), "zip", folder.parent, folder.name))
            made[key] = Location(folder)
        return made[key]

    return make


@pytest.fixture
def damaged(product: Callable[..., Location], tmp_path: Path) -> Path:
    """A copy of the small product that a test may damage."""
    folder = product().path
    return Path(shutil.copytree(folder, tmp_path / folder.name))


def grd(path: Location | Path, **declared: object) -> Scene:
    return open_scene(SceneSource("sentinel-1", Location(path), **declared))


def band_of(scene: Scene, name: str = "VV") -> GrdBand:
    band = scene.bands[name]
    assert isinstance(band, GrdBand)
    return band


def whole(grid: GeoBox) -> tuple[slice, slice]:
    return slice(0, grid.shape[0]), slice(0, grid.shape[1])


def block_places(grid: GeoBox) -> tuple[Array, Array]:
    """Longitude and latitude of the middles of blocks of 8 x 8 pixels."""
    transform = grid.transform
    down, across = ((np.arange(n // BLOCK) + 0.5) * BLOCK for n in grid.shape)
    to_degrees = Transformer.from_crs(str(grid.crs), "EPSG:4326", always_xy=True)
    return to_degrees.transform(*np.meshgrid(transform.c + across * transform.a, transform.f + down * transform.e))


def block_means(values: npt.NDArray[np.float32]) -> Array:
    rows, columns = (n // BLOCK for n in values.shape)
    cut = values[: rows * BLOCK, : columns * BLOCK].astype(np.float64)
    return cut.reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3))


def errors_db(scene: Scene, name: str) -> list[float]:
    """Median error in dB of the mean of 8 x 8 pixels, in each bin of the incidence angle."""
    band = band_of(scene, name)
    angle = block_means(incidence_angle(band, *whole(band.grid)))
    expected = backscatter(*block_places(band.grid))[("VV", "VH").index(name)]
    if scene.radiometry.calibration == "gamma0":
        expected = expected / np.cos(np.radians(angle))
    error = 10 * np.log10(block_means(scene.read(name, *whole(band.grid))) / expected)
    medians = []
    for low, high in ANGLE_BINS:
        inside = np.isfinite(error) & (angle >= low) & (angle < high)
        assert inside.sum() > 500
        medians.append(float(np.median(error[inside])))
    return medians


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("calibration", ["sigma0", "gamma0"])
@pytest.mark.parametrize("noise_format", ["range", "range-azimuth"])
@pytest.mark.parametrize("ascending", [False, True], ids=["descending", "ascending"])
def test_simulated_backscatter_comes_back_at_every_angle(
    product: Callable[..., Location], ascending: bool, noise_format: str, calibration: str, packed: bool
) -> None:
    options = replace(NEW, ascending=ascending, noise_format=noise_format)
    scene = grd(product(options, packed=packed), calibration=calibration)
    for band in ("VV", "VH"):
        errors = errors_db(scene, band)
        assert np.abs(errors).max() < 0.3, (band, errors)


@pytest.mark.parametrize("options", [NEW, OLD], ids=["range-azimuth", "range"])
def test_with_its_noise_kept_a_dark_target_is_too_bright(product: Callable[..., Location], options: GrdOptions) -> None:
    errors = errors_db(grd(product(options), noise="keep"), "VH")
    assert min(errors) > 0.5, errors


def test_beta0_is_sigma0_by_the_sine_of_the_incidence(product: Callable[..., Location]) -> None:
    sigma, beta = (grd(product(), calibration=name) for name in ("sigma0", "beta0"))
    window = whole(band_of(sigma).grid)
    sine = np.sin(np.radians(incidence_angle(band_of(sigma), *window)))
    ratio = sigma.read("VV", *window) / beta.read("VV", *window) / sine
    assert np.nanmax(np.abs(ratio - 1)) < 2e-3  # the table has a value every 40 pixels, over 4 degrees of incidence


def test_incidence_goes_from_near_to_far_range(product: Callable[..., Location]) -> None:
    for ascending in (False, True):
        band = band_of(grd(product(replace(SMALL, ascending=ascending))))
        angle = incidence_angle(band, *whole(band.grid))
        middle = angle[band.grid.shape[0] // 2]
        eastward = np.diff(middle[np.isfinite(middle)])
        assert (eastward > 0).all() if ascending else (eastward < 0).all()  # the satellite looks to its right
        assert np.nanmin(angle) == pytest.approx(30, abs=0.1)
        assert np.nanmax(angle) == pytest.approx(45, abs=0.1)


@pytest.mark.parametrize("ascending", [False, True], ids=["descending", "ascending"])
@pytest.mark.parametrize("spacing", [10.0, 3.5])
def test_a_bright_point_lies_where_it_is(product: Callable[..., Location], ascending: bool, spacing: float) -> None:
    options = replace(SMALL, ascending=ascending, spacing=spacing, shape=(400, 520))
    at = np.asarray([40, 200, 333]), np.asarray([70, 260, 480])
    points = [tuple(float(v[i, i]) for v in options.geometry.place(*at)) for i in range(3)]

    def truth(longitude: Array, latitude: Array) -> Array:
        power = np.full(longitude.shape, 1e-3)
        for east, north in points:
            metres = 111_000 * np.hypot((longitude - east) * np.cos(np.radians(north)), latitude - north)
            power += 10 * np.exp(-((metres / 15) ** 2) / 2)
        return np.stack([power, power])

    scene = grd(product(options, truth))
    band = band_of(scene)
    assert band.grid.resolution.x == 10
    power = np.nan_to_num(scene.read("VV", *whole(band.grid)))
    to_grid = Transformer.from_crs("EPSG:4326", str(band.grid.crs), always_xy=True)
    for point in points:
        column, row = ~band.grid.transform @ to_grid.transform(*point)
        window = slice(int(row) - 6, int(row) + 7), slice(int(column) - 6, int(column) + 7)
        weight = power[window]
        found = [(weight * np.mgrid[window][axis]).sum() / weight.sum() + 0.5 for axis in (0, 1)]
        assert found == pytest.approx([row, column], abs=0.5)


def test_windows_have_no_seams(product: Callable[..., Location]) -> None:
    scene = grd(product())
    height, width = band_of(scene).grid.shape
    expected = scene.read("VH", slice(0, height), slice(0, width))
    put_together = np.full_like(expected, -1)
    for top in range(0, height, 37):
        for left in range(0, width, 53):
            part = slice(top, min(top + 37, height)), slice(left, min(left + 53, width))
            put_together[part] = scene.read("VH", *part)
    np.testing.assert_allclose(put_together, expected, rtol=1e-5)
    assert np.isfinite(expected).mean() > 0.5


def test_what_the_cube_reads_is_the_scene_itself(product: Callable[..., Location]) -> None:
    scene = grd(product())
    grid = band_of(scene).grid
    part = slice(30, 80), slice(50, 130)
    read = resample_window(partial(scene.read, "VH"), grid, grid[part], "bilinear", np.nan)
    np.testing.assert_array_equal(read, scene.read("VH", *part))


def test_ground_below_the_noise_is_dark_and_no_hole(product: Callable[..., Location]) -> None:
    def truth(longitude: Array, latitude: Array) -> Array:
        return np.full((2, *longitude.shape), 1e-5)

    scene = grd(product(replace(SMALL, looks=4.4), truth))
    values = scene.read("VV", *whole(band_of(scene).grid))
    bright = grd(product())
    there = np.isfinite(bright.read("VV", *whole(band_of(bright).grid)))
    np.testing.assert_array_equal(np.isfinite(values), there)
    assert (values[there] <= 2e-6).mean() > 0.2  # where noise and speckle come out below their mean
    assert 10 * np.log10(values[there].min()) >= -60.001


def test_dn_0_and_what_lies_outside_is_no_data(product: Callable[..., Location]) -> None:
    bordered = grd(product(replace(SMALL, border=20)))
    plain = band_of(grd(product()))
    window = whole(plain.grid)
    numbers, hidden = plain.read(*window, what="a band")
    assert hidden is not None
    np.testing.assert_array_equal(hidden, numbers == 0)
    assert hidden[0, 0]
    assert hidden[-1, -1]
    assert (~hidden).sum() == pytest.approx(
        120 * 160, rel=0.01
    )  # every pixel of the image is 10 m x 10 m on the ground
    assert np.isfinite(bordered.read("VV", *window)).sum() == pytest.approx(120 * 120, rel=0.01)


def test_a_window_without_image_is_empty(product: Callable[..., Location]) -> None:
    numbers, hidden = band_of(grd(product())).read(slice(0, 3), slice(0, 3), what="a corner")
    assert numbers.shape == (3, 3)
    assert not numbers.any()
    assert hidden is not None
    assert hidden.all()


def test_a_coarse_look_at_the_whole_scene_shows_it(product: Callable[..., Location]) -> None:
    smooth = replace(NEW, looks=None, border=40)
    scene = grd(product(smooth))
    band = band_of(scene)
    height, width = band.grid.shape
    coarse, hidden = band.read(*whole(band.grid), what="an overview", shape=(height // 10, width // 10))
    fine = scene.read("VV", *whole(band.grid))[5::10, 5::10][: height // 10, : width // 10]
    assert hidden is not None
    assert coarse.shape == fine.shape == hidden.shape
    both = np.isfinite(fine) & ~hidden
    assert (np.isfinite(fine) != ~hidden).mean() < 0.03
    assert np.median(np.abs(10 * np.log10(coarse[both] / fine[both]))) < 0.1


def test_the_strip_along_the_edge_is_masked(product: Callable[..., Location]) -> None:
    scene = grd(product(replace(NEW, border=30)), border=400.0)
    (mask,) = scene.masks
    strip = mask.read(*whole(mask.grid)).astype(bool)
    cell = abs(mask.grid.resolution.x)
    band = band_of(scene)
    line, pixel = band.image.geolocation.invert(
        mask.grid.transform.c + (np.arange(mask.grid.shape[1]) + 0.5) * cell,
        mask.grid.transform.f - (np.arange(mask.grid.shape[0]) + 0.5) * abs(mask.grid.resolution.y),
    )
    inside = 10 * np.minimum(np.minimum(line, 319 - line), np.minimum(pixel - 30, 769 - pixel))  # metres
    assert strip[np.isnan(line)].all()
    assert strip[inside < 400 - 2 * cell].all()
    assert not strip[inside > 400 + 2 * cell].any()


def test_another_reader_calibrates_alike(product: Callable[..., Location]) -> None:
    """xarray-sentinel does not remove noise; it has a table and a reader of its own."""
    other = pytest.importorskip("xarray_sentinel")
    path = product()
    image = xr.open_dataset(path, engine="sentinel-1", group="IW/VH")
    tables = xr.open_dataset(path, engine="sentinel-1", group="IW/VH/calibration")
    expected = other.calibrate_intensity(image.measurement, tables.gamma).to_numpy()
    band = band_of(grd(path, calibration="gamma0", noise="keep"), "VH")
    with rasterio.open(band.location) as file:
        power = band._power(file.read(1), *(np.arange(float(n)) for n in file.shape))
    np.testing.assert_allclose(power, expected, rtol=1e-5)


def test_date_pass_orbit_and_simulation_are_the_products(product: Callable[..., Location]) -> None:
    scene = grd(product(replace(SMALL, ascending=True)))
    radiometry = scene.radiometry
    assert str(scene.date) == "2022-07-12"
    assert (radiometry.unit, radiometry.calibration, radiometry.bands) == ("linear", "sigma0", ("VV", "VH"))
    assert (radiometry.orbit_pass, radiometry.relative_orbit) == ("ascending", (44_066 - 73) % 175 + 1)
    assert scene.simulated == SIMULATED
    assert str(band_of(scene).grid.crs) == "EPSG:32722"
    declared = grd(product(), date="2022-07-13", orbit_pass="descending", relative_orbit=3, bands=("VH",))
    assert (str(declared.date), declared.radiometry.relative_orbit, tuple(declared.bands)) == ("2022-07-13", 3, ("VH",))


@pytest.mark.parametrize(
    ("mission", "absolute", "expected"),
    # S1A_..._018302 and S1B_..._007231 are of one track; the others are what manifests and ESA's constants say
    [
        *(("S1A", 18_302, 30), ("S1B", 7_231, 30), ("S1B", 26_269, 168), ("S1D", 2_389, 73)),
        *(("S1C", 1_681, 110), ("S1C", 8_018, 147), ("S1C", 8_019, 46), ("S1Z", 5, None), ("S1A", 0, None)),
    ],
)  # fmt: skip
def test_relative_orbit(mission: str, absolute: int, expected: int | None) -> None:
    assert relative_orbit(mission, absolute) == expected


def test_orbit_and_points_are_found_elsewhere_where_they_are_missing(
    damaged: Path, product: Callable[..., Location]
) -> None:
    edit(damaged / "manifest.safe", "safe:relativeOrbitNumber", "safe:somethingElse")
    for path in (damaged / "annotation").glob("*.xml"):
        edit(path, "geolocationGridPoint>", "somePoint>")
    scene, expected = grd(damaged), grd(product())
    assert scene.radiometry.relative_orbit == expected.radiometry.relative_orbit
    assert band_of(scene).grid == band_of(expected).grid
    window = whole(band_of(scene).grid)
    np.testing.assert_allclose(scene.read("VV", *window), expected.read("VV", *window), rtol=1e-5)
    assert np.isnan(incidence_angle(band_of(scene), *window)).all()


def test_a_scene_goes_to_another_process_small(product: Callable[..., Location]) -> None:
    scene = grd(product(packed=True), border=100.0)
    part = slice(40, 60), slice(50, 80)
    expected = scene.read("VV", *part)
    sent = pickle.dumps(scene)
    assert len(sent) < 20_000
    np.testing.assert_array_equal(pickle.loads(sent).read("VV", *part), expected)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def test_missing_files_are_named(damaged: Path) -> None:
    only(damaged, "annotation/calibration/noise-*-vv-*").unlink()
    with pytest.raises(SceneError, match=r"noise-\*-vv-\*\.xml.*`noise: keep`"):
        grd(damaged)
    grd(damaged, noise="keep")
    only(damaged, "annotation/calibration/calibration-*-vv-*").unlink()
    with pytest.raises(SceneError, match=r"lacks the file annotation/calibration/calibration-\*-vv-\*\.xml"):
        grd(damaged, noise="keep")
    grd(damaged, bands=("VH",))
    only(damaged, "annotation/*-vh-*").unlink()
    with pytest.raises(SceneError, match=r"lacks the file annotation\*-vh-\*\.xml|annotation"):
        grd(damaged, bands=("VH",))
    only(damaged, "measurement/*-vh-*").unlink()
    with pytest.raises(SceneError, match=r"lacks VH: its polarisations are VV\. .*1SDV"):
        grd(damaged, bands=("VH",))


def test_a_product_of_other_polarisations_is_refused(damaged: Path) -> None:
    for path in (damaged / "measurement").iterdir():
        path.rename(path.with_name(path.name.replace("-vv-", "-hh-").replace("-vh-", "-hv-")))
    with pytest.raises(SceneError, match="lacks VV, VH: its polarisations are HH, HV"):
        grd(damaged)


def test_a_single_look_complex_product_is_refused(damaged: Path) -> None:
    edit(damaged / "manifest.safe", "productType>GRD<", "productType>SLC<")
    with pytest.raises(SceneError, match=r"of type SLC: only GRD.*IW_GRDH"):
        grd(damaged)


def test_a_truncated_image_is_named_where_it_is_read(damaged: Path) -> None:
    path = only(damaged, "measurement/*-vv-*")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(SceneError, match=rf"{path.name}.*(damaged or truncated|Is it whole)"):
        grd(damaged).read("VV", slice(0, 150), slice(0, 150))


def test_a_zip_without_a_product_is_refused(tmp_path: Path, make_raster: Callable[..., Path]) -> None:
    make_raster(tmp_path / "in" / "S1A_20220712_VV.tif")
    packed = shutil.make_archive(str(tmp_path / "scene"), "zip", tmp_path / "in")
    with pytest.raises(SceneError, match=r"the zip holds no manifest\.safe.*with `unit`"):
        grd(Path(packed))
    cut = tmp_path / "cut.zip"
    cut.write_bytes(Path(packed).read_bytes()[:200])
    with pytest.raises(SceneError, match=r"cut\.zip is no zip, or cut short"):
        grd(cut)


def test_two_products_in_one_zip_are_refused(product: Callable[..., Location], tmp_path: Path) -> None:
    for name in ("A.SAFE", "B.SAFE"):
        shutil.copytree(product().path, tmp_path / "in" / name)
    packed = shutil.make_archive(str(tmp_path / "two"), "zip", tmp_path / "in")
    with pytest.raises(SceneError, match=r"2 products: A\.SAFE, B\.SAFE"):
        grd(Path(packed))


def test_noise_tables_that_are_empty_or_not_scaled_are_refused(damaged: Path) -> None:
    path = only(damaged, "annotation/calibration/noise-*-vv-*")
    text = path.read_text()
    start, stop = text.index("<noiseRangeLut"), text.index("</noiseRangeVectorList>")
    path.write_text(text[:start] + text[start:stop].replace("e+0", "e-0") + text[stop:])
    with pytest.raises(SceneError, match=r"thermal noise of -.* dB: Sentinel-1 has -22 to -32 dB.*`noise: keep`"):
        grd(damaged)
    grd(damaged, noise="keep")


@pytest.mark.parametrize(
    ("pattern", "old", "new", "message"),
    [
        ("annotation/calibration/calibration-*-vv-*", "</calibration>", "", "calibration-.* is damaged"),
        ("annotation/calibration/calibration-*-vv-*", "sigmaNought", "sigmaOther", "lacks <sigmaNought>"),
        ("annotation/calibration/noise-*-vv-*", "noiseRangeVector>", "other>", "no vector of <noiseLut>"),
        ("annotation/*-vv-*", "<pixel>0<", "<pixel>5<", "geolocation points are no grid|is damaged"),
        ("annotation/*-vv-*", "rangePixelSpacing", "otherSpacing", "'rangePixelSpacing'"),
        ("manifest.safe", "orbitNumber type=\"start\">44066", "orbitNumber type=\"start\">many", "manifest.safe is damaged"),
    ],
)  # fmt: skip
def test_damaged_metadata_are_named(damaged: Path, pattern: str, old: str, new: str, message: str) -> None:
    path = only(damaged, pattern)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1) if "pixel" in old else text.replace(old, new))
    with pytest.raises(SceneError, match=message):
        grd(damaged)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"unit": "db"}, "becomes linear power here"),
        ({"calibration": "gamma"}, "calibrated to sigma0, gamma0, beta0"),
    ],
)
def test_a_declaration_must_fit_a_product(declared: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SceneSource("sentinel-1", Location("/data/S1A_IW_GRDH.SAFE"), **declared)


def test_noise_is_for_products_alone() -> None:
    with pytest.raises(ConfigError, match="`noise` is for a GRD product"):
        SceneSource("sentinel-1", Location("/data/vv.tif"), unit="db", noise="keep")
    with pytest.raises(ConfigError, match="`unit` is missing"):
        SceneSource("sentinel-1", Location("/data/vv.tif"))


def test_a_folder_of_another_name_is_a_product_by_its_manifest(
    product: Callable[..., Location], tmp_path: Path
) -> None:
    folder = shutil.copytree(product().path, tmp_path / "july")
    assert grd(folder, unit="linear").radiometry.calibration == "sigma0"
    with pytest.raises(ConfigError, match="becomes linear power here"):
        grd(folder, unit="amplitude")
