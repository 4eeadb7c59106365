"""Variables computed beside the bands: terrain, indices, temporal statistics, distance to water."""

from cerradata.cube.variables.config import VariableConfig
from cerradata.cube.variables.open import open_variables
from cerradata.cube.variables.variable import Availability, Variable, VariableInputs

__all__ = ["Availability", "Variable", "VariableConfig", "VariableInputs", "open_variables"]
