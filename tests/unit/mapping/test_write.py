from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from odc.geo.geobox import GeoBox
from rasterio.enums import ColorInterp
from rio_cogeo.cogeo import cog_validate

from cerradata.core.errors import LegendError, OutputError, SceneError
from cerradata.core.types import BoolArray, LabelArray
from cerradata.legend import LandCoverClass, Legend, Level
from cerradata.mapping.merge import Strip
from cerradata.mapping.write import MapFiles, most_probable, write_map

# rasterio 1.4's WarpedVRT, which rio-cogeo uses, multiplies transforms in a way that affine 3 will drop.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")

LEVEL = Level(
    1,
    (
        LandCoverClass(0, "Água & lagos", "water", (0, 0, 200)),
        LandCoverClass(1, "Forest", "forest", (0, 100, 0)),
        LandCoverClass(2, "Pasture", "pasture", (240, 220, 130)),
    ),
)
LEGEND = Legend("three", "Three classes", (LEVEL,), {})
HEIGHT, WIDTH = 1100, 600  # more than two blocks of 512 rows: the file needs overviews


def grid(height: int = HEIGHT, width: int = WIDTH) -> GeoBox:
    return GeoBox((height, width), Affine(10, 0, 700_000, 0, -10, 9_400_000), "EPSG:32723")


def expected_classes(height: int = HEIGHT, width: int = WIDTH) -> LabelArray:
    """Blocks of 100 rows of each class in turn; the left 50 columns hold nothing."""
    values = np.broadcast_to((np.arange(height) // 100 % 3)[:, None], (height, width)).astype(np.uint8)
    values[:, :50] = 255
    return values


def strips_of(values: LabelArray, rows: int = 190) -> Iterator[Strip]:
    for row in range(0, values.shape[0], rows):
        part = values[row : row + rows]
        probabilities = np.stack([np.where(part == k, 0.6, 0.2) for k in range(3)]).astype(np.float32)
        yield Strip(row, probabilities, part != 255)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> MapFiles:
    path = tmp_path_factory.mktemp("maps") / "bico.tif"
    return write_map(path, strips_of(expected_classes()), grid(), LEVEL, LEGEND, {"CERRADATA_RUN": "run-7"})


def test_map_holds_the_classes_on_the_grid_with_no_data_as_255(written: MapFiles) -> None:
    with rasterio.open(written.map) as file:
        np.testing.assert_array_equal(file.read(1), expected_classes())
        assert (file.dtypes, file.nodata) == (("uint8",), 255)
        assert file.crs.to_epsg() == 32723
        assert file.transform == grid().affine
        np.testing.assert_array_equal(file.read_masks(1) == 0, expected_classes() == 255)


def test_map_is_a_valid_cloud_optimised_geotiff_beside_its_sidecar(written: MapFiles) -> None:
    valid, errors, warnings = cog_validate(written.map, strict=True)
    assert (valid, errors, warnings) == (True, [], [])
    with rasterio.open(written.map) as file:
        assert file.profile["compress"] == "deflate"
        assert file.block_shapes == [(512, 512)]
        assert file.overviews(1) == [2, 4]


def test_overviews_hold_the_most_frequent_class_and_never_an_average(written: MapFiles) -> None:
    with rasterio.open(written.map, overview_level=0) as file:
        overview = file.read(1)
        kinds = file.tags()["OVERVIEW_RESAMPLING"]
    assert kinds == "MODE"
    np.testing.assert_array_equal(overview, expected_classes()[::2, ::2])  # all blocks have even sizes


def test_map_says_what_it_is(written: MapFiles) -> None:
    with rasterio.open(written.map) as file:
        tags = file.tags()
        assert file.descriptions == ("Three classes, level 1",)
    assert tags["CERRADATA_RUN"] == "run-7"
    assert tags["CERRADATA_LEGEND"] == "three"
    assert tags["CERRADATA_LEVEL"] == "1"
    assert tags["CERRADATA_CLASSES"] == "0=Água & lagos; 1=Forest; 2=Pasture"


def test_colours_are_those_of_the_legend_and_no_data_is_transparent(written: MapFiles) -> None:
    with rasterio.open(written.map) as file:
        colours = file.colormap(1)
        assert file.colorinterp == (ColorInterp.palette,)
    assert [colours[c.id] for c in LEVEL.classes] == [(*c.colour, 255) for c in LEVEL.classes]
    assert colours[255][3] == 0


def test_gdal_reads_the_class_names_from_the_sidecar(written: MapFiles, tmp_path: Path) -> None:
    copy = tmp_path / "copy.vrt"
    rasterio.shutil.copy(written.map, copy, driver="VRT")  # a VRT repeats the category names that GDAL knows
    names = [entry.text for entry in ET.parse(copy).iter("Category")]
    assert names == list(LEVEL.names)


def test_files_stand_beside_each_other_and_nothing_else_is_left(written: MapFiles) -> None:
    assert written.style.name == "bico.qml"
    assert written.sidecar.name == "bico.tif.aux.xml"
    found = {file.name for file in written.map.parent.iterdir()}
    assert found == {"bico.tif", "bico.qml", "bico.tif.aux.xml"}
    assert "Pasture" in written.style.read_text(encoding="utf-8")


def test_pixels_are_counted_by_class(written: MapFiles) -> None:
    values, counts = np.unique(expected_classes(), return_counts=True)
    assert dict(enumerate(written.pixels)) | {255: written.pixels_without_data} == dict(
        zip(values.tolist(), counts.tolist(), strict=True)
    )


@pytest.mark.parametrize(
    ("height", "width", "overviews"), [(1, 1, []), (40, 30, []), (512, 512, []), (3, 1100, [2, 4]), (520, 500, [2])]
)
def test_small_and_narrow_maps_are_valid_too(tmp_path: Path, height: int, width: int, overviews: list[int]) -> None:
    values = expected_classes(height, width)
    files = write_map(tmp_path / "small.tif", strips_of(values), grid(height, width), LEVEL, LEGEND, {})
    with rasterio.open(files.map) as file:
        np.testing.assert_array_equal(file.read(1), values)
        assert file.overviews(1) == overviews
    assert cog_validate(files.map, strict=True, quiet=True) == (True, [], [])


def test_map_that_is_there_is_replaced_with_its_class_names(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    values = expected_classes(20, 60)
    write_map(path, strips_of(values), grid(20, 60), LEVEL, LEGEND, {})
    renamed = Level(1, tuple(LandCoverClass(c.id, f"New {c.name}", c.short, c.colour) for c in LEVEL.classes))
    again = Legend("renamed", "Renamed", (renamed,), {})
    files = write_map(path, strips_of(np.where(values == 0, 2, values)), grid(20, 60), renamed, again, {})
    with rasterio.open(path) as file:
        assert np.unique(file.read(1)).tolist() == [2, 255]
        assert file.tags()["CERRADATA_LEGEND"] == "renamed"
    assert "New Forest" in files.sidecar.read_text(encoding="utf-8")


def mask_like(values: LabelArray, *, valid: bool) -> BoolArray:
    return np.full(values.shape, valid)


def test_most_probable_takes_the_first_of_equals_and_255_without_data() -> None:
    probabilities = np.array([[[0.1, 0.4, 0.0]], [[0.2, 0.4, 0.0]], [[0.7, 0.2, 0.0]]], np.float32)
    valid = np.array([[True, True, False]])
    assert most_probable(Strip(0, probabilities, valid)).tolist() == [[2, 0, 255]]


def test_most_probable_equals_the_argmax() -> None:
    probabilities = np.random.default_rng(5).random((14, 7, 11), np.float32)
    found = most_probable(Strip(0, probabilities, np.ones((7, 11), bool)))
    np.testing.assert_array_equal(found, probabilities.argmax(axis=0))
    assert found.dtype == np.uint8


def test_nothing_appears_when_the_strips_fail(tmp_path: Path) -> None:
    def failing() -> Iterator[Strip]:
        yield from strips_of(expected_classes(20, 60))
        raise SceneError("B04.jp2 is cut off")

    with pytest.raises(SceneError, match="cut off"):
        write_map(tmp_path / "map.tif", failing(), grid(40, 60), LEVEL, LEGEND, {})
    assert list(tmp_path.iterdir()) == []


def test_strips_that_end_too_early_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="end at row 20, its grid has 40"):
        write_map(tmp_path / "map.tif", strips_of(expected_classes(20, 60)), grid(40, 60), LEVEL, LEGEND, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("strip", "words"),
    [
        (Strip(0, np.zeros((2, 5, 60), np.float32), np.ones((5, 60), bool)), "have 2 classes"),
        (Strip(1, np.zeros((3, 5, 60), np.float32), np.ones((5, 60), bool)), "row 0 is next"),
        (Strip(0, np.zeros((3, 41, 60), np.float32), np.ones((41, 60), bool)), "40 rows and 60 columns"),
        (Strip(0, np.zeros((3, 5, 59), np.float32), np.ones((5, 59), bool)), "40 rows and 60 columns"),
        (Strip(0, np.zeros((3, 5, 60), np.float32), np.ones((5, 59), bool)), "40 rows and 60 columns"),
    ],
)
def test_strips_that_do_not_fit_are_refused(tmp_path: Path, strip: Strip, words: str) -> None:
    with pytest.raises(OutputError, match=words):
        write_map(tmp_path / "map.tif", [strip], grid(40, 60), LEVEL, LEGEND, {})


def test_level_of_another_legend_is_refused(tmp_path: Path) -> None:
    other = Level(1, LEVEL.classes[:2])
    with pytest.raises(LegendError, match="not that of the legend 'three'"):
        write_map(tmp_path / "map.tif", [], grid(40, 60), other, LEGEND, {})


def test_name_without_the_suffix_of_a_geotiff_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"ends in \.tif"):
        write_map(tmp_path / "map.png", [], grid(40, 60), LEVEL, LEGEND, {})
