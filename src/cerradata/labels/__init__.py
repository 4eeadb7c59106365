"""A reference map becomes label rasters of every level, and edge rasters."""
