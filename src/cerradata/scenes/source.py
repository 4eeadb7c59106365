"""`SceneSource`: how a user declares a scene, and `open_scene`, which makes a `Scene` of it."""

import datetime as dt
import re
from dataclasses import dataclass

from cerradata.core.errors import ConfigError, SceneError
from cerradata.core.locations import Location
from cerradata.core.types import Sensor
from cerradata.scenes.bands import BANDS, ELEVATION
from cerradata.scenes.files import folder_bands, require_bands, require_one_footprint, stack_bands
from cerradata.scenes.radiometry import Radiometry, SarUnit
from cerradata.scenes.scene import BandFile, Scene

_DATE_IN_NAME = re.compile(r"(?<!\d)(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?!\d)")


@dataclass(frozen=True)
class SceneSource:
    """A scene as it is declared in a configuration. What the numbers mean is said, never guessed.

    Attributes:
        sensor: "sentinel-2", "sentinel-1" or "elevation".
        path: A folder with one file a band (the band is read from the name), or one file with all bands.
        bands: Band names in the order of the file, for one file with all bands; or the bands to use of a folder.
        date: Day of acquisition (YYYY-MM-DD); by default read from the file name, where it is there.
        offset: Sentinel-2: the number that the product's metadata say to add to each digital number
            (BOA_ADD_OFFSET of L2A, RADIO_ADD_OFFSET of L1C): -1000 from processing baseline 04.00 on and in reprocessed
            older scenes, else 0. It must be given: it cannot be derived from the date.
        product_level: Sentinel-2: "L1C" (top of atmosphere) or "L2A" (surface).
        unit: Sentinel-1: "amplitude", "linear" (power) or "db". It must be given.
        calibration: Sentinel-1: "sigma0", "gamma0" or another; nothing where the numbers are not calibrated.
        orbit_pass: Sentinel-1: "ascending" or "descending".
        relative_orbit: Sentinel-1: number of the relative orbit.
        nodata: Number that means "no data" beside what the files declare. By default 0 for Sentinel-2, and for Sentinel-1
            unless it is in decibels.
    """

    sensor: Sensor
    path: Location
    bands: tuple[str, ...] | None = None
    date: str | None = None
    offset: int | None = None
    product_level: str | None = None
    unit: SarUnit | None = None
    calibration: str | None = None
    orbit_pass: str | None = None
    relative_orbit: int | None = None
    nodata: float | None = None

    def __post_init__(self) -> None:
        """Check that what the sensor needs is said, and what it has not is not.

        Raises:
            ConfigError: If a declaration is missing or does not apply.
        """
        if self.sensor == "sentinel-2" and self.offset is None:
            raise ConfigError(
                f"Sentinel-2 scene {self.path}: `offset` is missing. Give the product's BOA_ADD_OFFSET (L2A) or "
                "RADIO_ADD_OFFSET (L1C): -1000, or 0 for products without one. It is in MTD_MSIL*.xml, not in the date."
            )
        if self.sensor == "sentinel-1" and self.unit is None:
            raise ConfigError(f"Sentinel-1 scene {self.path}: `unit` is missing: amplitude, linear or db.")
        if self.sensor != "sentinel-2" and (self.offset is not None or self.product_level is not None):
            raise ConfigError(f"Scene {self.path}: `offset` and `product_level` are for sentinel-2, not {self.sensor}.")
        for name in ("unit", "calibration", "orbit_pass", "relative_orbit"):
            if self.sensor != "sentinel-1" and getattr(self, name) is not None:
                raise ConfigError(f"Scene {self.path}: `{name}` is for sentinel-1, not {self.sensor}.")
        if self.bands is not None and (not self.bands or len(set(self.bands)) != len(self.bands)):
            raise ConfigError(
                f"Scene {self.path}: `bands` is {list(self.bands)}: name one band or more, each once, or leave it out."
            )
        if self.offset is not None and self.offset > 0:
            raise ConfigError(
                f"Scene {self.path}: an offset of {self.offset} would be added. The metadata say -1000 (or 0): keep "
                "the sign."
            )
        if self.date is not None:
            parse_date(self.date)


def open_scene(source: SceneSource) -> Scene:
    """Open a scene: find its files, check them, read no pixel.

    Raises:
        SceneError: If files are missing, unreadable, without CRS, or do not belong together.
    """
    if not source.path.is_remote and not source.path.path.exists():
        raise SceneError(
            f"There is no scene {source.path}: check the path (a relative one is relative to the configuration)."
        )
    found = _find_bands(source)
    name = source.path.name
    require_one_footprint(found, name)
    return Scene(name, source.sensor, _date(source, found), found, _radiometry(source, tuple(found)))


def parse_date(text: str) -> dt.date:
    """A date from YYYY-MM-DD.

    Raises:
        ConfigError: If it is none.
    """
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no date: write YYYY-MM-DD.") from error


def _find_bands(source: SceneSource) -> dict[str, BandFile]:
    is_folder = not source.path.is_remote and source.path.path.is_dir()
    if is_folder:
        found = folder_bands(source.path, source.sensor)
        if source.bands is None:
            return found
        require_bands(found, source.bands, source.path.name)
        return {band: found[band] for band in source.bands}
    if source.sensor == "elevation":
        return stack_bands(source.path, tuple(ELEVATION), source.sensor)
    if source.bands is None:
        raise SceneError(
            f"{source.path} is one file: say which bands it holds, in its order (`bands: [B02, B03, ...]`). "
            f"{source.sensor} has {', '.join(BANDS[source.sensor])}."
        )
    return stack_bands(source.path, source.bands, source.sensor)


def _date(source: SceneSource, found: dict[str, BandFile]) -> dt.date | None:
    if source.date is not None:
        return parse_date(source.date)
    for name in (source.path.name, next(iter(found.values())).location.name):
        match = _DATE_IN_NAME.search(name)
        if match:
            year, month, day = (int(part) for part in match.groups())
            try:
                return dt.date(year, month, day)
            except ValueError:  # 20220231 is some other number
                continue
    return None


def _radiometry(source: SceneSource, bands: tuple[str, ...]) -> Radiometry:
    nodata = source.nodata
    match source.sensor:
        case "sentinel-2":
            return Radiometry(
                sensor="sentinel-2",
                bands=bands,
                unit="reflectance",
                scale=1e-4,
                offset=(source.offset or 0) * 1e-4,
                nodata=0.0 if nodata is None else nodata,
                product_level=source.product_level,
            )
        case "sentinel-1":
            assumed = None if source.unit == "db" else 0.0  # 0 dB is a good value, an amplitude or power of 0 is none
            return Radiometry(
                sensor="sentinel-1",
                bands=bands,
                unit=source.unit or "amplitude",
                nodata=assumed if nodata is None else nodata,
                calibration=source.calibration,
                orbit_pass=source.orbit_pass,
                relative_orbit=source.relative_orbit,
            )
        case "elevation":
            return Radiometry(sensor="elevation", bands=bands, unit="metre", nodata=nodata)
