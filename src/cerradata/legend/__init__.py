"""What a pixel can be: classes, levels, colours, source codes."""

from cerradata.legend.legend import LandCoverClass, Legend, Level
from cerradata.legend.load import available_legends, load_legend

__all__ = ["LandCoverClass", "Legend", "Level", "available_legends", "load_legend"]
