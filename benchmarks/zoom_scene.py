"""One object hidden in a large scene, without writing the scene again.

A scene of make_big_cog.py is made and indexed once. Of a case only the tiles under its
object are another picture: they alone are encoded again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from make_big_cog import EDGE, Pictures, Pixels, objects
from numpy.typing import NDArray
from PIL import Image

from rsvlm.embedding import Vectors
from rsvlm.geometry import HBB
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.retrieval.objects import ObjectIndex
from rsvlm.retrieval.tiles import TileIndex, is_blank
from rsvlm.retrieval.tiles_store import ENCODED

#: Ground around an object that is hidden with it, as a share of its longer side.
AROUND = 0.4
#: Longest side of an object, px; and room between it and the border of the scene.
LONGEST, BORDER = 300, 640


@dataclass(frozen=True)
class Needle:
    """An object, and where in a scene of which side it is hidden.

    Attributes:
        number: Of the case.
        side: Of the scene, px.
        scene: Which scene of that side.
        label: What it is.
        pixels: The object with its ground, RGB.
        x: Column of the upper left corner of that, px.
        y: Row of it.
        hbb: The object in the scene.
    """

    number: int
    side: int
    scene: int
    label: str
    pixels: Pixels
    x: int
    y: int
    hbb: HBB

    @property
    def patch(self) -> HBB:
        """The part of the scene that is another one."""
        height, width = self.pixels.shape[:2]
        return HBB(self.x, self.y, self.x + width, self.y + height)


def needles(
    data: Path,
    split: str,
    sides: dict[int, int],
    scenes: dict[int, int],
    seed: int,
    images: frozenset[str] | None = None,
) -> Iterator[Needle]:
    """Yield cases, the same for the same seed.

    Args:
        data: Folder of the source data sets.
        split: Where objects are from.
        sides: Side of a scene -> cases in such scenes.
        scenes: Side -> scenes of it, which share its cases.
        seed: Draws everything.
        images: Names of the pictures that objects may be from; None for all.
    """
    pictures, rng = Pictures(data), Random(f"{seed}/{split}/needles")
    tar = f"vhr10/images_{split}.tar"
    pool: dict[str, list[tuple[str, list[float]]]] = {}
    for label, name, box in objects(data, split):
        if images is not None and name not in images:
            continue
        if label != "vehicle" and max(box[2:]) <= LONGEST:  # cars are in scenes too
            pool.setdefault(label, []).append((name, box))
    labels = sorted(pool)
    rng.shuffle(labels)
    number = 0
    for side, count in sides.items():
        for turn in range(count):
            label = labels[number % len(labels)]
            name, (bx, by, bw, bh) = rng.choice(sorted(pool[label]))
            picture = pictures.read(tar, name)
            margin = AROUND * max(bw, bh) + EDGE
            left, top = int(max(0, bx - margin)), int(max(0, by - margin))
            right = int(min(picture.shape[1], bx + bw + margin))
            low = int(min(picture.shape[0], by + bh + margin))
            x, y = rng.randrange(side - BORDER), rng.randrange(side - BORDER)
            x0, y0 = x + bx - left, y + by - top
            yield Needle(
                number, side, turn % scenes[side], label, picture[top:low, left:right],
                x, y, HBB(x0, y0, x0 + bw, y0 + bh),
            )  # fmt: skip
            number += 1


class Hidden(Raster):
    """A scene in which an object is hidden; its place on the Earth is not known.

    Where a scene lies, and at what resolution, is that of its ground: objects were taken
    at another one.
    """

    def __init__(self, scene: Raster, needle: Needle) -> None:
        """Lay the object into a scene, which stays open and as it is."""
        kept = {k: v for k, v in vars(scene).items() if k not in ("gsd", "sha256")}
        self.__dict__.update(kept)
        self.georeference, self.needle = None, needle

    def close(self) -> None:
        """Leave the scene open."""

    def view(
        self,
        window: HBB,
        width: int,
        height: int,
        rendering: str | None = None,
        image: int = 0,
    ) -> View:
        """Draw a part, as :meth:`Raster.view` does, with the object."""
        view = super().view(window, width, height, rendering, image)
        pixels = view.pixels.copy()
        scale = width / window.width, height / window.height
        _lay(pixels, self.needle, window, scale)
        return View(
            pixels, view.window, view.sensor, view.rendering, view.legend, view.image,
            valid=view.valid,
        )  # fmt: skip


def _lay(
    pixels: Pixels, needle: Needle, window: HBB, scale: tuple[float, float]
) -> None:
    """Lay an object with soft edges into the picture of a window, in place."""
    patch = needle.patch
    x0, x1 = ((v - window.x0) * scale[0] for v in (patch.x0, patch.x1))
    y0, y1 = ((v - window.y0) * scale[1] for v in (patch.y0, patch.y1))
    left, top = round(x0), round(y0)
    size = max(1, round(x1 - x0)), max(1, round(y1 - y0))
    u0, v0 = max(0, -left), max(0, -top)
    u1 = min(size[0], pixels.shape[1] - left)
    v1 = min(size[1], pixels.shape[0] - top)
    if u0 >= u1 or v0 >= v1:
        return
    drawn = Image.fromarray(needle.pixels).resize(size, Image.Resampling.LANCZOS)
    colours = np.asarray(drawn, np.float32)[v0:v1, u0:u1]
    ramps = []
    for count, factor in zip(size, scale, strict=True):
        steps = np.arange(count, dtype=np.float32) + 0.5
        soft = max(EDGE * factor, 1.0)
        ramps.append(np.minimum(np.minimum(steps, count - steps) / soft, 1))
    weight = (ramps[1][v0:v1, None] * ramps[0][None, u0:u1])[..., None]
    there = pixels[top + v0 : top + v1, left + u0 : left + u1]
    there[:] = np.round(weight * colours + (1 - weight) * there)


class CaseTiles:
    """The tiles of a scene, those under the object encoded again."""

    has_changed = False
    finest_complete = 0

    def __init__(self, index: TileIndex, hidden: Hidden, folder: Path) -> None:
        """Take over a complete index of the scene without the object.

        Args:
            index: That index.
            hidden: The scene with the object.
            folder: Where what is encoded is kept for the next time.
        """
        name = f"{hidden.needle.number}-{index.encoder.revision[:12]}.npz"
        self.file = folder / "cases" / name
        self.index, self.hidden, self.read = index, hidden, 0
        self.boxes, self.levels = index.boxes, index.levels
        x0, y0, x1, y1 = self.boxes.T
        patch = hidden.needle.patch
        touched = (x0 < patch.x1) & (x1 > patch.x0) & (y0 < patch.y1) & (y1 > patch.y0)
        self.numbers = np.flatnonzero(touched)
        self._own: dict[int, tuple[Vectors, bool]] = {}

    def children(self, tile: int) -> NDArray[np.int64]:
        """Return the tiles one level below that lie in a tile."""
        return self.index.children(tile)

    def build(self) -> None:
        """Encode the tiles under the object."""
        if self._own:
            return
        if self.file.is_file():
            with np.load(self.file, allow_pickle=False) as kept:
                if np.array_equal(kept["numbers"], self.numbers):
                    found = zip(kept["vectors"], kept["seen"], strict=True)
                    own = {
                        int(n): (v, bool(s))
                        for n, (v, s) in zip(self.numbers, found, strict=True)
                    }
                    self._own = own
                    return
        views = []
        for tile in self.numbers.tolist():
            drawn = self.index.pyramid.drawn[tile].astype(float)
            x0, y0, x1, y1 = drawn
            box = HBB(*(drawn * self.index.pyramid.scales[int(self.levels[tile])]))
            views.append(self.hidden.view(box, int(x1 - x0), int(y1 - y0)))
        vectors = self.index.encoder.encode_image(views)
        for number, view, vector in zip(self.numbers, views, vectors, strict=True):
            self._own[int(number)] = (vector, not is_blank(view))
        self.read = len(views)
        self.file.parent.mkdir(exist_ok=True)
        seen = [self._own[int(number)][1] for number in self.numbers]
        np.savez(self.file, numbers=self.numbers, vectors=vectors, seen=np.array(seen))

    def vectors(self, tiles: NDArray[np.int64]) -> tuple[Vectors, NDArray[np.bool_]]:
        """Return unit vectors (K, D), and which tiles hold anything."""
        self.build()
        store = self.index.store
        vectors, seen = store.vectors[tiles].copy(), store.states[tiles] == ENCODED
        for row, tile in enumerate(tiles.tolist()):
            if tile in self._own:
                vectors[row], seen[row] = self._own[tile]
        return vectors, seen


def case_scan(index: ObjectIndex, hidden: Hidden) -> ObjectIndex:
    """Return the scan of a scene, the windows under the object looked at again."""
    patch = hidden.needle.patch
    own = {
        number: index.look(hidden, number)
        for number, window in enumerate(index.windows)
        if window.intersection(patch)
    }
    return ObjectIndex(hidden, index.finder, index.plan, index.found | own)


@contextmanager
def opened(tiles: CaseTiles) -> Iterator[CaseTiles]:
    """Yield tiles: what a search opens."""
    yield tiles
