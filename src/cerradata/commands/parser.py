"""From typed functions to a command line, with jsonargparse."""

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from docstring_parser import parse as parse_docstring
from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import register_type

from cerradata.core.locations import Location
from cerradata.legend import LegendName

register_type(Location, str, Location.absolute)
register_type(LegendName, str, LegendName.absolute)


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        function: Called with the arguments; returns the exit code. A parameter whose type is a dataclass is spread: each
            of its fields is an option of the command and a key of its configuration file.
        positionals: Parameters that are given without a name, in order. The last one may be a tuple.
    """

    function: Callable[..., int]
    positionals: tuple[str, ...] = ()


def make_parser(version: str) -> ArgumentParser:
    """The parser of the whole command line."""
    from cerradata.commands.table import COMMANDS

    parser = ArgumentParser(
        prog="cerradata",
        description="From raw satellite scenes and a reference map to a verified dataset, compared models and a map.",
        version=version,
    )
    subcommands = parser.add_subcommands(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        summary = parse_docstring(command.function.__doc__ or "")
        subcommands.add_subcommand(name, _command_parser(command), help=summary.short_description)
    return parser


def call(parser: ArgumentParser, parsed: Namespace) -> int:
    """Call the function of the chosen command with the parsed arguments."""
    from cerradata.commands.table import COMMANDS

    name = str(parsed["subcommand"])
    command = COMMANDS[name]
    values = parser.instantiate(parsed)[name]
    arguments: dict[str, Any] = {}
    for parameter in inspect.signature(command.function).parameters.values():
        if _is_spread(parameter):
            fields = dataclasses.fields(parameter.annotation)
            arguments[parameter.name] = parameter.annotation(**{f.name: values[f.name] for f in fields})
        else:
            arguments[parameter.name] = values[parameter.name]
    for positional in command.positionals:
        if isinstance(arguments[positional], list):
            arguments[positional] = tuple(arguments[positional])
    return command.function(**arguments)


def parse_file(path: Location, shape: type[Any]) -> Any:  # noqa: ANN401 - an instance of `shape`
    """A dataclass from a YAML file; relative paths in it are relative to it.

    Raises:
        ConfigError: If keys or values do not fit.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(shape, None)
    values = parser.instantiate(parser.parse_path(path))
    return shape(**{f.name: values[f.name] for f in dataclasses.fields(shape)})


def _command_parser(command: Command) -> ArgumentParser:
    doc = parse_docstring(command.function.__doc__ or "")
    parser = ArgumentParser(description=_description(doc.short_description, doc.long_description))
    help_of = {p.arg_name: p.description for p in doc.params}
    parameters = inspect.signature(command.function).parameters
    for name in command.positionals:
        _add_positional(parser, parameters[name], help_of.get(name))
    parser.add_argument(
        "--config", action="config", help="YAML file with any of the options; paths in it are relative to it."
    )
    spread = [p for p in parameters.values() if _is_spread(p)]
    for parameter in spread:
        parser.add_class_arguments(parameter.annotation, None)
    skip: set[str | int] = {*command.positionals, *(p.name for p in spread)}
    parser.add_function_arguments(command.function, None, skip=skip)
    return parser


def _add_positional(parser: ArgumentParser, parameter: inspect.Parameter, help_text: str | None) -> None:
    if getattr(parameter.annotation, "__origin__", None) is tuple:
        parser.add_argument(parameter.name, type=parameter.annotation.__args__[0], nargs="+", help=help_text)
        return
    parser.add_argument(parameter.name, type=parameter.annotation, help=help_text)


def _is_spread(parameter: inspect.Parameter) -> bool:
    return dataclasses.is_dataclass(parameter.annotation)


def _description(short: str | None, long: str | None) -> str:
    return "\n\n".join(part for part in (short, long) if part)
