"""`SceneSource`: how a user declares a scene."""

import datetime as dt
from dataclasses import dataclass, fields
from typing import Literal

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.core.types import Sensor
from cerradata.scenes.radiometry import SarUnit
from cerradata.scenes.scl import MASKED_SCL, SCL_CLASSES

CloudMask = Literal["scl", "none"]

_OWN_KEYS: dict[Sensor, tuple[str, ...]] = {
    "sentinel-2": ("offset", "product_level", "cloud_mask", "masked_scl"),
    "sentinel-1": ("unit", "calibration", "orbit_pass", "relative_orbit", "border"),
}


@dataclass(frozen=True)
class SceneSource:
    """A scene as it is declared in a configuration. What the numbers mean is said, never guessed.

    Attributes:
        sensor: "sentinel-2", "sentinel-1" or "elevation".
        path: A folder with one file a band (the band is read from the name), or one file with all bands.
        bands: Band names in the order of the file, for one file with all bands; or the bands to use of a folder.
        date: Day of acquisition (YYYY-MM-DD); by default that of the metadata in the folder, else that in the file name.
        offset: Sentinel-2: the number that the product's metadata say to add to each digital number
            (BOA_ADD_OFFSET of L2A, RADIO_ADD_OFFSET of L1C): -1000 from processing baseline 04.00 on and in reprocessed
            older scenes, else 0. By default read from the metadata in the folder (`MTD_MSIL*.xml`, or a STAC item).
            Where there are none it must be given: it cannot be derived from the date.
        product_level: Sentinel-2: "L1C" (top of atmosphere) or "L2A" (surface); by default that of the metadata.
        cloud_mask: Sentinel-2: "scl" hides what the scene classification layer in the folder says is no ground, "none"
            hides nothing; by default "scl" where the folder holds one.
        masked_scl: Sentinel-2: classes of the scene classification that are hidden; by default no data (0), defective (1),
            cloud shadow (3), cloud (8, 9) and cirrus (10).
        unit: Sentinel-1: "amplitude", "linear" (power) or "db". It must be given.
        calibration: Sentinel-1: "sigma0", "gamma0" or another; nothing where the numbers are not calibrated.
        orbit_pass: Sentinel-1: "ascending" or "descending"; by default that of a STAC item in the folder.
        relative_orbit: Sentinel-1: number of the relative orbit; by default that of a STAC item in the folder.
        border: Sentinel-1: pixels nearer than this to the edge of the scene's data, in metres, are no data: border noise.
        nodata: Number that means "no data" beside what the files declare. By default 0 for Sentinel-2, and for Sentinel-1
            unless it is in decibels.
    """

    sensor: Sensor
    path: Location
    bands: tuple[str, ...] | None = None
    date: str | None = None
    offset: int | None = None
    product_level: str | None = None
    cloud_mask: CloudMask | None = None
    masked_scl: tuple[int, ...] = MASKED_SCL
    unit: SarUnit | None = None
    calibration: str | None = None
    orbit_pass: str | None = None
    relative_orbit: int | None = None
    border: float = 0.0
    nodata: float | None = None

    def __post_init__(self) -> None:
        """Check that what is said fits the sensor.

        Raises:
            ConfigError: If a declaration is missing or does not apply.
        """
        self._refuse_keys_of_other_sensors()
        if self.sensor == "sentinel-1" and self.unit is None:
            raise ConfigError(f"Sentinel-1 scene {self.path}: `unit` is missing: amplitude, linear or db.")
        if self.bands is not None and (not self.bands or len(set(self.bands)) != len(self.bands)):
            raise ConfigError(
                f"Scene {self.path}: `bands` is {list(self.bands)}: name one band or more, each once, or leave it out."
            )
        if self.offset is not None and self.offset > 0:
            raise ConfigError(
                f"Scene {self.path}: an offset of {self.offset} would be added. The metadata say -1000 (or 0): keep "
                "the sign."
            )
        unknown = [number for number in self.masked_scl if number not in SCL_CLASSES]
        if unknown:
            raise ConfigError(
                f"Scene {self.path}: `masked_scl` names {unknown[0]}: the scene classification has the classes 0 to "
                f"{max(SCL_CLASSES)}."
            )
        if not 0 <= self.border < float("inf"):
            raise ConfigError(f"Scene {self.path}: `border` is {self.border}: give metres, 0 or more.")
        if self.date is not None:
            parse_date(self.date)

    def _refuse_keys_of_other_sensors(self) -> None:
        said = {field.name for field in fields(self) if getattr(self, field.name) != field.default}
        for sensor, names in _OWN_KEYS.items():
            for name in names:
                if sensor != self.sensor and name in said:
                    raise ConfigError(f"Scene {self.path}: `{name}` is for {sensor}, not {self.sensor}.")


def parse_date(text: str) -> dt.date:
    """A date from YYYY-MM-DD.

    Raises:
        ConfigError: If it is none.
    """
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no date: write YYYY-MM-DD.") from error
