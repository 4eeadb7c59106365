"""The parameters of the simulation: one YAML file, each with its reason, frozen by the file's hash."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

from cerradata.core.errors import ConfigError
from cerradata.core.types import FloatArray
from cerradata.simulation.noise import draw, key_of

_FILE = "parameters.yaml"


@dataclass(frozen=True)
class Parameters:
    """The parameters in one world.

    Each entry of the file is a mapping with `value` (a number, a list of numbers, or numbers by name), `why` (a source or
    a reason), and, where it is uncertain, `range`: world N multiplies the value by a number drawn evenly from
    1 - range to 1 + range. World 0 has the values as they stand.

    Attributes:
        tree: The file's content.
        digest: SHA-256 of the file.
        world: Number of the world.
    """

    tree: Mapping[str, Any]
    digest: str
    world: int = 0

    @staticmethod
    def load(world: int = 0) -> "Parameters":
        """The parameters that the package ships.

        Raises:
            ConfigError: If the world is negative, or an entry has no reason.
        """
        if world < 0:
            raise ConfigError(f"There is no world {world}: give 0 (the parameters as they stand) or a positive number.")
        encoded = (files("cerradata.simulation") / _FILE).read_bytes()
        tree = yaml.safe_load(encoded)
        for section, entries in tree.items():
            for name, entry in entries.items():
                if not isinstance(entry, dict) or not entry.get("why") or "value" not in entry:
                    raise ConfigError(f"{_FILE}: {section}.{name} needs `value` and `why`.")
        return Parameters(tree, hashlib.sha256(encoded).hexdigest(), world)

    def number(self, path: str) -> float:
        """A number by its path, "terrain.hills_m".

        Raises:
            ConfigError: If there is none.
        """
        value, factor = self._entry(path)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{_FILE}: {path} is {value!r}, a number is needed.")
        return float(value) * factor

    def numbers(self, path: str) -> FloatArray:
        """A list of numbers, float32.

        Raises:
            ConfigError: If there is none.
        """
        value, factor = self._entry(path)
        return np.asarray(value, np.float32) * np.float32(factor)

    def table(self, path: str) -> dict[str, FloatArray]:
        """Numbers (or lists of them) by name, float32.

        Raises:
            ConfigError: If there is none.
        """
        value, factor = self._entry(path)
        if not isinstance(value, dict):
            raise ConfigError(f"{_FILE}: {path} is {value!r}, numbers by name are needed.")
        return {str(name): np.asarray(own, np.float32) * np.float32(factor) for name, own in value.items()}

    def label(self, seed: int) -> str:
        """What simulated data say of themselves."""
        return f"cerradata simulation, parameters {self.digest[:12]}, seed {seed}, world {self.world}"

    def _entry(self, path: str) -> tuple[Any, float]:
        if path not in self._factors:
            raise ConfigError(f"{_FILE} has no entry {path!r}: it has {', '.join(self._factors)}.")
        section, name = path.split(".")
        return self.tree[section][name]["value"], self._factors[path]

    @cached_property
    def _factors(self) -> dict[str, float]:
        factors = {}
        for section, entries in self.tree.items():
            for name, entry in entries.items():
                spread = float(entry.get("range", 0.0)) if self.world else 0.0
                chance = float(draw(key_of("world", self.world, section, name), 0))
                factors[f"{section}.{name}"] = 1 + spread * (2 * chance - 1)
        return factors
