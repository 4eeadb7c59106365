"""`cerradata`: parse, call one function, report errors. Only here are logging, warnings and GDAL's settings touched."""

import logging
import os
import sys
import warnings
from collections.abc import Sequence

from cerradata import __version__
from cerradata.commands.parser import call, make_parser
from cerradata.commands.table import COMMANDS
from cerradata.core.errors import CerradataError

_EXIT_ERROR = 1
_GDAL = {
    "GDAL_CACHEMAX": "256",  # MB; the default, 5 % of the memory, counts against the limits that we promise
    # No listing of folders with 30,000 files on every open; files beside an image (.aux.xml, .msk, .tfw) are still found.
    "GDAL_DISABLE_READDIR_ON_OPEN": "TRUE",
    "GDAL_PAM_ENABLED": "YES",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Words after `cerradata`; by default those of the process.

    Returns:
        The exit code: 0 well, 1 for an error or a dataset that is not whole, 2 for wrong usage (through `SystemExit`).
    """
    _settle_environment()
    words = [_underscored(word) for word in (sys.argv[1:] if arguments is None else arguments)]
    chosen = next((word for word in words if word in COMMANDS), None)
    parser = make_parser(__version__, chosen)
    _quieten()  # after the command's imports: Lightning sets its own level when it is imported
    parsed = parser.parse_args(words)
    try:
        return call(parser, parsed)
    except CerradataError as error:
        print(f"error: {error}", file=sys.stderr)
        return _EXIT_ERROR
    except KeyboardInterrupt:
        print(
            "interrupted: build, pack and unpack go on when the same command is given again, a training with --resume",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:  # `cerradata ... | head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - stays open to the end of the process
        return _EXIT_ERROR


def _underscored(word: str) -> str:
    """`--batch-size` as `--batch_size`: both are accepted."""
    if not word.startswith("--"):
        return word
    name, sign, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + sign + value


def _settle_environment() -> None:
    for name, value in _GDAL.items():
        os.environ.setdefault(name, value)
    warnings.simplefilter("ignore")


def _quieten() -> None:
    for name in ("lightning", "lightning.pytorch", "lightning.fabric", "rasterio", "pyogrio", "tifffile"):
        logging.getLogger(name).setLevel(logging.ERROR)


if __name__ == "__main__":
    sys.exit(main())
