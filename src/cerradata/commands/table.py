"""The table of commands."""

from types import MappingProxyType
from typing import Final

from cerradata.commands.datasets import build, index, split, stats, verify
from cerradata.commands.demo import demo
from cerradata.commands.parser import Command
from cerradata.commands.reports import report, score
from cerradata.commands.training import map_command, test_command, train

COMMANDS: Final = MappingProxyType(
    {
        "build": Command(build),
        "index": Command(index, ("directory",)),
        "verify": Command(verify, ("directory",)),
        "split": Command(split, ("directory",)),
        "stats": Command(stats, ("directory",)),
        "train": Command(train),
        "test": Command(test_command, ("run",)),
        "score": Command(score, ("confusion",)),
        "map": Command(map_command, ("run", "scenes")),
        "report": Command(report, ("source",)),
        "demo": Command(demo),
    }
)
