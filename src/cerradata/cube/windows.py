"""Time windows: named spans of dates, and which scenes belong to each."""

import datetime as dt
from collections.abc import Mapping, Sequence

from cerradata.core.errors import ConfigError
from cerradata.scenes import Scene
from cerradata.scenes.source import parse_date

TimeWindows = Mapping[str, tuple[str, str]]


def band_names(bands: Sequence[str], windows: Sequence[str]) -> tuple[str, ...]:
    """Band names on disk: `B04`, or `B04@dry` for each window, window by window."""
    if not windows:
        return tuple(bands)
    return tuple(f"{band}@{window}" for window in windows for band in bands)


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
        first, last = _span(name, span)
        result[name] = [scene for scene in scenes if scene.date is not None and first <= scene.date <= last]
        if not result[name]:
            dates = ", ".join(sorted(str(scene.date) for scene in scenes))
            raise ConfigError(f"Time window {name!r} ({first} to {last}) holds no scene: the scenes are of {dates}.")
    return result


def _span(name: str, span: tuple[str, str]) -> tuple[dt.date, dt.date]:
    if not name or any(character in name for character in "@;,= "):
        raise ConfigError(f"Time window {name!r}: a name has no blank and none of @ ; , =")
    first, last = (parse_date(text) for text in span)
    if last < first:
        raise ConfigError(f"Time window {name!r} ends on {last}, before it starts on {first}.")
    return first, last
