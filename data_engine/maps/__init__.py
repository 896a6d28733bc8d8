"""From maps to texts: OpenStreetMap extracts, land-cover rasters, lists of places."""
