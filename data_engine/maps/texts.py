"""Captions and questions of what a map says about a window.

No text names a side of the image, since training flips and turns images: relations are
nearness and size. What the map does not show may be there all the same, so a class is
called absent only where the extract maps it elsewhere.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from random import Random

from rsvlm.data_engine.maps.placed import Placed
from rsvlm.data_engine.maps.tags import KINDS, detail
from rsvlm.data_engine.phrases import fill, listing, pick, shuffled, some, with_article
from rsvlm.data_engine.records import Question, Split
from rsvlm.labels import plural_of

#: Most classes that a caption names, and most things it describes in detail.
NAMED, DETAILED = 5, 3
#: Counts above this are not asked for: maps and pictures rarely agree on them.
MOST_COUNTED = 25
#: One area is larger than another from this ratio on.
LARGER = 1.5
#: What is nearer than this share of the other's distance is the nearest.
NEARER = 0.6

_Words = dict[str, tuple[str, ...]]
#: Split -> kind -> wordings.
WORDS: dict[Split, _Words] = {
    "train": {
        "presence": ("Is there {a} in this image?", "Does the image show {a}?",
                     "Can {a} be seen here?", "Are there any {many}?"),
        "count": ("How many {many} are there?", "Count the {many}.",
                  "What is the number of {many}?"),
        "area": ("How large is the {one}?", "What area does the {one} cover?"),
        "larger": ("Which covers more ground, the {one} or the {other}?",
                   "Is the {one} or the {other} larger?"),
        "nearest": ("What lies nearest to the {one}?", "What is closest to the {one}?"),
        "ground": ("Where are the {many}?", "Mark all {many}.", "Find every {one}."),
    },
    "val": {
        "presence": ("Tell me whether there is {a}.",),
        "count": ("State how many {many} you see.",),
        "area": ("Give the area of the {one}.",),
        "larger": ("Of the {one} and the {other}, which is larger?",),
        "nearest": ("Name what is next to the {one}.",),
        "ground": ("Indicate every {one}.",),
    },
    "test": {
        "presence": ("Can you see {a} in this picture?",),
        "count": ("What is the total number of {many}?",),
        "area": ("What is the size of the {one}?",),
        "larger": ("Which is the larger of the two, the {one} or the {other}?",),
        "nearest": ("Which thing is the closest to the {one}?",),
        "ground": ("Give the locations of all {many}.",),
    },
}  # fmt: skip


def captions(found: Sequence[Placed]) -> tuple[str, ...]:
    """Return a short and a detailed caption, or none where nothing is to be seen."""
    counts = _counts(found)
    if not counts:
        return ()
    names = sorted(counts, key=lambda name: (-_cover(found, name), name))[:NAMED]
    short = f"The image shows {listing([_some(name, counts[name]) for name in names])}."
    exact = [
        f"{counts[name]} {name if counts[name] == 1 else plural_of(name)}"
        for name in names
        if KINDS[name] == "count" and counts[name] <= MOST_COUNTED
    ]
    told = {
        one.label: f"{with_article(one.label)} {words}"
        for one in sorted(found, key=lambda one: one.shape.area)
        if (words := detail(one.tags))
    }
    parts = [*exact, *list(told.values())[:DETAILED]]
    return (short, f"{short} In view are {listing(parts)}.") if parts else (short,)


def questions(
    found: Sequence[Placed], mapped: Collection[str], split: Split, seed: str
) -> Iterator[Question]:
    """Yield the questions of a window.

    Args:
        found: What is to be seen.
        mapped: Labels that the extract has anywhere: only these can be absent.
        split: Each split has wordings of its own.
        seed: Makes the draws of a window independent of all others.
    """
    words, rng = WORDS[split], Random(f"maps/{seed}")
    counts = _counts(found)
    absent = sorted(set(mapped) - set(counts))
    present = sorted(counts)
    for name in (*present, *shuffled(rng, absent)[: len(present) or 2]):
        text = fill(pick(rng, words["presence"]), name)
        yield Question(text, ("yes" if counts[name] else "no",), "presence")
    for name in present:
        if KINDS[name] != "count":
            continue
        if counts[name] <= MOST_COUNTED:
            text = fill(pick(rng, words["count"]), name)
            yield Question(text, (str(counts[name]),), "count", task="count")
        targets = [one.target() for one in found if one.label == name]
        shown = tuple(target for target in targets if target)
        if len(shown) == counts[name]:
            text = fill(pick(rng, words["ground"]), name)
            yield Question(text, (), "ground", task="ground", targets=shown)
    yield from _relations(found, words, rng)


def _relations(
    found: Sequence[Placed], words: _Words, rng: Random
) -> Iterator[Question]:
    """Yield questions on things that are the only one of their class."""
    groups: dict[str, list[Placed]] = defaultdict(list)
    for one in found:
        groups[one.label].append(one)
    alone = [group[0] for _, group in sorted(groups.items()) if len(group) == 1]
    sized = [one for one in alone if one.is_whole and one.area_m2 >= 50]
    for one in shuffled(rng, sized)[:2]:
        text = fill(pick(rng, words["area"]), one.label)
        yield Question(text, area_words(one.area_m2), "area")
    pairs = [
        (one, other)
        for index, one in enumerate(sized)
        for other in sized[index + 1 :]
        if max(one.area_m2, other.area_m2) >= LARGER * min(one.area_m2, other.area_m2)
    ]
    for one, other in shuffled(rng, pairs)[:1]:
        text = fill(pick(rng, words["larger"]), one.label, other=other.label)
        best = one if one.area_m2 > other.area_m2 else other
        yield Question(text, (f"the {best.label}", best.label), "relation")
    for one in shuffled(rng, alone):
        others = sorted(
            (one.shape.distance(other.shape), other.label)
            for other in found
            if other.label != one.label
        )
        # What touches or holds it is no neighbour that a person would name.
        labels = list(dict.fromkeys(label for _, label in others))
        first = {
            label: min(d for d, name in others if name == label) for label in labels
        }
        if len(labels) > 1 and 0 < first[labels[0]] < NEARER * first[labels[1]]:
            text = fill(pick(rng, words["nearest"]), one.label)
            name = labels[0]
            yield Question(text, (with_article(name), name), "relation")
            return


def area_words(area_m2: float) -> tuple[str, ...]:
    """Return an area in words, to two digits, and as others would write it.

    >>> area_words(12_345)[0], area_words(640)[0]
    ('about 1.2 ha', 'about 640 m²')
    """
    if area_m2 >= 10_000:
        value = f"{float(f'{area_m2 / 10_000:.2g}'):g}"
        return f"about {value} ha", f"{value} ha", f"{value} hectares"
    value = f"{float(f'{area_m2:.2g}'):.0f}"
    return f"about {value} m²", f"{value} m²", f"{value} square metres"


def _counts(found: Sequence[Placed]) -> Counter[str]:
    return Counter(one.label for one in found)


def _cover(found: Sequence[Placed], name: str) -> float:
    return sum(
        float(one.shape.area + one.shape.length) for one in found if one.label == name
    )


def _some(name: str, count: int) -> str:
    """Return a class in a caption: ground that covers has no number."""
    if KINDS[name] == "count":
        return some(name, count)
    return with_article(name) if count == 1 else plural_of(name)
