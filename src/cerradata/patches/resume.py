"""Going on with an interrupted build: whose folder it is, and which of its blocks are finished."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from cerradata import __version__
from cerradata.core.errors import OutputError
from cerradata.core.files import claim_folder, sha256, unchanged
from cerradata.core.journal import Journal
from cerradata.patches.block import BlockResult
from cerradata.patches.layout import INFO_FILE, JOURNAL_FILE
from cerradata.patches.plan import BuildPlan
from cerradata.patches.record import PatchRecord
from cerradata.patches.seams import SeamTally
from cerradata.patches.select import SelectionTally
from cerradata.patches.statistics import Moments


def claim(plan: BuildPlan, *, overwrite: bool) -> Journal:
    """The journal of this build: a new one in an empty folder, or that of the same build, interrupted.

    Raises:
        OutputError: If the folder holds something else, or cannot be written.
    """
    journal = Journal(plan.root / JOURNAL_FILE)
    fingerprint = _fingerprint(plan)
    if journal.path.exists() and not (plan.root / INFO_FILE).exists() and not overwrite:
        head = next(journal.entries(), {})
        if head.get("configuration") != fingerprint:
            raise OutputError(
                f"{plan.root} holds an unfinished build of another configuration or legend: choose another --out, or give "
                "--overwrite."
            )
        return journal
    claim_folder(plan.root, markers=(INFO_FILE, JOURNAL_FILE), overwrite=overwrite, what="dataset")
    journal.append({"configuration": fingerprint, "software": f"cerradata {__version__}"})
    return journal


def finished_blocks(plan: BuildPlan, journal: Journal) -> dict[int, BlockResult]:
    """Blocks of an interrupted run whose files are still what the journal says."""
    _remove_begun_files(plan)
    whole = (entry for entry in journal.entries() if "block" in entry and unchanged(plan.root, entry["files"]))
    return {entry["block"]: _from_entry(entry) for entry in whole}


def space_needed(plan: BuildPlan, finished: Mapping[int, BlockResult]) -> str:
    """How much more a build needs, for a message: by what its finished patches take, else by their size in memory."""
    patches = sum(len(result.records) for result in finished.values())
    size = plan.config.patch_size**2
    bands = {name: len(layer.radiometry.bands) * np.dtype(layer.dtype).itemsize for name, layer in plan.layers.items()}
    each = size * (sum(bands.values()) + 5 * len(plan.legend.levels))  # labels in int32, edges in uint8
    if patches:
        files = (path for folder in plan.folders.values() for path in folder.glob(f"{plan.config.prefix}_*.tif"))
        each = min(each, sum(path.stat().st_size for path in files) // patches)
    rest = sum(block.rows * block.columns for block in plan.blocks if block.number not in finished)
    free = shutil.disk_usage(plan.root).free
    return (
        f"The build needs up to {rest * each / 1e9:.2f} GB more for {rest:,} patches ({each / 1e3:.0f} kB each); "
        f"{free / 1e9:.2f} GB are free. Nothing is lost: the same command goes on where it was."
    )


def to_entry(result: BlockResult) -> dict[str, Any]:
    """A finished block as the journal keeps it, with the SHA-256 of each of its files: tags are part of a patch too."""
    return {
        "block": result.block,
        "records": [asdict(record) for record in result.records],
        "tally": result.tally.to_dict(),
        "moments": {name: moments.to_dict() for name, moments in result.moments.items()},
        "seams": result.seams.to_dict(),
        "files": dict(result.files),
    }


def _fingerprint(plan: BuildPlan) -> str:
    """What decides a build: its configuration, and its legend and crosswalk, whose files may be edited meanwhile."""
    crosswalk = plan.config.reference.crosswalk
    decisive = {
        "configuration": asdict(plan.config),
        "legend": plan.legend.to_dict(),
        "scenes": [scene.name for scene in plan.scenes],
        "crosswalk": None if crosswalk is None else sha256(crosswalk.path),
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()


def _remove_begun_files(plan: BuildPlan) -> None:
    """Remove the temporary files that a killed run could not remove itself (`core.files.atomic_path`)."""
    for folder in plan.folders.values():
        for path in folder.glob(f".{plan.config.prefix}_*.tif"):
            path.unlink()


def _from_entry(entry: dict[str, Any]) -> BlockResult:
    return BlockResult(
        entry["block"],
        tuple(PatchRecord.from_plain(plain) for plain in entry["records"]),
        SelectionTally.from_dict(entry["tally"]),
        {name: Moments.from_dict(plain) for name, plain in entry["moments"].items()},
        SeamTally.from_dict(entry["seams"]),
        entry["files"],
    )
