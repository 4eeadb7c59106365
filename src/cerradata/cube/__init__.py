"""Scenes brought onto one aligned, composited stack on a target grid."""

from cerradata.cube.composite import CompositeConfig
from cerradata.cube.grid import GridConfig, target_grid
from cerradata.cube.stack import Stack, StackConfig, build_stack
from cerradata.cube.windows import OrbitRule

__all__ = ["CompositeConfig", "GridConfig", "OrbitRule", "Stack", "StackConfig", "build_stack", "target_grid"]
