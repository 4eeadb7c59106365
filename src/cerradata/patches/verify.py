"""`verify_dataset`: is a dataset whole, and is every file what it should be?"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import rasterio
from affine import Affine

from cerradata.core.errors import CerradataError, DatasetError
from cerradata.core.progress import track
from cerradata.core.raster import RasterLook
from cerradata.core.types import SPLITS, Array
from cerradata.legend import Legend, load_legend
from cerradata.patches.copy import labelled_levels
from cerradata.patches.index import read_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import INDEX_FILE, INFO_FILE, JOURNAL_FILE, Layout, discover, edge_layer, semantic_layer
from cerradata.patches.record import content_hash
from cerradata.patches.stored import StoredLayer, layer_looks, read_layer

Kind = Literal["missing", "extra", "unpaired", "corrupt", "wrong size", "wrong value", "changed", "name", "dataset"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: What kind of wrong.
        message: Which file or patch, and what is wrong with it.
        patch_id: The patch, where it is one.
    """

    kind: Kind
    message: str
    patch_id: int | None = None

    def to_dict(self) -> dict[str, str | int | None]:
        """Plain values for JSON."""
        return {"kind": self.kind, "patch_id": self.patch_id, "message": self.message}


@dataclass(frozen=True)
class _Expectation:
    """What each patch must be, as far as it is known: looks and places are those of a dataset that we built."""

    layers: tuple[str, ...]
    bands: dict[str, int]
    size: int | None
    legend: Legend
    levels: tuple[int, ...]
    hashes: dict[int, str]
    looks: dict[str, RasterLook]
    places: dict[int, tuple[str, Affine]]


def verify_dataset(root: Path, *, legend: str = "cerradata-4mm", workers: int = 2, quiet: bool = True) -> list[Problem]:
    """Check every file of a dataset.

    With index and `dataset.json` each patch must have every layer, with the size, bands and content that they say.
    A copy without them is checked against itself: layers that some patches have must be there for all.

    Args:
        root: The dataset's folder.
        legend: Legend of a copy without `dataset.json`.
        workers: Threads that read.
        quiet: Show no progress.

    Returns:
        What is wrong; empty if the dataset is whole.

    Raises:
        DatasetError: If there is no dataset at all.
    """
    info, index, problems = _read_index(root)
    folders = {} if info is None else {name: layer.folder for name, layer in info.layers.items()}
    layout = discover(root, folders)
    problems += [Problem("name", message) for message in layout.problems]
    expected = _expectation(layout, info, index, legend, problems)
    problems += _check_presence(layout, expected, index)
    problems += _check_split_folders(root, folders, expected)

    def check(patch_id: int) -> list[Problem]:
        return list(_check_patch(layout, expected, patch_id))

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for found in track(pool.map(check, layout.ids), what="Verifying", total=len(layout.ids), quiet=quiet):
            problems += found
    return problems


def _read_index(root: Path) -> tuple[DatasetInfo | None, pd.DataFrame | None, list[Problem]]:
    problems = []
    if (root / JOURNAL_FILE).exists() and not (root / INFO_FILE).exists():
        problems.append(Problem("dataset", f"{root} is an unfinished build: run the same build again and it goes on."))
        return None, None, problems
    info = index = None
    if (root / INFO_FILE).exists() or (root / INDEX_FILE).exists():
        for read in (DatasetInfo.read, read_index):
            try:
                found = read(root)
            except CerradataError as error:
                problems.append(Problem("dataset", str(error)))
                continue
            if isinstance(found, DatasetInfo):
                info = found
            else:
                index = found
    if info is not None and index is not None and info.patches != len(index):
        problems.append(
            Problem("dataset", f"{INFO_FILE} counts {info.patches} patches, {INDEX_FILE} has {len(index)}.")
        )
    return info, index, problems


def _expectation(
    layout: Layout, info: DatasetInfo | None, index: pd.DataFrame | None, legend: str, problems: list[Problem]
) -> _Expectation:
    hashes = {} if index is None else dict(zip(index["id"].astype(int), index["content_hash"], strict=True))
    if info is None:
        known = load_legend(legend)
        try:
            levels = labelled_levels(layout, known)
        except CerradataError as error:  # no labels, or those of another legend: their values cannot be judged
            problems.append(Problem("dataset", str(error)))
            levels = ()
        return _Expectation(tuple(sorted(layout.files)), {}, _usual_size(layout), known, levels, hashes, {}, {})
    labels = [f(info.legend.level(level)) for level in info.labels for f in (semantic_layer, edge_layer)]
    own = [layer for layer in labels if layer in layout.files or info.edge_width is not None]
    layers = tuple(sorted({*info.layers, *own}))
    bands = {name: len(layer.radiometry.bands) for name, layer in info.layers.items()}
    built = info.grid is not None  # the files of a copy say of themselves what they like
    looks = layer_looks(_stored(info), info.legend) if built else {}
    places = {} if index is None or not built else _places(index)
    return _Expectation(layers, bands, info.patch_size, info.legend, info.labels, hashes, looks, places)


def _stored(info: DatasetInfo) -> dict[str, StoredLayer]:
    return {
        name: StoredLayer(name, layer.folder, layer.dtype, layer.radiometry, layer.radiometry.bands)
        for name, layer in info.layers.items()
    }


def _places(index: pd.DataFrame) -> dict[int, tuple[str, Affine]]:
    rows = zip(index["id"], index["crs"], index["transform"], strict=True)
    return {int(patch_id): (crs, Affine(*transform)) for patch_id, crs, transform in rows if crs is not None}


def _usual_size(layout: Layout) -> int | None:
    """The most frequent size of the first files: a copy may hold one that is wrong, wherever it stands."""
    sizes = []
    for patches in layout.files.values():
        for path in list(patches.values())[:5]:
            try:
                sizes.append(read_layer(path)[0].shape[-1])
            except DatasetError:
                continue
    return max(set(sizes), key=sizes.count) if sizes else None


def _check_presence(layout: Layout, expected: _Expectation, index: pd.DataFrame | None) -> Iterator[Problem]:
    if index is None:
        for patch_id, layers in layout.missing(list(expected.layers)).items():
            yield Problem("unpaired", f"patch {patch_id} has no file in {', '.join(layers)}", patch_id)
        return
    known = set(expected.hashes)
    for patch_id in sorted(known):
        layers = [layer for layer in expected.layers if patch_id not in layout.files.get(layer, {})]
        if layers:
            yield Problem("missing", f"patch {patch_id} has no file in {', '.join(layers)}", patch_id)
    for patches in layout.files.values():
        for patch_id, path in sorted(patches.items()):
            if patch_id not in known:
                yield Problem("extra", f"{path} belongs to no patch of the index", patch_id)


def _check_split_folders(root: Path, folders: dict[str, str], expected: _Expectation) -> Iterator[Problem]:
    here = [split for split in SPLITS if (root / split).is_dir()]
    if not here:
        return
    for split in SPLITS:
        if split not in here:
            yield Problem("missing", f"{root} has {', '.join(here)}/ but no {split}/")
            continue
        try:
            files = discover(root / split, folders).files
        except DatasetError:  # not one folder of a layer is in it
            files = {}
        lacking = [layer for layer in expected.layers if not files.get(layer)]
        if lacking:
            yield Problem("missing", f"{root / split} has no files of {', '.join(lacking)}")


def _check_patch(layout: Layout, expected: _Expectation, patch_id: int) -> Iterator[Problem]:
    pixels: dict[str, Array] = {}
    for layer, patches in layout.files.items():
        if patch_id not in patches:
            continue
        path = patches[patch_id]
        try:
            pixels[layer], crs, transform = read_layer(path)
        except DatasetError as error:
            yield Problem("corrupt", str(error), patch_id)
            continue
        yield from _check_shape(path, layer, pixels[layer], expected, patch_id)
        yield from _check_values(path, layer, pixels[layer], expected, patch_id)
        yield from _check_look(path, layer, expected, patch_id)
        place = expected.places.get(patch_id, (crs, transform))
        if (crs, transform) != place:
            yield Problem("changed", f"{path} lies at {crs}, {transform!r}; the index says {place}", patch_id)
    whole = patch_id in expected.hashes and set(pixels) == set(expected.layers)
    if whole and content_hash(pixels) != expected.hashes[patch_id]:
        yield Problem("changed", f"patch {patch_id} holds other pixels than when it was indexed", patch_id)


def _check_look(path: Path, layer: str, expected: _Expectation, patch_id: int) -> Iterator[Problem]:
    """A file that was cut short behind its pixels lacks only what it says of itself."""
    look = expected.looks.get(layer)
    if look is None:
        return
    with rasterio.open(path) as file:
        tags, bands = file.tags(), file.descriptions
    lost = [name for name, value in look.tags.items() if tags.get(name) != value]
    if lost or (look.bands and bands != tuple(look.bands)):
        what = f"the tag {lost[0]}" if lost else "its band names"
        yield Problem("changed", f"{path} lacks {what}, or has another than when it was built", patch_id)


def _check_shape(path: Path, layer: str, pixels: Array, expected: _Expectation, patch_id: int) -> Iterator[Problem]:
    bands, height, width = pixels.shape
    if expected.size is not None and (height, width) != (expected.size, expected.size):
        yield Problem(
            "wrong size", f"{path} has {height} x {width} pixels, {expected.size} x {expected.size} are right", patch_id
        )
    wanted = expected.bands.get(layer, 1 if layer.startswith(("semantic_", "edge_")) else bands)
    if bands != wanted:
        yield Problem("wrong size", f"{path} has {bands} bands, {wanted} are right", patch_id)


def _check_values(path: Path, layer: str, pixels: Array, expected: _Expectation, patch_id: int) -> Iterator[Problem]:
    if layer.startswith("edge_"):
        strange = sorted(set(np.unique(pixels).tolist()) - {0, 1})
        if strange:
            yield Problem("wrong value", f"{path} holds {strange[:5]}: an edge mask has 0 and 1", patch_id)
    for level in expected.levels:
        if layer == semantic_layer(expected.legend.level(level)):
            found = expected.legend.strange_values(pixels, level)
            if found:
                values = ", ".join(f"{value} ({count} pixels)" for value, count in found.items())
                allowed = f"0 to {len(expected.legend.level(level)) - 1} and 255"
                yield Problem("wrong value", f"{path} holds {values}: level {level} has {allowed}", patch_id)
