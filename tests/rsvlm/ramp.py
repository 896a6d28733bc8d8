"""A raster whose colours tell where each pixel lies."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

WIDTH, HEIGHT = 400, 300


def write(path: Path, placed: bool = True) -> Path:
    """Write an image whose colour tells the column and the row."""
    xs, ys = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    pixels = np.stack([xs % 256, ys % 256, xs // 256 + 2 * (ys // 256)])
    profile = {"driver": "GTiff", "width": WIDTH, "height": HEIGHT, "count": 3}
    if placed:
        place = {"crs": "EPSG:32611", "transform": from_origin(380000, 3730000, 1, 1)}
        profile |= place
    with rasterio.open(path, "w", dtype="uint8", photometric="RGB", **profile) as file:
        file.write(pixels.astype(np.uint8))
    return path
