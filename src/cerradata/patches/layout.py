"""The files of a dataset on disk: folders, names, ids."""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.core.types import SPLITS, SplitName
from cerradata.legend import Level

INDEX_FILE: Final = "index.parquet"
INFO_FILE: Final = "dataset.json"
CERTIFICATE_FILE: Final = "split-certificate.json"
"""`patches.certificate.Certificate.to_dict()` as JSON, in the dataset's folder."""
JOURNAL_FILE: Final = "build-journal.jsonl"

IMAGE_LAYERS: Final[dict[str, tuple[str, ...]]] = {
    "msi": ("msi_images", "opt_images"),
    "sar": ("sar_images",),
    "elevation": ("elevation",),
}
"""Image layers and the folder names under which copies hold them; the first is the one that we write."""

SENSOR_LAYERS: Final = ("msi", "sar")
"""The image layers of which a patch has one at least, whatever else it may lack."""

_INFIX = {"msi": "ms", "sar": "sar", "elevation": "elevation"}
_LABEL_FOLDER = re.compile(r"(?:semantic|edge)_\d+c")
_ID = re.compile(r"_(\d+)\.tiff?$", re.IGNORECASE)


def semantic_layer(level: Level) -> str:
    """Name of the label layer of a level, which is its folder's name too: `semantic_14c`."""
    return f"semantic_{len(level)}c"


def edge_layer(level: Level) -> str:
    """Name of the edge layer of a level, which is its folder's name too: `edge_14c`."""
    return f"edge_{len(level)}c"


def patch_file(prefix: str, layer: str, patch_id: int) -> str:
    """File name of a layer of a patch, as we write it: `cerradata_ms_17.tif`."""
    return f"{prefix}_{_INFIX.get(layer, layer)}_{patch_id}.tif"


def id_of_file(name: str) -> int | None:
    """The number after the last underscore, or None where there is none."""
    found = _ID.search(name)
    return int(found.group(1)) if found else None


@dataclass(frozen=True)
class Layout:
    """Which files a dataset folder holds.

    Attributes:
        root: The dataset's folder.
        files: Path of each patch by layer and id. Files are joined on ids, never on their order.
        splits: Split of each id, where `train/`, `val/` and `test/` folders tell it.
        problems: What is wrong with names and folders, one sentence each.
        doubled: Those of the problems that leave open which file is a patch's: an id twice in a layer or in two splits.
    """

    root: Path
    files: Mapping[str, Mapping[int, Path]]
    splits: Mapping[int, SplitName] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()

    @property
    def ids(self) -> list[int]:
        """Ids that any layer has, ascending."""
        return sorted(set().union(*self.files.values())) if self.files else []

    def missing(self, layers: list[str] | None = None) -> dict[int, list[str]]:
        """Layers that each incomplete patch lacks.

        Args:
            layers: Layers that every patch must have; by default all that occur.
        """
        wanted = sorted(self.files) if layers is None else layers
        lacking = {i: [layer for layer in wanted if i not in self.files.get(layer, {})] for i in self.ids}
        return {i: layers for i, layers in lacking.items() if layers}

    def path(self, layer: str, patch_id: int) -> Path:
        """The file of a layer of a patch.

        Raises:
            DatasetError: If there is none, saying which.
        """
        found = self.files.get(layer)
        if found is None:
            raise DatasetError(f"{self.root} has no layer {layer}: it has {', '.join(sorted(self.files)) or 'none'}.")
        if patch_id not in found:
            raise DatasetError(
                f"{self.root}: patch {patch_id} has no file in layer {layer}. Run `cerradata verify {self.root}`."
            )
        return found[patch_id]


def check_folders(folders: Mapping[str, str]) -> None:
    """Check folders that a configuration names for image layers.

    Raises:
        ConfigError: If a layer does not exist, or a folder could not be told from others when the dataset is read.
    """
    unknown = [layer for layer in folders if layer not in IMAGE_LAYERS]
    if unknown:
        raise ConfigError(f"folders: no layer {unknown[0]!r}; folders of {', '.join(IMAGE_LAYERS)} can be named.")
    usual = {name: layer for layer, names in IMAGE_LAYERS.items() for name in names}
    for layer, folder in folders.items():
        plain = folder and Path(folder).name == folder and not folder.startswith(".")
        if not plain or folder in SPLITS or _LABEL_FOLDER.fullmatch(folder):
            raise ConfigError(f"folders: {layer} cannot lie in {folder!r}: give the plain name of a folder of its own.")
        if usual.get(folder, layer) != layer or list(folders.values()).count(folder) > 1:
            raise ConfigError(f"folders: {layer} cannot lie in {folder!r}, the folder of another layer.")


def discover(root: Path, folders: Mapping[str, str] | None = None) -> Layout:
    """Find the files of a dataset: ours or a copy of the published download, with split folders or without.

    Args:
        root: The dataset's folder.
        folders: Folder of each layer where it is not the usual one.

    Returns:
        The layout. Layers are "msi", "sar", "elevation", "semantic_<n>c" and "edge_<n>c".

    Raises:
        DatasetError: If the folder does not exist or holds no layer.
    """
    if not root.is_dir():
        raise DatasetError(f"There is no dataset folder {root}.")
    files: dict[str, dict[int, Path]] = {}
    splits: dict[int, SplitName] = {}
    problems: list[str] = []
    doubled: list[str] = []
    for base, split in _bases(root):
        for layer, folder in _layer_folders(base, folders or {}):
            known = files.setdefault(layer, {})
            for path, patch_id in _patch_files(folder, problems):
                if patch_id in known:
                    doubled.append(f"id {patch_id} twice in layer {layer}: {known[patch_id]} and {path}")
                    continue
                known[patch_id] = path
                if split is not None and splits.setdefault(patch_id, split) != split:
                    doubled.append(f"id {patch_id} lies in {splits[patch_id]}/ and in {split}/ ({path})")
    if not files:
        usual = ", ".join(name for names in IMAGE_LAYERS.values() for name in names)
        raise DatasetError(
            f"{root} is no dataset: none of the folders {usual}, semantic_<n>c, edge_<n>c is in it, nor in "
            f"{', '.join(f'{split}/' for split in SPLITS)} below it."
        )
    return Layout(root, files, splits, (*problems, *doubled), tuple(doubled))


def _bases(root: Path) -> list[tuple[Path, SplitName | None]]:
    split_folders: list[tuple[Path, SplitName | None]] = [(root / s, s) for s in SPLITS if (root / s).is_dir()]
    return split_folders or [(root, None)]


def _layer_folders(base: Path, folders: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    by_name = {name: layer for layer, names in IMAGE_LAYERS.items() for name in names}
    by_name |= {name: layer for layer, name in folders.items()}
    for entry in sorted(base.iterdir()):
        if entry.is_dir():
            layer = by_name.get(entry.name) or (entry.name if _LABEL_FOLDER.fullmatch(entry.name) else None)
            if layer is not None:
                yield layer, entry


def _patch_files(folder: Path, problems: list[str]) -> Iterator[tuple[Path, int]]:
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    for name in names:
        if not name.lower().endswith((".tif", ".tiff")):
            if not name.lower().endswith(".aux.xml"):  # GDAL's sidecars belong to the image beside them
                problems.append(f"{folder / name} is no GeoTIFF")
            continue
        patch_id = id_of_file(name)
        if patch_id is None:
            problems.append(f"{folder / name} has no id: the number after the last underscore is missing")
            continue
        yield folder / name, patch_id
