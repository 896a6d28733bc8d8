"""What is true of a drawn scene: targets, masks of the ground, texts, georeference."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rsvlm.data_engine.phrases import listing, with_article
from rsvlm.data_engine.records import Question
from rsvlm.data_engine.synth.drawing import coverage
from rsvlm.data_engine.synth.scene import COVERS, Ring, Scene, Thing
from rsvlm.labels import plural_of
from rsvlm.samples import MaskRle, Target

#: Layout -> how a caption calls the place.
NAMES = {
    "farmland": "farmland",
    "residential area": "a residential area",
    "tank farm": "an industrial site",
    "sports ground": "a sports ground",
    "parking lot": "a parking lot",
    "airport": "an airport",
    "harbour": "a harbour",
    "river": "a river with a bridge",
}
#: Numbers that a caption spells.
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")  # fmt: skip


def targets(
    scene: Scene,
    labels: Sequence[str],
    outline: Callable[[Thing, Scene], Ring] = lambda thing, _: thing.ring,
) -> tuple[Target, ...]:
    """Return the objects of these classes, cut at the border of the picture.

    Args:
        scene: What is there.
        labels: Classes.
        outline: What of a thing the sensor shows, px; its outline on the ground.
    """
    found = (
        _target(thing.label, outline(thing, scene), scene.side)
        for thing in scene.things
        if thing.label in labels
    )
    return tuple(one for one in found if one)


def _target(label: str | None, ring: Ring, side: int) -> Target | None:
    """Return an object as a target, None where it lies outside of the picture."""
    import shapely

    inside = shapely.Polygon(ring)
    if min(map(min, ring)) < 0 or max(map(max, ring)) > side:
        inside = inside.buffer(0).intersection(shapely.box(0, 0, side, side))
    parts = [part for part in shapely.get_parts(inside) if part.geom_type == "Polygon"]
    if not parts or not label:
        return None
    x0, y0, x1, y1 = (round(float(v), 2) for v in inside.bounds)
    if x1 - x0 < 1 or y1 - y0 < 1:
        return None
    rings = tuple(
        tuple(round(float(v), 2) for point in part.exterior.coords[:-1] for v in point)
        for part in parts
    )
    return Target(label=label, hbb=(x0, y0, x1, y1), polygons=rings)


def masks(scene: Scene) -> dict[str, MaskRle]:
    """Return land cover -> where it is.

    Buildings are built-up land; other things, such as ships, belong to no cover.
    """
    from rsvlm.masks import Mask

    shape = (scene.side, scene.side)
    houses, others = np.zeros(shape, bool), np.zeros(shape, bool)
    for thing in scene.things:
        if thing.label and (found := coverage(thing.ring, side=scene.side, fine=2)):
            rows, columns, shares = found
            drawn = houses if thing.label == "building" else others
            drawn[rows, columns] |= shares >= 0.5
    covers = {}
    for name, kinds in COVERS.items():
        where = scene.where(*kinds)
        where = where | houses if name == "built-up land" else where & ~houses
        where &= ~others
        if where.any():
            covers[name] = MaskRle(size=shape, counts=Mask.from_array(where).counts)
    return covers


def captions(scene: Scene, shown: Sequence[Target]) -> tuple[str, ...]:
    """Return a short and a detailed caption."""
    place = NAMES[scene.kind]
    counts = Counter(target.label for target in shown)
    if not counts:
        return (f"The image shows {place}.",)
    names = sorted(counts, key=lambda name: (-counts[name], name))
    some = [with_article(n) if counts[n] == 1 else plural_of(n) for n in names]
    exact = [_counted(name, counts[name]) for name in names]
    verb = "is" if counts[names[0]] == 1 else "are"
    return (
        f"The image shows {place} with {listing(some)}.",
        f"Seen from above, this is {place}. There {verb} {listing(exact)}.",
    )


def questions(scene: Scene, labels: Sequence[str]) -> tuple[Question, ...]:
    """Return questions on attributes, each of a thing that is the only one of its class."""
    counts = Counter(thing.label for thing in scene.things)
    asked = []
    for thing in scene.things:
        if thing.label not in labels or counts[thing.label] != 1:
            continue
        for name, value in thing.attributes:
            if name == "colour":
                text = f"What colour is the {thing.label}?"
                asked.append(Question(text, (value,), "colour"))
    return tuple(asked)


def meta(scene: Scene, labels: str) -> dict[str, Any]:
    """Return what the samples say about their labels."""
    return {"labels": f"drawn: {labels}", "scene": scene.kind}


def _counted(name: str, count: int) -> str:
    word = WORDS[count] if count < len(WORDS) else str(count)
    return f"{word} {name if count == 1 else plural_of(name)}"
