import datetime as dt

import pytest

from cerradata.core.errors import ConfigError
from cerradata.cube.windows import band_names, monthly_windows, scenes_by_window
from cerradata.scenes import Radiometry, Scene

RADIOMETRY = Radiometry("elevation", ("elevation",), "metre")
DRY_AND_WET = {"dry": ("2022-06-01", "2022-09-30"), "wet": ("2022-01-01", "2022-03-31")}


def scene(date: str | None) -> Scene:
    day = None if date is None else dt.date.fromisoformat(date)
    return Scene(f"scene of {date}", "elevation", day, {}, RADIOMETRY)


def test_names_of_bands_window_by_window() -> None:
    assert band_names(["B04", "B08"], ["dry", "wet"]) == ("B04@dry", "B08@dry", "B04@wet", "B08@wet")
    assert band_names(["B04", "B08"], []) == ("B04", "B08")


def test_scenes_go_to_their_windows_in_the_order_given() -> None:
    scenes = [scene(d) for d in ("2022-09-30", "2022-01-01", "2022-06-01", "2022-04-15", "2022-03-31")]
    groups = scenes_by_window(scenes, DRY_AND_WET)
    assert {name: [str(s.date) for s in found] for name, found in groups.items()} == {
        "dry": ["2022-09-30", "2022-06-01"],  # the first and the last day belong to a window
        "wet": ["2022-01-01", "2022-03-31"],
    }


def test_without_windows_dates_do_not_matter() -> None:
    scenes = [scene(None), scene("2022-01-01")]
    assert scenes_by_window(scenes, {}) == {"": scenes}


@pytest.mark.parametrize(
    ("windows", "words"),
    [
        ({"dry": ("2022-05-01", "2022-05-31")}, "holds no scene: the scenes are of 2022-06-15"),
        ({"dry": ("2022-09-30", "2022-06-01")}, "ends on 2022-06-01, before it starts on 2022-09-30"),
        ({"dry": ("2022-06", "2022-09-30")}, "'2022-06' is no date"),
        ({"dry season": ("2022-06-01", "2022-09-30")}, "a name has no blank"),
        ({"dry@2022": ("2022-06-01", "2022-09-30")}, "a name has no blank and none of @"),
        ({"": ("2022-06-01", "2022-09-30")}, "Time window ''"),
    ],
)
def test_windows_that_cannot_work_are_told(windows: dict[str, tuple[str, str]], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        scenes_by_window([scene("2022-06-15")], windows)


def test_a_scene_without_a_date_is_told() -> None:
    with pytest.raises(ConfigError, match="Scene scene of None has no date"):
        scenes_by_window([scene("2022-06-15"), scene(None)], DRY_AND_WET)


def test_a_year_divided_into_months() -> None:
    windows = monthly_windows(2024, 2)
    assert list(windows)[:2] == ["2024-01/2024-02", "2024-03/2024-04"]
    assert windows["2024-01/2024-02"] == ("2024-01-01", "2024-02-29")
    assert windows["2024-11/2024-12"] == ("2024-11-01", "2024-12-31")
    assert monthly_windows(2023, 1)["2023-02"] == ("2023-02-01", "2023-02-28")
    assert len(monthly_windows(2022, 12)) == 1
    with pytest.raises(ConfigError, match="5 months do not divide a year"):
        monthly_windows(2022, 5)
