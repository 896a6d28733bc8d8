"""The chat page: see, point, ask, check and take away, in a browser and offline."""
