"""Errors, shared types, atomic files, raster writing, locations. Knows nothing of the rest."""
