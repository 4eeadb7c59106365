"""One row of the index: what is known of a patch without opening its images."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from affine import Affine

from cerradata.core.types import UNLABELLED, Array, BoolArray, LabelArray
from cerradata.labels.objects import count_objects
from cerradata.legend import Legend
from cerradata.patches.layout import semantic_layer
from cerradata.patches.statistics import valid_pixels


@dataclass(frozen=True)
class PatchRecord:
    """What the index says of a patch.

    Attributes:
        id: Number of the patch, also in its file names.
        row: Row on the patch grid; None in a copy.
        col: Column on the patch grid; None in a copy.
        crs: Coordinate reference system, or None.
        transform: The six numbers of pixel corner to map coordinates, or None.
        valid_share: Share of pixels with data in every band of every sensor that the patch has, 0 to 1.
        pixels: Pixels of each class, by level.
        objects: Connected parts of each class, by level.
        scenes: Names of the scenes that pixels of the patch came from; in a mean or median, those that were seen.
        scene_pixels: Pixels that came from each of them, over all time windows; 0 in a mean or median of several.
        dates: Their dates.
        observations: Mean number of observations of a pixel and time window, by image layer.
        alignment: How well layers lie on each other, by column (`patches.alignment`).
        lacks: Image layers that the patch lacks; None where no patch of the dataset may lack any.
        content_hash: SHA-256 of the pixels of all its layers (`content_hash`).
    """

    id: int
    row: int | None
    col: int | None
    crs: str | None
    transform: tuple[float, ...] | None
    valid_share: float
    pixels: Mapping[int, tuple[int, ...]]
    objects: Mapping[int, tuple[int, ...]]
    scenes: tuple[str, ...]
    dates: tuple[str, ...]
    content_hash: str
    scene_pixels: tuple[int, ...] = ()
    observations: Mapping[str, float] = field(default_factory=dict)
    alignment: Mapping[str, float | bool | None] = field(default_factory=dict)
    lacks: tuple[str, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Flat plain values: the columns of the index."""
        row: dict[str, Any] = {
            "id": self.id,
            "row": self.row,
            "col": self.col,
            "crs": self.crs,
            "transform": None if self.transform is None else list(self.transform),
            "valid_share": self.valid_share,
        }
        for level, counts in self.pixels.items():
            row[f"pixels_l{level}"] = list(counts)
        for level, counts in self.objects.items():
            row[f"objects_l{level}"] = list(counts)
        row |= {"scenes": list(self.scenes), "scene_pixels": list(self.scene_pixels), "dates": list(self.dates)}
        row |= {f"observations_{layer}": mean for layer, mean in self.observations.items()}
        row |= dict(self.alignment)
        if self.lacks is not None:
            row["lacks"] = list(self.lacks)
        return row | {"content_hash": self.content_hash}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> "PatchRecord":
        """A record from its fields as JSON holds them: lists for tuples, text for the levels."""
        values = dict(plain)
        values["transform"] = None if plain["transform"] is None else tuple(plain["transform"])
        for name in ("pixels", "objects"):
            values[name] = {int(level): tuple(counts) for level, counts in plain[name].items()}
        for name in ("scenes", "dates", "scene_pixels"):
            values[name] = tuple(plain[name])
        lacks = plain.get("lacks")  # a journal of an earlier version has none
        values["lacks"] = None if lacks is None else tuple(lacks)
        return PatchRecord(**values)


@dataclass(frozen=True)
class Placement:
    """Where a patch lies and what it came from: the part of a record that its pixels do not tell.

    Attributes:
        id: Number of the patch.
        row: Row on the patch grid, or None.
        col: Column on the patch grid, or None.
        crs: Coordinate reference system, or None.
        transform: Pixel corner to map coordinates, or None.
        scenes: Names of the scenes that its pixels came from.
        dates: Their dates.
        scene_pixels: Pixels that came from each of the scenes.
        observations: Mean number of observations of a pixel, by image layer.
        alignment: How well layers lie on each other, by column.
    """

    id: int
    row: int | None = None
    col: int | None = None
    crs: str | None = None
    transform: Affine | None = None
    scenes: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    scene_pixels: tuple[int, ...] = ()
    observations: Mapping[str, float] = field(default_factory=dict)
    alignment: Mapping[str, float | bool | None] = field(default_factory=dict)


def describe_patch(
    placement: Placement,
    layers: Mapping[str, Array],
    valid: float,
    legend: Legend,
    levels: tuple[int, ...],
) -> PatchRecord:
    """The record of a patch from its pixels.

    Args:
        placement: Where it lies.
        layers: (bands, rows, columns) stored numbers of each layer, labels and edges too.
        valid: Share of pixels with data in every band of every sensor (`valid_share`).
        legend: The dataset's legend.
        levels: Levels that have labels. Each is counted in its own file: in the published copies level 1 was rasterised
            apart from level 2.
    """
    labels = {level: layers[semantic_layer(legend.level(level))][0] for level in levels}
    return PatchRecord(
        id=placement.id,
        row=placement.row,
        col=placement.col,
        crs=placement.crs,
        transform=None if placement.transform is None else tuple(placement.transform)[:6],
        valid_share=valid,
        pixels={level: class_pixels(array, len(legend.level(level))) for level, array in labels.items()},
        objects={
            level: tuple(int(n) for n in count_objects(array, len(legend.level(level))))
            for level, array in labels.items()
        },
        scenes=placement.scenes,
        dates=placement.dates,
        content_hash=content_hash(layers),
        scene_pixels=placement.scene_pixels,
        observations=placement.observations,
        alignment=placement.alignment,
    )


def valid_share(images: Mapping[str, Array], nodata: Mapping[str, float | None]) -> float:
    """Share of pixels that have data in every band of every layer, 0 to 1."""
    return float(valid_everywhere(images, nodata).mean()) if images else 1.0


def valid_everywhere(images: Mapping[str, Array], nodata: Mapping[str, float | None]) -> BoolArray:
    """(rows, columns): where every band of every layer, of which there is one or more, has data."""
    valid = [valid_pixels(pixels, nodata[name]).all(axis=0) for name, pixels in images.items()]
    return np.asarray(np.logical_and.reduce(valid))


def class_pixels(labels: LabelArray, classes: int) -> tuple[int, ...]:
    """Pixels of each class; unlabelled (255) and values that are no class are not counted."""
    return tuple(int(n) for n in np.bincount(_as_bytes(labels).ravel(), minlength=256)[:classes])


def content_hash(layers: Mapping[str, Array]) -> str:
    """SHA-256 of what a patch holds: name, type, shape and numbers of each layer, by name.

    It depends on the pixels alone, not on compression, tags or the store that they lie in.
    """
    digest = hashlib.sha256()
    for name in sorted(layers):
        pixels = layers[name]
        little = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<"))
        digest.update(f"{name} {little.dtype.str} {little.shape}".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()


def _as_bytes(labels: LabelArray) -> LabelArray:
    if labels.dtype == np.uint8:
        return labels
    return np.where((labels >= 0) & (labels < UNLABELLED), labels, UNLABELLED).astype(np.uint8)
