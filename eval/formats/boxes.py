"""Boxes in the text of foreign models, and the spaces that their numbers live in.

Read are ``[x0, y0, x1, y1]``, the same with an angle, eight numbers of a quad, nested
and concatenated lists of these, ``(x,y),(x,y)``, ``{<x><y><x><y>|<angle>}`` and, where
nothing else stands in the text, ``x0,y0,x1,y1 name``. Negative numbers are kept: boxes
of objects at the border leave the image. A box that the end of the text has cut is left
out.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rsvlm.errors import SettingsError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.records import Box
from rsvlm.geometry import HBB, Point
from rsvlm.samples import Target

Numbers = tuple[float, ...]

#: The largest number of each relative space.
SCALES = {"norm1": 1.0, "norm100": 100.0, "norm999": 999.0, "norm1000": 1000.0}
#: Numbers beyond are no coordinates in any unit.
LARGEST = 1e9
#: Numbers that a box may have: corners, corners and angle, four points.
LENGTHS = (4, 5, 8)

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)"
_LIST = re.compile(
    rf"[\[(]\s*(?P<flat>{_NUMBER}(?:\s*,\s*{_NUMBER}){{3,7}})\s*[\])]"
    rf"|(?P<pairs>(?:[\[(]\s*{_NUMBER}\s*,\s*{_NUMBER}\s*[\])]\s*,?\s*){{2,4}})"
    rf"|\{{?(?P<angled>(?:<\s*{_NUMBER}\s*>\s*,?\s*){{4,8}}"
    rf"(?:\|\s*<\s*{_NUMBER}\s*>)?)\}}?"
)
_PLAIN = re.compile(
    rf"(?<![\w.-]){_NUMBER}(?:\s*,\s*{_NUMBER}){{7}}(?![\w.])"
    rf"|(?<![\w.-]){_NUMBER}(?:\s*,\s*{_NUMBER}){{3}}(?![\w.,])"
)
_VALUE = re.compile(_NUMBER)
#: An opened list at the end of a text that holds numbers only; it is looked for in the
#: last characters, so that a hostile text costs nothing.
_TAIL = 200
_OPEN = re.compile(r"[\[({<][\s\d.,+<>|-]*\Z")
_DENIAL = re.compile(r"\b(?:none|no|not|nothing|zero|empty)\b|\[\s*\]", re.IGNORECASE)
_TAGS = re.compile(r"</?(?:box|ref|p|quad|delim)>")
_LEFTOVER = re.compile(r"[\[\](){}]+|<\|box_(?:start|end)\|>")


@dataclass(frozen=True)
class BoxText:
    """The boxes of a text.

    Attributes:
        boxes: Their numbers, in the order of the text.
        cut: Whether the text ends inside a box, as at a token limit.
        malformed: Lists of numbers that are no box (six or seven numbers).
        words: The text without boxes and their tags.
    """

    boxes: tuple[Numbers, ...]
    cut: bool
    malformed: int
    words: str

    @property
    def parsed(self) -> str | None:
        """The words, where boxes were read or the words deny any; else None."""
        told = self.boxes or _DENIAL.search(self.words)
        return (self.words or "boxes") if told else None


def read_boxes(text: str) -> BoxText:
    """Read every complete box of a text.

    >>> read_boxes("[[5, 40, 9, 47, 30]][[-2, 41, 1").boxes
    ((5.0, 40.0, 9.0, 47.0, 30.0),)
    >>> read_boxes("a ship {<10><20><30><40>|<45>}").boxes
    ((10.0, 20.0, 30.0, 40.0, 45.0),)
    """
    boxes: list[Numbers] = []
    malformed = 0
    found = list(_LIST.finditer(text)) or list(_PLAIN.finditer(text))
    for match in found:
        numbers = tuple(float(value) for value in _VALUE.findall(match[0]))
        fits = len(numbers) in LENGTHS and all(abs(n) <= LARGEST for n in numbers)
        malformed += not fits
        if fits:
            boxes.append(numbers)
    rest = text[found[-1].end() :] if found else text
    cut = _OPEN.search(rest[-_TAIL:]) is not None and rest.rstrip()[-1:] not in "])}>"
    return BoxText(tuple(boxes), cut, malformed, _words(text, found))


def legacy_boxes(text: str) -> tuple[Numbers, ...]:
    """Return the five-number boxes that EarthDial's scorer sees: those of digits only.

    Source:
        https://github.com/hiyamdebary/EarthDial, ``rs_detection/eval.py``: its pattern
        knows no sign, so that a box with a negative corner is lost.

    >>> legacy_boxes("[[5, 40, 9, 47, 30]][[-2, 60, 3, 66, 0]]")
    ((5.0, 40.0, 9.0, 47.0, 30.0),)
    """
    return tuple(
        box
        for match in re.finditer(r"\[\s*(\d+(?:,\s*\d+){4})\s*\]", text)
        if max(box := tuple(float(n) for n in match[1].split(","))) <= LARGEST
    )


def to_points(
    box: Numbers,
    coords: Coords,
    size: tuple[int, int],
    resized: tuple[float, float] | None = None,
) -> tuple[Point, ...]:
    """Return the corners of a box in raster pixels: two, or the four of a turned box.

    Turned boxes are turned in the space of the numbers and scaled then, as their
    writers do. Nothing is clipped.

    Args:
        box: 4, 5 or 8 numbers.
        coords: The space, the meaning of five numbers, and the sense of an angle.
        size: Width and height of the image, px.
        resized: Width and height of the image as the model saw it, px, for the space
            ``pixel_resized``.

    Raises:
        SettingsError: If the space has no scale, or the size that it needs is missing.
    """
    sx, sy = _scale(coords, size, resized)
    if len(box) == 8:
        return tuple((x * sx, y * sy) for x, y in zip(box[::2], box[1::2], strict=True))
    if len(box) == 5:
        return _turned(box, coords, sx, sy)
    if coords.box == "cxcywha":
        cx, cy, w, h = box[0], box[1], abs(box[2]), abs(box[3])
        box = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2)
    (x0, x1), (y0, y1) = sorted(box[0::2]), sorted(box[1::2])
    return (x0 * sx, y0 * sy), (x1 * sx, y1 * sy)


def to_boxes(
    found: Sequence[Numbers],
    coords: Coords,
    size: tuple[int, int],
    resized: tuple[float, float] | None = None,
    label: str = "",
) -> tuple[Box, ...]:
    """Return boxes of a text as predicted boxes in raster pixels."""
    return tuple(
        Box(points=to_points(box, coords, size, resized), label=label) for box in found
    )


def to_targets(
    found: Sequence[Numbers],
    coords: Coords,
    size: tuple[int, int],
    resized: tuple[float, float] | None = None,
    label: str = "",
    turned: bool = True,
) -> tuple[Target, ...]:
    """Return boxes of a text as references in raster pixels.

    Args:
        found: The boxes, as numbers.
        coords: Their space.
        size: Width and height of the image, px.
        resized: See :func:`to_points`.
        label: What the boxes show.
        turned: Keep the four corners of turned boxes; else their upright bounds.
    """
    targets = []
    for box in found:
        points = to_points(box, coords, size, resized)
        bounds = bounds_of(points)
        flat = tuple(number for point in points for number in point)
        targets.append(
            Target(
                label=label or "object",
                hbb=(bounds.x0, bounds.y0, bounds.x1, bounds.y1),
                polygons=(flat,) if turned and len(points) == 4 else (),
            )
        )
    return tuple(targets)


def bounds_of(points: Sequence[Point]) -> HBB:
    """Return the smallest upright box around points."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return HBB(min(xs), min(ys), max(xs), max(ys))


def _turned(box: Numbers, coords: Coords, sx: float, sy: float) -> tuple[Point, ...]:
    """Return the scaled corners of a box of five numbers, the angle in degrees."""
    if coords.angle is None:
        raise SettingsError(
            f"The box {list(box)} has an angle, and its sense is not known. "
            "Declare the angle of the coordinates: cw or ccw on screen."
        )
    if coords.box == "cxcywha":
        cx, cy, degrees = box[0], box[1], box[4]
        w, h = abs(box[2]), abs(box[3])
    else:
        cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        w, h, degrees = abs(box[2] - box[0]), abs(box[3] - box[1]), box[4]
    # y grows downward, so that a positive turn in x and y is clockwise on screen.
    radians = math.radians(degrees if coords.angle == "cw" else -degrees)
    cos, sin = math.cos(radians), math.sin(radians)
    # Half edges along x and y: from the centre to the middle of the right and lower side.
    rx, ry, dx, dy = w / 2 * cos, w / 2 * sin, -h / 2 * sin, h / 2 * cos
    return (
        ((cx - rx - dx) * sx, (cy - ry - dy) * sy),
        ((cx + rx - dx) * sx, (cy + ry - dy) * sy),
        ((cx + rx + dx) * sx, (cy + ry + dy) * sy),
        ((cx - rx + dx) * sx, (cy - ry + dy) * sy),
    )


def _scale(
    coords: Coords, size: tuple[int, int], resized: tuple[float, float] | None
) -> tuple[float, float]:
    """Return raster pixels per unit of the space, along x and y."""
    if coords.space == "pixel":
        return 1.0, 1.0
    if coords.space == "pixel_resized":
        if resized is None or min(resized) <= 0:
            raise SettingsError(
                "The boxes are in pixels of the resized image, and its size is not "
                "known. Give results that hold resized_width and resized_height."
            )
        return size[0] / resized[0], size[1] / resized[1]
    if coords.space not in SCALES:
        raise SettingsError(
            f"Boxes in text cannot be in the space {coords.space!r}. Declare one of: "
            f"{', '.join([*SCALES, 'pixel', 'pixel_resized'])}."
        )
    return size[0] / SCALES[coords.space], size[1] / SCALES[coords.space]


def _words(text: str, found: Sequence[re.Match[str]]) -> str:
    """Return a text without these matches, tags and empty brackets."""
    kept, start = [], 0
    for match in found:
        kept.append(text[start : match.start()])
        start = match.end()
    rest, tail = text[start:-_TAIL], text[start:][-_TAIL:]
    kept.append(rest + _OPEN.sub(" ", tail) if found else text[start:])
    bare = _TAGS.sub(" ", " ".join(kept))
    bare = _LEFTOVER.sub(" ", bare) if found else bare
    bare = re.sub(r"\s+(?=[.,;:])|(?<=[,])\s*(?=,)", "", re.sub(r"\s+", " ", bare))
    return bare.strip(" ,;")
