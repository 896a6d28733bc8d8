"""Decoding and encoding pictures in memory, for benchmarks that make their images."""

from typing import TYPE_CHECKING

from rsvlm.errors import ImageError, ParseError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def decoded(data: bytes, name: str) -> "NDArray[np.uint8]":
    """Return the pixels of an encoded image, shape (C, H, W).

    Raises:
        ParseError: If it is no readable image of 8 bits.
    """
    import numpy as np

    from rsvlm.opening import Limits, open_image

    try:
        opened = open_image(data, name, Limits())
    except ImageError as error:
        raise ParseError(f"{error}") from None
    try:
        pixels = opened.dataset.read()
    finally:
        opened.close()
    if pixels.dtype != np.uint8:
        raise ParseError(
            f"{name} has values of type {pixels.dtype}, not of 8 bits. "
            "Fetch the file again."
        )
    return np.ascontiguousarray(pixels)


def as_tiff(
    pixels: "NDArray[np.uint8]",
    *,
    quality: int = 90,
    epsg: int | None = None,
    transform: tuple[float, float, float, float, float, float] | None = None,
) -> bytes:
    """Return a tiled GeoTIFF with JPEG inside, readable in parts.

    Args:
        pixels: Shape (3, H, W).
        quality: Of the JPEG.
        epsg: Coordinate reference system, with ``transform``.
        transform: x = a * column + b * row + c, y = d * column + e * row + f.
    """
    from rasterio import Affine

    options = {
        "driver": "GTiff",
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
        "compress": "JPEG",
        "photometric": "YCBCR",
        "jpeg_quality": quality,
        "interleave": "pixel",
    }
    if epsg is not None and transform is not None:
        options |= {"crs": f"EPSG:{epsg}", "transform": Affine(*transform)}
    return _written(pixels, options)


def as_png(pixels: "NDArray[np.uint8]") -> bytes:
    """Return a PNG; shape (1, H, W) or (3, H, W)."""
    return _written(pixels, {"driver": "PNG"})


def _written(pixels: "NDArray[np.uint8]", options: dict[str, object]) -> bytes:
    import warnings

    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile

    count, height, width = pixels.shape
    shape = {"count": count, "height": height, "width": width, "dtype": "uint8"}
    with warnings.catch_warnings(), MemoryFile() as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(**options, **shape) as dataset:
            dataset.write(pixels)
        return bytes(memory.read())
