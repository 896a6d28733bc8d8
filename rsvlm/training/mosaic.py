"""What one training entry of the region head shows: a picture, or four of them.

A mosaic puts windows of four pictures side by side at about native resolution. Every
picture of NWPU VHR-10 holds objects, and pictures of empty scenes come from elsewhere
and look different; in a mosaic both share one view, so that a place has to be judged
by what is there and not by the picture it is in.

Source:
    Mosaic augmentation: YOLOv4, https://arxiv.org/abs/2004.10934.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsvlm.labels import OBJECTS
from rsvlm.samples import Sample
from rsvlm.training.augment import (
    Item,
    crop,
    items_of,
    load_picture,
    move,
    place,
    recolour,
    resize,
    retint,
    turn,
)
from rsvlm.training.features import picture_hash

#: Scene class -> objects that its pictures surely do not show; nobody labelled the
#: others there.
ABSENT = {
    "forest": frozenset(OBJECTS) - {"vehicle", "bridge"},
    "grassland": frozenset(OBJECTS) - {"vehicle", "bridge"},
    "farmland": frozenset(OBJECTS) - {"vehicle", "bridge"},
    "river or lake": frozenset(OBJECTS) - {"vehicle", "bridge", "ship", "harbor"},
    "parking lot": frozenset({"airplane", "ship", "harbor", "ground track field"}),
    "residential area": frozenset({"airplane", "ship", "harbor"}),
    "industrial area": frozenset({"airplane", "ship", "harbor", "baseball diamond"}),
}
#: Pictures of a mosaic, in rows and columns.
SIDE = 2
#: Side of a window in px, relative to that of its cell.
SMALLEST, LARGEST = 0.7, 1.8


@dataclass(frozen=True)
class Labelled:
    """A picture, and the labels that somebody looked for in it.

    Attributes:
        sample: Its record; the targets are its objects.
        judged: Labels whose objects are all among the targets.
    """

    sample: Sample
    judged: frozenset[str]

    @classmethod
    def of(cls, sample: Sample) -> "Labelled":
        """Take a record with every object, or one of a scene without some of them."""
        if sample.task == "detect":
            return cls(sample, frozenset(OBJECTS))
        return cls(sample, ABSENT[sample.answers[0]])


@dataclass(frozen=True)
class Shown:
    """A variant of an entry.

    Attributes:
        picture: RGB, shape (H, W, 3), uint8.
        items: Its objects, in px of the picture.
        judged: Parts of the picture (x0, y0, x1, y1 in px) and the labels that are
            judged there.
    """

    picture: NDArray[np.uint8]
    items: list[Item]
    judged: list[tuple[tuple[int, int, int, int], frozenset[str]]]


@dataclass(frozen=True)
class Entry:
    """One picture, or the four of a mosaic."""

    cells: tuple[Labelled, ...]

    @property
    def source(self) -> str:
        """What a mix calls it: the source of the picture, or ``"mosaics"``."""
        return self.cells[0].sample.source if len(self.cells) == 1 else "mosaics"

    def key(self, folder: Path) -> str:
        """Return what tells this entry from others."""
        return "+".join(picture_hash(c.sample.images[0], folder) for c in self.cells)

    def shown(
        self, variant: int, long_side: int, seed: int, folder: Path, blank: bool = False
    ) -> Shown:
        """Return a variant; 0 of a single picture is the picture itself.

        Args:
            variant: Number of the variant.
            long_side: Longer side of the result, px.
            seed: Seed of the recipe.
            folder: Where the pictures are.
            blank: Leave the picture black, when only its objects are wanted.
        """
        if len(self.cells) > 1:
            return self._mosaic(variant, long_side, seed, folder, blank)
        (cell,) = self.cells
        picture, items = _load(cell, folder, blank), items_of(cell.sample.targets)
        if variant:
            rng = _rng(cell, folder, seed, variant)
            picture, items = move(picture, items, rng)
            picture = picture if blank else recolour(picture, rng)
        picture, items = resize(picture, items, long_side)
        height, width = picture.shape[:2]
        return Shown(picture, items, [((0, 0, width, height), cell.judged)])

    def anew(
        self, number: int, side: int, long_side: int, seed: int, folder: Path
    ) -> Shown:
        """Return a square view for training the encoder as well.

        Args:
            number: Number of the view; each is another.
            side: Side of the view, px.
            long_side: Longer side that a whole picture has before it is scaled, px.
            seed: Seed of the recipe.
            folder: Where the pictures are.
        """
        rng = _rng(self.cells[0], folder, seed, number, 7)
        if len(self.cells) > 1:
            shown = self._mosaic(number, side, seed, folder, blank=False)
            return replace(shown, picture=retint(shown.picture, rng))
        (cell,) = self.cells
        picture, items = _load(cell, folder, False), items_of(cell.sample.targets)
        picture, items = place(picture, items, side, long_side, rng)
        picture = retint(recolour(picture, rng), rng)
        return Shown(picture, items, [((0, 0, side, side), cell.judged)])

    def _mosaic(
        self, variant: int, long_side: int, seed: int, folder: Path, blank: bool
    ) -> Shown:
        side = long_side // SIDE
        canvas = np.zeros((SIDE * side, SIDE * side, 3), np.uint8)
        items: list[Item] = []
        judged = []
        for number, cell in enumerate(self.cells):
            rng = _rng(cell, folder, seed, variant, number)
            picture, inside = _load(cell, folder, blank), items_of(cell.sample.targets)
            picture, inside = _window(picture, inside, side, rng)
            picture, inside = turn(
                picture, inside, int(rng.integers(4)), bool(rng.integers(2))
            )
            picture = picture if blank else recolour(picture, rng)
            y, x = (side * part for part in divmod(number, SIDE))
            canvas[y : y + side, x : x + side] = picture
            judged.append(((x, y, x + side, y + side), cell.judged))
            corner = np.array([x, y])
            items += [
                replace(i, rings=tuple(r + corner for r in i.rings)) for i in inside
            ]
        return Shown(canvas, items, judged)


def mosaics(
    full: Sequence[Labelled], empty: Sequence[Labelled], count: int, seed: int
) -> list[Entry]:
    """Return mosaics of pictures with objects and of empty scenes, half of each.

    Args:
        full: Pictures with objects.
        empty: Pictures of scenes; where there are none, all cells have objects.
        count: Number of mosaics.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng([seed, 23])
    cells = SIDE * SIDE

    def draw() -> Labelled:
        source = empty if empty and rng.random() < 0.5 else full
        return source[int(rng.integers(len(source)))]

    return [Entry(tuple(draw() for _ in range(cells))) for _ in range(count)]


def _window(
    picture: NDArray[np.uint8],
    items: Sequence[Item],
    side: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], list[Item]]:
    """Cut a random square and scale it to ``side`` px."""
    height, width = picture.shape[:2]
    most = min(height, width)
    low, high = min(SMALLEST * side, most), min(LARGEST * side, most)
    cut = max(1, int(rng.uniform(low, high)))
    x, y = (int(rng.integers(0, extent - cut + 1)) for extent in (width, height))
    part, inside = crop(picture, items, (x, y, x + cut, y + cut))
    return resize(part, inside, side)


def _load(cell: Labelled, folder: Path, blank: bool) -> NDArray[np.uint8]:
    ref = cell.sample.images[0]
    if blank:
        return np.zeros((ref.height, ref.width, 3), np.uint8)
    return load_picture(folder / ref.path)


def _rng(cell: Labelled, folder: Path, *numbers: int) -> np.random.Generator:
    name = int(picture_hash(cell.sample.images[0], folder)[:8], 16)
    return np.random.default_rng([*numbers, name])
