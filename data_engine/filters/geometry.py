"""Broken geometry: objects outside of their image go, those at its edge are clipped."""

from collections import Counter
from dataclasses import replace
from math import isfinite

from rsvlm.data_engine.records import Question, Record
from rsvlm.samples import Target

#: An object of which less than this share is in the image is left out.
LEAST_SHARE = 0.3
#: Nothing smaller than this can be drawn or found, px along a side.
LEAST_SIDE = 1.0


def mend(record: Record) -> tuple[Record, Counter[str]]:
    """Return a record whose objects lie in its image, and what was done to it.

    Returns:
        The record, and the numbers of objects ``object left out``, ``object clipped``
        and ``outline left out`` (the box of an outline that crosses itself stays).
    """
    notes: Counter[str] = Counter()
    size = (record.width, record.height)
    targets = _mended(record.targets, size, notes)
    questions = []
    for question in record.questions:
        meant = _mended(question.targets, size, notes)
        # A question whose only object is gone would become "nothing is there".
        if meant or not question.targets:
            questions.append(_with(question, meant))
    mended = replace(record, targets=targets, questions=tuple(questions))
    return mended, notes


def _with(question: Question, targets: tuple[Target, ...]) -> Question:
    return (
        question if targets == question.targets else replace(question, targets=targets)
    )


def _mended(
    targets: tuple[Target, ...], size: tuple[int, int], notes: Counter[str]
) -> tuple[Target, ...]:
    kept = []
    for target in targets:
        inside = clipped(target, *size)
        if inside is None:
            notes["object left out"] += 1
            continue
        rings = tuple(ring for ring in inside.polygons if _is_simple(ring))
        if len(rings) < len(inside.polygons):
            notes["outline left out"] += 1
            inside = inside.model_copy(update={"polygons": rings})
        notes["object clipped"] += inside.hbb != target.hbb
        kept.append(inside)
    return tuple(kept)


def clipped(
    target: Target, width: int, height: int, least: float = LEAST_SHARE
) -> Target | None:
    """Return the part of an object in an image; None where too little of it is there.

    Args:
        target: The object, in pixels of the image.
        width: Width of the image, px.
        height: Height of the image, px.
        least: Share of its box that must be in the image.
    """
    x0, y0, x1, y1 = target.hbb
    if not all(map(isfinite, target.hbb)) or not (x0 < x1 and y0 < y1):
        return None
    left, top = max(x0, 0.0), max(y0, 0.0)
    right, low = min(x1, float(width)), min(y1, float(height))
    if right - left < LEAST_SIDE or low - top < LEAST_SIDE:
        return None
    if (right - left) * (low - top) < least * (x1 - x0) * (y1 - y0):
        return None
    box = (left, top, right, low)
    if box == target.hbb:
        return target
    rings = tuple(
        part for ring in target.polygons if (part := _cut(ring, width, height))
    )
    return target.model_copy(update={"hbb": box, "polygons": rings})


def _cut(ring: tuple[float, ...], width: int, height: int) -> tuple[float, ...]:
    """Return the largest part of an outline in the image, flat; empty for none."""
    import shapely

    if not _is_simple(ring):
        return ()
    part = shapely.clip_by_rect(shapely.Polygon(_points(ring)), 0, 0, width, height)
    pieces = [p for p in getattr(part, "geoms", [part]) if p.geom_type == "Polygon"]
    largest = max(pieces, key=lambda piece: piece.area, default=None)
    if largest is None or largest.is_empty:
        return ()
    corners = list(largest.exterior.coords)[:-1]
    return tuple(round(value, 3) for corner in corners for value in corner)


def _is_simple(ring: tuple[float, ...]) -> bool:
    """Whether a flat ring encloses ground without crossing itself."""
    import shapely

    if len(ring) < 6 or len(ring) % 2 or not all(map(isfinite, ring)):
        return False
    polygon = shapely.Polygon(_points(ring))
    return bool(polygon.is_valid and polygon.area > 0)


def _points(ring: tuple[float, ...]) -> list[tuple[float, float]]:
    return list(zip(ring[::2], ring[1::2], strict=True))
