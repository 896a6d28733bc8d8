"""Sen1Floods11: one chip of Sentinel-1 (VV, VH in dB) with a hand-drawn map of water.

Upstream form: ``sen1floods11_*_S1.tif`` (float32, 512 x 512 px) beside a label
of the same grid: 1 water, 0 other, -1 not labelled. One place is too little to learn
from: it serves validation only.

Source:
    Bonafilia, Tellman, Anderson, Issenberg, "Sen1Floods11: a georeferenced dataset to
    train and test deep learning flood algorithms for Sentinel-1", CVPRW 2020.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsvlm.data_engine.records import Record, Sensor, Split, missing
from rsvlm.errors import ImageError, ParseError
from rsvlm.samples import MaskRle

NAME = "floods"
FOLDER = "scenes"
LICENCE = (
    "no licence stated upstream (github cloudtostreet/Sen1Floods11); Copernicus "
    "Sentinel data; research only"
)
FILES = (
    "sen1floods11_Spain_7370579_S1.tif",
    "sen1floods11_Spain_7370579_label.tif",
)
WATER = 1


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the chip, byte for byte, in the split ``val``.

    Args:
        root: Folder of the scenes.
        split: Which split.

    Yields:
        The record.

    Raises:
        SettingsError: If a file is missing.
        ParseError: If a file does not hold what its format requires.
    """
    if split != "val":
        return
    image, label = (root / name for name in FILES)
    yield chip(image, label, NAME, LICENCE)


def chip(
    image: Path, label: Path, source: str, licence: str, sensor: Sensor = "sar"
) -> Record:
    """Return a chip with the mask of its water.

    Args:
        image: The image, kept byte for byte.
        label: Its label, on the same grid.
        source: Name of the source.
        licence: Terms of image and label.
        sensor: What took the image.

    Raises:
        SettingsError: If a file is missing.
        ParseError: If a file is no image, or the grids differ.
    """
    from rsvlm.masks import Mask

    labels, gsd_m = _read(label)
    pixels, _ = _read(image)
    if pixels.shape != labels.shape:
        raise ParseError(
            f"{label.name} has {labels.shape} px, {image.name} {pixels.shape}. "
            "Fetch both files again."
        )
    height, width = labels.shape
    mask = Mask.from_array(labels == WATER)
    return Record(
        image=image.read_bytes(),
        name=image.name,
        width=width,
        height=height,
        source=source,
        licence=licence,
        sensor=sensor,
        gsd_m=gsd_m,
        masks={"water": MaskRle(size=(height, width), counts=mask.counts)},
        meta={
            "labels": "hand-drawn",
            "water": round(float((labels == WATER).mean()), 4),
        },
    )


def _read(path: Path) -> tuple[NDArray[np.generic], float | None]:
    """Return the first band, shape (H, W), and the size of a pixel in m/px."""
    from rsvlm.geometry import HBB
    from rsvlm.raster import Raster

    if not path.is_file():
        raise missing(path)
    try:
        with Raster.open(path) as raster:
            whole = HBB(0, 0, raster.width, raster.height)
            band = raster.read(whole, raster.width, raster.height, [1])[0]
            return np.asarray(band.filled(0)), raster.gsd
    except ImageError as error:
        raise ParseError(f"{error}") from None
