"""Scenes brought onto one aligned, composited stack on a target grid."""

from cerradata.cube.grid import GridConfig, target_grid
from cerradata.cube.stack import build_stack

__all__ = ["GridConfig", "build_stack", "target_grid"]
