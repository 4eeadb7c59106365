import pytest

from cerradata.core.types import Sensor
from cerradata.scenes.bands import MSI_BANDS, SENTINEL2, band_of_file, base_band


@pytest.mark.parametrize(
    ("name", "sensor", "band"),
    [
        ("T33UUU_20170216T102101_B02.jp2", "sentinel-2", "B02"),  # L1C
        ("T33UUU_20170216T102101_B8A.jp2", "sentinel-2", "B8A"),
        ("T23MKN_20220710T132231_B02_10m.jp2", "sentinel-2", "B02"),  # L2A
        ("T23MKN_20220710T132231_B8A_20m.jp2", "sentinel-2", "B8A"),
        ("T23MKN_20220710T132231_B09_60m.jp2", "sentinel-2", "B09"),
        ("S2A_MSIL2A_20170613T101031_87_48_B8A.tif", "sentinel-2", "B8A"),  # BigEarthNet
        ("S2A_MSIL2A_20170613T101031_87_48_B12.tif", "sentinel-2", "B12"),
        ("HLS.S30.T22MGU.2022191T132231.v2.0.B02.tif", "sentinel-2", "B02"),
        ("B04.tif", "sentinel-2", "B04"),
        ("b04.TIFF", "sentinel-2", "B04"),
        ("T23MKN_20220710T132231_TCI_10m.jp2", "sentinel-2", None),
        ("T23MKN_20220710T132231_SCL_20m.jp2", "sentinel-2", None),
        ("T23MKN_20220710T132231_PVI.jp2", "sentinel-2", None),
        ("MSK_DETFOO_B02.jp2", "sentinel-2", None),  # masks of the product's QI_DATA
        ("MSK_QUALIT_B8A.jp2", "sentinel-2", None),
        ("MSK_CLDPRB_20m.jp2", "sentinel-2", None),
        ("T23MKN_20220710T132231_B13.jp2", "sentinel-2", None),
        ("T23MKN_20220710T132231_B2.tif", "sentinel-2", None),
        ("AB02.tif", "sentinel-2", None),
        ("B02.tif.aux.xml", "sentinel-2", None),
        ("B02_B03.tif.ovr", "sentinel-2", None),
        ("S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48_VV.tif", "sentinel-1", "VV"),  # BigEarthNet
        ("S1A_IW_GRDH_1SDV_20170613T165043_33UUP_87_48_VH.tif", "sentinel-1", "VH"),
        ("s1a-iw-grd-vh-20220712t091503-20220712t091528-044068-0542a3-002.tiff", "sentinel-1", "VH"),
        ("Gamma0_VV.tif", "sentinel-1", "VV"),
        ("vv.tif", "sentinel-1", "VV"),
        ("S1A_20220712_VV_VH.tif", "sentinel-1", None),  # both, or their ratio
        ("S1A_20220712_VVVH.tif", "sentinel-1", None),
        ("S1A_20220712_HH.tif", "sentinel-1", None),
        ("S1A_20220712_VV.xml", "sentinel-1", None),
        ("dem.tif", "elevation", None),
    ],
)
def test_band_of_a_file_name(name: str, sensor: Sensor, band: str | None) -> None:
    assert band_of_file(name, sensor) == band


def test_bands_of_the_products() -> None:
    assert "".join(MSI_BANDS) == "B01B02B03B04B05B06B07B08B8AB09B11B12"
    assert list(SENTINEL2)[9:12] == ["B09", "B10", "B11"]
    assert {b.resolution for b in SENTINEL2.values()} == {10, 20, 60}
    assert [name for name, b in SENTINEL2.items() if b.resolution == 10] == ["B02", "B03", "B04", "B08"]


def test_band_without_its_time_window() -> None:
    assert base_band("B04@dry") == base_band("B04") == "B04"
