"""One block of a build: read, label, select, write. A function of the plan alone, so blocks can run anywhere."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr

from cerradata.core.errors import LabelError, SceneError
from cerradata.core.files import fsync
from cerradata.core.types import UNLABELLED, Array
from cerradata.cube.stack import build_stack, overlapping
from cerradata.labels import Reference, edge_mask
from cerradata.legend import Legend
from cerradata.patches.config import BuildConfig
from cerradata.patches.cut import Block, PatchGrid
from cerradata.patches.layout import edge_layer, semantic_layer
from cerradata.patches.record import PatchRecord, Placement, class_pixels, describe_patch, valid_share
from cerradata.patches.select import SelectionTally, reason_to_reject
from cerradata.patches.statistics import Moments
from cerradata.patches.stored import StoredLayer, write_patch
from cerradata.scenes import Scene


@dataclass(frozen=True)
class BuildPlan:
    """Everything that the blocks of a build need.

    Attributes:
        config: The build.
        root: The dataset's folder.
        legend: Its legend.
        scenes: The opened scenes.
        reference: The opened reference.
        patches: The patch grid.
        layers: The image layers to store, by name.
    """

    config: BuildConfig
    root: Path
    legend: Legend
    scenes: tuple[Scene, ...]
    reference: Reference
    patches: PatchGrid
    layers: dict[str, StoredLayer]

    @cached_property
    def stacks(self) -> dict[str, xr.DataArray]:
        """The lazy stack of each image layer, (band, y, x) on the target grid, chunked as the blocks."""
        return {name: self._stack(layer) for name, layer in self.layers.items()}

    @property
    def nodata(self) -> dict[str, float | None]:
        """The number that means "no data" in each image layer."""
        return {name: layer.radiometry.nodata for name, layer in self.layers.items()}

    def _stack(self, layer: StoredLayer) -> xr.DataArray:
        scenes = [scene for scene in self.scenes if scene.sensor == layer.radiometry.sensor]
        resampling = self.config.msi.resampling if layer.name == "msi" else self.config.sar.resampling
        return build_stack(
            scenes,
            self.patches.grid,
            layer.source_bands,
            resampling="bilinear" if layer.name == "elevation" else resampling,
            windows=None if layer.name == "elevation" else self.config.time_windows,
            chunk=self.patches.block_patches * self.patches.patch_size,
        )


@dataclass(frozen=True)
class BlockResult:
    """What came of a block.

    Attributes:
        block: Its number.
        records: Records of the patches kept.
        tally: What was kept and rejected.
        moments: Moments of the stored numbers of the patches kept, by image layer.
        errors: What could not be read, one message each.
    """

    block: int
    records: tuple[PatchRecord, ...]
    tally: SelectionTally
    moments: dict[str, Moments]
    errors: tuple[str, ...] = ()


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
    nothing = BlockResult(
        block.number,
        (),
        SelectionTally.empty(len(plan.legend.finest)),
        {name: Moments.empty(stack.sizes["band"]) for name, stack in plan.stacks.items()},
    )
    try:
        layers = read_block(plan, block)
    except (SceneError, LabelError) as error:
        if strict:
            raise
        zeros = np.zeros(len(plan.legend.finest), np.int64)
        tally = nothing.tally.add("unreadable", zeros, block.rows * block.columns)
        return replace(nothing, tally=tally, errors=(str(error),))
    result = nothing
    written: list[Path] = []
    for row, col, patch in plan.patches.cut(block, layers):
        result = _add_patch(plan, result, row, col, patch, written)
    for path in written:
        fsync(path)
    return result


def read_block(plan: BuildPlan, block: Block) -> dict[str, Array]:
    """Every layer of a block: (bands, rows, columns) stored numbers, labels and edges of every level.

    Raises:
        SceneError: If a scene cannot be read.
        LabelError: If the reference cannot be read.
    """
    rows, columns = plan.patches.window(block)
    layers: dict[str, Array] = {}
    for name, stack in plan.stacks.items():
        values = stack[:, rows, columns].data.compute(scheduler="synchronous")
        layers[name] = plan.layers[name].encode(values)
    width = plan.config.edge_width
    labels = plan.reference.read(plan.patches.grid[rows, columns].pad(width))  # neighbours decide about edges
    finest = plan.legend.finest.number
    for level in plan.legend.levels:
        own = labels if level.number == finest else plan.legend.coarsen(labels, finest, level.number)
        inner = (slice(width, -width), slice(width, -width))
        layers[semantic_layer(level)] = own[inner][np.newaxis].astype(np.int32)
        layers[edge_layer(level)] = edge_mask(own, width)[inner][np.newaxis]
    return layers


def _add_patch(
    plan: BuildPlan, result: BlockResult, row: int, col: int, patch: dict[str, Array], written: list[Path]
) -> BlockResult:
    labels = patch[semantic_layer(plan.legend.finest)]
    pixels = np.asarray(class_pixels(labels, len(plan.legend.finest)), np.int64)
    images = {name: patch[name] for name in plan.layers}
    reason = reason_to_reject(
        plan.config.selection, float((labels == UNLABELLED).mean()), valid_share(images, plan.nodata)
    )
    if reason is not None:
        return replace(result, tally=result.tally.add(reason, pixels))
    placement = _placement(plan, row, col)
    written += write_patch(
        plan.root,
        plan.config,
        patch,
        plan.layers,
        plan.legend,
        patch_id=placement.id,
        transform=plan.patches.transform(row, col),
        crs=str(plan.patches.grid.crs),
    )
    levels = tuple(level.number for level in plan.legend.levels)
    record = describe_patch(placement, patch, plan.nodata, plan.legend, levels)
    moments = {name: result.moments[name] + Moments.of(patch[name], plan.nodata[name]) for name in plan.layers}
    return replace(result, records=(*result.records, record), tally=result.tally.add("kept", pixels), moments=moments)


def _placement(plan: BuildPlan, row: int, col: int) -> Placement:
    scenes = overlapping(plan.scenes, plan.patches.patch_grid(row, col))
    return Placement(
        id=plan.patches.patch_id(row, col),
        row=row,
        col=col,
        crs=str(plan.patches.grid.crs),
        transform=plan.patches.transform(row, col),
        scenes=tuple(scene.name for scene in scenes),
        dates=tuple(sorted({str(scene.date) for scene in scenes if scene.date is not None})),
    )
