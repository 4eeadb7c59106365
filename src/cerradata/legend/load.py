"""Legends from YAML: those that are shipped, by name, and the user's own, by path."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from cerradata.core.errors import LegendError
from cerradata.legend.legend import LandCoverClass, Legend, Level, SourceCodes

_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)")


def available_legends() -> tuple[str, ...]:
    """Names of the legends that the package ships."""
    return tuple(sorted(f.name.removesuffix(".yaml") for f in _shipped().iterdir() if f.name.endswith(".yaml")))


class LegendName(str):
    """Name of a shipped legend, or the path of a legend file; a path in a configuration is relative to it."""

    __slots__ = ()

    @staticmethod
    def absolute(value: str) -> "LegendName":
        """A shipped name as it is; a path made absolute against the current folder."""
        return LegendName(value if value in available_legends() else Path(value).expanduser().absolute())


def load_legend(name_or_path: str) -> Legend:
    """Load a legend.

    Args:
        name_or_path: Name of a shipped legend ("cerradata-4mm"), or the path of a YAML file of the same form.

    Raises:
        LegendError: If there is no such legend, or the file is not a legend.
    """
    if name_or_path in available_legends():
        encoded = (_shipped() / f"{name_or_path}.yaml").read_bytes()
    elif Path(name_or_path).is_file():
        encoded = Path(name_or_path).read_bytes()
    else:
        shipped = ", ".join(available_legends())
        raise LegendError(f"No legend {name_or_path!r}: give the path of a YAML file, or one of {shipped}.")
    try:
        plain = yaml.load(encoded.decode("utf-8"), Loader=_UniqueKeyLoader)
    except UnicodeDecodeError as error:
        raise LegendError(f"Legend {name_or_path} is no UTF-8 text ({error}): save it as UTF-8.") from error
    except yaml.YAMLError as error:
        raise LegendError(f"Legend {name_or_path} is no valid YAML: {error}") from error
    return legend_from_dict(plain, origin=name_or_path)


def legend_from_dict(plain: Any, *, origin: str) -> Legend:  # noqa: ANN401 - whatever a YAML file may hold
    """A legend from plain values in the form of the YAML files.

    Args:
        plain: What `Legend.to_dict` gives.
        origin: File or object that the values come from, for messages.

    Raises:
        LegendError: If keys are missing or unknown, or values do not fit.
    """
    try:
        _refuse_unknown(plain, {"name", "title", "citation", "levels", "sources"}, origin)
        return Legend(
            name=str(plain["name"]),
            title=str(plain["title"]),
            citation=str(plain.get("citation", "")).strip(),
            levels=tuple(_level(number, level, origin) for number, level in enumerate(plain["levels"], start=1)),
            sources={name: _source(name, source, origin) for name, source in (plain.get("sources") or {}).items()},
        )
    except KeyError as error:
        raise LegendError(f"Legend {origin}: the key {error} is missing.") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise LegendError(f"Legend {origin} is not of the form that docs/legends.md describes: {error}") from error


def _level(number: int, plain: dict[str, Any], origin: str) -> Level:
    _refuse_unknown(plain, {"classes"}, f"{origin}, level {number}")
    return Level(number, tuple(_class(c, f"{origin}, level {number}") for c in plain["classes"]))


def _class(plain: dict[str, Any], origin: str) -> LandCoverClass:
    _refuse_unknown(plain, {"id", "name", "short", "colour", "parent", "aliases", "translations"}, origin)
    red, green, blue = plain["colour"]
    return LandCoverClass(
        id=int(plain["id"]),
        name=str(plain["name"]),
        short=str(plain["short"]),
        colour=(int(red), int(green), int(blue)),
        parent=None if plain.get("parent") is None else int(plain["parent"]),
        aliases=tuple(plain.get("aliases", ())),
        translations=dict(plain.get("translations", {})),
    )


def _source(name: str, plain: dict[str, Any], origin: str) -> SourceCodes:
    _refuse_unknown(plain, {"codes", "unlabelled"}, f"{origin}, source {name}")
    return SourceCodes(
        name=name,
        classes={_code(code): int(class_id) for code, class_id in plain["codes"].items()},
        unlabelled=tuple(_code(code) for code in plain.get("unlabelled", ())),
    )


def _code(code: object) -> int | str:
    """A source code. A text that is a whole number is that number: JSON and attribute tables know no other keys."""
    if isinstance(code, str):
        return int(code) if _WHOLE_NUMBER.fullmatch(code) else code
    if isinstance(code, int) and not isinstance(code, bool):
        return code
    raise ValueError(f"the source code {code!r} is neither a whole number nor a text; put it in quotes if it is a text")


def _refuse_unknown(plain: dict[str, Any], known: set[str], origin: str) -> None:
    if not isinstance(plain, dict):
        raise LegendError(f"Legend {origin} holds {plain!r:.40} where keys were expected: {', '.join(sorted(known))}.")
    unknown = {str(key) for key in plain} - known
    if unknown:
        raise LegendError(
            f"Legend {origin} has the unknown key {min(unknown)!r}: known are {', '.join(sorted(known))}."
        )


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML as it is, but a key that stands twice is an error: PyYAML would take the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping = super().construct_mapping(node, deep=deep)
        if len(mapping) != len(node.value):
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            doubled = next(key for key in keys if keys.count(key) > 1)
            raise yaml.MarkedYAMLError(problem=f"the key {doubled!r} stands twice", problem_mark=node.start_mark)
        return mapping


def _shipped() -> Any:  # noqa: ANN401 - importlib's Traversable
    return files("cerradata.legend") / "data"
