from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from cerradata.core.errors import LabelError, SceneError
from cerradata.core.locations import Location
from cerradata.core.types import LabelArray
from cerradata.labels import Reference, ReferenceSource, open_reference
from cerradata.legend import Legend, load_legend

Factory = Callable[..., Path]
WEST, NORTH = 700_020.0, 9_000_000.0


def grid(rows: int, columns: int, resolution: float = 10, *, east: float = 0, south: float = 0) -> GeoBox:
    return GeoBox((rows, columns), Affine(resolution, 0, WEST + east, 0, -resolution, NORTH - south), "EPSG:32722")


def opened(path: Path) -> Reference:
    source = ReferenceSource("terraclass-cerrado-2022", raster=Location(path))
    return open_reference(source, load_legend("cerradata-4mm"))


def legend_with(codes: dict[int | str, int]) -> Legend:
    legend = load_legend("cerradata-4mm")
    source = legend.source("terraclass-cerrado-2022")
    return Legend("other", "Other", legend.levels, {"codes": type(source)("codes", codes, (0,))})


def in_windows(reference: Reference, target: GeoBox, size: tuple[int, int]) -> LabelArray:
    height, width = target.shape
    result = np.zeros((height, width), np.uint8)
    for top in range(0, height, size[0]):
        for left in range(0, width, size[1]):
            rows, columns = slice(top, min(top + size[0], height)), slice(left, min(left + size[1], width))
            result[rows, columns] = reference.read(target[rows, columns])
    return result


def test_every_code_becomes_its_class(tmp_path: Path, make_reference_raster: Factory) -> None:
    codes = np.array([[1, 2, 9, 10, 11, 12, 13, 14, 15], [16, 17, 20, 21, 22, 23, 0, 25, 1]], np.uint8)
    labels = opened(make_reference_raster(tmp_path / "map.tif", codes)).read(grid(2, 9))
    assert labels.tolist() == [[1, 2, 7, 0, 0, 8, 9, 10, 11], [4, 5, 12, 6, 13, 3, 255, 255, 1]]
    assert labels.dtype == np.uint8


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("int8", -1), ("int16", -32768), ("int32", 0), ("uint16", 65535), ("uint8", 255)]
)
def test_any_integer_type_and_nodata(tmp_path: Path, make_reference_raster: Factory, dtype: str, nodata: int) -> None:
    codes = np.array([[23, nodata, 11]], dtype)
    reference = opened(make_reference_raster(tmp_path / "map.tif", codes, nodata=nodata))
    reference.check(grid(1, 3))
    assert reference.read(grid(1, 3)).tolist() == [[3, 255, 0]]


def test_codes_beyond_a_byte(tmp_path: Path, make_reference_raster: Factory) -> None:
    path = make_reference_raster(tmp_path / "map.tif", np.array([[3, 300, -5, 70_000]], np.int32))
    legend = legend_with({3: 0, 300: 1, -5: 2, "forest": 3, 70_000: 13})
    reference = open_reference(ReferenceSource("codes", raster=Location(path)), legend)
    reference.check(grid(1, 4))
    assert reference.read(grid(1, 4)).tolist() == [[0, 1, 2, 13]]


def test_outside_the_map_is_unlabelled(tmp_path: Path, make_reference_raster: Factory) -> None:
    reference = opened(make_reference_raster(tmp_path / "map.tif", np.full((3, 3), 23, np.uint8)))
    labels = reference.read(grid(4, 5, east=-20, south=10))
    assert labels.tolist() == [[255, 255, 3, 3, 3], [255, 255, 3, 3, 3], [255] * 5, [255] * 5]
    assert (reference.read(grid(4, 5, east=9000)) == 255).all()


@pytest.mark.parametrize("resolution", [3.0, 20.0, 30.0])
def test_resampling_takes_the_pixel_at_the_centre_and_mixes_nothing(
    tmp_path: Path, make_reference_raster: Factory, resolution: float
) -> None:
    codes = np.random.default_rng(0).choice(np.array([1, 2, 11, 23, 0], np.uint8), (60, 60))
    path = make_reference_raster(tmp_path / "map.tif", codes, resolution=resolution)
    size = int(60 * resolution // 10)
    centres = ((10 * np.arange(size) + 5) // resolution).astype(int)
    table = {1: 1, 2: 2, 11: 0, 23: 3, 0: 255}
    expected = np.vectorize(table.get)(codes[centres[:, None], centres[None, :]])
    np.testing.assert_array_equal(opened(path).read(grid(size, size)), expected)


@pytest.fixture(scope="module")
def coarse(tmp_path_factory: pytest.TempPathFactory, make_reference_raster: Factory) -> Reference:
    """30 m, as TerraClass, whose pixel borders do not fall on those of 10 m."""
    codes = np.random.default_rng(1).choice(np.array([1, 2, 11, 23, 0], np.uint8), (20, 20))
    transform = Affine(30, 0, WEST + 4, 0, -30, NORTH - 3)
    return opened(make_reference_raster(tmp_path_factory.mktemp("map") / "map.tif", codes, transform=transform))


@settings(max_examples=25)
@given(size=st.tuples(st.integers(1, 70), st.integers(5, 70)))
def test_windows_of_any_size_give_the_same_labels(coarse: Reference, size: tuple[int, int]) -> None:
    target = grid(40, 41)
    np.testing.assert_array_equal(in_windows(coarse, target, size), coarse.read(target))


def test_a_map_in_degrees_keeps_its_classes_in_place(tmp_path: Path, make_reference_raster: Factory) -> None:
    """TerraClass comes in degrees: each target pixel has the class at its own longitude and latitude."""
    step = 0.00026949
    codes = np.full((200, 200), 1, np.uint8)
    codes[:, 100:] = 23
    transform = Affine(step, 0, -49.2, 0, -step, -9.0)
    path = make_reference_raster(tmp_path / "map.tif", codes, crs="EPSG:4674", transform=transform)
    border = -49.2 + 100 * step
    target = GeoBox.from_bbox((-49.19, -9.04, -49.16, -9.01), crs="EPSG:4674", resolution=step).to_crs(
        "EPSG:32722", resolution=10
    )
    reference = opened(path)
    reference.check(target)
    labels = reference.read(target)
    middle = target.shape[0] // 2
    crossing = int(np.argmax(labels[middle] == 3))
    x, y = target.transform * (crossing, middle + 0.5)
    assert GeoBox((1, 1), Affine(1, 0, x, 0, -1, y), "EPSG:32722").geographic_extent.centroid.coords[0][
        0
    ] == pytest.approx(border, abs=step / 2)
    assert set(np.unique(labels).tolist()) <= {1, 3, 255}


def test_unknown_codes_are_named_with_their_pixels(tmp_path: Path, make_reference_raster: Factory) -> None:
    codes = np.array([[1, 2, 24], [24, 99, 0]], np.int16)
    with pytest.raises(LabelError, match=r"does not know: 24 \(2 pixels\), 99 \(1 pixels\)\. Known are 1, 2, 9"):
        opened(make_reference_raster(tmp_path / "map.tif", codes)).check(grid(2, 3))


def test_codes_outside_the_grid_do_not_matter(tmp_path: Path, make_reference_raster: Factory) -> None:
    codes = np.array([[1, 1, 99], [1, 1, 99]], np.uint8)
    opened(make_reference_raster(tmp_path / "map.tif", codes)).check(grid(2, 2))


def test_a_map_with_its_south_up(tmp_path: Path, make_reference_raster: Factory) -> None:
    codes = np.array([[23, 23], [11, 11], [1, 99]], np.uint8)  # the first row is the southernmost
    path = make_reference_raster(tmp_path / "map.tif", codes, transform=Affine(10, 0, WEST, 0, 10, NORTH - 30))
    reference = opened(path)
    assert reference.read(grid(3, 2)).tolist() == [[1, 255], [0, 0], [3, 3]]
    reference.check(grid(1, 1, east=5, south=20))
    with pytest.raises(LabelError, match=r"99 \(1 pixels\)"):
        reference.check(grid(3, 2))


def test_labels_that_were_mapped_before_are_refused(tmp_path: Path, make_reference_raster: Factory) -> None:
    tags = load_legend("cerradata-4mm").tags(1)
    path = make_reference_raster(tmp_path / "level-1.tif", np.ones((3, 3), np.uint8), tags=tags)
    with pytest.raises(
        LabelError,
        match=r"level-1\.tif holds labels of legend 'cerradata-4mm', level 1, already: .* would give wrong classes",
    ):
        opened(path)


def test_a_code_that_is_no_data_and_a_class_at_once_is_refused(tmp_path: Path, make_reference_raster: Factory) -> None:
    path = make_reference_raster(tmp_path / "map.tif", np.full((3, 3), 11, np.uint8), nodata=11)
    with pytest.raises(LabelError, match=r"declares 11 as no data, but .* it is the class 'Pasture': .*-unsetnodata"):
        opened(path)


@pytest.mark.parametrize("pixels", [np.ones((3, 3), np.float32), np.ones((2, 3, 3), np.uint8)])
def test_fractions_and_several_bands_are_refused(
    tmp_path: Path, make_reference_raster: Factory, pixels: npt.NDArray[np.generic]
) -> None:
    with pytest.raises(LabelError, match=r"has \d band\(s\) of .*: a reference has one band of integer codes"):
        opened(make_reference_raster(tmp_path / "map.tif", pixels))


def test_a_map_of_another_place_is_refused(tmp_path: Path, make_reference_raster: Factory) -> None:
    reference = opened(make_reference_raster(tmp_path / "map.tif"))
    with pytest.raises(
        LabelError, match=r"map\.tif does not touch the target grid: it covers -49\.\d+.*of the same place"
    ):
        reference.check(grid(10, 10, east=90_000))


def test_a_map_that_is_missing_or_damaged_is_told(tmp_path: Path, make_reference_raster: Factory) -> None:
    with pytest.raises(SceneError, match=r"There is no file .*none\.tif"):
        opened(tmp_path / "none.tif")
    path = make_reference_raster(tmp_path / "map.tif")
    reference = opened(path)
    path.write_bytes(b"II*\0damaged")
    with pytest.raises(LabelError, match=r"map\.tif is damaged or truncated at rows 0 to 5"):
        reference.read(grid(5, 5))


@pytest.mark.shared_data
def test_the_real_land_cover_maps_of_terramesh(shared_data: Path) -> None:
    legend = load_legend("terramesh-lulc")
    for path in sorted((shared_data / "terramesh" / "LULC").glob("*.tif")):
        reference = open_reference(ReferenceSource("terramesh", raster=Location(path)), legend)
        own = reference.grid  # type: ignore[attr-defined]
        reference.check(own)
        assert legend.strange_values(reference.read(own), 1) == {}


def test_a_geographic_reference_lies_where_it_should(tmp_path: Path, make_raster: Factory) -> None:
    """TerraClass is published in SIRGAS 2000, in degrees: the class of each UTM pixel is that under its centre."""
    step, west, north = 9e-5, -48.02, -7.0
    rows, columns = np.mgrid[:220, :240]
    codes = np.where(rows // 20 % 2 == columns // 30 % 2, 1, 11).astype(np.uint8)
    path = make_raster(tmp_path / "map.tif", codes, crs="EPSG:4674", transform=Affine(step, 0, west, 0, -step, north))
    reference = opened(path)
    target = GeoBox((120, 110), Affine(10, 0, 166_840, 0, -10, 9_224_850), "EPSG:32723")
    reference.check(target)
    labels = reference.read(target)
    to_degrees = Transformer.from_crs("EPSG:32723", "EPSG:4674", always_xy=True)
    right = 0
    for row in range(0, 120, 7):
        for col in range(0, 110, 7):
            longitude, latitude = to_degrees.transform(*(target.transform * (col + 0.5, row + 0.5)))
            code = codes[int((north - latitude) / step), int((longitude - west) / step)]
            right += labels[row, col] == (1 if code == 1 else 0)
    assert right / len(range(0, 120, 7)) / len(range(0, 110, 7)) > 0.97  # but for ties at the boundaries
