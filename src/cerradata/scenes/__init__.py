"""Raw products read as rasters with named bands, units and validity."""
