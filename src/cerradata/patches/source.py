"""Where the pixels of a dataset's patches come from: GeoTIFFs or a packed store."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from cerradata.core.errors import DatasetError
from cerradata.core.types import Allocate, Array
from cerradata.patches.index import lacking
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import INDEX_FILE, Layout, discover
from cerradata.patches.store.byte_ranges import LocalBytes, RemoteBytes
from cerradata.patches.store.form import LOCATION_FILE, PACK_FILE, STORE_FOLDER, hash_of_content, store_of
from cerradata.patches.store.read import PackedPatches
from cerradata.patches.stored import read_layer


class PatchSource(Protocol):
    """Pixels by layer and id. The same patches are the same numbers whatever they are read from."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""

    def read(self, layer: str, ids: Sequence[int], empty: Allocate = np.empty) -> Array:
        """(patches, bands, rows, columns) in the layer's dtype; zeros for a patch that lacks the layer.

        Raises:
            DatasetError: If a file cannot be read, or patches of a layer differ in size or type.
        """

    def require(self, layers: Iterable[str], ids: Sequence[int]) -> None:
        """Raise `DatasetError` if one of the patches lacks one of the layers and is not said to."""


class GeoTiffPatches:
    """One file a patch and layer."""

    def __init__(self, layout: Layout, lacks: Mapping[str, frozenset[int]]) -> None:
        """Take the files.

        Args:
            layout: The files.
            lacks: Ids that are said to lack a layer.
        """
        self._layout = layout
        self._lacks = lacks

    @property
    def layers(self) -> tuple[str, ...]:
        """See `PatchSource`."""
        return tuple(self._layout.files)

    def read(self, layer: str, ids: Sequence[int], empty: Allocate = np.empty) -> Array:
        """See `PatchSource`."""
        absent = self._lacks.get(layer, frozenset())
        pixels = [None if i in absent else read_layer(self._layout.path(layer, i))[0] for i in ids]
        there = [own for own in pixels if own is not None]
        if not there:
            example = next(path for i, path in self._layout.files[layer].items() if i not in absent)
            there = [read_layer(example)[0]]
        first = there[0]
        for patch_id, own in zip(ids, pixels, strict=True):
            if own is not None and (own.shape != first.shape or own.dtype != first.dtype):
                raise DatasetError(
                    f"{self._layout.path(layer, patch_id)} is {own.dtype} {own.shape}, other patches are {first.dtype} "
                    f"{first.shape}. Run `cerradata verify {self._layout.root}`."
                )
        stacked = empty((len(ids), *first.shape), first.dtype)
        for place, own in enumerate(pixels):
            stacked[place] = 0 if own is None else own
        return stacked

    def require(self, layers: Iterable[str], ids: Sequence[int]) -> None:
        """See `PatchSource`."""
        root = self._layout.root
        if self._layout.doubled:
            raise DatasetError(
                f"{root}: {self._layout.doubled[0]} ({len(self._layout.doubled)} such problems), so it is not known "
                f"which file belongs to the patch. Run `cerradata verify {root}` and remove the wrong ones."
            )
        for layer in layers:
            files, absent = self._layout.files.get(layer, {}), self._lacks.get(layer, frozenset())
            if not files:
                raise DatasetError(f"{root} has no file of layer {layer}. Run `cerradata verify {root}`.")
            missing = [patch_id for patch_id in ids if patch_id not in files and patch_id not in absent]
            if missing:
                raise DatasetError(
                    f"{root}: layer {layer} lacks {len(missing)} of {len(ids)} patches (ids {missing[:5]}"
                    f"{' ...' if len(missing) > 5 else ''}). Run `cerradata verify {root}` for the whole list."
                )


def open_source(root: Path, info: DatasetInfo | None, index: pd.DataFrame | None) -> PatchSource:
    """The patches of a dataset's folder: of its store where it has one, else of its GeoTIFFs.

    Args:
        root: The folder.
        info: Its `dataset.json`, if any.
        index: Its index, if any.

    Raises:
        DatasetError: If there are no patches, or the store was packed from other ones than the index lists.
    """
    url, store = root / LOCATION_FILE, store_of(root)
    if index is not None and (store is not None or url.is_file()):
        ids = [int(i) for i in index["id"]]
        patches = PackedPatches(ids, partial(LocalBytes, store)) if store is not None else _remote(url, ids)
        if patches.info.content != hash_of_content(index):
            raise DatasetError(
                f"{patches.name} was packed from other patches than {root / INDEX_FILE} lists: run `cerradata pack {root} "
                "--overwrite`, or remove it."
            )
        return patches
    if (root / STORE_FOLDER).is_dir() and index is not None and not _has_geotiffs(root, info):
        raise DatasetError(
            f"{root / STORE_FOLDER} is unfinished: it has no {PACK_FILE}. Run `cerradata pack` again, or copy it again, with "
            f"{PACK_FILE} last."
        )
    folders = {} if info is None else {name: layer.folder for name, layer in info.layers.items()}
    return GeoTiffPatches(discover(root, folders), {} if index is None else lacking(index))


def _has_geotiffs(root: Path, info: DatasetInfo | None) -> bool:
    try:
        return bool(
            discover(root, {} if info is None else {name: own.folder for name, own in info.layers.items()}).files
        )
    except DatasetError:
        return False


def _remote(pointer: Path, ids: Sequence[int]) -> PackedPatches:
    url = pointer.read_text(encoding="utf-8").strip()
    if url.endswith("://") or not ("://" in url or Path(url).is_absolute()):
        raise DatasetError(
            f"{pointer} holds {url!r}: it must hold the URI or the absolute path of a store, such as s3://bucket/dataset/"
            f"{STORE_FOLDER}."
        )
    try:
        return PackedPatches(ids, partial(RemoteBytes, url))
    except DatasetError as error:
        raise DatasetError(f"{pointer} points to {url} (does it end in {STORE_FOLDER}?): {error}") from error
