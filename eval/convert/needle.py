"""Needle in a scene: one labelled object in a canvas of many pieces of images.

A canvas is a grid of pieces of 256 x 256 px of NWPU VHR-10 test images at their own
resolution. One piece shows exactly one whole object of a class; all the others come from
images without a label of that class. The same needle is asked for in canvases of 1024,
2048 and 4096 px, so that accuracy can be read against the size of the search.

Pieces are real, seams between them are visible. Upstream labels are not complete: cars
are labelled in a few images only, so no needle is a vehicle, and boats beside a labelled
harbour carry no label, so a canvas with one of the two shows none of the other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from rsvlm.eval.convert.asked import asked
from rsvlm.eval.convert.vhr10 import (
    LICENCE,
    SOURCE,
    Labelled,
    folder_of,
    read_labels,
)
from rsvlm.formats.tars import read_tar
from rsvlm.samples import ImageRef, Sample, Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = dict[str, NDArray[np.uint8]]

NAME = "needle-in-a-scene"
#: Side of a piece, px, and pieces a side of a canvas.
PIECE = 256
GRIDS = (4, 8, 16)
#: Needles of one class; an object may fill this share of a piece's side.
PER_CLASS = 2
LARGEST_SHARE = 0.8
#: Classes that are not labelled wherever they are seen.
UNRELIABLE = frozenset({"vehicle"})
#: Class -> class of images that may show it without a label.
UNLABELLED_BESIDE = {"ship": "harbor", "harbor": "ship"}
#: Tries to place a window around an object so that it shows no other of its class.
TRIES = 40


@dataclass(frozen=True)
class Piece:
    """A square window of an image: name and upper left corner, px."""

    name: str
    x: int
    y: int


@dataclass(frozen=True)
class Canvas:
    """What is pasted where.

    Attributes:
        id: Part of the sample's id.
        label: Class of the needle.
        grid: Pieces a side.
        pieces: Row by row.
        hbb: Box of the needle in the canvas, px.
    """

    id: str
    label: str
    grid: int
    pieces: tuple[Piece, ...]
    hbb: tuple[float, float, float, float]

    @property
    def path(self) -> str:
        """Where the picture lies."""
        return f"images/needle/{self.id}.tif"

    @property
    def side(self) -> int:
        """Side in px."""
        return self.grid * PIECE


def convert(root: Path) -> Iterator[Sample]:
    """Yield one sample a canvas; its type is the side of the canvas.

    Args:
        root: Folder ``vhr10``, or the one that holds it.

    Raises:
        ParseError: If the labels do not hold what the layout requires.
    """
    for canvas in plan(*read_labels(root)):
        x0, y0, x1, y1 = canvas.hbb
        yield Sample(
            id=f"{NAME}/{canvas.id}",
            images=(ImageRef(path=canvas.path, width=canvas.side, height=canvas.side),),
            task="ground",
            conversation=asked(f"Where is the {canvas.label}?"),
            targets=(Target(label=canvas.label, hbb=canvas.hbb),),
            roi=canvas.hbb,
            type=f"{canvas.side} px",
            source=NAME,
            licence=LICENCE,
            split="test",
            meta={
                "label": canvas.label,
                "needle": canvas.id.rsplit("-", 1)[0],
                "share": round((x1 - x0) * (y1 - y0) / canvas.side**2, 7),
            },
        )


def pictures(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of every canvas, a tiled TIFF that is read in parts."""
    import numpy as np

    from rsvlm.eval.convert.rasters import as_tiff, decoded

    images, classes = read_labels(root)
    tar = folder_of(root, SOURCE) / "images_test.tar"
    pixels = {
        name: decoded(data, name)[:3]
        for name, data in read_tar(tar, [image.name for image in images])
    }
    for canvas in plan(images, classes):
        array = np.zeros((3, canvas.side, canvas.side), dtype=np.uint8)
        for number, piece in enumerate(canvas.pieces):
            row, column = divmod(number, canvas.grid)
            array[
                :,
                row * PIECE : (row + 1) * PIECE,
                column * PIECE : (column + 1) * PIECE,
            ] = pixels[piece.name][
                :, piece.y : piece.y + PIECE, piece.x : piece.x + PIECE
            ]
        yield canvas.path, as_tiff(array, quality=85)


def plan(images: Sequence[Labelled], classes: Sequence[str]) -> Iterator[Canvas]:
    """Yield the canvases; the same for the same labels."""
    large = [image for image in images if min(image.width, image.height) >= PIECE]
    for label in classes:
        beside = UNLABELLED_BESIDE.get(label, label)
        hay = [i for i in large if not i.of(label) and not i.of(beside)]
        if not hay or label in UNRELIABLE:
            continue
        for number, (image, target, window) in enumerate(_needles(large, label)):
            stem = image.name.rsplit(".", 1)[0]
            needle = f"{label.replace(' ', '-')}-{stem}-{number}"
            for grid in GRIDS:
                yield _canvas(f"{needle}-{grid}", label, grid, hay, target, window)


def _canvas(
    id: str,
    label: str,
    grid: int,
    hay: Sequence[Labelled],
    target: Target,
    window: Piece,
) -> Canvas:
    rng = Random(f"{NAME}/{id}")
    at = rng.randrange(grid * grid)
    pieces = []
    for number in range(grid * grid):
        image = rng.choice(hay)
        x = rng.randrange(image.width - PIECE + 1)
        y = rng.randrange(image.height - PIECE + 1)
        pieces.append(window if number == at else Piece(image.name, x, y))
    row, column = divmod(at, grid)
    dx, dy = column * PIECE - window.x, row * PIECE - window.y
    x0, y0, x1, y1 = target.hbb
    return Canvas(id, label, grid, tuple(pieces), (x0 + dx, y0 + dy, x1 + dx, y1 + dy))


def _needles(
    images: Sequence[Labelled], label: str
) -> Iterator[tuple[Labelled, Target, Piece]]:
    """Yield objects that can be shown whole and alone, of one image each."""
    rng = Random(f"{NAME}/{label}")
    found = 0
    for image in rng.sample(images, len(images)):
        targets = image.of(label)
        for target in rng.sample(targets, len(targets)):
            window = _window(image, target, targets, rng)
            if window is not None:
                yield image, target, window
                found += 1
                break
        if found == PER_CLASS:
            return


def _window(
    image: Labelled, target: Target, targets: Sequence[Target], rng: Random
) -> Piece | None:
    """Return a window with the whole object and no other of its class."""
    x0, y0, x1, y1 = target.hbb
    if max(x1 - x0, y1 - y0) > LARGEST_SHARE * PIECE:
        return None
    lowest = (max(0, int(x1) + 1 - PIECE), max(0, int(y1) + 1 - PIECE))
    highest = (
        min(int(x0), image.width - PIECE),
        min(int(y0), image.height - PIECE),
    )
    if lowest[0] > highest[0] or lowest[1] > highest[1]:
        return None
    for _ in range(TRIES):
        x = rng.randint(lowest[0], highest[0])
        y = rng.randint(lowest[1], highest[1])
        others = (t.hbb for t in targets if t is not target)
        if not any(
            a < x + PIECE and x < c and b < y + PIECE and y < d for a, b, c, d in others
        ):
            return Piece(image.name, x, y)
    return None
