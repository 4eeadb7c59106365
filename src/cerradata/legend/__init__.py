"""What a pixel can be: classes, levels, colours, source codes."""

from cerradata.legend.legend import LandCoverClass, Legend, Level
from cerradata.legend.load import LegendName, available_legends, legend_from_dict, load_legend

__all__ = ["LandCoverClass", "Legend", "LegendName", "Level", "available_legends", "legend_from_dict", "load_legend"]
