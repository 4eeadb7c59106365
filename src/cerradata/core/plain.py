"""Configurations as plain values, as they are written beside each output."""

import dataclasses
from typing import Any


def plain(value: Any) -> Any:  # noqa: ANN401 - any configuration value
    """A configuration as plain values for YAML: dataclasses to mappings, tuples to lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    match value:
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case str():
            return str(value)
        case _:
            return value
