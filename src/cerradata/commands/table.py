"""The table of commands."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class Command:
    """One command. Its module is imported only when it is called, so that `score` does not wait for torch.

    Attributes:
        module: Module of this package that holds the function.
        function: Called with the arguments; returns the exit code. A parameter whose type is a dataclass is spread: each
            of its fields is an option of the command and a key of its configuration file.
        summary: One line for the list of commands.
        positionals: Parameters that are given without a name, in order. The last one may be a tuple.
    """

    module: str
    function: str
    summary: str
    positionals: tuple[str, ...] = ()

    def load(self) -> Callable[..., int]:
        """Import the function."""
        found: Callable[..., int] = getattr(importlib.import_module(f"cerradata.commands.{self.module}"), self.function)
        return found


COMMANDS: Final = MappingProxyType(
    {
        "simulate": Command("simulation", "simulate", "simulated scenes, reference and elevation of an area"),
        "doctor": Command("doctor", "doctor", "what is wrong with scenes: offset, unit, bands, place", ("scenes",)),
        "build": Command("datasets", "build", "scenes and a reference map -> dataset"),
        "index": Command("datasets", "index", "index and dataset.json for a copy that lacks them", ("directory",)),
        "verify": Command("datasets", "verify", "is a dataset whole? exit code 0 if it is", ("directory",)),
        "split": Command("datasets", "split", "train, val and test, with a certificate", ("directory",)),
        "stats": Command("statistics", "stats", "band statistics, class distribution, class weights", ("directory",)),
        "pack": Command(
            "packing", "pack", "a dataset in few large files, for fast training; nothing is lost", ("directory",)
        ),
        "unpack": Command("packing", "unpack", "the GeoTIFFs of a packed dataset again", ("directory",)),
        "crosswalk": Command("legends", "crosswalk", "which code becomes which class; what is left open", ("table",)),
        "train": Command("training", "train", "dataset -> run folder"),
        "test": Command("training", "test_command", "scores and plots of a run on the test split", ("run",)),
        "score": Command("reports", "score", "every score of a confusion matrix", ("confusion",)),
        "map": Command("training", "map_command", "a run over whole scenes -> map", ("run", "scenes")),
        "report": Command("reports", "report", "one HTML page of a dataset or a run", ("source",)),
        "demo": Command("demo", "demo", "all of it, small and offline, on a simulated area"),
        "demo-real": Command("demo_real", "demo_real", "the same on a real Sentinel-2 image"),
    }
)
