"""Which one is meant: descriptions that fit one object of an image, by geometry.

"The largest ship", "the car nearest the bridge": a description is only made where
measuring leaves no doubt, so that no object is called the largest by a hair.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from math import hypot

from rsvlm.samples import Target
from rsvlm.training.sides import SIDES

#: The largest is so many times as large as the next, the nearest so many times nearer.
CLEAR = 1.3
#: What lies farthest to a side leads by this share of the image's side.
LEAD = 0.06


@dataclass(frozen=True, slots=True)
class Expression:
    """A description that fits one object.

    Attributes:
        kind: Kind of wording, without its prefix.
        target: The object.
        side: Side of the image that it speaks of, "" for none.
        other: Label of the object that it speaks of, "" for none.
    """

    kind: str
    target: Target
    side: str = ""
    other: str = ""
    fields: dict[str, str] = field(default_factory=dict)


def expressions(
    targets: Sequence[Target], width: int, height: int
) -> Iterator[Expression]:
    """Yield what can be said of single objects, in a fixed order.

    Args:
        targets: All objects of an image.
        width: Width of the image in px.
        height: Height of the image in px.
    """
    groups: dict[str, list[Target]] = {}
    for target in targets:
        groups.setdefault(target.label, []).append(target)
    for group in groups.values():
        if len(group) > 1:
            yield from _by_size(group)
            yield from _by_side(group, width, height)
            yield from _in_the_middle(group, width, height)
    for own, other in permutations(groups, 2):
        if len(groups[own]) > 1 and len(groups[other]) == 1:
            yield from _by_neighbour(groups[own], groups[other][0])


def area(target: Target) -> float:
    """Return the area of the outlines, or of the box without any, px."""
    if not target.polygons:
        x0, y0, x1, y1 = target.hbb
        return (x1 - x0) * (y1 - y0)
    return sum(_shoelace(ring) for ring in target.polygons)


def _shoelace(ring: Sequence[float]) -> float:
    xs, ys = ring[::2], ring[1::2]
    pairs = zip(xs, ys, (*xs[1:], xs[0]), (*ys[1:], ys[0]), strict=True)
    return abs(sum(a * d - c * b for a, b, c, d in pairs)) / 2


def _center(target: Target) -> tuple[float, float]:
    x0, y0, x1, y1 = target.hbb
    return (x0 + x1) / 2, (y0 + y1) / 2


def _by_size(group: Sequence[Target]) -> Iterator[Expression]:
    ranked = sorted(group, key=area)
    if area(ranked[-1]) >= CLEAR * area(ranked[-2]):
        yield Expression("largest", ranked[-1])
    if area(ranked[1]) >= CLEAR * area(ranked[0]):
        yield Expression("smallest", ranked[0])


def _by_side(group: Sequence[Target], width: int, height: int) -> Iterator[Expression]:
    for side, (_, edge, most) in SIDES.items():
        axis = int(side in ("top", "bottom"))
        size = (width, height)[axis]
        sign = -1 if side in ("right", "bottom") else 1
        places = [sign * _center(target)[axis] for target in group]
        first, second = sorted(places)[:2]
        if second - first >= LEAD * size:
            words = {"edge": edge, "most": most}
            yield Expression("side", group[places.index(first)], side, fields=words)


def _in_the_middle(
    group: Sequence[Target], width: int, height: int
) -> Iterator[Expression]:
    middle = (width / 2, height / 2)
    found = _nearest(group, middle, LEAD * max(width, height))
    if found:
        yield Expression("middle", found)


def _by_neighbour(group: Sequence[Target], other: Target) -> Iterator[Expression]:
    about = {"other": other.label}
    found = _nearest(group, _center(other), 0.0)
    if found:
        yield Expression("nearest", found, "", other.label, about)
    x0, y0, x1, y1 = other.hbb
    beyond = {
        "left": [t for t in group if t.hbb[2] <= x0],
        "right": [t for t in group if t.hbb[0] >= x1],
        "top": [t for t in group if t.hbb[3] <= y0],
        "bottom": [t for t in group if t.hbb[1] >= y1],
    }
    for side, there in beyond.items():
        axis = int(side in ("top", "bottom"))
        edge = other.hbb[axis if side in ("left", "top") else axis + 2]
        # One that only reaches over to that side would be meant by some readers.
        if side in ("left", "top"):
            reach = [t for t in group if t.hbb[axis] < edge]
        else:
            reach = [t for t in group if t.hbb[axis + 2] > edge]
        if len(there) == 1 and reach == there:
            fields = {**about, "of": SIDES[side][0]}
            yield Expression("beside", there[0], side, other.label, fields)


def _nearest(
    group: Sequence[Target], point: tuple[float, float], least: float
) -> Target | None:
    """Return the target that is clearly nearest to a point, px."""

    def distance(target: Target) -> float:
        x, y = _center(target)
        return hypot(x - point[0], y - point[1])

    first, second = sorted(group, key=distance)[:2]
    lead = distance(second) - distance(first)
    clear = distance(second) >= CLEAR * distance(first) and lead > least
    return first if clear else None
