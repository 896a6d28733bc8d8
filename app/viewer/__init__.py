"""The image viewer: tiles of a raster of any size, and a page that shows them."""
