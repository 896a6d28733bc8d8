"""Pictures of scenes that are too large to look at, for zoom-in chains.

Three kinds: training images of NWPU VHR-10 in which objects are small; canvases
(:mod:`rsvlm.data_engine.canvases`) of its objects and of scenes of RSSCN7 on real
grounds, made as small as a model sees them; and windows of such canvases at full
resolution. All of them come from training images only.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsvlm.data_engine.canvases import Canvas, Piece, piece_of, scatter
from rsvlm.data_engine.phrases import canonical_name
from rsvlm.data_engine.records import Record, Split, missing
from rsvlm.data_engine.sources import rsscn7, vhr10
from rsvlm.data_engine.synth.paste import encoded
from rsvlm.samples import Target

NAME = "chains"
LICENCE = (
    f"objects: {vhr10.LICENCE}; scenes: {rsscn7.LICENCE}; grounds: Contains modified "
    "Copernicus Sentinel data 2020, and NAIP, public domain"
)
#: The folder of the datasets itself: three of them are read.
FOLDER = "."
GROUNDS = ("la_s2.tif", "naip_20090818.tif", "naip_20140720.tif")
FILES = (
    "vhr10/images_train.tar",
    "vhr10/instances_train.json",
    "rsscn7/images_train.tar",
    "rsscn7/labels.csv",
    *(f"scenes/{name}" for name in GROUNDS),
)
#: Canvases: split -> how many; of every third a window is shown too.
COUNTS: dict[Split, int] = {"train": 340, "val": 36, "test": 0}
EVERY = 3
#: Side of the picture of a canvas, px.
SIDE = 1008
#: Longer side of the smallest object as a share of a canvas's side.
SHARES = (0.012, 0.06)
#: Side of a window as a share of a canvas's side, and most pixels of its side.
WINDOW, MOST_PX = (0.14, 0.26), 672
#: Largest object that is small in an image, as a share of the image's longer side.
SMALL = 0.08
#: Scenes that show none of the objects: grass, field, forest and parking.
PLAIN = ("grass", "field", "forest", "parking")
#: Objects and scenes of a canvas, at most.
MOST_OBJECTS, MOST_SCENES = 5, 4
#: Share of a ground, from its lower end, that is kept for validation.
HELD = 0.2


T = TypeVar("T")


@dataclass(frozen=True)
class _Stock:
    """What canvases are made of."""

    objects: dict[str, list[Piece]]
    scenes: list[Piece]
    grounds: list[NDArray[np.uint8]]


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the pictures of a split.

    Args:
        root: Folder that holds ``vhr10``, ``rsscn7`` and ``scenes``.
        split: All parts are of this split; ``test`` is empty.

    Yields:
        The records, each made when it is asked for.

    Raises:
        SettingsError: If a file is missing.
        ParseError: If a file does not hold what its format requires.
    """
    if not COUNTS[split]:
        return
    objects: dict[str, list[Piece]] = defaultdict(list)
    for record in vhr10.read(root / "vhr10", split):
        targets = tuple(
            t.model_copy(update={"label": canonical_name(t.label)})
            for t in record.targets
        )
        pixels = _pixels(record)
        for index, target in enumerate(targets):
            # Cars stand in scenes as well, without a label.
            if target.label != "vehicle" and (p := piece_of(pixels, targets, index)):
                objects[target.label].append(p)
        longest = max(record.width, record.height)
        if any(_length(target) <= SMALL * longest for target in targets):
            yield Record(
                image=record.image, name=record.name, width=record.width,
                height=record.height, source=NAME, licence=record.licence,
                targets=targets, objects=record.objects, chain=True,
                meta={"labels": "upstream"},
            )  # fmt: skip
    scenes = [
        Piece(_pixels(record))
        for record in rsscn7.read(root / "rsscn7", split)
        if record.label in PLAIN
    ]
    grounds = [_ground(root / "scenes" / name, split) for name in GROUNDS]
    stock = _Stock(dict(objects), scenes, grounds)
    for index in range(COUNTS[split]):
        yield from _canvas(index, stock, split)


def _canvas(index: int, stock: _Stock, split: Split) -> Iterator[Record]:
    """Yield the picture of a canvas and, of some, a window."""
    rng = np.random.default_rng((11, split == "val", index))
    labels = rng.permutation(sorted(stock.objects))
    labels = labels[: int(rng.integers(1, MOST_OBJECTS + 1))]
    chosen = [_any(stock.objects[label], rng) for label in labels]
    length = min(_length(piece.targets[0]) for piece in chosen)
    share = np.exp(rng.uniform(*np.log(SHARES)))
    side = max(int(length / share), SIDE)
    count = int(rng.integers(MOST_SCENES + 1))
    chosen += [_any(stock.scenes, rng) for _ in range(count)]
    canvas = scatter(_crop(_any(stock.grounds, rng), rng), side, chosen, rng)
    picture, targets = canvas.render((0, 0, side, side), SIDE)
    if not targets:
        return
    name = f"{split}-{index:04d}"
    yield _record(f"{name}.jpg", picture, targets, side)
    if index % EVERY:
        return
    aim = canvas.targets[int(rng.integers(len(targets)))]
    box = _window(aim, canvas, rng)
    drawn = min(round(box[2] - box[0]), MOST_PX)
    picture, targets = canvas.render(box, drawn)
    yield _record(f"{name}-window.jpg", picture, targets, side)


def _record(
    name: str, picture: NDArray[np.uint8], targets: tuple[Target, ...], side: int
) -> Record:
    return Record(
        image=encoded(picture, quality=88),
        name=name,
        width=picture.shape[1],
        height=picture.shape[0],
        source=NAME,
        licence=LICENCE,
        targets=targets,
        # Grounds may show more of other classes: nobody looked at all of them.
        objects=tuple(sorted({target.label for target in targets})),
        chain=True,
        meta={"labels": "composed", "scene_px": side},
    )


def _window(
    aim: Target, canvas: Canvas, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """Return a square part that shows an object whole, wherever in it."""
    x0, y0, x1, y1 = aim.hbb
    size = canvas.side * float(rng.uniform(*WINDOW))
    size = min(max(size, 1.5 * _length(aim)), canvas.side)
    corner = []
    for low, high in ((x0, x1), (y0, y1)):
        first, last = max(0.0, high - size), min(low, canvas.side - size)
        corner.append(float(rng.uniform(first, max(first, last))))
    return corner[0], corner[1], corner[0] + size, corner[1] + size


def _crop(ground: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a square of a ground, turned."""
    most = min(*ground.shape[:2], 2 * SIDE)
    side = int(rng.integers(most // 3, most + 1))
    row, column = (int(rng.integers(n - side + 1)) for n in ground.shape[:2])
    part = ground[row : row + side, column : column + side]
    return np.ascontiguousarray(np.rot90(part, int(rng.integers(4))))


def _ground(path: Path, split: Split) -> NDArray[np.uint8]:
    """Return a scene, RGB: its lower end for validation, the rest for training."""
    import rasterio

    if not path.is_file():
        raise missing(path)
    with rasterio.open(path) as file:
        pixels: NDArray[np.uint8] = file.read((1, 2, 3)).transpose(1, 2, 0)
    rows = round(len(pixels) * (1 - HELD))
    return pixels[rows:] if split == "val" else pixels[:rows]


def _any(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


def _length(target: Target) -> float:
    x0, y0, x1, y1 = target.hbb
    return max(x1 - x0, y1 - y0)


def _pixels(record: Record) -> NDArray[np.uint8]:
    with Image.open(BytesIO(record.image)) as image:
        return np.asarray(image.convert("RGB"))
