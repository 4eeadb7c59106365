"""From typed functions to a command line, with jsonargparse."""

import dataclasses
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from docstring_parser import parse as parse_docstring
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import register_type

from cerradata.commands.table import COMMANDS, Command
from cerradata.core.errors import CerradataError, ConfigError
from cerradata.core.locations import Location
from cerradata.legend import LegendName

register_type(Location, str, Location.absolute)
register_type(LegendName, str, LegendName.absolute)


def make_parser(version: str, chosen: str | None) -> ArgumentParser:
    """The parser of the command line.

    Args:
        version: What `--version` shows.
        chosen: The command to be parsed; the others are listed only. None: all are listed only.
    """
    parser = ArgumentParser(
        prog="cerradata",
        description="From raw satellite scenes and a reference map to a verified dataset, compared models and a map.",
        epilog="`cerradata COMMAND --help` tells more of each.",
        version=version,
    )
    subcommands = parser.add_subcommands(required=True, metavar="COMMAND", title="commands", description=None)
    for name, command in COMMANDS.items():
        own = _command_parser(command) if name == chosen else ArgumentParser()
        subcommands.add_subcommand(name, own, help=command.summary)
    return parser


def call(parser: ArgumentParser, parsed: Namespace) -> int:
    """Call the function of the chosen command with the parsed arguments."""
    name = str(parsed["subcommand"])
    command = COMMANDS[name]
    function = command.load()
    arguments: dict[str, Any] = {}
    with _told_in_their_own_words():
        values = parser.instantiate(parsed)[name]
        for parameter in inspect.signature(function).parameters.values():
            if dataclasses.is_dataclass(parameter.annotation):
                fields = dataclasses.fields(parameter.annotation)
                shape: Any = parameter.annotation
                arguments[parameter.name] = shape(**{f.name: values[f.name] for f in fields})
            else:
                arguments[parameter.name] = values[parameter.name]
    for positional in command.positionals:
        if isinstance(arguments[positional], list):
            arguments[positional] = tuple(arguments[positional])
    return function(**arguments)


@contextmanager
def _told_in_their_own_words() -> Iterator[None]:
    """What the classes of a configuration refuse, without what jsonargparse wraps around it.

    Raises:
        CerradataError: If values contradict each other, or a key has none.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        chain: BaseException | None = error
        while chain is not None:
            if isinstance(chain, CerradataError):
                raise chain from None
            chain = chain.__cause__ or chain.__context__
        raise ConfigError(
            f"A key of the configuration has no value, or one of the wrong kind ({str(error).splitlines()[0]}): give one, or "
            "leave the key out."
        ) from error


def parse_file(path: Location, shape: type[Any]) -> Any:  # noqa: ANN401 - an instance of `shape`
    """A dataclass from a YAML file; relative paths in it are relative to it.

    Exits with code 2 and a message where keys or values do not fit, as the command line does.
    """
    parser = ArgumentParser(prog=path)
    parser.add_class_arguments(shape, None)
    parsed = parser.parse_path(path)
    with _told_in_their_own_words():
        values = parser.instantiate(parsed)
        return shape(**{f.name: values[f.name] for f in dataclasses.fields(shape)})


def _command_parser(command: Command) -> ArgumentParser:
    function = command.load()
    doc = parse_docstring(function.__doc__ or "")
    parts = [part for part in (doc.short_description, doc.long_description) if part]
    parser = ArgumentParser(description="\n\n".join(parts))
    help_of = {p.arg_name: p.description for p in doc.params}
    parameters = inspect.signature(function).parameters
    skip: set[str | int] = set()
    for name in command.positionals:
        _add_positional(parser, parameters[name], help_of.get(name))
        skip.add(name)
    parser.add_argument(
        "--config", action="config", help="YAML file with any of the options; paths in it are relative to it."
    )
    for name, parameter in parameters.items():
        if dataclasses.is_dataclass(parameter.annotation):
            parser.add_class_arguments(parameter.annotation, None)
            skip.add(name)
        elif parameter.annotation is bool and parameter.default is False:
            parser.add_argument(f"--{name}", action="store_true", help=help_of.get(name))
            skip.add(name)
    parser.add_function_arguments(function, None, skip=skip)
    return parser


def _add_positional(parser: ArgumentParser, parameter: inspect.Parameter, help_text: str | None) -> None:
    if getattr(parameter.annotation, "__origin__", None) is tuple:
        parser.add_argument(parameter.name, type=parameter.annotation.__args__[0], nargs="+", help=help_text)
        return
    parser.add_argument(parameter.name, type=parameter.annotation, help=help_text)
