"""`Expectation`: what the files of a dataset must be, as far as it is known."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from cerradata.core.errors import DatasetError
from cerradata.core.raster import RasterLook
from cerradata.legend import Legend, load_legend
from cerradata.patches.copy import labelled_levels
from cerradata.patches.index import lacking
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import Layout, edge_layer, semantic_layer
from cerradata.patches.plan import LAYER_SENSORS
from cerradata.patches.stored import StoredLayer, layer_looks
from cerradata.patches.verify.header import HeaderReader, Transform, gdal_header, quiet_tifffile


@dataclass(frozen=True)
class LayerExpectation:
    """What each file of a layer must be; None where anything is right.

    Attributes:
        bands: Number of bands.
        dtype: NumPy name of the pixels' type.
        look: What it says of itself.
        nodata: Number that counts in no statistics.
        image: Whether it is an image or a variable: neither labels nor edges.
        deciding: Whether it decides which pixels are valid.
        optional: Whether a patch may lack it.
    """

    bands: int | None = None
    dtype: str | None = None
    look: RasterLook | None = None
    nodata: float | None = None
    image: bool = False
    deciding: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Expectation:
    """What the files of every patch must be.

    Attributes:
        layers: The layers that each patch must have, if they are not optional.
        size: Rows and columns; None if it is not known.
        legend: Legend of the labels.
        levels: Levels whose labels can be judged.
        edge_width: Depth of the edge masks; None if it is not known.
        built: Whether we built it: files of a copy say of themselves what they like, and their levels may differ.
    """

    layers: Mapping[str, LayerExpectation]
    size: int | None
    legend: Legend
    levels: tuple[int, ...]
    edge_width: int | None = None
    built: bool = False


@dataclass(frozen=True)
class PatchExpectation:
    """The files of one patch, and what the index says of it.

    Attributes:
        id: Its id.
        files: Its files by layer; of a packed store none.
        place: CRS and transform; None where they are not known, or not to be judged.
        content_hash: SHA-256 of its pixels, or None.
        valid_share: Share of valid pixels, or None.
        pixels: Pixels of each class by level.
        objects: Connected parts of each class by level.
        lacks: The layers that it lacks.
    """

    id: int
    files: Mapping[str, Path]
    place: tuple[str, Transform] | None = None
    content_hash: str | None = None
    valid_share: float | None = None
    pixels: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    objects: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()

    def where(self, layer: str) -> str:
        """Where its pixels of a layer lie, for messages."""
        return str(self.files[layer]) if layer in self.files else f"{layer} of patch {self.id} in the packed store"


def expected_of_copy(layout: Layout, legend: str) -> Expectation:
    """What the files of a copy without `dataset.json` must be: like each other.

    Raises:
        DatasetError: If it has no labels.
        LegendError: If its labels are those of another legend.
    """
    known = load_legend(legend)
    return Expectation(_like_each_other(layout), _usual_size(layout), known, labelled_levels(layout, known))


def expected_of_unknown(layout: Layout, legend: str) -> Expectation:
    """The same where the labels cannot be judged."""
    return Expectation(_like_each_other(layout), _usual_size(layout), load_legend(legend), ())


def expected_of_dataset(there: Collection[str], info: DatasetInfo) -> Expectation:
    """What the patches must be by `dataset.json`.

    Args:
        there: Names of the layers that are there: which edges a copy has, `dataset.json` does not say.
        info: What it says.
    """
    built = info.grid is not None
    looks = layer_looks(_stored(info), info.legend) if built else {}
    layers = {
        name: LayerExpectation(
            bands=len(layer.radiometry.bands),
            dtype=layer.dtype if built else None,
            look=looks.get(name),
            nodata=layer.radiometry.nodata,
            image=True,
            deciding=name in LAYER_SENSORS or not built,
            optional=layer.optional,
        )
        for name, layer in info.layers.items()
    }
    for number in info.labels:
        level = info.legend.level(number)
        for name, dtype in ((semantic_layer(level), "int32"), (edge_layer(level), "uint8")):
            if name in there or info.edge_width is not None:
                layers[name] = LayerExpectation(1, dtype if built else None, looks.get(name))
    return Expectation(layers, info.patch_size, info.legend, info.labels, info.edge_width, built)


def expected_patches(
    layout: Layout, expected: Expectation, index: pd.DataFrame | None, *, deep: bool
) -> list[PatchExpectation]:
    """The patches that have files, in id order, with what the index says of each.

    Args:
        layout: The files; without any, the patches of the index.
        expected: What they must be.
        index: The index; None where there is none.
        deep: Whether their pixels will be read.
    """
    if index is None or index["id"].duplicated().any():  # which row is a patch's is not known then
        rows: dict[int, int] = {}
        index = None
    else:
        rows = {int(patch_id): row for row, patch_id in enumerate(index["id"])}
    places = _places(index) if index is not None and expected.built else {}
    hashes = [] if index is None else index["content_hash"].tolist()
    shares = [] if index is None else index["valid_share"].tolist()
    counts = {kind: _counts(index if deep else None, expected, kind) for kind in ("pixels", "objects")}
    absent = {} if index is None else lacking(index)
    patches = []
    for patch_id in layout.ids if layout.files else rows:
        files = {layer: paths[patch_id] for layer, paths in layout.files.items() if patch_id in paths}
        row = rows.get(patch_id)
        if row is None:
            patches.append(PatchExpectation(patch_id, files))
            continue
        own = {kind: {level: table[row] for level, table in tables.items()} for kind, tables in counts.items()}
        lacks = frozenset(layer for layer, ids in absent.items() if patch_id in ids)
        place = places.get(patch_id)
        patches.append(PatchExpectation(patch_id, files, place, hashes[row], shares[row], **own, lacks=lacks))
    return patches


def _places(index: pd.DataFrame) -> dict[int, tuple[str, Transform]]:
    if "crs" not in index or "transform" not in index:
        return {}
    rows = zip(index["id"], index["crs"], index["transform"], strict=True)
    return {
        int(patch_id): (crs, tuple(np.asarray(transform, dtype=float).tolist()))
        for patch_id, crs, transform in rows
        if isinstance(crs, str) and np.ndim(transform) == 1
    }


def _counts(index: pd.DataFrame | None, expected: Expectation, kind: str) -> dict[int, list[tuple[int, ...]]]:
    if index is None:
        return {}
    columns = {level: f"{kind}_l{level}" for level in expected.levels}
    return {
        level: [tuple(np.asarray(value).ravel().tolist()) for value in index[column]]
        for level, column in columns.items()
        if column in index
    }


def _stored(info: DatasetInfo) -> dict[str, StoredLayer]:
    return {
        name: StoredLayer(name, layer.folder, layer.dtype, layer.radiometry, layer.radiometry.bands)
        for name, layer in info.layers.items()
    }


def _like_each_other(layout: Layout) -> dict[str, LayerExpectation]:
    return {
        layer: LayerExpectation(bands=1 if layer.startswith(("semantic_", "edge_")) else None)
        for layer in sorted(layout.files)
    }


def _usual_size(layout: Layout) -> int | None:
    """The most frequent size of the first files: a copy may hold one that is wrong, wherever it stands."""
    reader = HeaderReader()
    sizes = []
    with quiet_tifffile():
        for path in [path for patches in layout.files.values() for path in list(patches.values())[:5]]:
            try:
                sizes.append((reader.read(path) or gdal_header(path)).width)
            except DatasetError:  # it is named when its turn comes
                continue
    return max(set(sizes), key=sizes.count) if sizes else None
