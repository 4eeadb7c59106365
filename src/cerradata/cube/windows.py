"""Groups of scenes that become one image each: by time window, and for radar by pass and relative orbit."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from cerradata.core.errors import ConfigError
from cerradata.scenes import Scene
from cerradata.scenes.source import parse_date

TimeWindows = Mapping[str, tuple[str, str]]
OrbitRule = Literal["one", "one-pass", "by-pass", "separate", "mixed"]
"""Whether radar scenes of several passes and relative orbits may meet in one image, see `scenes_by_orbit`."""

_UNKNOWN = "unknown"


def band_names(bands: Sequence[str], windows: Sequence[str]) -> tuple[str, ...]:
    """Band names on disk: `B04`, or `B04@dry` for each window, window by window."""
    if not windows:
        return tuple(bands)
    return tuple(f"{band}@{window}" for window in windows for band in bands)


def monthly_windows(year: int, months: int) -> dict[str, tuple[str, str]]:
    """Time windows of whole months that divide a year: `2022-01/2022-02`, `2022-03/2022-04`, ...

    Args:
        year: The year.
        months: Months of a window: 1, 2, 3, 4, 6 or 12.

    Raises:
        ConfigError: If a year cannot be divided so.
    """
    if months not in (1, 2, 3, 4, 6, 12):
        raise ConfigError(f"monthly_windows: {months} months do not divide a year: give 1, 2, 3, 4, 6 or 12.")
    result = {}
    for first in range(1, 13, months):
        last = first + months - 1
        end = dt.date(year + last // 12, last % 12 + 1, 1) - dt.timedelta(days=1)
        name = f"{year}-{first:02d}" if months == 1 else f"{year}-{first:02d}/{year}-{last:02d}"
        result[name] = (f"{year}-{first:02d}-01", str(end))
    return result


def scenes_by_window(scenes: Sequence[Scene], windows: TimeWindows) -> dict[str, list[Scene]]:
    """Scenes of each time window, in the order given.

    Args:
        scenes: Scenes with dates.
        windows: First and last day (YYYY-MM-DD, both belong to it) by name. Empty: one nameless window with all scenes.

    Raises:
        ConfigError: If a window is empty or ends before it starts, or a scene has no date.
    """
    if not windows:
        return {"": list(scenes)}
    undated = [scene.name for scene in scenes if scene.date is None]
    if undated:
        raise ConfigError(f"Scene {undated[0]} has no date, but there are time windows: give its `date`.")
    result = {}
    for name, span in windows.items():
        first, last = window_span(name, span)
        result[name] = [scene for scene in scenes if scene.date is not None and first <= scene.date <= last]
        if not result[name]:
            dates = ", ".join(sorted({str(scene.date) for scene in scenes}))
            raise ConfigError(f"Time window {name!r} ({first} to {last}) holds no scene: the scenes are of {dates}.")
    return result


def scenes_of_dates(scenes: Sequence[Scene], dates: tuple[str, str] | None) -> tuple[Scene, ...]:
    """Scenes of a span of days, and elevation, which has none.

    Args:
        scenes: Scenes; those of other sensors than elevation with dates.
        dates: First and last day (YYYY-MM-DD, both belong to it); None: all scenes.

    Raises:
        ConfigError: If no scene is of these days, or one has no date.
    """
    if dates is None:
        return tuple(scenes)
    dated = [scene for scene in scenes if scene.sensor != "elevation"]
    inside = {id(scene) for scene in scenes_by_window(dated, {"dates": dates})["dates"]}
    return tuple(scene for scene in scenes if scene.sensor == "elevation" or id(scene) in inside)


def scenes_by_orbit(scenes: Sequence[Scene], rule: OrbitRule) -> dict[str, list[Scene]]:
    """Radar scenes that may meet in one image: a slope is bright in one pass and dark in the other.

    Args:
        scenes: Scenes of Sentinel-1.
        rule: `one`: all must be of one pass and one relative orbit. `one-pass`: all must be of one pass; its orbits meet in
            one image. `by-pass`: an image for each pass (`descending`), whatever the orbit. `separate`: an image for each
            pass and relative orbit (`descending-68`). `mixed`: one image of all.

    Returns:
        By name; one group without a name where there is nothing to tell apart.

    Raises:
        ConfigError: If `one` or `one-pass`, and there are several; or if they shall be told apart and a scene does not say
            its own.
    """
    if rule == "mixed":
        return {"": list(scenes)}
    keys = [_orbit_key(scene, by_pass=rule in ("by-pass", "one-pass")) for scene in scenes]
    if rule in ("one", "one-pass"):
        if len(set(keys)) > 1:
            counts = {key: keys.count(key) for key in sorted(set(keys))}
            listed = "; ".join(f"{key}: {counts[key]}, {scenes[keys.index(key)].name} for one" for key in counts)
            raise ConfigError(
                f"The Sentinel-1 scenes are of several passes or relative orbits ({listed}), whose backscatter is not the "
                "same. Leave some out, or say what shall be with `sar.orbits`: one-pass (orbits of one pass may meet), by-pass "
                "(bands of their own for each pass), separate (for each pass and orbit) or mixed."
            )
        return {"": list(scenes)}
    unknown = [scene.name for scene, key in zip(scenes, keys, strict=True) if _UNKNOWN in key]
    if unknown:
        raise ConfigError(
            f"Scene {unknown[0]} does not say its pass and relative orbit, by which the scenes shall be told apart: give "
            "`orbit_pass` and `relative_orbit`."
        )
    return {name: [scene for scene, key in zip(scenes, keys, strict=True) if key == name] for name in sorted(set(keys))}


def group_names(windows: TimeWindows, orbits: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Name of each group, its time window and its orbit; what is nameless leaves no trace in the name."""
    for window in windows or ("",):
        for orbit in orbits:
            yield "-".join(part for part in (window, orbit) if part), window, orbit


def window_span(name: str, span: tuple[str, str]) -> tuple[dt.date, dt.date]:
    """First and last day of a time window.

    Raises:
        ConfigError: If its name cannot be part of a band name, or it ends before it starts.
    """
    if not name or any(character in name for character in "@;,= "):
        raise ConfigError(f"Time window {name!r}: a name has no blank and none of @ ; , =")
    first, last = (parse_date(text) for text in span)
    if last < first:
        raise ConfigError(f"Time window {name!r} ends on {last}, before it starts on {first}.")
    return first, last


def _orbit_key(scene: Scene, *, by_pass: bool) -> str:
    orbit_pass = scene.radiometry.orbit_pass or _UNKNOWN
    if by_pass:
        return orbit_pass
    orbit = scene.radiometry.relative_orbit
    return f"{orbit_pass}-{_UNKNOWN if orbit is None else orbit}"
