"""A tile of an archive as a raster of its own, so that one can ask about it."""

import math
from typing import Any

import numpy as np

from rsvlm.geometry import HBB
from rsvlm.opening import Limits, find_source, open_image
from rsvlm.ranges import Web
from rsvlm.raster import Raster
from rsvlm.retrieval.archive_tables import TileHit

#: Longest side of what is cut out, px; a larger window is read coarser.
LONGEST = 2048


def open_hit(hit: TileHit, web: Web | None = None) -> Raster:
    """Open the window of a hit as a raster with its place, bands and sensor.

    Args:
        hit: The hit.
        web: Hosts that it may be read from; None for none.

    Raises:
        ImageError: If the file cannot be read any more.
    """
    name = f"tile-{hit.tile}.tif"
    return Raster.from_bytes(cut(hit.path, hit.box, web=web), name, hit.sensor)


def cut(path: str, box: HBB, longest: int = LONGEST, web: Web | None = None) -> bytes:
    """Return a part of a raster as a GeoTIFF.

    Args:
        path: The raster.
        box: The part, in raster pixels; whole pixels around it are taken.
        longest: Longest side of the result, px.
        web: Hosts that it may be read from; None for none.

    Raises:
        ImageError: If the file cannot be read.
    """
    from rasterio.enums import Resampling
    from rasterio.io import MemoryFile
    from rasterio.windows import Window

    found, name = find_source(path, web)
    opened = open_image(found, name, Limits())
    with opened.reading(name):
        try:
            source: Any = opened.dataset
            part = HBB(
                *map(math.floor, box.corners[0]), *map(math.ceil, box.corners[2])
            )
            part = part.clip(source.width, source.height) or part
            step = max(1.0, max(part.width, part.height) / longest)
            width, height = (max(1, round(s / step)) for s in (part.width, part.height))
            window = Window(part.x0, part.y0, part.width, part.height)
            values = source.read(
                window=window, out_shape=(source.count, height, width),
                resampling=Resampling.average if step > 1 else Resampling.nearest,
            )  # fmt: skip
            scale = source.transform.scale(part.width / width, part.height / height)
            profile = {
                "driver": "GTiff", "width": width, "height": height,
                "count": source.count, "dtype": values.dtype, "nodata": source.nodata,
                "crs": source.crs, "compress": "deflate",
                "transform": source.window_transform(window) @ scale,
            }  # fmt: skip
            with MemoryFile() as memory:
                with memory.open(**profile) as target:
                    target.write(np.asarray(values))
                    target.descriptions = source.descriptions
                    target.colorinterp = source.colorinterp
                    target.update_tags(**source.tags())
                return bytes(memory.read())
        finally:
            opened.close()
