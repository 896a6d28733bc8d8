"""What is kept of an image to compare it with others: hashes, a thumbnail, its place.

The perceptual hash is the signs of 63 cosine coefficients of a thumbnail. Signs, not a
comparison with the median: a flip or a quarter turn of the image then flips or swaps
signs, and all eight ways to lay an image follow from one of them.

Source:
    Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010.
    Own code: the usual package brings two large dependencies for ten lines.
"""

import warnings
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsvlm.embedding import unit
from rsvlm.errors import ImageError
from rsvlm.geometry import Window
from rsvlm.opening import MAGIC
from rsvlm.raster import Raster
from rsvlm.render import View

#: Side of a thumbnail, and of the block of coefficients whose signs are the hash.
THUMB, BLOCK = 32, 8
#: Side of the picture that an image is looked at in, px.
SIDE = 256
#: An image is blank where its gray values spread less than this, in counts of 255, or
#: where this share of it has one value.
LEAST_SPREAD, ONE_VALUE = 1.5, 0.98

Bounds = tuple[float, float, float, float] | None
Signs = NDArray[np.int8]
Thumb = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Print:
    """What is kept of one image.

    Attributes:
        split: Its split; ``against`` for an image of an evaluation set.
        source: Its source, or the file of the evaluation set.
        name: Its name in the source.
        sensor: What took it.
        sha256: Of the encoded file.
        signs: Perceptual hash, shape (64,), 1 and -1; the first, the mean, is 0.
        thumb: Gray thumbnail, shape (32, 32).
        bounds: West, south, east, north, degrees; None without a place.
        is_blank: Whether it shows nothing.
        vector: Unit vector of the encoders, shape (D,), None without encoders.
    """

    split: str
    source: str
    name: str
    sensor: str
    sha256: str
    signs: Signs
    thumb: Thumb
    bounds: Bounds
    is_blank: bool
    vector: NDArray[np.float32] | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from all others."""
        return self.split, self.source, self.name


def look(data: bytes, name: str, sensor: str) -> tuple[View, Bounds]:
    """Return a picture of an image and where it lies.

    Pictures of 8 bits are decoded by Pillow, which is several times as fast; all others
    are drawn as the assistant draws them.

    Raises:
        ImageError: If it cannot be decoded.
    """
    if not data.startswith(MAGIC["GTiff"]):
        try:
            with warnings.catch_warnings():
                # Whole satellite scenes are larger than Pillow thinks any picture is.
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(BytesIO(data)) as image:
                    if image.mode in ("L", "P", "RGB", "RGBA"):
                        return _drawn(image, sensor), None
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            pass  # read in parts, below
        except (OSError, ValueError, SyntaxError) as error:
            raise ImageError(f"{name} is no image ({error}).") from None
    with Raster.from_bytes(data, name, sensor) as raster:
        place = raster.georeference
        bounds = place.bounds_lonlat(raster.width, raster.height) if place else None
        west, south, east, north = bounds or (0.0, 0.0, 0.0, 0.0)
        view = raster.preview(max_side=SIDE)
    return view, (west, south, east, north) if bounds else None


def _drawn(image: Image.Image, sensor: str) -> View:
    width, height = image.size
    image.draft("RGB", (SIDE, SIDE))  # JPEG decodes to about that size
    small = image.convert("RGB")
    small.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    window = Window.whole(width, height, *small.size)
    return View(np.asarray(small), window, sensor, "as stored", "")


def print_of(
    data: bytes, view: View, bounds: Bounds, split: str, source: str, name: str
) -> Print:
    """Return what is kept of an image.

    Args:
        data: The encoded file.
        view: A picture of it.
        bounds: Where it lies.
        split: Its split.
        source: Its source.
        name: Its name.
    """
    gray = Image.fromarray(np.ascontiguousarray(view.pixels)).convert("L")
    thumb = np.asarray(gray.resize((THUMB, THUMB), Image.Resampling.BOX))
    return Print(
        split=split,
        source=source,
        name=name,
        sensor=view.sensor,
        sha256=sha256(data).hexdigest(),
        signs=signs_of(thumb),
        thumb=thumb,
        bounds=bounds,
        is_blank=is_blank(np.asarray(gray)),
    )


def is_blank(gray: NDArray[np.uint8]) -> bool:
    """Whether a gray picture shows nothing, shape (H, W)."""
    counts = np.bincount(gray.ravel(), minlength=256)
    return bool(gray.std() < LEAST_SPREAD or counts.max() >= ONE_VALUE * gray.size)


def signs_of(thumb: Thumb) -> Signs:
    """Return the signs of the lowest cosine coefficients, shape (64,).

    Args:
        thumb: Gray thumbnail, shape (32, 32).
    """
    coefficients = _BASIS @ thumb.astype(np.float64) @ _BASIS.T  # (8, 8)
    signs = np.where(coefficients >= 0, 1, -1).astype(np.int8).ravel()
    signs[0] = 0  # the mean says nothing of what is seen
    return signs


def laid_all_ways(signs: Signs) -> NDArray[np.int8]:
    """Return the hashes of an image flipped and turned, shape (..., 64) -> (8, ..., 64).

    The first is the image as it is.
    """
    block = signs.reshape(*signs.shape[:-1], BLOCK, BLOCK)
    odd = np.where(np.arange(BLOCK) % 2, -1, 1).astype(np.int8)
    ways = []
    for base in (block, block.swapaxes(-1, -2)):
        for rows in (1, odd[:, None]):
            for columns in (1, odd):
                ways.append((base * rows * columns).reshape(signs.shape))
    return np.stack(ways)


def likeness(one: Thumb, others: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the correlations of a thumbnail with others, each laid the best way.

    Args:
        one: Shape (32, 32).
        others: Shape (N, 32, 32).

    Returns:
        Shape (N,).
    """
    ways = [
        way
        for base in (one, one.T)
        for way in (base, base[::-1], base[:, ::-1], base[::-1, ::-1])
    ]
    return np.asarray((_centred(others) @ _centred(np.stack(ways)).T).max(axis=1))


def _centred(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return thumbnails without mean, of length 1, shape (N, 32, 32) -> (N, 1024)."""
    values = thumbs.reshape(len(thumbs), -1).astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return unit(values)


def _basis() -> NDArray[np.float64]:
    """Return the first rows of the cosine transform, shape (8, 32)."""
    rows, columns = np.mgrid[0:BLOCK, 0:THUMB]
    return np.asarray(np.cos(np.pi * rows * (2 * columns + 1) / (2 * THUMB)))


_BASIS = _basis()
