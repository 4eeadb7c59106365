"""One block of a build: read, label, select, write. A function of the plan alone, so blocks can run anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import rasterio
from threadpoolctl import threadpool_limits

from cerradata.core.errors import LabelError, SceneError
from cerradata.core.files import fsync_all
from cerradata.core.types import UNLABELLED, Array, CountArray, Sensor
from cerradata.cube.composite import SEVERAL
from cerradata.cube.inputs import StackInputs
from cerradata.cube.stack import StackWindow
from cerradata.labels import edge_mask
from cerradata.patches.alignment import alignment_columns, measure_alignment
from cerradata.patches.cut import Block
from cerradata.patches.layout import edge_layer, semantic_layer
from cerradata.patches.plan import LAYER_SENSORS, BuildPlan
from cerradata.patches.record import PatchRecord, Placement, class_pixels, describe_patch, valid_everywhere
from cerradata.patches.seams import SeamTally
from cerradata.patches.select import SelectionTally, reason_to_reject
from cerradata.patches.statistics import Moments
from cerradata.patches.stored import source_layer, write_patch


@dataclass(frozen=True)
class BlockResult:
    """What came of a block.

    Attributes:
        block: Its number.
        records: Records of the patches kept.
        tally: What was kept and rejected.
        moments: Moments of the stored numbers of the patches kept, by image layer.
        seams: Jumps where one scene takes over from another.
        files: SHA-256 of each file written, by its path below the dataset's folder.
        errors: What could not be read, one message each.
    """

    block: int
    records: tuple[PatchRecord, ...]
    tally: SelectionTally
    moments: dict[str, Moments]
    seams: SeamTally = field(default_factory=SeamTally.empty)
    files: Mapping[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class BlockPixels:
    """Everything that is known of the pixels of a block.

    Attributes:
        layers: (bands, rows, columns) stored numbers of each layer, labels and edges of every level.
        read: What was read of each stack: where each pixel came from.
        seams: Jumps where one scene takes over from another.
    """

    layers: Mapping[str, Array]
    read: Mapping[str, StackWindow]
    seams: SeamTally


def build_block(plan: BuildPlan, block: Block, *, strict: bool) -> BlockResult:
    """Build the patches of a block and write them, flushed to the disk.

    Args:
        plan: The build.
        block: The block.
        strict: Let the first unreadable file end the build; otherwise it is reported in the result.

    Raises:
        SceneError: If `strict` and a scene cannot be read.
        LabelError: If `strict` and the reference cannot be read.
        OutputError: If patches cannot be written.
    """
    classes = len(plan.legend.finest)
    moments = {name: Moments.empty(len(layer.radiometry.bands)) for name, layer in plan.layers.items()}
    nothing = BlockResult(block.number, (), SelectionTally.empty(classes), moments)
    try:
        pixels = read_block(plan, block)
    except (SceneError, LabelError) as error:
        if strict:
            raise
        if block.rows * block.columns > 1:
            return _patch_by_patch(plan, block, nothing, str(error))
        zeros = np.zeros(classes, np.int64)
        lost = sum(
            plan.wants(block.row + row, block.col + col) for row in range(block.rows) for col in range(block.columns)
        )
        tally = nothing.tally.add("unreadable", zeros, zeros, lost)
        return replace(nothing, tally=tally, errors=(str(error),))
    result = replace(nothing, seams=pixels.seams)
    places = {f"source {name}": own.source for name, own in pixels.read.items()}
    places |= {
        f"observations {name}": own.observations for name, own in pixels.read.items() if own.observations is not None
    }
    # Blocks run side by side: one more thread of BLAS each would only wait for the others.
    with (
        threadpool_limits(1),
        rasterio.Env(),
    ):  # one for all files: each would set up its own, a fifth of the time of writing it
        for row, col, patch in plan.patches.cut(block, {**pixels.layers, **places}):
            if plan.wants(row, col):
                origin = {name: patch.pop(name) for name in places}
                result = _add_patch(plan, result, (row, col), patch, origin)
    fsync_all(plan.root / name for name in result.files)
    return result


def _patch_by_patch(plan: BuildPlan, block: Block, nothing: BlockResult, error: str) -> BlockResult:
    """A block of which a part cannot be read: only the patches that need that part are lost."""
    result = nothing
    for row, col in np.ndindex(block.rows, block.columns):
        if plan.wants(block.row + row, block.col + col):
            one = build_block(plan, Block(block.number, block.row + row, block.col + col, 1, 1), strict=False)
            result = BlockResult(
                block.number,
                (*result.records, *one.records),
                result.tally + one.tally,
                {name: moments + one.moments[name] for name, moments in result.moments.items()},
                result.seams + one.seams,
                {**result.files, **one.files},
                (error,),
            )
    return result


def read_block(plan: BuildPlan, block: Block) -> BlockPixels:
    """Every layer of a block.

    Raises:
        SceneError: If a scene cannot be read.
        LabelError: If the reference cannot be read.
    """
    window = plan.patches.window(block)
    read = {name: stack.read(window, count=name != "elevation") for name, stack in plan.stacks.items()}
    layers: dict[str, Array] = {name: plan.layers[name].encode(own.values) for name, own in read.items()}
    by_sensor: dict[Sensor, str] = {sensor: name for name, sensor in LAYER_SENSORS.items() if name in read}
    inputs = StackInputs(
        {sensor: plan.stacks[name] for sensor, name in by_sensor.items()},
        window,
        {sensor: read[name] for sensor, name in by_sensor.items()},
    )
    for variable in plan.variables:
        layers[variable.name] = plan.layers[variable.name].encode(variable.compute(window, inputs))
    for name, window_read in read.items():
        if source_layer(name) in plan.layers:
            layers[source_layer(name)] = _sources(plan, name, window_read)
    width = plan.config.edge_width
    labels = plan.reference.read(window.pad(width))  # neighbours decide about edges
    finest = plan.legend.finest.number
    for level in plan.legend.levels:
        own = labels if level.number == finest else plan.legend.coarsen(labels, finest, level.number)
        inner = (slice(width, -width), slice(width, -width))
        layers[semantic_layer(level)] = own[inner][np.newaxis].astype(np.int32)
        layers[edge_layer(level)] = edge_mask(own, width)[inner][np.newaxis]
    seams = sum((_seams(plan, name, own) for name, own in read.items() if name != "elevation"), SeamTally.empty())
    return BlockPixels(layers, read, seams)


def _sources(plan: BuildPlan, layer: str, read: StackWindow) -> Array:
    """(2 * groups, rows, columns) float32: scene and observations of each pixel, group by group."""
    place = {id(scene): i for i, scene in enumerate(plan.scenes)}
    table = np.arange(SEVERAL + 1, dtype=np.float32)
    own = [place[id(scene)] + 1 for scene in plan.stacks[layer].scenes]
    table[1 : len(own) + 1] = own
    counts = np.zeros_like(read.source) if read.observations is None else read.observations
    pairs = [band for group in zip(table[read.source], counts, strict=True) for band in group]
    return np.stack(pairs).astype(np.float32)


def _seams(plan: BuildPlan, layer: str, read: StackWindow) -> SeamTally:
    bands = len(plan.stacks[layer].bands)
    parts = (
        SeamTally.of(layer, read.values[i * bands : (i + 1) * bands], source, decibels=layer == "sar")
        for i, source in enumerate(read.source)
    )
    return sum(parts, SeamTally.empty())


def _add_patch(
    plan: BuildPlan, result: BlockResult, place: tuple[int, int], patch: dict[str, Array], origin: Mapping[str, Array]
) -> BlockResult:
    labels = patch[semantic_layer(plan.legend.finest)]
    valid = valid_everywhere({name: patch[name] for name in plan.deciding}, plan.deciding)
    pixels, seen = (_class_counts(plan, part) for part in (labels, labels[0][valid]))
    share = float(valid.mean())
    reason = reason_to_reject(plan.config.selection, float((labels == UNLABELLED).mean()), share)
    if reason is not None:
        return replace(result, tally=result.tally.add(reason, pixels, seen))
    placement = _placement(plan, place, patch, origin)
    written = write_patch(
        plan.root,
        plan.config,
        patch,
        plan.layers,
        plan.legend,
        patch_id=placement.id,
        transform=plan.patches.transform(*place),
        crs=str(plan.patches.grid.crs),
    )
    levels = tuple(level.number for level in plan.legend.levels)
    record = describe_patch(placement, patch, share, plan.legend, levels)
    moments = {
        name: result.moments[name] + Moments.of(patch[name], layer.radiometry.nodata)
        for name, layer in plan.layers.items()
    }
    return replace(
        result,
        records=(*result.records, record),
        tally=result.tally.add("kept", pixels, seen),
        moments=moments,
        files={**result.files, **{_below(plan.root, path): digest for path, digest in written.items()}},
    )


def _placement(
    plan: BuildPlan, place: tuple[int, int], patch: Mapping[str, Array], origin: Mapping[str, Array]
) -> Placement:
    counts: dict[str, int] = {}
    dates = set()
    for layer, stack in plan.stacks.items():
        places, pixels = np.unique(origin[f"source {layer}"], return_counts=True)
        found = {int(i) - 1: int(n) for i, n in zip(places, pixels, strict=True) if 0 < i <= len(stack.scenes)}
        several = bool(places.size) and places[-1] > len(stack.scenes)
        grid = plan.patches.patch_grid(*place)
        for i, scene in enumerate(stack.scenes):
            if i in found or (several and stack.covers(i, grid)):
                counts[scene.name] = counts.get(scene.name, 0) + found.get(i, 0)
                dates |= set() if scene.date is None else {str(scene.date)}
    row, col = place
    return Placement(
        id=plan.patches.patch_id(row, col),
        row=row,
        col=col,
        crs=str(plan.patches.grid.crs),
        transform=plan.patches.transform(row, col),
        scenes=tuple(counts),
        scene_pixels=tuple(counts.values()),
        dates=tuple(sorted(dates)),
        observations={
            layer: round(float(origin[f"observations {layer}"].mean()), 4)
            for layer in plan.stacks
            if f"observations {layer}" in origin
        },
        alignment=_alignment(plan, patch) if plan.config.alignment else {},
    )


def _alignment(plan: BuildPlan, patch: Mapping[str, Array]) -> Mapping[str, float | bool | None]:
    bands = {name: plan.layers[name].radiometry.bands for name in plan.stacks}
    labels = semantic_layer(plan.legend.finest)
    return alignment_columns(measure_alignment(patch, plan.deciding, bands, labels))


def _class_counts(plan: BuildPlan, labels: Array) -> CountArray:
    return np.asarray(class_pixels(labels, len(plan.legend.finest)), np.int64)


def _below(root: Path, path: Path) -> str:
    return str(path.relative_to(root))
