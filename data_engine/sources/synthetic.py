"""Drawn images with known labels, so that training can be tried without any data.

Scenes are coloured fields; objects are bright crosses ("airplanes") and discs
("storage tanks") on textured ground. Nothing learnt here is about the Earth.
"""

from collections.abc import Iterator
from io import BytesIO
from math import cos, pi, sin
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsvlm.data_engine.records import Record, Split
from rsvlm.samples import Target

NAME = "synthetic"
LICENCE = "CC0-1.0 (drawn by the code of rsvlm)"

#: Side of every image in pixels.
SIDE = 96
#: Images in all splits together, half of them scenes, half with objects.
COUNT = 40
OBJECTS = ("airplane", "storage tank", "ship")
#: Scene class -> mean RGB.
SCENES = {
    "forest": (30, 80, 40),
    "grassland": (130, 180, 90),
    "farmland": (190, 160, 90),
    "river or lake": (40, 90, 160),
    "parking lot": (120, 120, 125),
}

_Picture = NDArray[np.float64]


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the drawn images of a split: three fifths train, one val, one test.

    Args:
        root: Not used; there are no files.
        split: Which images.

    Yields:
        The records.
    """
    for index in range(COUNT):
        turn = index // 2 % 5
        if split == ("val" if turn == 3 else "test" if turn == 4 else "train"):
            yield _scene(index) if index % 2 else _objects(index)


def _scene(index: int) -> Record:
    rng = np.random.default_rng(index)
    label = list(SCENES)[(index // 2 + index // 10) % len(SCENES)]
    return _record(index, _ground(rng, SCENES[label]), label=label)


def _objects(index: int) -> Record:
    """Draw one to four objects into the cells of a 2 x 2 grid, so that none overlap."""
    rng = np.random.default_rng(index)
    picture = _ground(rng, (95, 100, 85))
    half = SIDE // 2
    cells = [(half * (c % 2), half * (c // 2)) for c in rng.permutation(4)]
    only = index // 2 % 3  # 0: airplanes alone, 1: storage tanks alone, 2: both
    targets = []
    for number, (left, top) in enumerate(cells[: rng.integers(1 + (only == 2), 5)]):
        radius = int(rng.integers(8, 18))
        x = left + int(rng.integers(radius, half - radius))
        y = top + int(rng.integers(radius, half - radius))
        is_cross = only == 0 or (only == 2 and number % 2 == 0)
        draw = _cross if is_cross else _disc
        targets.append(draw(picture, x, y, radius))
    return _record(index, picture, targets=tuple(targets))


def _ground(rng: np.random.Generator, colour: tuple[int, int, int]) -> _Picture:
    """Return a textured field, shape (SIDE, SIDE, 3)."""
    coarse = rng.normal(0, 10, (SIDE // 8, SIDE // 8, 1)).repeat(8, 0).repeat(8, 1)
    return np.array(colour) + coarse + rng.normal(0, 6, (SIDE, SIDE, 3))


def _cross(picture: _Picture, x: int, y: int, radius: int) -> Target:
    """Draw a cross around the pixel corner (x, y)."""
    r, arm = radius, max(2, radius // 4)
    picture[y - arm : y + arm, x - r : x + r] = 235
    picture[y - r : y + r, x - arm : x + arm] = 235
    offsets = [(-arm, -r), (arm, -r), (arm, -arm), (r, -arm), (r, arm), (arm, arm)]
    offsets += [(-u, -v) for u, v in offsets]
    ring = tuple(float(v) for u, w in offsets for v in (x + u, y + w))
    return Target(label="airplane", hbb=(x - r, y - r, x + r, y + r), polygons=(ring,))


def _disc(picture: _Picture, x: int, y: int, radius: int) -> Target:
    """Draw a disc around the pixel corner (x, y)."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    inside = (columns - x) ** 2 + (rows - y) ** 2 < radius**2
    picture[inside] = (210, 205, 190)
    angles = [2 * pi * step / 24 for step in range(24)]
    corners = [(x + radius * cos(a), y + radius * sin(a)) for a in angles]
    return Target(
        label="storage tank",
        hbb=(x - radius, y - radius, x + radius, y + radius),
        polygons=(tuple(round(v, 2) for corner in corners for v in corner),),
    )


def _record(
    index: int,
    picture: _Picture,
    label: str | None = None,
    targets: tuple[Target, ...] = (),
) -> Record:
    pixels = picture.clip(0, 255).astype(np.uint8)
    data = BytesIO()
    Image.fromarray(pixels).save(data, format="PNG")
    return Record(
        image=data.getvalue(),
        name=f"{index:03d}.png",
        width=SIDE,
        height=SIDE,
        source=NAME,
        licence=LICENCE,
        label=label,
        targets=targets,
        scenes=tuple(SCENES) if label else (),
        objects=() if label else OBJECTS,
    )
