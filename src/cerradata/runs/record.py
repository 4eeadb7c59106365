"""`RunRecord`: what `run.json` says of a training, enough to use its weights honestly."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cerradata.core.errors import RunError
from cerradata.legend import Legend, legend_from_dict
from cerradata.scenes import Radiometry

RECORD_VERSION = 1


@dataclass(frozen=True)
class ModelRecord:
    """How to make the network again.

    Attributes:
        name: "unet", or the import path of a class.
        encoder: Encoder of the U-Net.
        in_channels: Bands that it takes.
        classes: Classes that it tells apart.
    """

    name: str
    encoder: str
    in_channels: int
    classes: int


@dataclass(frozen=True)
class RunRecord:
    """What a run is.

    Attributes:
        model: How to make its network.
        modality: "msi", "sar" or "msi+sar".
        bands: Bands that the network takes, in order.
        level: Level that it predicts.
        legend: The legend.
        radiometry: Of the dataset's layers that hold the bands: what the numbers mean that the network was trained on.
        normalisation: Name of the normalisation.
        validity: Whether the network takes a validity channel for each sensor too.
        statistics: mean, std, min and max by band, and the quantiles q05 and q95 where they are known.
        split_ids: Ids of the training and validation patches, by split.
        split_hashes: Content hashes of the same patches, so that they are known again in any other dataset.
        split_hash: SHA-256 of the ids (`hash_of_ids`).
        dataset: Of the dataset: {"name", "patches", "attribution", "simulated", "time_windows", "stacks"}.
        patch_size: Rows and columns of its patches.
        seed: Seed of the training.
        best: Scores at the epoch whose weights were kept: {"epoch", "val_macro_f1", ...}.
    """

    model: ModelRecord
    modality: str
    bands: tuple[str, ...]
    level: int
    legend: Legend
    radiometry: Mapping[str, Radiometry]
    normalisation: str
    statistics: Mapping[str, Mapping[str, float]]
    split_ids: Mapping[str, tuple[int, ...]]
    split_hashes: Mapping[str, tuple[str, ...]]
    split_hash: str
    dataset: Mapping[str, Any]
    patch_size: int
    seed: int
    best: Mapping[str, float]
    validity: bool = False

    @property
    def simulated(self) -> tuple[str, ...]:
        """Which simulations made the data that the run was trained on; nothing for real data."""
        return tuple(self.dataset.get("simulated", ()))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "version": RECORD_VERSION,
            "model": vars(self.model),
            "modality": self.modality,
            "bands": list(self.bands),
            "level": self.level,
            "radiometry": {layer: radiometry.to_dict() for layer, radiometry in self.radiometry.items()},
            "normalisation": self.normalisation,
            "validity": self.validity,
            "statistics": {band: dict(values) for band, values in self.statistics.items()},
            "split_hash": self.split_hash,
            "split_ids": {split: list(ids) for split, ids in self.split_ids.items()},
            "split_hashes": {split: list(hashes) for split, hashes in self.split_hashes.items()},
            "dataset": dict(self.dataset),
            "patch_size": self.patch_size,
            "seed": self.seed,
            "best": dict(self.best),
        }

    @staticmethod
    def from_dict(plain: Mapping[str, Any], legend: Mapping[str, Any], *, origin: str) -> "RunRecord":
        """The reverse of `to_dict`.

        Args:
            plain: What `to_dict` gave.
            legend: The legend as plain values.
            origin: File that the values come from, for messages.

        Raises:
            RunError: If keys are missing or the version is another one.
        """
        version = plain.get("version") if isinstance(plain, Mapping) else None
        if version != RECORD_VERSION:
            raise RunError(f"{origin} has version {version!r}: this release reads {RECORD_VERSION}.")
        try:
            return RunRecord(
                model=ModelRecord(**plain["model"]),
                modality=plain["modality"],
                bands=tuple(plain["bands"]),
                level=plain["level"],
                legend=legend_from_dict(legend, origin=origin),
                radiometry={layer: Radiometry.from_dict(r) for layer, r in plain["radiometry"].items()},
                normalisation=plain["normalisation"],
                validity=plain.get("validity", False),
                statistics=plain["statistics"],
                split_ids={split: tuple(ids) for split, ids in plain["split_ids"].items()},
                split_hashes={split: tuple(hashes) for split, hashes in plain["split_hashes"].items()},
                split_hash=plain["split_hash"],
                dataset=plain["dataset"],
                patch_size=plain["patch_size"],
                seed=plain["seed"],
                best=plain["best"],
            )
        except (KeyError, TypeError) as error:
            raise RunError(f"{origin} is not what a run of this release holds ({error!r}): train again.") from error

    def require_unseen(self, hashes: Mapping[int, str]) -> None:
        """Raise `RunError` if any patch was seen in training or validation, in whichever dataset it lies.

        Args:
            hashes: Content hash by id of the patches to be tested on.
        """
        seen = {content: split for split, own in self.split_hashes.items() for content in own}
        both = {patch_id: seen[content] for patch_id, content in hashes.items() if content in seen}
        if both:
            listed = ", ".join(f"{patch_id} ({split})" for patch_id, split in sorted(both.items())[:5])
            raise RunError(
                f"{len(both)} of {len(hashes)} test patches were used to train or to choose this run: {listed}"
                f"{' ...' if len(both) > 5 else ''}. Scores on them would be dishonest. Was the dataset split anew after the "
                "training? Train again, or restore the split."
            )


def hash_of_ids(split_ids: Mapping[str, Sequence[int]]) -> str:
    """SHA-256 of which id is in which split, whatever the order."""
    lines = sorted((patch_id, split) for split, ids in split_ids.items() for patch_id in ids)
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()
