"""Pictures and their targets, turned, flipped, cropped and recoloured together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsvlm.errors import ImageError
from rsvlm.models.features import GROUND
from rsvlm.samples import Target
from rsvlm.training.reading import image_bytes

Array = NDArray[np.float64]

#: Longer side of a picture relative to that of its view.
SCALES = (0.5, 1.6)
#: Share of an object's box below which a border leaves nothing of it.
LEAST = 0.02


@dataclass(frozen=True)
class Item:
    """An object: its label and its outer rings, in px of the picture it belongs to.

    Of an object that a border cuts a fragment may be left: it is no object to be found,
    and nothing to be told apart from one.

    Attributes:
        label: What it is.
        rings: Outer rings, each of shape (points, 2).
        whole: Whether it is more than a fragment.
        outlined: Whether the rings are its outline, not only the box around it.
    """

    label: str
    rings: tuple[Array, ...]
    whole: bool = True
    outlined: bool = True

    @property
    def hbb(self) -> tuple[float, float, float, float]:
        """The box around all rings."""
        points = np.concatenate(self.rings)
        (x0, y0), (x1, y1) = points.min(0), points.max(0)
        return float(x0), float(y0), float(x1), float(y1)


def items_of(targets: Sequence[Target]) -> list[Item]:
    """Return targets as items; a target without polygon is its box."""
    items = []
    for target in targets:
        x0, y0, x1, y1 = target.hbb
        box = (x0, y0, x1, y0, x1, y1, x0, y1)
        rings = tuple(
            np.array(ring, dtype=float).reshape(-1, 2)
            for ring in target.polygons or (box,)
        )
        outlined = bool(target.polygons)
        items.append(Item(target.label, rings, outlined=outlined))
    return items


def load_picture(path: Path) -> NDArray[np.uint8]:
    """Return a training picture as RGB, shape (H, W, 3).

    Raises:
        ImageError: If the file is missing or no PNG, JPEG or WebP.
    """
    data = BytesIO(image_bytes(path))
    try:
        with Image.open(data, formats=("PNG", "JPEG", "WEBP")) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError) as error:
        raise ImageError(
            f"cannot read the picture {path}: {error}. "
            "Build the data again with rsvlm data build."
        ) from error


def turn(
    picture: NDArray[np.uint8], items: Sequence[Item], quarter: int, mirror: bool
) -> tuple[NDArray[np.uint8], list[Item]]:
    """Turn by quarters counter-clockwise, then mirror left-right.

    >>> p = np.zeros((2, 4, 3), np.uint8)
    >>> ring = np.array([[0.0, 0.0], [1.0, 2.0]])
    >>> q, (item,) = turn(p, [Item("a", (ring,))], 1, False)
    >>> q.shape, item.hbb
    ((4, 2, 3), (0.0, 3.0, 2.0, 4.0))
    """
    for _ in range(quarter % 4):
        width = picture.shape[1]
        picture = np.rot90(picture)
        items = [
            replace(
                i, rings=tuple(np.stack([r[:, 1], width - r[:, 0]], 1) for r in i.rings)
            )
            for i in items
        ]
    if mirror:
        width = picture.shape[1]
        picture = picture[:, ::-1]
        items = [
            replace(
                i, rings=tuple(np.stack([width - r[:, 0], r[:, 1]], 1) for r in i.rings)
            )
            for i in items
        ]
    return np.ascontiguousarray(picture), list(items)


def crop(
    picture: NDArray[np.uint8],
    items: Sequence[Item],
    window: tuple[int, int, int, int],
    kept: float = 0.4,
) -> tuple[NDArray[np.uint8], list[Item]]:
    """Cut a window out; less than ``kept`` of an object's box inside is a fragment.

    Args:
        picture: RGB, shape (H, W, 3).
        items: Objects in it.
        window: x0, y0, x1, y1 in px.
        kept: Share of the box's area.

    Returns:
        The cut picture, and its objects with rings clipped to it.
    """
    x0, y0, x1, y1 = window
    inside = []
    for item in items:
        a, b, c, d = item.hbb
        area = max(c - a, 1e-6) * max(d - b, 1e-6)
        shared = max(min(c, x1) - max(a, x0), 0) * max(min(d, y1) - max(b, y0), 0)
        if shared / area < LEAST:
            continue
        rings = item.rings
        if a < x0 or b < y0 or c > x1 or d > y1:
            rings = tuple(part for ring in rings for part in _clip(ring, window))
        if rings:
            low = np.array([x0, y0])
            whole = item.whole and shared / area >= kept
            moved = tuple(ring - low for ring in rings)
            inside.append(replace(item, rings=moved, whole=whole))
    return picture[y0:y1, x0:x1], inside


def _clip(ring: Array, window: tuple[int, int, int, int]) -> list[Array]:
    """Return the parts of a ring inside a window; none where it has no area there."""
    import shapely

    if len(ring) < 3:
        return []
    shape = shapely.make_valid(shapely.Polygon(ring))
    parts = shapely.get_parts(shapely.clip_by_rect(shape, *window))
    return [np.array(p.exterior.coords)[:-1] for p in parts if p.area > 0]


def resize(
    picture: NDArray[np.uint8], items: Sequence[Item], long_side: int
) -> tuple[NDArray[np.uint8], list[Item]]:
    """Scale so that the longer side has ``long_side`` px."""
    height, width = picture.shape[:2]
    rows, columns = scaled_size(height, width, long_side)
    image = Image.fromarray(picture)
    resized = image.resize((columns, rows), Image.Resampling.BILINEAR)
    factors = np.array([columns / width, rows / height])
    scaled = [replace(i, rings=tuple(r * factors for r in i.rings)) for i in items]
    return np.asarray(resized), scaled


def scaled_size(height: int, width: int, long_side: int) -> tuple[int, int]:
    """Return height and width scaled so that the longer one is ``long_side`` px."""
    scale = long_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def recolour(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change brightness, contrast, colour balance and saturation a little."""
    saturation, contrast = rng.uniform(0.5, 1.3), rng.uniform(0.75, 1.3)
    balance, shift = rng.uniform(0.85, 1.15, size=3), rng.uniform(-25, 25)
    # All four are one matrix, which Pillow applies ten times faster than NumPy could.
    mix = saturation * np.eye(3) + (1 - saturation) / 3
    mean = float(picture[::4, ::4].mean())
    rows = np.empty((3, 4))
    rows[:, :3] = balance[:, None] * contrast * mix
    rows[:, 3] = balance * (1 - contrast) * mean + shift
    image = Image.fromarray(picture).convert("RGB", tuple(rows.ravel().tolist()))
    return np.asarray(image)


def retint(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Show one picture in five in gray, or with green as red, as in colour infrared."""
    kind = rng.random()
    if kind < 0.1:
        gray = picture.mean(-1, keepdims=True).astype(np.uint8)
        return np.repeat(gray, 3, axis=-1)
    if kind < 0.2:
        return np.ascontiguousarray(picture[..., [1, 0, 2]])
    return picture


def on_ground(
    picture: NDArray[np.uint8], side: int, corner: tuple[int, int]
) -> NDArray[np.uint8]:
    """Lay a picture on a square of ``side`` px of a mean colour, at a corner (x, y)."""
    (x, y), (height, width) = corner, picture.shape[:2]
    if (height, width) == (side, side):
        return picture
    row = np.tile(np.array(GROUND, np.uint8), side)  # np.full would take 20 ms
    canvas = np.broadcast_to(row, (side, 3 * side)).copy().reshape(side, side, 3)
    canvas[y : y + height, x : x + width] = picture
    return canvas


def place(
    picture: NDArray[np.uint8],
    items: Sequence[Item],
    side: int,
    long_side: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], list[Item]]:
    """Return a square view of a picture at a random scale, turned.

    The longer side of the picture becomes ``SCALES`` of ``long_side``: of what is then
    larger than the view a window is cut, else it lies somewhere on plain ground.
    """
    height, width = picture.shape[:2]
    least, most = np.log(SCALES)
    scale = long_side / max(height, width) * float(np.exp(rng.uniform(least, most)))
    w, h = (max(1, min(extent, int(side / scale))) for extent in (width, height))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    cut, inside = crop(picture, items, (x, y, x + w, y + h))
    longer = min(side, max(1, round(max(w, h) * scale)))
    cut, inside = resize(cut, inside, longer)
    free = side - cut.shape[1], side - cut.shape[0]
    corner = int(rng.integers(free[0] + 1)), int(rng.integers(free[1] + 1))
    view = on_ground(cut, side, corner)
    low = np.array(corner)
    moved = [replace(i, rings=tuple(r + low for r in i.rings)) for i in inside]
    return turn(view, moved, int(rng.integers(4)), bool(rng.integers(2)))


def vary(
    picture: NDArray[np.uint8], items: Sequence[Item], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], list[Item]]:
    """Return one random variant: moved, see :func:`move`, and recoloured."""
    moved, inside = move(picture, items, rng)
    return recolour(moved, rng), inside


def move(
    picture: NDArray[np.uint8],
    items: Sequence[Item],
    rng: np.random.Generator,
    least: float = 0.45,
) -> tuple[NDArray[np.uint8], list[Item]]:
    """Return a random window of ``least`` to all of each side, turned.

    A window that would lose every object is not used; fragments are left out.
    """
    height, width = picture.shape[:2]
    share = rng.uniform(least, 1.0)
    w, h = max(1, int(width * share)), max(1, int(height * share))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    cut, inside = crop(picture, items, (x, y, x + w, y + h))
    inside = [item for item in inside if item.whole]
    if items and not inside:
        cut, inside = picture, list(items)
    return turn(cut, inside, int(rng.integers(4)), bool(rng.integers(2)))
