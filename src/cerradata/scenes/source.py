"""`SceneSource`: how a user declares a scene."""

import datetime as dt
import re
from dataclasses import dataclass, fields
from typing import Literal

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.core.types import Sensor
from cerradata.scenes.radiometry import SarUnit
from cerradata.scenes.scl import MASKED_SCL, SCL_CLASSES
from cerradata.scenes.terrain import TerrainSource
from cerradata.scenes.vertical import named_datum

CloudMask = Literal["scl", "s2cloudless", "none"]

NoiseHandling = Literal["remove", "keep"]

_PRODUCT_SUFFIXES = (".safe", ".zip")
_GRD_CALIBRATIONS = ("sigma0", "gamma0", "beta0")
_CLOUDLESS_KEYS = ("cloud_threshold", "cloud_average", "cloud_dilation")
_OWN_KEYS: dict[Sensor, tuple[str, ...]] = {
    "sentinel-2": (
        *("offset", "product_level", "processing_baseline", "cloud_mask", "masked_scl", "cloud_buffer"),
        *_CLOUDLESS_KEYS,
    ),
    "sentinel-1": ("unit", "calibration", "noise", "terrain", "orbit_pass", "relative_orbit", "border"),
    "elevation": ("vertical_datum",),
}
_BASELINE = re.compile(r"\d\d\.\d\d")


@dataclass(frozen=True)
class SceneSource:
    """A scene as it is declared in a configuration. What the numbers mean is said, never guessed.

    Attributes:
        sensor: "sentinel-2", "sentinel-1" or "elevation".
        path: A folder with one file a band (the band is read from the name), the zip of one, as products are distributed,
            or one file with all bands.
        bands: Band names in the order of the file, for one file with all bands; or the bands to use of a folder or zip.
        date: Day of acquisition (YYYY-MM-DD); by default that of the metadata, else that in the file name.
        offset: Sentinel-2: the number that the product's metadata say to add to each digital number
            (BOA_ADD_OFFSET of L2A, RADIO_ADD_OFFSET of L1C): -1000 from processing baseline 04.00 on and in reprocessed
            older scenes, else 0. By default read from the metadata in the folder or zip (`MTD_MSIL*.xml`, or a STAC item).
            Where there are none it must be given: it cannot be derived from the date.
        product_level: Sentinel-2: "L1C" (top of atmosphere) or "L2A" (surface); by default that of the metadata.
        processing_baseline: Sentinel-2: ESA's processing baseline ("05.10"); by default that of the metadata.
        cloud_mask: Sentinel-2: "scl" hides what the scene classification layer of an L2A product says is no ground,
            "s2cloudless" hides the clouds that this detector finds in an L1C scene, "none" hides nothing; by default "scl"
            where the layer is there.
        masked_scl: Sentinel-2: classes of the scene classification that are hidden; by default no data (0), defective (1),
            cloud shadow (3), cloud (8, 9) and cirrus (10).
        cloud_buffer: Sentinel-2: ground nearer than this to a pixel hidden by the scene classification is hidden too, in
            metres; 60 keeps the bands of 60 m clear of clouds beside them.
        cloud_threshold: Sentinel-2, "s2cloudless": mean cloud probability, 0 to 1, above which a cell of 60 m is a cloud.
        cloud_average: Sentinel-2, "s2cloudless": radius, in cells, of the disk over which probabilities are averaged.
        cloud_dilation: Sentinel-2, "s2cloudless": cells by which clouds are widened.
        unit: Sentinel-1: "amplitude", "linear" (power) or "db". It must be given, but for a GRD product as distributed (a
            SAFE folder or a zip of one), which is calibrated to linear power here.
        calibration: Sentinel-1: "sigma0", "gamma0" or another; nothing where the numbers are not calibrated. For a GRD
            product what it is calibrated to: "sigma0" (default), "gamma0" or "beta0".
        noise: Sentinel-1 GRD product: "remove" (default) subtracts the thermal noise, "keep" does not.
        terrain: Sentinel-1 GRD product: heights for terrain correction; by default the product's geolocation grid places
            the pixels.
        orbit_pass: Sentinel-1: "ascending" or "descending"; by default that of the product or of a STAC item in the folder.
        relative_orbit: Sentinel-1: number of the relative orbit; by default that of the product or of a STAC item in the
            folder.
        border: Sentinel-1: pixels nearer than this to the edge of the scene's data, in metres, are no data: border noise.
        vertical_datum: Elevation: what the heights are above, as "EGM2008", "EGM96", "WGS84 ellipsoid", or a vertical
            coordinate reference system that PROJ knows ("EPSG:5773", "NAVD88 height"); by default that of the file, where
            its coordinate reference system has one.
        nodata: Number that means "no data" beside what the files declare. By default 0 for Sentinel-2, and for Sentinel-1
            unless it is in decibels.
    """

    sensor: Sensor
    path: Location
    bands: tuple[str, ...] | None = None
    date: str | None = None
    offset: int | None = None
    product_level: str | None = None
    processing_baseline: str | None = None
    cloud_mask: CloudMask | None = None
    masked_scl: tuple[int, ...] = MASKED_SCL
    cloud_buffer: float = 0.0
    cloud_threshold: float = 0.4
    cloud_average: int = 4
    cloud_dilation: int = 2
    unit: SarUnit | None = None
    calibration: str | None = None
    noise: NoiseHandling | None = None
    terrain: TerrainSource | None = None
    orbit_pass: str | None = None
    relative_orbit: int | None = None
    border: float = 0.0
    vertical_datum: str | None = None
    nodata: float | None = None

    def __post_init__(self) -> None:
        """Check that what is said fits the sensor.

        Raises:
            ConfigError: If a declaration is missing or does not apply.
        """
        self._refuse_keys_of_other_sensors()
        if self.sensor == "sentinel-1":
            self._check_sentinel1()
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
        for name in ("border", "cloud_buffer"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"Scene {self.path}: `{name}` is {getattr(self, name)}: give metres, 0 or more.")
        if self.date is not None:
            parse_date(self.date)
        if self.vertical_datum is not None:
            named_datum(self.vertical_datum)
        self._check_sentinel2()

    def _check_sentinel1(self) -> None:
        may_be_product = self.path.lower().rstrip("/").endswith(_PRODUCT_SUFFIXES)
        if self.unit is None and not may_be_product:
            raise ConfigError(
                f"Sentinel-1 scene {self.path}: `unit` is missing: amplitude, linear or db. (Only a GRD product as distributed, "
                "a folder NAME.SAFE or a zip of one, needs none.)"
            )
        for name in ("noise", "terrain"):
            if getattr(self, name) is not None and not may_be_product:
                raise ConfigError(
                    f"Sentinel-1 scene {self.path}: `{name}` is for a GRD product as distributed (a folder NAME.SAFE or a zip)."
                )
        if self.path.lower().rstrip("/").endswith(_PRODUCT_SUFFIXES[0]):
            self.require_grd_declaration()

    def require_grd_declaration(self) -> None:
        """Check what is declared of a Sentinel-1 GRD product as distributed.

        Raises:
            ConfigError: If a unit other than linear power is declared, or a calibration that such a product lacks.
        """
        if self.unit not in (None, "linear"):
            raise ConfigError(
                f"Sentinel-1 scene {self.path}: `unit` is {self.unit}, but a GRD product becomes linear power here: leave it out."
            )
        if self.calibration is not None and self.calibration not in _GRD_CALIBRATIONS:
            raise ConfigError(
                f"Sentinel-1 scene {self.path}: `calibration` is {self.calibration!r}: a GRD product is calibrated to "
                f"{', '.join(_GRD_CALIBRATIONS)}."
            )

    def _check_sentinel2(self) -> None:
        if self.processing_baseline is not None and not _BASELINE.fullmatch(self.processing_baseline):
            raise ConfigError(
                f"Scene {self.path}: `processing_baseline` is {self.processing_baseline!r}: write it as '05.10', with quotes."
            )
        if not 0 < self.cloud_threshold < 1:
            raise ConfigError(f"Scene {self.path}: `cloud_threshold` is {self.cloud_threshold}: give 0 to 1, as 0.4.")
        if self.cloud_mask != "s2cloudless":
            for name in _CLOUDLESS_KEYS:
                if getattr(self, name) != getattr(type(self), name):
                    raise ConfigError(f"Scene {self.path}: `{name}` is for `cloud_mask: s2cloudless`: give that too.")
        for name in ("cloud_average", "cloud_dilation"):
            if getattr(self, name) < 0:
                raise ConfigError(f"Scene {self.path}: `{name}` is {getattr(self, name)}: give cells, 0 or more.")

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
