"""Boxes in a model's text, by the numbers that the benchmark declares.

The space is declared (:class:`rsvlm.eval.benchmark.Coords`) and never guessed: the same
text means another place in every one. Nothing is clipped either, since a box beyond the
frame is how a wrong declaration shows. Read are ``[..]``, ``(..)``, ``{<..><..>|<..>}``,
points in pairs ``(x,y),(x,y)``, JSON objects with a label, and a bare list of numbers;
a bracket that a token limit has cut is left out.
"""

import math
import re
from collections.abc import Iterator

from rsvlm.errors import SettingsError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.records import Box
from rsvlm.samples import ImageRef

_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?")
_GROUP = re.compile(r"[\[({]([^\[\](){}]*)[\])}]")
_LABEL = re.compile(
    r"[\"'](?:label|name|class|category)[\"']\s*:\s*[\"']([^\"']*)[\"']"
)
_TAG = re.compile(r"</?(?!\s*-?\d)[^<>]*>|<\|[^<>]*\|>")
_MARKUP = re.compile(r"[\[\](){}\"'`*|<>#=]+")
_KEYS = frozenset(
    {"bbox_2d", "bbox", "box_2d", "box", "boxes", "hbb", "obb", "quad", "and", "json"}
)
_SIZES = {"xyxy": (4,), "cxcywha": (5,), "xyxya": (5, 4), "quad": (8,)}
#: Text unit at the far edge of the image, for spaces relative to it.
_SCALES = {"norm1000": 1000.0, "norm999": 999.0, "norm100": 100.0, "norm1": 1.0}

Point = tuple[float, float]


def check_coords(coords: Coords) -> None:
    """Refuse a declaration that leaves open what a number means.

    Raises:
        SettingsError: If boxes have an angle of unknown sense, or come as regions of
            an answer where a text has to be read.
    """
    if coords.space == "answer":
        raise SettingsError(
            "The benchmark takes boxes from rsvlm answers, this model writes text. "
            "Say in which numbers it writes them, for example --coords norm1000."
        )
    if coords.box in ("cxcywha", "xyxya") and coords.angle is None:
        raise SettingsError(
            f"Boxes of the form {coords.box!r} have an angle, whose sense is not "
            "declared. Add 'cw' or 'ccw' (on screen), for example "
            f"--coords {coords.space}:{coords.box}:cw."
        )


def parse_coords(text: str) -> Coords:
    """Read ``SPACE[:BOX[:ANGLE]]``, such as ``norm100:xyxya:ccw``.

    Raises:
        SettingsError: If a part is none of the known words.
    """
    words = dict(zip(("space", "box", "angle"), text.split(":"), strict=False))
    try:
        coords = Coords.model_validate(words)
    except ValueError:
        raise SettingsError(
            f"The coordinates {text!r} are not SPACE[:BOX[:ANGLE]]. SPACE is norm1000, "
            "norm999, norm100, norm1, pixel or pixel_resized; BOX is xyxy, cxcywha, "
            "xyxya or quad; ANGLE is cw or ccw."
        ) from None
    check_coords(coords)
    return coords


def read_boxes(
    text: str, coords: Coords, image: ImageRef, sent: tuple[int, int] | None = None
) -> tuple[Box, ...]:
    """Return the boxes of a text in raster pixels of the original image.

    Angles turn in the units of the text, about the centre of the box, as the models
    were taught; corners are mapped afterwards.

    Args:
        text: What the model wrote.
        coords: In which numbers.
        image: The image; its size in px is used.
        sent: Width and height of the picture that the model saw, in px; needed for
            ``pixel_resized``.

    Raises:
        SettingsError: If the declaration leaves open what a number means, or the size
            of the picture is needed and unknown.
    """
    check_coords(coords)
    scale_x, scale_y = _scales(coords, image, sent)
    boxes = []
    for label, numbers in _groups(text, _SIZES[coords.box]):
        points = _points(numbers, coords)
        mapped = tuple((x * scale_x, y * scale_y) for x, y in points)
        boxes.append(Box(points=mapped, label=label))
    return tuple(boxes)


def _scales(
    coords: Coords, image: ImageRef, sent: tuple[int, int] | None
) -> tuple[float, float]:
    """Return raster pixels per text unit, along x and y."""
    if coords.space == "pixel":
        return 1.0, 1.0
    if coords.space == "pixel_resized":
        if sent is None:
            raise SettingsError(
                f"Pixels of the resized image {image.path!r} were declared, and its "
                "size is not known. Declare another space with --coords."
            )
        return image.width / sent[0], image.height / sent[1]
    scale = _SCALES[coords.space]
    return image.width / scale, image.height / scale


def _points(numbers: list[float], coords: Coords) -> tuple[Point, ...]:
    """Return two corners of a horizontal box, or four of a turned one; text units."""
    if coords.box == "quad":
        return tuple(zip(numbers[::2], numbers[1::2], strict=True))
    if coords.box == "cxcywha":
        cx, cy, width, height, angle = numbers
    else:
        x0, x1 = sorted(numbers[0:4:2])
        y0, y1 = sorted(numbers[1:4:2])
        angle = numbers[4] if len(numbers) == 5 else 0.0
        if coords.box == "xyxy":
            return (x0, y0), (x1, y1)
        cx, cy, width, height = (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
    turn = math.radians(angle if coords.angle == "cw" else -angle)
    cos, sin = math.cos(turn), math.sin(turn)
    half = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    return tuple(
        (
            cx + (sx * width * cos - sy * height * sin) / 2,
            cy + (sx * width * sin + sy * height * cos) / 2,
        )
        for sx, sy in half
    )


def _groups(text: str, sizes: tuple[int, ...]) -> Iterator[tuple[str, list[float]]]:
    """Yield label and numbers of every group that has as many as a box needs."""
    found, end, label = False, 0, ""
    pending: list[float] = []
    for group in _GROUP.finditer(text):
        numbers = _numbers(group[1])
        if not numbers:
            continue
        between = text[end : group.start()]
        if len(numbers) == 2:
            joined = pending and not between.strip(" ,;\t\n\r[]")
            pending = pending + numbers if joined else numbers
        else:
            pending = numbers
        if len(pending) == len(numbers):
            label = _enclosing(text, group) or _before(between) or label
        end = group.end()
        if len(pending) in sizes:
            found = True
            yield label, pending
            pending = []
        elif len(numbers) != 2:
            pending = []
    if not found:
        numbers = _numbers(text.strip().rstrip("."))
        if len(numbers) in sizes:
            yield "", numbers


def _numbers(content: str) -> list[float]:
    """Return the numbers of a group, none where anything else stands in it."""
    if _NUMBER.sub("", content).strip(" ,;<>|\t\r\n"):
        return []
    return [float(number) for number in _NUMBER.findall(content)]


def _enclosing(text: str, group: re.Match[str]) -> str:
    """Return the label inside the JSON object around a group, "" without one."""
    opening = text.rfind("{", 0, group.start())
    if opening < 0 or "}" in text[opening : group.start()]:
        return ""
    closing = text.find("}", group.end())
    inside = text[opening : closing if closing >= 0 else len(text)]
    found = _LABEL.search(inside)
    return found[1].strip() if found else ""


def _before(between: str) -> str:
    """Return the name that stands before a group, "" where none does."""
    words = _MARKUP.sub(" ", _TAG.sub(" ", between))
    phrase = re.split(r"[;:\n.]\s|,\s", words.rstrip(" ,:;-\n\t"))[-1]
    name = " ".join(phrase.split()).strip(" ,.:;-_")
    has_letter = any(letter.isalpha() for letter in name)
    return name if has_letter and name.lower() not in _KEYS else ""
