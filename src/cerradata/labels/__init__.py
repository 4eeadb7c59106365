"""A reference map becomes label rasters of every level, and edge rasters."""

from cerradata.labels.edges import edge_mask
from cerradata.labels.source import Reference, ReferenceSource, open_reference

__all__ = ["Reference", "ReferenceSource", "edge_mask", "open_reference"]
