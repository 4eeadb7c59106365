"""The page of a dataset."""

import math
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj

from cerradata.core.errors import CerradataError, DatasetError
from cerradata.core.types import SPLITS, CountArray
from cerradata.evaluation.plots import plot_class_distribution
from cerradata.evaluation.report.absent import AbsentRow, describe_absent, whole_and_lacking
from cerradata.evaluation.report.alignment import describe_alignment
from cerradata.evaluation.report.footprints import ground_km2, patches_over_ground, plot_footprints
from cerradata.evaluation.report.layers import SENSORS, describe_layer
from cerradata.evaluation.report.observations import describe_observations
from cerradata.evaluation.report.page import TIMES, Fact, count, listed, percent, quantity, render, share_of
from cerradata.evaluation.report.pictures import Picture, figure_uri
from cerradata.evaluation.report.provenance import describe_provenance
from cerradata.evaluation.report.samples import SampleView, sample_patches
from cerradata.evaluation.report.seams import describe_seams
from cerradata.evaluation.report.selection import describe_selection
from cerradata.evaluation.report.splits import patches_by_split, read_certificate
from cerradata.evaluation.report.variables import describe_variables
from cerradata.legend import LandCoverClass, Level
from cerradata.patches.index import class_counts, read_index
from cerradata.patches.info import DatasetInfo, LayerInfo


@dataclass(frozen=True)
class ClassRow:
    """A class in the table of a level.

    Attributes:
        land_cover: The class.
        pixels: Its pixels.
        share: Percent of the labelled pixels.
        objects: Its connected parts; None if the index does not count them.
        patches: Patches that contain it.
        patch_share: Percent of the patches.
        by_split: Pixels in each split; empty without splits.
    """

    land_cover: LandCoverClass
    pixels: int
    share: float | None
    objects: int | None
    patches: int
    patch_share: float | None
    by_split: tuple[int, ...]


@dataclass(frozen=True)
class LevelView:
    """A level on a page.

    Attributes:
        number: Counted from coarse = 1.
        classes: One row a class.
        chart: Distribution of the classes; None if nothing is labelled.
        missing: One sentence for each split that lacks classes.
    """

    number: int
    classes: tuple[ClassRow, ...]
    chart: Picture | None
    missing: tuple[str, ...]


def dataset_page(root: Path) -> str:
    """The page of a dataset as HTML.

    Args:
        root: Its folder.

    Raises:
        CerradataError: If a file is missing or damaged.
    """
    info = DatasetInfo.read(root)
    if not info.labels:
        raise DatasetError(
            f"{root} has no labels, so there is little to report: run `cerradata index {root} --overwrite`."
        )
    index = read_index(root)
    by_split = patches_by_split(index)
    samples, trouble = _samples(root, info, index)
    area = ground_km2(index)
    absent = describe_absent(info, index, splits=bool(by_split))
    return render(
        "dataset.html.jinja",
        {
            "info": info,
            "simulated": info.simulated,
            "folder": root.resolve().name,
            "lede": _lede(info, area),
            "facts": _facts(info, index, area, absent),
            "layers": [describe_layer(layer) for layer in _seen(info).values()],
            "absent": absent,
            "levels": [_level(info.legend.level(number), index, by_split) for number in info.labels],
            "variables": describe_variables(info),
            "overlap": _overlap(info, index),
            "observations": describe_observations(index, info),
            "seams": describe_seams(info),
            "alignment": describe_alignment(index),
            "selection": describe_selection(info.selection, info.legend.finest),
            "by_split": by_split,
            "split_names": SPLITS if by_split else (),
            "certificate": read_certificate(root, index),
            "footprints": _footprints(index, by_split),
            "samples": samples,
            "samples_trouble": trouble,
            "provenance": describe_provenance(info),
        },
    )


def _lede(info: DatasetInfo, area: float | None) -> str:
    seen = [layer.radiometry.sensor for layer in _seen(info).values()]
    sensors = [sensor if sensor == "elevation" else SENSORS[sensor] for sensor in seen]
    computed = len(info.layers) - len(sensors)
    images = listed([*sensors, *([quantity(computed, "variable")] if computed else [])]) or "no images"
    classes = listed([str(len(info.legend.level(number))) for number in info.labels])
    where = "" if area is None else f" over {area:,.1f} km² of ground"
    size = f"{info.patch_size} {TIMES} {info.patch_size} pixels"
    return (
        f"{quantity(info.patches, 'patch')} of {size}{where}: {images}, with labels of {classes} classes of the legend "
        f"{info.legend.title}."
    )


def _facts(info: DatasetInfo, index: gpd.GeoDataFrame, area: float | None, absent: tuple[AbsentRow, ...]) -> list[Fact]:
    labelled = int(class_counts(index, max(info.labels)).sum())
    pixels = info.patches * info.patch_size**2
    bands = {name: len(layer.radiometry.bands) for name, layer in info.layers.items()}
    parts = {name: bands[name] for name in _seen(info)}
    if len(parts) < len(bands):
        parts["computed"] = sum(bands.values()) - sum(parts.values())
    layers = ", ".join(f"{n} {name}" for name, n in parts.items()) if len(parts) > 1 else ""
    levels = "one level" if len(info.labels) == 1 else f"at {len(info.labels)} levels"
    return [
        Fact("Patches", count(info.patches), whole_and_lacking(absent, index)),
        Fact("Patch size", f"{info.patch_size} {TIMES} {info.patch_size}", _side(info)),
        *([] if area is None else [Fact("Ground covered", f"{area:,.1f} km²")]),
        Fact("Bands", count(sum(bands.values())), layers),
        Fact("Classes", " / ".join(str(len(info.legend.level(n))) for n in info.labels), levels),
        Fact("Labelled", f"{percent(share_of(labelled, pixels))} %", f"{labelled:,} pixels"),
    ]


def _seen(info: DatasetInfo) -> dict[str, LayerInfo]:
    """The layers that a sensor saw: no computed variables."""
    return {name: layer for name, layer in info.layers.items() if layer.radiometry.sensor != "derived"}


def _overlap(info: DatasetInfo, index: gpd.GeoDataFrame) -> str:
    """That patches overlap, and what it does to every total of pixels; "" where they do not, or it is not known."""
    size = info.patch_size
    step = (info.grid or {}).get("stride") or size
    if step >= size:
        return ""
    most, mean = f"{math.ceil(size / step) ** 2:,} times", patches_over_ground(index)
    often = f"up to {most}" if mean is None else f"{mean:.1f} times on average and up to {most}"
    return (
        f"Patches overlap: the next one begins {quantity(step, 'pixel')} further on, so neighbours share {size - step} of "
        f"their {size} rows or columns. Totals of pixels and objects on this page count the same ground {often}."
    )


def _side(info: DatasetInfo) -> str:
    """Side of a patch in metres where the grid is in metres, else its unit."""
    if info.grid is not None:
        crs = pyproj.CRS.from_user_input(info.grid["crs"])
        if crs.is_projected and crs.axis_info[0].unit_name == "metre":
            return f"pixels, {info.patch_size * abs(info.grid['transform'][0]):,g} m a side"
    return "pixels"


def _level(level: Level, index: gpd.GeoDataFrame, by_split: dict[str, int]) -> LevelView:
    pixels = class_counts(index, level.number)
    objects = class_counts(index, level.number, what="objects") if f"objects_l{level.number}" in index else None
    containing = (np.stack(list(index[f"pixels_l{level.number}"])) > 0).sum(axis=0)
    splits: dict[str, CountArray] = {}
    if by_split:
        splits |= {name: class_counts(index, level.number, split=name) for name in SPLITS}
    rows = tuple(
        ClassRow(
            land_cover=c,
            pixels=int(pixels[c.id]),
            share=share_of(int(pixels[c.id]), int(pixels.sum())),
            objects=None if objects is None else int(objects[c.id]),
            patches=int(containing[c.id]),
            patch_share=share_of(int(containing[c.id]), len(index)),
            by_split=tuple(int(counts[c.id]) for counts in splits.values()),
        )
        for c in level.classes
    )
    return LevelView(level.number, rows, _chart(level, splits or {"all patches": pixels}), tuple(_missing(rows)))


def _chart(level: Level, counts: dict[str, CountArray]) -> Picture | None:
    filled = {name: [int(n) for n in pixels] for name, pixels in counts.items() if pixels.any()}
    if not filled:
        return None
    what = f"level {level.number}, {listed(list(filled))}"
    return Picture(figure_uri(plot_class_distribution(level, filled)), f"Bars of the pixels of each class: {what}.")


def _missing(rows: tuple[ClassRow, ...]) -> list[str]:
    """For each split, the classes that the dataset has and the split has not."""
    sentences = []
    for position, split in enumerate(SPLITS if rows[0].by_split else ()):
        names = [row.land_cover.name for row in rows if row.pixels and not row.by_split[position]]
        if names:
            sentences.append(f"{split} has no pixel of {listed(names)}.")
    return sentences


def _footprints(index: gpd.GeoDataFrame, by_split: dict[str, int]) -> Picture | None:
    if not index.geometry.notna().any():
        return None
    west, south, east, north = index.total_bounds
    where = f"{west:.2f} to {east:.2f} degrees east and {south:.2f} to {north:.2f} degrees north"
    return Picture(
        figure_uri(plot_footprints(index)),
        f"Map of the patches, from {where}{', coloured by split' if by_split else ''}.",
        "Footprints of the patches in longitude and latitude (WGS 84).",
    )


def _samples(root: Path, info: DatasetInfo, index: gpd.GeoDataFrame) -> tuple[tuple[SampleView, ...], str]:
    """Sample patches; or none, and what is wrong with the files: the rest of the page is still of use."""
    try:
        return sample_patches(root, info, index, info.legend.level(max(info.labels))), ""
    except CerradataError as error:
        # The page travels: the folders of the machine that made it are of no use to its readers.
        return (), str(error).replace(str(root), root.resolve().name)
