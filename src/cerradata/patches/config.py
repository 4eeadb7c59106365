"""`BuildConfig`: everything that decides what a dataset will be."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cerradata.core.errors import ConfigError
from cerradata.cube import CompositeConfig, GridConfig, OrbitRule, StackConfig
from cerradata.cube.area import AreaConfig
from cerradata.cube.resample import MeasurementResampling
from cerradata.cube.variables import VariableConfig
from cerradata.cube.windows import TimeWindows, monthly_windows, window_span
from cerradata.labels import ReferenceSource
from cerradata.legend import LegendName
from cerradata.patches.layout import check_folders
from cerradata.scenes import SarUnit, SceneSource


@dataclass(frozen=True)
class MsiConfig:
    """How Sentinel-2 is stored.

    Attributes:
        bands: Bands to store, in order; by default those that all scenes have.
        resampling: "bilinear" or "cubic".
        stored_offset: Stored number = reflectance x 10000 + this: 1000 as published, or 0. 0 is no data.
        composite: How several observations of a pixel become one value.
    """

    bands: tuple[str, ...] | None = None
    resampling: MeasurementResampling = "bilinear"
    stored_offset: int = 1000
    composite: CompositeConfig = field(default_factory=CompositeConfig)

    def __post_init__(self) -> None:
        """Raise `ConfigError` for an offset that would not fit uint16, or bands named twice."""
        _check_bands("msi", self.bands)
        self.composite.check("sentinel-2")
        if not 0 <= self.stored_offset <= 10000:
            raise ConfigError(f"msi: stored_offset {self.stored_offset}: give 1000 (as published), 0, or up to 10000.")


@dataclass(frozen=True)
class SarConfig:
    """How Sentinel-1 is stored.

    Attributes:
        bands: Polarisations to store, in order; by default those that all scenes have.
        resampling: "bilinear" or "cubic", in linear power.
        unit: "amplitude", "linear" or "db"; by default that of the first scene.
        composite: How several observations of a pixel become one value, in linear power.
        orbits: `one`: all scenes must be of one pass and relative orbit. `one-pass`: of one pass, whose orbits may meet.
            `by-pass`: bands for each pass (`VV@descending`). `separate`: bands for each pass and relative orbit
            (`VV@descending-68`). `mixed`: whatever the pass and orbit.
    """

    bands: tuple[str, ...] | None = None
    resampling: MeasurementResampling = "bilinear"
    unit: SarUnit | None = None
    composite: CompositeConfig = field(default_factory=CompositeConfig)
    orbits: OrbitRule = "one"

    def __post_init__(self) -> None:
        """Raise `ConfigError` for a composite that radar cannot have, or bands named twice."""
        _check_bands("sar", self.bands)
        self.composite.check("sentinel-1")


@dataclass(frozen=True)
class MonthlyWindows:
    """Time windows that divide a year into whole months (`2022-01/2022-02`).

    Attributes:
        year: The year.
        months: Months of a window: 1, 2, 3, 4, 6 or 12.
    """

    year: int
    months: int = 2

    def __post_init__(self) -> None:
        """Raise `ConfigError` if a year cannot be divided so."""
        monthly_windows(self.year, self.months)


@dataclass(frozen=True)
class SelectionConfig:
    """Which patches are kept.

    Attributes:
        max_unlabelled: Largest share of unlabelled pixels, 0 to 1; 0 as published. The labelled rest must not be empty.
        max_invalid: Largest share of pixels without data in any band of any sensor, 0 to 1.
    """

    max_unlabelled: float = 0.0
    max_invalid: float = 0.0

    def __post_init__(self) -> None:
        """Raise `ConfigError` for a share that is none."""
        for name in ("max_unlabelled", "max_invalid"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise ConfigError(f"selection: {name} is {share}: a share lies between 0 and 1.")


@dataclass(frozen=True)
class BuildConfig:
    """A build: scenes and a reference become patches.

    Attributes:
        scenes: Scenes, in the order of preference where they overlap.
        reference: The reference map.
        legend: Name of a shipped legend, or the path of a legend file.
        name: Name of the dataset, for people.
        grid: The target grid.
        area: The area of interest: only patches inside it are built.
        patch_size: Rows and columns of a patch.
        stride: Pixels from one patch to the next; by default `patch_size`. Smaller: patches overlap.
        prefix: Start of each file name.
        msi: How Sentinel-2 is stored.
        sar: How Sentinel-1 is stored.
        selection: Which patches are kept.
        edge_width: Depth of the edge masks on each side of a boundary, in pixels.
        time_windows: First and last day by name; each window adds all bands once (`B04@dry`).
        monthly_windows: Time windows of whole months, instead of `time_windows`.
        dates: First and last day: scenes of Sentinel-1 and Sentinel-2 of other dates are left out.
        variables: Variables to compute beside the bands, by name; each becomes a layer in a folder of its name.
        sources: Store for each pixel the scene that it came from and the number of its observations, as layers `msi_source`
            and `sar_source`.
        alignment: Measure how well Sentinel-1 and the labels lie on Sentinel-2, patch by patch.
        folders: Folder of a layer where it shall not be the published one (`{msi: opt_images}`).
        attribution: Licences and attributions of the data, one sentence each.
    """

    scenes: tuple[SceneSource, ...]
    reference: ReferenceSource
    legend: LegendName
    name: str = "cerradata"
    grid: GridConfig = field(default_factory=GridConfig)
    area: AreaConfig | None = None
    patch_size: int = 128
    stride: int | None = None
    prefix: str = "cerradata"
    msi: MsiConfig = field(default_factory=MsiConfig)
    sar: SarConfig = field(default_factory=SarConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    edge_width: int = 1
    time_windows: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    monthly_windows: MonthlyWindows | None = None
    dates: tuple[str, str] | None = None
    variables: Mapping[str, VariableConfig] = field(default_factory=dict)
    sources: bool = False
    alignment: bool = True
    folders: Mapping[str, str] = field(default_factory=dict)
    attribution: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raise `ConfigError` for values that cannot work."""
        if not self.scenes:
            raise ConfigError("scenes: the list is empty. Give at least one scene.")
        if self.patch_size < 8:
            raise ConfigError(f"patch_size is {self.patch_size}: give 8 pixels or more.")
        if self.stride is not None and self.stride < 1:
            raise ConfigError(
                f"stride is {self.stride}: give 1 pixel or more, or leave it out for patches side by side."
            )
        if self.time_windows and self.monthly_windows is not None:
            raise ConfigError("Give either `time_windows` or `monthly_windows`.")
        if self.dates is not None:
            window_span("dates", self.dates)
        if self.edge_width < 1:
            raise ConfigError(f"edge_width is {self.edge_width}: give 1 pixel or more.")
        if 2 * self.edge_width >= self.patch_size:
            raise ConfigError(
                f"edge_width is {self.edge_width} pixels: every pixel of a patch of {self.patch_size} would be an edge. Give "
                f"less than {self.patch_size // 2}; 1 is usual."
            )
        if not self.prefix or "/" in self.prefix or self.prefix.startswith("."):
            raise ConfigError(
                f"prefix {self.prefix!r} cannot start a file name: give letters, without / or a dot in front."
            )
        check_folders(self.folders)

    @property
    def windows(self) -> TimeWindows:
        """First and last day of each time window by name, however they were declared."""
        if self.monthly_windows is None:
            return self.time_windows
        return monthly_windows(self.monthly_windows.year, self.monthly_windows.months)

    def stack(self, layer: str) -> StackConfig:
        """How the scenes of an image layer become its stack; elevation has neither time windows nor composites."""
        match layer:
            case "msi":
                return StackConfig(self.msi.resampling, self.msi.composite, self.windows)
            case "sar":
                return StackConfig(self.sar.resampling, self.sar.composite, self.windows, self.sar.orbits)
            case _:
                return StackConfig()


def _check_bands(layer: str, bands: tuple[str, ...] | None) -> None:
    if bands is not None and (not bands or len(set(bands)) != len(bands)):
        raise ConfigError(f"{layer}: `bands` is {list(bands)}: name one band or more, each once, or leave it out.")
