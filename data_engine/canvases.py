"""Large scenes that are never held whole: pieces of real images on a real ground.

A canvas has a size in its own pixels, thousands a side; :meth:`Canvas.render` draws any
part of it at any size, so that the picture of the whole and a window at full resolution
show the same scene. Pieces lie in it at their own resolution, with soft edges, so that
what stands around an object comes with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsvlm.samples import Target

#: Softness of the edge of a piece, as a share of its shorter side.
EDGE = 0.12
#: Strength of the grain that hides how smooth enlarged ground is.
GRAIN = 4.0
#: Places that are tried for each piece.
TRIES = 60
#: Range of the factor that fits the brightness of a piece to the ground.
GAIN = (0.75, 1.35)

Pixels = NDArray[np.uint8]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a real image, and what is known to be in it.

    Attributes:
        pixels: RGB, shape (h, w, 3).
        targets: Objects, in its pixels.
    """

    pixels: Pixels
    targets: tuple[Target, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        return self.pixels.shape[1], self.pixels.shape[0]


def piece_of(pixels: Pixels, targets: Sequence[Target], index: int) -> Piece | None:
    """Return an object with its surroundings, None where others reach into them.

    Args:
        pixels: The image, RGB, shape (H, W, 3).
        targets: All objects of the image.
        index: Which of them.
    """
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = targets[index].hbb
    margin = 0.35 * max(x1 - x0, y1 - y0) + 8
    left, top = int(max(x0 - margin, 0)), int(max(y0 - margin, 0))
    right, low = int(min(x1 + margin, width)), int(min(y1 + margin, height))
    for number, other in enumerate(targets):
        a, b, c, d = other.hbb
        if number != index and a < right and c > left and b < low and d > top:
            return None
    # What the soft edge would wash out is not shown.
    border = EDGE * min(right - left, low - top)
    if min(x0 - left, y0 - top, right - x1, low - y1) < border:
        return None
    window = pixels[top:low, left:right]
    return Piece(window, (moved(targets[index], 1.0, -left, -top),))


def moved(target: Target, scale: float, dx: float, dy: float) -> Target:
    """Return a target in another frame: ``x * scale + dx``, ``y * scale + dy``."""
    x0, y0, x1, y1 = target.hbb
    shift = (dx, dy)
    rings = tuple(
        tuple(round(v * scale + shift[i % 2], 2) for i, v in enumerate(ring))
        for ring in target.polygons
    )
    box = (x0 * scale + dx, y0 * scale + dy, x1 * scale + dx, y1 * scale + dy)
    hbb = (round(box[0], 2), round(box[1], 2), round(box[2], 2), round(box[3], 2))
    return Target(label=target.label, hbb=hbb, polygons=rings)


@dataclass(frozen=True)
class Canvas:
    """A scene.

    Attributes:
        ground: RGB that covers all of it, however many pixels it has.
        side: Columns and rows of the scene.
        pieces: What lies in it, and the column and row of its upper left corner.
        seed: Seed of the grain.
    """

    ground: Pixels
    side: int
    pieces: tuple[tuple[Piece, int, int], ...]
    seed: int = 0

    @property
    def targets(self) -> tuple[Target, ...]:
        """All objects, in pixels of the scene."""
        return tuple(
            moved(target, 1.0, x, y)
            for piece, x, y in self.pieces
            for target in piece.targets
        )

    def render(self, box: Box, side: int) -> tuple[Pixels, tuple[Target, ...]]:
        """Draw a square part.

        Args:
            box: x0, y0, x1, y1 in pixels of the scene.
            side: Columns and rows of the picture.

        Returns:
            The picture, and the objects that are whole in it, in its pixels.
        """
        x0, y0, x1, y1 = box
        scale = side / (x1 - x0)
        height, width = self.ground.shape[:2]
        part = (
            x0 * width / self.side,
            y0 * height / self.side,
            x1 * width / self.side,
            y1 * height / self.side,
        )
        bicubic = Image.Resampling.BICUBIC
        drawn = Image.fromarray(self.ground).resize((side, side), bicubic, part)
        grain = np.random.default_rng((self.seed, int(x0), int(y0), side))
        picture = np.asarray(drawn, np.float32)
        picture = picture + grain.normal(0, GRAIN, (side, side, 1)).astype(np.float32)
        for piece, x, y in self.pieces:
            w, h = piece.size
            if x < x1 and y < y1 and x + w > x0 and y + h > y0:
                _lay(picture, piece, (x - x0) * scale, (y - y0) * scale, scale)
        shown = tuple(
            moved(t, scale, -x0 * scale, -y0 * scale)
            for t in self.targets
            if t.hbb[0] >= x0 and t.hbb[1] >= y0 and t.hbb[2] <= x1 and t.hbb[3] <= y1
        )
        return picture.clip(0, 255).round().astype(np.uint8), shown


def scatter(
    ground: Pixels, side: int, pieces: Sequence[Piece], rng: np.random.Generator
) -> Canvas:
    """Return a canvas with pieces at random places, none over another.

    Args:
        ground: What lies below.
        side: Columns and rows of the scene.
        pieces: What to lay; those that find no place are left out.
        rng: Draws the places.
    """
    placed: list[tuple[Piece, int, int]] = []
    for piece in pieces:
        w, h = piece.size
        if w >= side or h >= side:
            continue
        for _ in range(TRIES):
            x, y = int(rng.integers(side - w)), int(rng.integers(side - h))
            if all(
                x + w <= u or u + p.size[0] <= x or y + h <= v or v + p.size[1] <= y
                for p, u, v in placed
            ):
                placed.append((piece, x, y))
                break
    return Canvas(ground, side, tuple(placed), int(rng.integers(2**31)))


def _lay(
    picture: NDArray[np.float32], piece: Piece, x: float, y: float, scale: float
) -> None:
    """Lay a piece into a picture, in place, at a column and row that may be outside."""
    w, h = piece.size
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    # Laid by whole pixels: what is known of the objects is right to half a pixel.
    drawn = Image.fromarray(piece.pixels).resize(size, Image.Resampling.LANCZOS)
    colours = np.asarray(drawn, np.float32)
    left, top = round(x), round(y)
    u0, v0 = max(0, -left), max(0, -top)
    u1 = min(size[0], picture.shape[1] - left)
    v1 = min(size[1], picture.shape[0] - top)
    if u0 >= u1 or v0 >= v1:
        return
    ramps = []
    for count in size:
        soft = max(EDGE * min(size), 1.0)
        steps = np.arange(count, dtype=np.float32) + 0.5
        ramps.append(np.minimum(np.minimum(steps, count - steps) / soft, 1))
    weight = (ramps[1][v0:v1, None] * ramps[0][None, u0:u1])[..., None]
    there = picture[top + v0 : top + v1, left + u0 : left + u1]
    part = colours[v0:v1, u0:u1]
    gain = float(np.clip(there.mean() / max(float(part.mean()), 1.0), *GAIN))
    there += weight * (part * gain - there)
