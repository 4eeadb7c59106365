"""`SceneList`: scenes as they are given on the command line or in a YAML file."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import yaml

from cerradata.commands.parser import parse_file
from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.core.types import Sensor
from cerradata.cube import GridConfig
from cerradata.patches.config import BuildConfig
from cerradata.scenes import SarUnit, SceneSource
from cerradata.scenes.bands import ELEVATION, SENTINEL1, band_of_file
from cerradata.scenes.product import holds_product, product_files


@dataclass(frozen=True)
class SceneList:
    """Scenes in a file of their own.

    Attributes:
        scenes: The scenes, in the order of preference where they overlap.
        grid: The target grid.
        time_windows: First and last day by name.
        dates: First and last day: scenes of other dates are left out.
    """

    scenes: tuple[SceneSource, ...]
    grid: GridConfig = field(default_factory=GridConfig)
    time_windows: dict[str, tuple[str, str]] | None = None
    dates: tuple[str, str] | None = None


def read_scene_list(
    locations: tuple[Location, ...],
    *,
    bands: tuple[str, ...] | None = None,
    offset: int | None = None,
    unit: SarUnit | None = None,
    product_level: str | None = None,
) -> SceneList:
    """The scenes that the words of a command line name.

    Args:
        locations: Folders, zips and files of scenes; or one YAML file with `scenes:` (and `grid:`), a build configuration for
            example.
        bands: Band names in the order of the file, for files with all bands.
        offset: Sentinel-2: the offset of all scenes; by default that of each one's metadata.
        unit: Sentinel-1: the unit of all scenes.
        product_level: Sentinel-2: "L1C" or "L2A", of all scenes; by default that of each one's metadata.

    Raises:
        ConfigError: If a file is missing, or nothing tells the sensor of a scene.
    """
    if len(locations) == 1 and locations[0].lower().endswith((".yaml", ".yml")):
        return _scenes_of_file(locations[0])
    sources = []
    for location in locations:
        if not location.is_remote and not location.path.exists():
            raise ConfigError(f"There is no scene {location}: neither a folder nor a file.")
        sensor = _sensor(location, bands)
        options: dict[str, Any] = {}
        if sensor == "sentinel-2":
            options |= {"offset": offset, "product_level": product_level}
        elif sensor == "sentinel-1":
            options["unit"] = unit
        own = None if holds_product(location) else bands
        sources.append(SceneSource(sensor, location, own, **options))
    return SceneList(tuple(sources))


def _scenes_of_file(location: Location) -> SceneList:
    if not location.path.is_file():
        raise ConfigError(f"There is no file {location}.")
    keys = yaml.safe_load(location.path.read_text(encoding="utf-8")) or {}
    if "reference" not in keys:
        found: SceneList = parse_file(location, SceneList)
        return found
    build: BuildConfig = parse_file(location, BuildConfig)
    return SceneList(build.scenes, build.grid, dict(build.windows), build.dates)


def _sensor(location: Location, bands: tuple[str, ...] | None) -> Sensor:
    """The sensor that band names or files tell.

    Raises:
        ConfigError: If they tell none.
    """
    sensors: tuple[Sensor, ...] = ("sentinel-2", "sentinel-1")
    if holds_product(location):
        names = [PurePosixPath(name).name for name in product_files(location).names]
        for sensor in sensors:
            if any(band_of_file(name, sensor) for name in names):
                return sensor
        raise ConfigError(
            f"{location} holds no band files of {' or '.join(sensors)} (names ending in _B02.jp2, _VV.tif)."
        )
    if bands is None:
        raise ConfigError(
            f"{location}: say which bands it holds, in order (--bands '[B02, B03, ...]'), or give a YAML file."
        )
    if set(bands) <= set(ELEVATION):
        return "elevation"
    return "sentinel-1" if set(bands) <= set(SENTINEL1) else "sentinel-2"
