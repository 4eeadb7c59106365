import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cerradata.core.errors import SceneError
from cerradata.core.locations import Location
from cerradata.scenes import SceneSource, open_scene
from cerradata.scenes.metadata import ProductMetadata, product_offset, read_name
from cerradata.scenes.open import stated_metadata

Factory = Callable[..., Path]
Write = Callable[[Path], object]
APPLIED = {"earthsearch:boa_offset_applied": True}
BASELINES = {"L1C": ("RADIO_ADD_OFFSET", "QUANTIFICATION_VALUE"), "L2A": ("BOA_ADD_OFFSET", "BOA_QUANTIFICATION_VALUE")}


def write_safe(folder: Path, level: str = "L2A", offsets: Sequence[int] = (), quantification: int = 10_000) -> Path:
    """Metadata of a product with as many elements as are read; without offsets as before baseline 04.00."""
    offset_name, quantification_name = BASELINES[level]
    listed = "".join(f'<{offset_name} band_id="{i}">{offset}</{offset_name}>' for i, offset in enumerate(offsets))
    path = folder / f"MTD_MSI{level}.xml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<n1:Level-{level[1:]}_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/Product.xsd">'
        "<PRODUCT_START_TIME>2022-07-10T13:22:31.024Z</PRODUCT_START_TIME>"
        f"<PROCESSING_BASELINE>{'04.00' if offsets else '03.01'}</PROCESSING_BASELINE>"
        f'<{quantification_name} unit="none">{quantification}</{quantification_name}>'
        f'<AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE><List>{listed}</List>'
        f"</n1:Level-{level[1:]}_User_Product>"
    )
    return path


def write_item(
    folder: Path,
    assets: Mapping[str, Mapping[str, Any]],
    properties: Mapping[str, Any] | None = None,
    name: str = "item.json",
) -> Path:
    """A STAC item of a day in July."""
    said = {"datetime": "2022-07-11T13:22:31Z", **(properties or {})}
    item = {"type": "Feature", "stac_version": "1.1.0", "id": "july", "properties": said, "assets": assets}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(item))
    return folder / name


def stac_1_0(*scaling: Mapping[str, float]) -> dict[str, Any]:
    """Assets of the first bands as catalogues of STAC 1.0 have them: `raster:bands`, keys by colour."""
    bands = zip(("coastal", "blue", "green"), ("B01", "B02", "B03"), scaling, strict=False)
    return {
        colour: {
            "href": f"./{band}.tif",
            "eo:bands": [{"name": colour}],
            "raster:bands": [{"nodata": 0, "data_type": "uint16", **own}],
        }
        for colour, band, own in bands
    }


def stac_1_1(scale: float, offset: float) -> dict[str, Any]:
    """One asset as in STAC 1.1: scale and offset of the asset, one band described in the new and in the old way."""
    described = {"bands": [{"name": "B02", "eo:common_name": "blue"}], "eo:bands": [{"name": "B02"}]}
    return {"B02_10m": {"href": "x/B02_10m.jp2", **described, "raster:scale": scale, "raster:offset": offset}}


def read_metadata(folder: Path) -> ProductMetadata:
    return stated_metadata(SceneSource("sentinel-2", Location(folder)))


def offset_of(folder: Path, declared: int | None = None) -> float:
    radiometry = open_scene(SceneSource("sentinel-2", Location(folder), offset=declared)).radiometry
    return round(radiometry.offset / radiometry.scale, 6)


@pytest.fixture
def folder(tmp_path: Path, make_sentinel2_folder: Factory) -> Path:
    return make_sentinel2_folder(tmp_path / "july", size=12, bands=("B02", "B03"))


TRUE = {"scale": 1e-4, "offset": -0.1}
NONE = {"scale": 1e-4, "offset": 0}


@pytest.mark.parametrize(
    ("write", "declared", "expected"),
    [
        pytest.param(lambda _: None, -1000, -1000, id="declared"),
        pytest.param(lambda f: write_safe(f, offsets=[-1000] * 13), 0, 0, id="declared wins over metadata"),
        pytest.param(lambda f: write_safe(f, offsets=[-1000] * 13), None, -1000, id="L2A"),
        pytest.param(lambda f: write_safe(f), None, 0, id="L2A before 04.00"),
        pytest.param(lambda f: write_safe(f, "L1C", [-1000] * 13), None, -1000, id="L1C"),
        pytest.param(lambda f: write_safe(f, "L1C"), None, 0, id="L1C before 04.00"),
        pytest.param(lambda f: write_safe(f / "X.SAFE", offsets=[-1000]), None, -1000, id="in a folder below"),
        pytest.param(lambda f: write_item(f, stac_1_0(TRUE, TRUE)), None, -1000, id="STAC 1.0"),
        pytest.param(lambda f: write_item(f, stac_1_0({"scale": 1e-4})), None, 0, id="scale without offset"),
        pytest.param(lambda f: write_item(f, stac_1_0({"offset": -0.1})), None, -1000, id="offset without scale"),
        pytest.param(lambda f: write_item(f, stac_1_1(1e-4, -0.1)), None, -1000, id="STAC 1.1"),
        pytest.param(lambda f: write_item(f, stac_1_1(1e-4, 0)), None, 0, id="STAC 1.1 without offset"),
        pytest.param(lambda f: write_item(f, stac_1_0(NONE), APPLIED), None, 0, id="applied, and none stated"),
        pytest.param(lambda f: write_item(f, stac_1_0(TRUE), APPLIED), 0, 0, id="applied, declared wins"),
        pytest.param(
            lambda f: (write_safe(f, offsets=[-1000]), write_item(f, stac_1_0(TRUE))), None, -1000, id="both agree"
        ),
        pytest.param(
            lambda f: (write_safe(f, offsets=[-1000]), write_item(f, stac_1_0({}))), None, -1000, id="item says nothing"
        ),
        pytest.param(lambda f: write_safe(f, offsets=[-1000, -1100]), -1000, -1000, id="differing, declared wins"),
    ],
)
def test_where_the_offset_comes_from(folder: Path, write: Write, declared: int | None, expected: int) -> None:
    write(folder)
    assert offset_of(folder, declared) == expected


@pytest.mark.parametrize(
    ("write", "words"),
    [
        pytest.param(
            lambda _: None,
            r"july: `offset` is missing, and neither MTD_MSIL1C.xml or MTD_MSIL2A.xml nor a STAC item .* in it\. "
            "Give .*BOA_ADD_OFFSET.*RADIO_ADD_OFFSET.*not in the date",
            id="no metadata",
        ),
        pytest.param(
            lambda f: write_item(f, stac_1_0({})), "`offset` is missing", id="an item without scale and offset"
        ),
        pytest.param(
            lambda f: (f / "catalogue.json").write_text('{"type": "Catalog"}'), "`offset` is missing", id="other JSON"
        ),
        pytest.param(
            lambda f: write_item(f, stac_1_0(TRUE), APPLIED),
            r"july: the item says that the offset is out of the numbers already, and states one.*item\.json.*Look",
            id="applied, and one stated",
        ),
        pytest.param(
            lambda f: write_safe(f, offsets=[-1000, -1000, -1100]),
            r"MTD_MSIL2A\.xml state several offsets \(-1100, -1000\)",
            id="differing by band",
        ),
        pytest.param(
            lambda f: write_item(f, stac_1_0(TRUE, NONE)), r"several offsets \(-1000, 0\)", id="differing in an item"
        ),
        pytest.param(
            lambda f: (write_safe(f, offsets=[-1000]), write_item(f, stac_1_0(NONE))),
            r"MTD_MSIL2A\.xml and .*item\.json state several offsets",
            id="SAFE and item differ",
        ),
        pytest.param(
            lambda f: write_item(f, stac_1_0(NONE, {"scale": 1e-3})),
            r"item\.json states several scales for the bands \(1/1000, 1/10000\)",
            id="scales differ by band",
        ),
        pytest.param(
            lambda f: (write_item(f, {}), write_item(f, {}, name="other.json")),
            r"metadata of several products: .*item\.json, .*other\.json",
            id="two items",
        ),
        pytest.param(lambda f: (write_safe(f), write_safe(f, "L1C")), "metadata of several products", id="two levels"),
        pytest.param(
            lambda f: (f / "MTD_MSIL2A.xml").write_text("<a><b>"), r"MTD_MSIL2A\.xml is damaged .*fetch", id="cut XML"
        ),
        pytest.param(lambda f: write_safe(f, offsets=["many"]), r"MTD_MSIL2A\.xml is damaged", id="no number"),  # type: ignore[list-item]
        pytest.param(lambda f: (f / "item.json").write_text('{"type": '), r"item\.json is no JSON", id="cut JSON"),
        pytest.param(
            lambda f: write_item(f, stac_1_0({"scale": 0})), r"item\.json is no STAC item that can be", id="scale of 0"
        ),
    ],
)
def test_an_offset_that_is_not_known_for_sure_is_told(folder: Path, write: Write, words: str) -> None:
    write(folder)
    with pytest.raises(SceneError, match=words):
        offset_of(folder)


def test_metadata_that_do_not_bear_the_name_of_a_single_file_are_not_its_own(
    tmp_path: Path, make_raster: Factory
) -> None:
    path = Location(make_raster(tmp_path / "s2.tif"))
    write_safe(tmp_path)
    write_item(tmp_path, stac_1_0(TRUE))
    write_item(tmp_path, stac_1_0(TRUE), name="s2_b.json")
    with pytest.raises(SceneError, match=r"s2\.tif: `offset` is missing, and one file has no metadata beside it"):
        open_scene(SceneSource("sentinel-2", path, bands=("B02",)))
    assert stated_metadata(SceneSource("sentinel-2", path)) == ProductMetadata()


STACK = {"href": "https://example.org/s2.tif?signature=1", "eo:bands": [{"name": "B02"}, {"name": "B03"}]}


@pytest.mark.parametrize(
    ("write", "offset", "scale"),
    [
        pytest.param(lambda f: write_item(f, stac_1_0(TRUE), name="s2.json"), -1000, 1e-4, id="item of the bands"),
        pytest.param(
            lambda f: write_item(f, {"all": STACK | {"raster:bands": [TRUE, TRUE]}, **stac_1_0(NONE)}, name="s2.json"),
            *(-1000, 1e-4),
            id="the asset that is this file",
        ),
        pytest.param(
            lambda f: write_item(f, {"all": STACK | {"raster:scale": 1e-3, "raster:offset": 0}}, name="s2.json"),
            *(0, 1e-3),
            id="scale of the whole asset",
        ),
        pytest.param(
            lambda f: write_item(
                f,
                {"all": STACK | {"raster:scale": 1e-3, "bands": [{"name": "B02", "raster:scale": 1e-4}] * 2}},
                name="s2.json",
            ),
            *(0, 1e-4),
            id="STAC 1.1: the bands are nearer than the asset",
        ),
        pytest.param(
            lambda f: write_safe(f, offsets=[-1000] * 13).rename(f / "s2_MTD_MSIL2A.xml"),
            -1000,
            1e-4,
            id="renamed SAFE",
        ),
    ],
)
def test_a_single_file_has_the_metadata_beside_it_that_bear_its_name(
    tmp_path: Path, make_raster: Factory, write: Write, offset: int, scale: float
) -> None:
    path = Location(make_raster(tmp_path / "s2.tif", np.full((2, 4, 4), 1500, np.uint16)))
    write(tmp_path)
    scene = open_scene(SceneSource("sentinel-2", path, bands=("B02", "B03")))
    assert scene.radiometry.scale == pytest.approx(scale)
    assert scene.radiometry.offset == pytest.approx(offset * scale)
    assert scene.date is not None


def test_bands_of_one_file_with_different_offsets_are_told(tmp_path: Path, make_raster: Factory) -> None:
    path = Location(make_raster(tmp_path / "s2.tif", np.full((2, 4, 4), 1500, np.uint16)))
    write_item(tmp_path, {"all": STACK | {"raster:bands": [TRUE, NONE]}}, name="s2.json")
    with pytest.raises(SceneError, match=r"s2\.json state several offsets \(-1000, 0\)"):
        open_scene(SceneSource("sentinel-2", path, bands=("B02", "B03")))


def test_what_is_stated_is_told_whatever_is_declared(folder: Path) -> None:
    write_safe(folder, offsets=[-1000] * 13)
    source = SceneSource("sentinel-2", Location(folder), offset=0, product_level="L1C", processing_baseline="02.05")
    scene, stated = open_scene(source), stated_metadata(source)
    assert (scene.radiometry.offset, scene.radiometry.product_level) == (0, "L1C")
    assert scene.radiometry.processing_baseline == "02.05"
    assert (stated.offsets, stated.product_level, stated.processing_baseline) == ((-1000,), "L2A", "04.00")


def test_a_new_baseline_that_states_no_offset_is_told(folder: Path) -> None:
    path = write_safe(folder)
    path.write_text(path.read_text().replace("03.01", "05.00"))
    with pytest.raises(
        SceneError, match=r"july: the metadata of baseline 05\.00 state no BOA_ADD_OFFSET .*give `offset`"
    ):
        offset_of(folder)
    assert offset_of(folder, declared=-1000) == -1000


@pytest.mark.parametrize(
    ("name", "level", "baseline", "orbit"),
    [
        ("S2B_MSIL2A_20220710T132229_N0400_R038_T22MGU_20220710T163213.SAFE", "L2A", "04.00", 38),
        ("S2A_MSIL1C_20180710T132231_N0500_R138_T22MGU_20230710T163213.SAFE.zip", "L1C", "05.00", 138),
        ("S2C_MSIL2A_20250710T132231_N0511_R038_T22MGU_20250710T163213", "L2A", "05.11", 38),
        ("S2A_MSIL2A_20220710T132231_N0400", None, None, None),
        ("mosaic_of_S2A_MSIL1C_20180710T132231_N0500_R138_T22MGU_20230710T163213", None, None, None),
        (None, None, None, None),
    ],
)
def test_what_the_name_of_a_product_says(
    name: str | None, level: str | None, baseline: str | None, orbit: int | None
) -> None:
    found = read_name(name)
    assert (found.product_level, found.processing_baseline, found.relative_orbit) == (level, baseline, orbit)


ORBIT = "<SENSING_ORBIT_NUMBER>38</SENSING_ORBIT_NUMBER><SENSING_ORBIT_DIRECTION>DESCENDING</SENSING_ORBIT_DIRECTION>"
URI = "<PRODUCT_URI>S2A_MSIL2A_20220710T132231_N0510_R124_T22MGU_20220710T163213.SAFE</PRODUCT_URI>"


@pytest.mark.parametrize(
    ("said", "name", "orbit_pass", "orbit"),
    [
        (ORBIT + URI, "july", "descending", 38),
        (URI, "S2A_MSIL2A_20220710T132231_N0510_R081_T22MGU_20220710T163213.SAFE", None, 124),
        ("", "S2A_MSIL2A_20220710T132231_N0510_R081_T22MGU_20220710T163213.SAFE", None, 81),
        ("<PRODUCT_URI></PRODUCT_URI>", "july", None, None),
    ],
)
def test_orbit_of_a_product(
    tmp_path: Path, make_sentinel2_folder: Factory, said: str, name: str, orbit_pass: str | None, orbit: int | None
) -> None:
    folder = make_sentinel2_folder(tmp_path / name, size=12, bands=("B02",))
    path = write_safe(folder)
    path.write_text(path.read_text().replace("<List>", f"{said}<List>"))
    radiometry = open_scene(SceneSource("sentinel-2", Location(folder))).radiometry
    assert (radiometry.orbit_pass, radiometry.relative_orbit) == (orbit_pass, orbit)


def test_only_assets_that_are_bands_count(tmp_path: Path) -> None:
    pictures = {
        "visual": {"href": "TCI.tif", "eo:bands": [{"name": n} for n in ("red", "green", "blue")], "raster:scale": 1},
        "aot": {"href": "AOT.tif", "raster:bands": [{"scale": 0.001, "offset": 0}]},
        "thumbnail": {"href": "preview.jpg"},
    }
    write_item(tmp_path, {**pictures, **stac_1_0(TRUE)})
    metadata = read_metadata(tmp_path)
    assert (metadata.offsets, metadata.quantification) == ((-1000,), 10_000)


def test_date_level_and_baseline_of_a_product(tmp_path: Path) -> None:
    path = write_safe(tmp_path, offsets=[-1000])
    assert read_metadata(tmp_path) == ProductMetadata(
        offsets=(-1000,),
        quantification=10_000,
        date=dt.date(2022, 7, 10),
        product_level="L2A",
        processing_baseline="04.00",
        files=(Location(path),),
    )


@pytest.mark.parametrize(
    ("properties", "level"),
    [
        ({"processing:level": "L2A"}, "L2A"),
        ({"processing:level": "L1C"}, "L1C"),
        ({"s2:product_type": "S2MSI2A"}, "L2A"),
        ({"s2:product_type": "S2MSI1C"}, "L1C"),
        ({"processing:level": "L3"}, None),
        ({}, None),
    ],
)
def test_level_of_an_item(tmp_path: Path, properties: dict[str, str], level: str | None) -> None:
    write_item(tmp_path, {}, properties)
    assert read_metadata(tmp_path).product_level == level


def test_all_that_an_item_says(tmp_path: Path) -> None:
    said = {
        "datetime": None,
        "start_datetime": "2022-07-12T09:05:11Z",
        "s2:processing_baseline": "05.10",
        "sat:orbit_state": "descending",
        "sat:relative_orbit": 68,
        "cerradata:simulated": "world 0",
    }
    path = write_item(tmp_path, {}, said)
    assert read_metadata(tmp_path) == ProductMetadata(
        date=dt.date(2022, 7, 12),
        processing_baseline="05.10",
        orbit_pass="descending",
        relative_orbit=68,
        simulated="world 0",
        files=(Location(path),),
    )


def test_an_item_s_product_uri_fills_what_it_leaves_out(tmp_path: Path) -> None:
    write_item(tmp_path, {}, {"s2:product_uri": "S2A_MSIL2A_20220710T132231_N0510_R038_T22MGU_20220710T163213.SAFE"})
    metadata = read_metadata(tmp_path)
    assert (metadata.product_level, metadata.processing_baseline, metadata.relative_orbit) == ("L2A", "05.10", 38)


def test_the_product_s_own_file_wins_over_an_item_that_fills_its_gaps(tmp_path: Path) -> None:
    safe, item = write_safe(tmp_path), write_item(tmp_path, stac_1_0(NONE), {"cerradata:simulated": "world 0"})
    metadata = read_metadata(tmp_path)
    assert (metadata.date, metadata.processing_baseline, metadata.simulated) == (
        dt.date(2022, 7, 10),
        "03.01",
        "world 0",
    )
    assert metadata.files == (Location(safe), Location(item))


def test_a_folder_without_metadata_says_nothing(tmp_path: Path) -> None:
    assert read_metadata(tmp_path) == ProductMetadata()
    assert product_offset(ProductMetadata(), "july") is None
