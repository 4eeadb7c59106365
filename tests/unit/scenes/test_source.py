from typing import Any

import pytest

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.scenes import SceneSource
from cerradata.scenes.source import parse_date

PATH = Location("/data/scene")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"sensor": "sentinel-1", "unit": "db", "cloud_mask": "scl"}, "`cloud_mask` is for sentinel-2"),
        ({"sensor": "sentinel-2", "offset": 1000}, "an offset of 1000 would be added.*keep the sign"),
        ({"sensor": "sentinel-2", "offset": 0, "unit": "db"}, "`unit` is for sentinel-1, not sentinel-2"),
        ({"sensor": "sentinel-2", "offset": 0, "calibration": "gamma0"}, "`calibration` is for sentinel-1"),
        ({"sensor": "sentinel-2", "offset": 0, "bands": ()}, r"`bands` is \[\]: name one band or more"),
        ({"sensor": "sentinel-2", "offset": 0, "bands": ("B02", "B02")}, "each once"),
        ({"sensor": "sentinel-2", "offset": 0, "date": "10/07/2022"}, "'10/07/2022' is no date: write YYYY-MM-DD"),
        ({"sensor": "sentinel-2", "processing_baseline": "5.1"}, "`processing_baseline` is '5.1': write it as '05.10'"),
        ({"sensor": "elevation", "processing_baseline": "05.10"}, "`processing_baseline` is for sentinel-2"),
        ({"sensor": "sentinel-1", "unit": "db", "cloud_dilation": 3}, "`cloud_dilation` is for sentinel-2"),
        ({"sensor": "sentinel-1"}, "`unit` is missing: amplitude, linear or db"),
        ({"sensor": "sentinel-1", "unit": "db", "offset": -1000}, "`offset` is for sentinel-2, not sentinel-1"),
        ({"sensor": "elevation", "product_level": "L2A"}, "`product_level` is for sentinel-2, not elevation"),
        ({"sensor": "elevation", "relative_orbit": 3}, "`relative_orbit` is for sentinel-1, not elevation"),
        ({"sensor": "sentinel-2", "border": 500.0}, "`border` is for sentinel-1, not sentinel-2"),
        ({"sensor": "sentinel-2", "masked_scl": (3, 12)}, "`masked_scl` names 12: .* the classes 0 to 11"),
        ({"sensor": "sentinel-2", "masked_scl": (-1,)}, "`masked_scl` names -1"),
        ({"sensor": "sentinel-1", "unit": "db", "border": -1.0}, r"`border` is -1\.0: give metres, 0 or more"),
        ({"sensor": "sentinel-1", "unit": "db", "border": float("nan")}, "`border` is nan: give metres"),
        ({"sensor": "sentinel-1", "unit": "db", "border": float("inf")}, "`border` is inf: give metres"),
    ],
)
def test_what_is_not_or_wrongly_declared_is_told(said: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SceneSource(path=PATH, **said)


def test_dates_that_do_not_exist_are_told() -> None:
    with pytest.raises(ConfigError, match="'2022-02-30' is no date"):
        parse_date("2022-02-30")


def test_a_sentinel2_scene_may_leave_its_offset_to_its_metadata() -> None:
    source = SceneSource("sentinel-2", PATH)
    assert (source.offset, source.cloud_mask, source.masked_scl) == (None, None, (0, 1, 3, 8, 9, 10))
