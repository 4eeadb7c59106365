"""Splits of a dataset on disk: assign them in the index, certify them, keep the certificate."""

from pathlib import Path

import pyarrow.parquet as pq

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.core.files import write_json
from cerradata.core.types import SPLITS
from cerradata.patches.certificate import Certificate, certify
from cerradata.patches.index import read_index, write_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import CERTIFICATE_FILE
from cerradata.patches.split import SplitOptions, resolve_options, split_patches
from cerradata.patches.store.form import FILES_FOLDER, store_of


def assign_splits(root: Path, options: SplitOptions | None, *, overwrite: bool = False) -> Certificate:
    """Write the splits into the index and their certificate beside it.

    Args:
        root: The dataset's folder.
        options: How to split; None certifies the splits that are there.
        overwrite: Replace the splits that a copy's train/, val/ and test/ folders give, or gave before it was packed.

    Returns:
        The certificate, as it was written.

    Raises:
        ConfigError: If folders give the splits and `overwrite` is not given.
        DatasetError: If there are no splits to certify, or the dataset cannot be split so.
    """
    info, index = DatasetInfo.read(root), read_index(root)
    if options is not None:
        if not overwrite and _has_split_folders(root):
            raise ConfigError(
                f"{root} has (or was packed from) train/, val/ and test/ folders, which are its splits. Leave out --strategy to "
                "certify them, or give --overwrite to have other splits in the index."
            )
        options = resolve_options(index, info.legend, info.patch_size, options)
        index["split"] = split_patches(index, info.legend, info.patch_size, options)
        write_index(root, index)
    elif index["split"].isna().all():
        raise DatasetError(f"{root} has no splits to certify: give --strategy random, blocks or published-ratios.")
    certificate = certify(index, info.legend, info.patch_size, options)
    write_json(root / CERTIFICATE_FILE, certificate.to_dict())
    return certificate


def _has_split_folders(root: Path) -> bool:
    """Whether folders tell the splits: they do even so where the GeoTIFFs that lay in them are packed."""
    store = store_of(root)
    described = None if store is None else store / FILES_FOLDER / "000000.parquet"
    if described is not None and described.is_file():
        names = pq.read_table(described, columns=["path"])["path"].to_pylist()
        return any(name.split("/", 1)[0] in SPLITS for name in names)
    return any((root / split).is_dir() for split in SPLITS)
