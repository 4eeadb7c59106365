"""Splits of a dataset on disk: assign them in the index, certify them, keep the certificate."""

from pathlib import Path

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.core.files import write_json
from cerradata.patches.certificate import Certificate, certify
from cerradata.patches.index import read_index, write_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.layout import CERTIFICATE_FILE, discover
from cerradata.patches.split import SplitOptions, resolve_options, split_patches


def assign_splits(root: Path, options: SplitOptions | None, *, overwrite: bool = False) -> Certificate:
    """Write the splits into the index and their certificate beside it.

    Args:
        root: The dataset's folder.
        options: How to split; None certifies the splits that are there.
        overwrite: Replace the splits that a copy's train/, val/ and test/ folders give.

    Returns:
        The certificate, as it was written.

    Raises:
        ConfigError: If folders give the splits and `overwrite` is not given.
        DatasetError: If there are no splits to certify, or the dataset cannot be split so.
    """
    info, index = DatasetInfo.read(root), read_index(root)
    if options is not None:
        if not overwrite and discover(root).splits:
            raise ConfigError(
                f"{root} has train/, val/ and test/ folders, which are its splits. Leave out --strategy to certify them, or "
                "give --overwrite to have other splits in the index."
            )
        options = resolve_options(index, info.legend, info.patch_size, options)
        index["split"] = split_patches(index, info.legend, info.patch_size, options)
        write_index(root, index)
    elif index["split"].isna().all():
        raise DatasetError(f"{root} has no splits to certify: give --strategy random, blocks or published-ratios.")
    certificate = certify(index, info.legend, info.patch_size, options)
    write_json(root / CERTIFICATE_FILE, certificate.to_dict())
    return certificate
