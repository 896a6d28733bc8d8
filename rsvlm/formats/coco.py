"""COCO instance files: boxes, polygons and run-length masks.

``images``, ``annotations`` (``bbox`` = x, y, width, height) and ``categories``. Crowd
annotations mean many objects at once and are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rsvlm.errors import ParseError
from rsvlm.formats.upstream import Fields, as_fields, read_json
from rsvlm.geometry import HBB, Mask
from rsvlm.samples import MaskRle, Target


@dataclass(frozen=True, slots=True)
class Image:
    """One image with its objects.

    Attributes:
        file_name: As the file says; may have folders.
        width: In px; None where the file does not say.
        height: In px; None where the file does not say.
        targets: The objects.
        where: Place in the file, for errors.
    """

    file_name: str
    width: int | None
    height: int | None
    targets: tuple[Target, ...]
    where: str


@dataclass(frozen=True, slots=True)
class Coco:
    """One file."""

    images: tuple[Image, ...]
    classes: tuple[str, ...]


def read_coco(path: Path, *, vertex_offset: float = 0.0) -> Coco:
    """Read a file.

    Args:
        path: The JSON file.
        vertex_offset: Added to the vertices of polygons, px: 0.5 where they are indices
            of pixels, whose centres lie half a pixel further.

    Raises:
        ParseError: If an entry has another form; names it.
    """
    whole = as_fields(read_json(path), path.name)
    classes = {
        entry.text("id"): entry.text("name") for entry in whole.objects("categories")
    }
    targets: dict[str, list[Target]] = {
        entry.text("id"): [] for entry in whole.objects("images")
    }
    for entry in whole.objects("annotations"):
        if entry.values.get("iscrowd"):
            continue
        number = entry.text("image_id")
        if number not in targets:
            raise entry.fault("'image_id'", f"{number!r:.40} is not among the images")
        targets[number].append(_target(entry, classes, vertex_offset))
    images = tuple(
        Image(
            file_name=entry.text("file_name"),
            width=_side(entry, "width"),
            height=_side(entry, "height"),
            targets=tuple(targets[entry.text("id")]),
            where=entry.where,
        )
        for entry in whole.objects("images")
    )
    return Coco(images, tuple(classes.values()))


def _side(entry: Fields, key: str) -> int | None:
    if not entry.has(key):
        return None
    (value,) = as_fields({key: [entry.raw(key)]}, entry.where).numbers(key, 1)
    if value < 1 or value % 1:
        raise entry.fault(repr(key), f"is {value:g}, no number of pixels")
    return int(value)


def _target(entry: Fields, classes: Mapping[str, str], offset: float) -> Target:
    label = classes.get(entry.text("category_id"))
    if label is None:
        raise entry.fault("'category_id'", "is not among the categories")
    x, y, width, height = entry.numbers("bbox", 4)
    if not (width > 0 and height > 0):
        raise entry.fault("'bbox'", f"{x:g} {y:g} {width:g} {height:g} is empty")
    parts = entry.values.get("segmentation")
    rings: tuple[tuple[float, ...], ...] = ()
    if isinstance(parts, list):
        rings = tuple(
            tuple(value + offset for value in _ring(part, entry)) for part in parts
        )
    return Target(label=label, hbb=(x, y, x + width, y + height), polygons=rings)


def mask_of(segmentation: Any, size: tuple[int, int], entry: Fields) -> MaskRle | None:
    """Return the union of the parts of a COCO segmentation.

    Args:
        segmentation: Polygons, or a run-length code or a list of them.
        size: Rows and columns of the image, px.
        entry: The annotation, for errors.

    Raises:
        ParseError: If it is none of these, or of another size than the image.
    """
    from pycocotools import mask

    parts = segmentation if isinstance(segmentation, list) else [segmentation]
    codes = []
    for part in parts:
        if isinstance(part, dict):
            codes.append(_checked(Fields(part, entry.where), size))
        else:
            codes += mask.frPyObjects([_ring(part, entry)], *size)
    union = mask.merge(codes) if codes else None
    if union is None or not mask.area(union):
        return None
    return MaskRle(size=size, counts=union["counts"].decode())


def _checked(part: Fields, size: tuple[int, int]) -> dict[str, Any]:
    """Return a run-length code whose runs fill the image.

    The C code of pycocotools trusts the runs and would read past them.
    """
    from pycocotools import mask

    from rsvlm.outputs import RunLengths

    rows, columns = (int(side) for side in part.numbers("size", 2))
    if (rows, columns) != size:
        raise part.fault("'size'", f"is {rows} x {columns}, that of the image {size}")
    counts = part.raw("counts")
    if isinstance(counts, list):
        whole = all(isinstance(run, int) and run >= 0 for run in counts)
        if not whole or sum(counts) != rows * columns:
            raise part.fault("'counts'", "do not fill the image")
        code: dict[str, Any] = mask.frPyObjects(dict(part.values), rows, columns)
        return code
    text = part.text("counts")
    try:
        ends = RunLengths(Mask(text, size, HBB(0, 0, columns, rows))).ends
    except (ParseError, ValueError, IndexError, UnicodeError):
        ends = np.array([1, 0])
    if (np.diff(ends, prepend=0) < 0).any():
        raise part.fault("'counts'", "do not fill the image")
    return {"size": [rows, columns], "counts": text}


def _ring(part: Any, entry: Fields) -> list[float]:
    numbers = Fields({"segmentation": part}, entry.where)
    count = len(part) if isinstance(part, list) else 0
    if count < 6 or count % 2:
        raise entry.fault("'segmentation'", f"has a ring of {count} numbers")
    ring = numbers.numbers("segmentation", count)
    if max(map(abs, ring)) > 1e5:
        raise entry.fault("'segmentation'", "leaves every image")
    return list(ring)
