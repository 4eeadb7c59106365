"""Going on with an interrupted build: whose folder it is, and which of its blocks are finished."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cerradata import __version__
from cerradata.core.errors import OutputError
from cerradata.core.files import claim_folder, sha256
from cerradata.core.journal import Journal
from cerradata.patches.block import BlockResult, BuildPlan
from cerradata.patches.layout import INFO_FILE, JOURNAL_FILE, edge_layer, patch_file, semantic_layer
from cerradata.patches.record import PatchRecord
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
    whole = (entry for entry in journal.entries() if "block" in entry and _intact(plan.root, entry["files"]))
    return {entry["block"]: _from_entry(entry) for entry in whole}


def to_entry(plan: BuildPlan, result: BlockResult) -> dict[str, Any]:
    """A finished block as the journal keeps it, with the SHA-256 of each of its files: tags are part of a patch too."""
    folders = layer_folders(plan)
    paths = [
        folder / patch_file(plan.config.prefix, layer, record.id)
        for record in result.records
        for layer, folder in folders.items()
    ]
    return {
        "block": result.block,
        "records": [asdict(record) for record in result.records],
        "tally": result.tally.to_dict(),
        "moments": {name: moments.to_dict() for name, moments in result.moments.items()},
        "files": {str(path.relative_to(plan.root)): sha256(path) for path in paths},
    }


def layer_folders(plan: BuildPlan) -> dict[str, Path]:
    """Folder of each layer of a build, image layers first."""
    labels = [name for level in plan.legend.levels for name in (semantic_layer(level), edge_layer(level))]
    images = {name: plan.root / layer.folder for name, layer in plan.layers.items()}
    return images | {name: plan.root / name for name in labels}


def _fingerprint(plan: BuildPlan) -> str:
    """What decides a build: its configuration, and its legend, whose file may be edited meanwhile."""
    decisive = {"configuration": asdict(plan.config), "legend": plan.legend.to_dict()}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()


def _remove_begun_files(plan: BuildPlan) -> None:
    """Remove the temporary files that a killed run could not remove itself (`core.files.atomic_path`)."""
    for folder in layer_folders(plan).values():
        for path in folder.glob(f".{plan.config.prefix}_*.tif"):
            path.unlink()


def _intact(root: Path, files: dict[str, str]) -> bool:
    return all((root / name).is_file() and sha256(root / name) == digest for name, digest in files.items())


def _from_entry(entry: dict[str, Any]) -> BlockResult:
    return BlockResult(
        entry["block"],
        tuple(PatchRecord.from_plain(plain) for plain in entry["records"]),
        SelectionTally.from_dict(entry["tally"]),
        {name: Moments.from_dict(plain) for name, plain in entry["moments"].items()},
    )
