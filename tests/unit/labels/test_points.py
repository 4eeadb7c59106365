from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from cerradata.core.errors import LabelError
from cerradata.core.locations import Location
from cerradata.core.types import UNLABELLED
from cerradata.labels import ReferenceSource, open_reference
from cerradata.labels.points import PointCounts, PointReference
from cerradata.legend import load_legend
from cerradata.legend.legend import SourceCodes

CRS, WEST, NORTH = "EPSG:32722", 700_020.0, 9_000_000.0
GRID = GeoBox((40, 50), Affine(10, 0, WEST, 0, -10, NORTH), CRS)
CODES = SourceCodes("field", {"Pasture": 0, "Cerrado": 1, 14: 10}, ("Cloud",))
HEADER = "id,longitude,latitude,start_date,end_date,label,cube\n"
Factory = Callable[..., Path]


def degrees(row: float, column: float) -> tuple[float, float]:
    """Longitude and latitude of a place on the grid, in pixels from its corner."""
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    longitude, latitude = to_degrees.transform(WEST + 10 * column, NORTH - 10 * row)
    return float(longitude), float(latitude)


def line(row: float, column: float, label: str, start: str = "2022-01-01", end: str = "2022-12-31") -> str:
    longitude, latitude = degrees(row, column)
    return f"7,{longitude:.8f},{latitude:.8f},{start},{end},{label},S2-16D\n"


def write(tmp_path: Path, *lines: str, header: str = HEADER) -> Location:
    path = tmp_path / "samples.csv"
    path.write_text(header + "".join(lines), encoding="utf-8")
    return Location(path)


def labelled(labels: npt.NDArray[np.integer]) -> dict[tuple[int, int], int]:
    return {(int(r), int(c)): int(labels[r, c]) for r, c in np.argwhere(labels != UNLABELLED)}


def test_the_pixel_that_holds_a_point_gets_its_class(tmp_path: Path) -> None:
    lines = line(0.5, 0.5, "Pasture"), line(3.98, 7.02, "Cerrado"), line(39.5, 49.5, "14"), line(-3, 5, "Pasture")
    reference = PointReference.open(write(tmp_path, *lines), CODES)
    labels = reference.read(GRID)
    assert labels.shape == (40, 50)
    assert labels.dtype == np.uint8
    assert labelled(labels) == {(0, 0): 0, (3, 7): 1, (39, 49): 10}
    reference.check(GRID)
    assert reference.simulated is None


def test_windows_agree_with_the_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = [
        line(row, column, label)
        for row, column, label in zip(
            rng.uniform(-5, 45, 400),
            rng.uniform(-5, 55, 400),
            rng.choice(["Pasture", "Cerrado", "14"], 400),
            strict=True,
        )
    ]
    reference = PointReference.open(write(tmp_path, *lines), CODES)
    whole = reference.read(GRID)
    parts = np.block([[reference.read(GRID[r : r + 20, c : c + 25]) for c in (0, 25)] for r in (0, 20)])
    assert np.array_equal(parts, whole)
    padded = reference.read(GRID.pad(2))
    assert np.array_equal(padded[2:-2, 2:-2], whole)


def test_each_crs_gets_its_own_pixels(tmp_path: Path) -> None:
    reference = PointReference.open(write(tmp_path, line(3.5, 7.5, "Cerrado")), CODES)
    longitude, latitude = degrees(3.5, 7.5)
    geographic = GeoBox((3, 3), Affine(0.001, 0, longitude - 0.0015, 0, -0.001, latitude + 0.0015), "EPSG:4326")
    assert labelled(reference.read(geographic)) == {(1, 1): 1}
    next_zone = GRID.to_crs("EPSG:32723", resolution=10)
    assert len(labelled(reference.read(next_zone))) == 1


def test_points_of_different_classes_in_a_pixel_leave_it_without_label(tmp_path: Path) -> None:
    lines = (
        line(3.2, 7.2, "Pasture"),
        line(3.8, 7.8, "Cerrado"),
        line(3.5, 7.5, "Pasture"),
        line(9.2, 2.2, "Pasture"),
        line(9.8, 2.8, "Pasture"),
    )
    reference = PointReference.open(write(tmp_path, *lines), CODES)
    assert labelled(reference.read(GRID)) == {(9, 2): 0}
    assert reference.count(GRID) == PointCounts(points=5, pixels=1, conflicting=1)


def test_a_period_keeps_the_points_that_overlap_it(tmp_path: Path) -> None:
    lines = (
        line(1.5, 1.5, "Pasture", "2020-09-01", "2021-08-31"),
        line(2.5, 2.5, "Pasture", "2021-09-01", "2022-08-31"),
        line(3.5, 3.5, "Pasture", "2022-12-31", "2023-08-31"),
        line(4.5, 4.5, "Pasture", "2023-01-01", "2023-08-31"),
        line(5.5, 5.5, "Pasture", "2019-01-01", "2024-12-31"),
    )
    path = write(tmp_path, *lines)
    kept = labelled(PointReference.open(path, CODES, period=("2022-01-01", "2022-12-31")).read(GRID))
    assert sorted(kept) == [(2, 2), (3, 3), (5, 5)]
    with pytest.raises(LabelError, match="no point of any class of the legend from 2030-01-01 to 2030-12-31"):
        PointReference.open(path, CODES, period=("2030-01-01", "2030-12-31"))


def test_a_label_that_is_no_class_leaves_its_pixel_without_label(tmp_path: Path) -> None:
    reference = PointReference.open(write(tmp_path, line(1.5, 1.5, "Cloud"), line(2.5, 2.5, "Pasture")), CODES)
    assert labelled(reference.read(GRID)) == {(2, 2): 0}


def test_unknown_labels_are_told_with_their_counts(tmp_path: Path) -> None:
    path = write(tmp_path, *[line(1.5, 1.5, "Soy")] * 3, line(2.5, 2.5, "Cotton"), line(2.5, 2.5, "Pasture"))
    with pytest.raises(LabelError, match=r"'Soy' \(3 points\), 'Cotton' \(1 points\).*Known are 14, Cerrado, Cloud"):
        PointReference.open(path, CODES)


GOOD = "1,-48.1,-9.0,2022-01-01,2022-12-31,Pasture,c\n"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("1,,-9.0,2022-01-01,2022-12-31,Pasture,c\n", "no number as longitude or latitude in 1 row.*line 3"),
        ('1,"-48,1",-9.0,2022-01-01,2022-12-31,Pasture,c\n', "line 3 of the file: write degrees with a decimal point"),
        ("1,-9.0,-148.1,2022-01-01,2022-12-31,Pasture,c\n", "line 3 of the file: they look swapped"),
        ("1,700020,9000000,2022-01-01,2022-12-31,Pasture,c\n", "give degrees in WGS 84, not metres"),
        ("1,-48.1,-9.0,2022-01-01,2022-12-31,,c\n", "no label in 1 row"),
        ("1,-48.1,-9.0,2022-01-01,2022-12-31,NA,c\n", "no label in 1 row"),
        ("1,-48.1,-9.0,01/02/2022,2022-12-31,Pasture,c\n", "no date in `start_date`.*line 3.*write YYYY-MM-DD"),
        ("1,-48.1,-9.0,2022-01-01,,Pasture,c\n", "no date in `end_date`"),
        ("1,-48.1,-9.0,2022-12-31,2022-01-01,Pasture,c\n", "an end_date before the start_date"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, bad: str, words: str) -> None:
    with pytest.raises(LabelError, match=words):
        PointReference.open(write(tmp_path, GOOD, bad, GOOD), CODES)


def test_of_many_bad_rows_the_first_are_named(tmp_path: Path) -> None:
    bad = "1,-48.1,-9.0,2022-01-01,2022-12-31,,c\n"
    with pytest.raises(LabelError, match=r"in 30 row\(s\), line 2, 3, .*11, \.\.\. of the file"):
        PointReference.open(write(tmp_path, *[bad] * 30), CODES)


def test_a_table_of_another_form_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        LabelError, match="lacks the column longitude, latitude: it has x, y, label, start_date, end_date"
    ):
        PointReference.open(
            write(tmp_path, "1,2,a,2022-01-01,2022-12-31\n", header="x,y,label,start_date,end_date\n"), CODES
        )
    with pytest.raises(LabelError, match="holds no point"):
        PointReference.open(write(tmp_path), CODES)
    with pytest.raises(LabelError, match="There is no reference"):
        PointReference.open(Location(tmp_path / "nothing.csv"), CODES)
    path = tmp_path / "latin.csv"
    path.write_bytes((HEADER + line(1, 1, "Área")).encode("latin-1"))
    with pytest.raises(LabelError, match="CSV in UTF-8"):
        PointReference.open(Location(path), CODES)


def test_points_elsewhere_are_refused(tmp_path: Path) -> None:
    reference = PointReference.open(write(tmp_path, "1,-60.5,-3.2,2022-01-01,2022-12-31,Pasture,c\n"), CODES)
    with pytest.raises(LabelError, match=r"No point .* -60\.5000.*must be of the same place"):
        reference.check(GRID)


def test_longitude_and_latitude_in_each_others_place_are_seen(tmp_path: Path) -> None:
    longitude, latitude = degrees(3.5, 7.5)
    swapped = f"1,{latitude},{longitude},2022-01-01,2022-12-31,Pasture,c\n"
    reference = PointReference.open(write(tmp_path, swapped), CODES)
    with pytest.raises(LabelError, match="in each other's place they do"):
        reference.check(GRID)


def test_extent_holds_every_point(tmp_path: Path) -> None:
    reference = PointReference.open(write(tmp_path, line(1.5, 1.5, "Pasture"), line(30, 40, "Pasture")), CODES)
    west, south, east, north = reference.extent.boundingbox.bbox
    assert (west, north) == pytest.approx(degrees(1.5, 1.5), abs=1e-4)
    assert (east, south) == pytest.approx(degrees(30, 40), abs=1e-4)
    assert str(reference.extent.crs) == "EPSG:4326"


def test_as_a_reference_with_a_crosswalk(tmp_path: Path) -> None:
    table = tmp_path / "crosswalk.csv"
    table.write_text('from,to\nPastagem,Pasture\nSoja,"Temporary agriculture, 1 cycle"\nNuvem,unlabelled\n', "utf-8")
    path = write(tmp_path, line(1.5, 1.5, "Pastagem"), line(2.5, 2.5, "Soja"), line(3.5, 3.5, "Nuvem"))
    source = ReferenceSource(points=path, crosswalk=Location(table), period=("2022-06-01", "2022-06-30"))
    assert source.location == path
    reference = open_reference(source, load_legend("cerradata-4mm"))
    assert labelled(np.asarray(reference.read(GRID))) == {(1, 1): 0, (2, 2): 10}


def test_a_raster_of_another_legend_through_a_crosswalk(tmp_path: Path, make_raster: Factory) -> None:
    codes = np.zeros((40, 50), np.uint8)
    codes[:10], codes[10:20], codes[20:30] = 3, 15, 21
    table = tmp_path / "mapbiomas.csv"
    table.write_text(
        "from,to\n0,unlabelled\n3,Primary natural vegetation\n15,Pasture\n21,Pasture\n21,Mining\n", encoding="utf-8"
    )
    source = ReferenceSource(
        raster=Location(make_raster(tmp_path / "mapbiomas.tif", codes)),
        crosswalk=Location(table),
        ambiguous="unlabelled",
    )
    reference = open_reference(source, load_legend("cerradata-4mm"))
    reference.check(GRID)
    assert reference.read(GRID)[[5, 15, 25, 35], 20].tolist() == [1, 0, UNLABELLED, UNLABELLED]
