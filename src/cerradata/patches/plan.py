"""`BuildPlan`: everything that the blocks of a build need, opened and checked; no pixel of a scene is read."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from odc.geo.geom import Geometry

from cerradata.core.errors import ConfigError, DamagedSceneError, SceneError
from cerradata.core.types import Sensor
from cerradata.cube import Stack, build_stack, target_grid
from cerradata.cube.area import read_area, shape_on
from cerradata.cube.variables import Availability, Variable, open_variables
from cerradata.cube.windows import scenes_of_dates
from cerradata.labels import Reference, open_reference
from cerradata.labels.points import PointReference
from cerradata.legend import Legend, load_legend
from cerradata.patches.config import BuildConfig
from cerradata.patches.cut import Block, PatchGrid
from cerradata.patches.layout import IMAGE_LAYERS, edge_layer, semantic_layer
from cerradata.patches.stored import StoredLayer, stored_layers
from cerradata.scenes import Scene, open_scene
from cerradata.scenes.files import place_of

LAYER_SENSORS: Mapping[str, Sensor] = {"msi": "sentinel-2", "sar": "sentinel-1", "elevation": "elevation"}
"""The sensor of each image layer, in the order in which layers are stored."""


@dataclass(frozen=True)
class BuildPlan:
    """Everything that the blocks of a build need. It can be sent to other processes.

    Attributes:
        config: The build.
        root: The dataset's folder.
        legend: Its legend.
        scenes: The opened scenes.
        reference: The opened reference.
        patches: The patch grid.
        area: The area of interest on the grid; None: all of the grid.
        stacks: The scenes of each image layer on the grid.
        variables: Variables computed beside them.
        layers: What is stored: the image layers, then the variables, by name.
        unopened: Scenes that are left out because their files are damaged, one message each.
    """

    config: BuildConfig
    root: Path
    legend: Legend
    scenes: tuple[Scene, ...]
    reference: Reference
    patches: PatchGrid
    area: Geometry | None
    stacks: Mapping[str, Stack]
    variables: tuple[Variable, ...]
    layers: Mapping[str, StoredLayer]
    unopened: tuple[str, ...] = ()

    @cached_property
    def deciding(self) -> dict[str, float | None]:
        """The number that means "no data" in each layer that a sensor saw: these decide what is valid."""
        return {name: self.layers[name].radiometry.nodata for name in self.stacks}

    @property
    def folders(self) -> dict[str, Path]:
        """Folder of each layer, image layers first."""
        labels = [name for level in self.legend.levels for name in (semantic_layer(level), edge_layer(level))]
        images = {name: self.root / layer.folder for name, layer in self.layers.items()}
        return images | {name: self.root / name for name in labels}

    @cached_property
    def blocks(self) -> list[Block]:
        """The blocks that hold a patch of the area of interest."""
        return [
            block
            for block in self.patches.blocks()
            if self.area is None
            or any(
                self.wants(block.row + row, block.col + col)
                for row in range(block.rows)
                for col in range(block.columns)
            )
        ]

    def wants(self, row: int, col: int) -> bool:
        """Whether a patch lies wholly inside the area of interest."""
        return self.area is None or bool(self.area.contains(self.patches.patch_grid(row, col).extent))


def plan_build(config: BuildConfig, root: Path, *, strict: bool = True) -> BuildPlan:
    """Open scenes and reference and check that they fit together.

    Args:
        config: The build.
        root: The dataset's folder.
        strict: Let a scene whose file is damaged end the build; otherwise it is left out and named.

    Raises:
        CerradataError: If something is missing or does not fit.
    """
    legend = load_legend(config.legend)
    _refuse_equal_levels(legend)
    opened, unopened = _open_scenes(config, strict=strict)
    scenes = scenes_of_dates(opened, config.dates)
    reference = open_reference(config.reference, legend)
    area = None if config.area is None else read_area(config.area, reference.extent)
    grid = target_grid(config.grid, [scene.footprint_grid for scene in scenes], area)
    _require_area_in_scenes(area, scenes)
    patches = PatchGrid(grid, config.patch_size, config.stride or config.patch_size)
    reference.check(grid)
    stacks = {}
    for name, sensor in LAYER_SENSORS.items():
        own = [scene for scene in scenes if scene.sensor == sensor]
        if own:
            stacks[name] = build_stack(own, grid, _bands(name, config, own), config.stack(name))
    variables = open_variables(config.variables, _availability(config, stacks))
    _check_orbits(stacks, variables)
    layers = stored_layers(config, stacks, variables)
    shape = None if area is None else shape_on(area, grid)
    plan = BuildPlan(config, root, legend, scenes, reference, patches, shape, stacks, variables, layers, unopened)
    if not plan.blocks:
        raise ConfigError(
            f"Not one patch of {config.patch_size} pixels lies inside the area of interest: choose smaller patches, a smaller "
            "`stride`, or a larger area."
        )
    return plan


def _open_scenes(config: BuildConfig, *, strict: bool) -> tuple[tuple[Scene, ...], tuple[str, ...]]:
    scenes, messages = [], []
    for source in config.scenes:
        try:
            scenes.append(open_scene(source))
        except DamagedSceneError as error:
            if strict:
                raise
            messages.append(f"scene {source.path} is left out: {error}")
    if not scenes:
        raise SceneError(f"Not one scene can be opened. {messages[0]}")
    return tuple(scenes), tuple(messages)


def _require_area_in_scenes(area: Geometry | None, scenes: tuple[Scene, ...]) -> None:
    if area is None:
        return
    degrees = area.to_crs("EPSG:4326")
    if not any(scene.footprint_grid.geographic_extent.intersects(degrees) for scene in scenes):
        found = ", ".join(f"{value:.4f}" for value in degrees.boundingbox.bbox)
        raise ConfigError(
            f"area: the area of interest ({found}; west, south, east, north in degrees) touches no scene: "
            f"{scenes[0].name} covers {place_of(scenes[0].footprint_grid)}. Are longitude and latitude in each other's place?"
        )


def points_of(plan: BuildPlan) -> dict[str, int] | None:
    """Points of the reference on the grid, pixels that they label, and pixels whose points contradict; None for a map."""
    return asdict(plan.reference.count(plan.patches.grid)) if isinstance(plan.reference, PointReference) else None


def _bands(layer: str, config: BuildConfig, scenes: list[Scene]) -> tuple[str, ...]:
    chosen = {"msi": config.msi.bands, "sar": config.sar.bands}.get(layer)
    if chosen:
        return chosen
    common = tuple(band for band in scenes[0].bands if all(band in scene.bands for scene in scenes))
    if not common:
        listed = "; ".join(f"{scene.name}: {', '.join(scene.bands)}" for scene in scenes)
        raise ConfigError(
            f"The scenes of layer {layer!r} have no band in common ({listed}): say which belong together."
        )
    return common


def _availability(config: BuildConfig, stacks: Mapping[str, Stack]) -> Availability:
    bands: dict[Sensor, tuple[str, ...]] = {}
    dates: dict[Sensor, int] = {}
    for name, stack in stacks.items():
        sensor = LAYER_SENSORS[name]
        common = set.intersection(*(set(scene.bands) for scene in stack.scenes))
        bands[sensor] = tuple(band for band in stack.scenes[0].bands if band in common)
        dates[sensor] = len({scene.date for scene in stack.scenes})
    heights = stacks.get("elevation")
    grid = next(iter(stacks.values())).grid
    return Availability(
        bands,
        float(abs(grid.resolution.x)),
        tuple(config.windows),
        None if heights is None else heights.scenes[0].radiometry.vertical_datum,
        dates,
        {*IMAGE_LAYERS, *(folder for names in IMAGE_LAYERS.values() for folder in names), *config.folders.values()},
        config.reference.location,
    )


def _check_orbits(stacks: Mapping[str, Stack], variables: tuple[Variable, ...]) -> None:
    sar = stacks.get("sar")
    if sar is None or set(sar.groups) == set(sar.config.windows or [""]):
        return
    for variable in variables:
        if "sentinel-1" in variable.needs:
            raise ConfigError(
                f"Variable {variable.name!r} is computed from Sentinel-1, whose passes and orbits are kept apart "
                f"({', '.join(sar.groups)}): leave it out, or give `sar.orbits: one-pass` or `mixed`."
            )


def _refuse_equal_levels(legend: Legend) -> None:
    sizes = [len(level) for level in legend.levels]
    if len(set(sizes)) != len(sizes):
        raise ConfigError(
            f"Legend {legend.name!r} has two levels with the same number of classes ({sizes}): their folders, named by "
            "it (semantic_7c), would be the same. Leave one of the levels out."
        )
