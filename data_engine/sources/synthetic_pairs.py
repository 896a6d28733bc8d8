"""Drawn pairs of an optical and a radar image, so that alignment can be tried dry.

A picture is ground of two or three land covers in bands, each with the colour and the
radar brightness of its kind; the radar image has speckle. What covers the ground is
known exactly. Nothing learnt here is about the Earth.
"""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsvlm.data_engine.landcover import CLASSES, masks
from rsvlm.data_engine.records import Record, Split

NAME = "synthetic_pairs"
LICENCE = "CC0-1.0 (drawn by the code of rsvlm)"

#: Sides of the images in pixels, in turn.
SIDES = (64, 96, 128)
#: Pairs in all splits together.
COUNT = 20
#: Land cover -> mean RGB.
COLOURS = {
    "water": (30, 70, 130),
    "vegetation": (40, 100, 45),
    "built-up land": (165, 165, 170),
    "bare or dry ground": (185, 140, 95),
}
#: Land cover -> mean brightness in the radar image: water mirrors the beam away, walls
#: send it back.
ECHOES = {
    "water": 15,
    "vegetation": 95,
    "built-up land": 190,
    "bare or dry ground": 50,
}
#: Looks of the radar: speckle is a gamma variable of this shape and mean 1.
LOOKS = 4.0
#: m/px.
GSD_M = 10.0


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the drawn pairs of a split: three fifths train, one val, one test.

    Args:
        root: Not used; there are no files.
        split: Which pairs.

    Yields:
        The optical image with its partner, then the radar image.
    """
    for index in range(COUNT):
        turn = index % 5
        if split == ("val" if turn == 3 else "test" if turn == 4 else "train"):
            yield from _pair(index)


def _pair(index: int) -> tuple[Record, Record]:
    rng = np.random.default_rng(1000 + index)
    side = SIDES[index % len(SIDES)]
    ground = _ground(rng, side)  # (side, side), indices of CLASSES
    cover = {
        name: round(float((ground == number).mean()), 3)
        for number, name in enumerate(CLASSES)
    }
    colours = np.array([COLOURS[name] for name in CLASSES], float)[ground]
    echoes = np.array([ECHOES[name] for name in CLASSES], float)[ground]
    optical = colours + rng.normal(0, 8, (side, side, 1))
    radar = echoes * rng.gamma(LOOKS, 1 / LOOKS, (side, side))
    facts = {"cover": cover, "masks": masks(ground.astype(np.int8), ground.shape)}
    sar = _record(index, "sar", radar, facts)
    return replace(_record(index, "optical", optical, facts), partner=sar), sar


def _ground(rng: np.random.Generator, side: int) -> NDArray[np.int64]:
    """Divide a square by slanting lines into bands of a class each."""
    count = int(rng.integers(2, 4))
    classes = rng.permutation(len(CLASSES))[:count]
    rows, columns = np.mgrid[0:side, 0:side] / side
    angle = rng.uniform(0, 2 * np.pi)
    across = np.cos(angle) * (columns - 0.5) + np.sin(angle) * (rows - 0.5)
    cuts = np.sort(rng.uniform(-0.35, 0.35, count - 1))
    ground: NDArray[np.int64] = classes[np.searchsorted(cuts, across)]
    return ground


def _record(
    index: int,
    sensor: Literal["optical", "sar"],
    picture: NDArray[np.float64],
    facts: dict[str, Any],
) -> Record:
    data = BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(data, format="PNG")
    return Record(
        image=data.getvalue(),
        name=f"{index:03d}-{sensor}.png",
        width=picture.shape[1],
        height=picture.shape[0],
        source=NAME,
        licence=LICENCE,
        sensor=sensor,
        gsd_m=GSD_M,
        **facts,
    )
