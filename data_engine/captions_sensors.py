"""Captions of land cover, places and aircraft.

What a caption of the ground says fits the optical and the radar image alike: equal
ground has equal texts, whichever sensor saw it. Training then knows which pairs of a
batch are no negatives.
"""

from collections.abc import Mapping, Sequence

from rsvlm.data_engine.landcover import CLASSES
from rsvlm.data_engine.phrases import listing, with_article

#: Share of the ground from which a class is named, and from which it is "nearly all",
#: "mostly" or a part that counts as much as another.
NAMED, NEARLY_ALL, MOSTLY, MAJOR = 0.06, 0.92, 0.60, 0.30

#: Place -> how a caption begins, and what joins the land cover to it.
PLACES = {"harbour": "a harbour with", "airport": "an airport with runways amid"}


def content(cover: Mapping[str, float], places: Sequence[str] = ()) -> str:
    """Return what the ground is, without a capital.

    Args:
        cover: Land-cover class -> share, in [0, 1].
        places: Keys of :data:`PLACES`.

    >>> content({"water": 0.95, "built-up land": 0.05})
    'water'
    >>> content({"built-up land": 0.7, "vegetation": 0.2, "water": 0.1})
    'mostly built-up land, with some water and vegetation'
    >>> content({"vegetation": 0.45, "water": 0.55})
    'water and vegetation'
    """
    named, major = _named(cover)
    if places:
        begin = " and ".join(PLACES[place] for place in places)
        return f"{begin} {listing(named)}"
    minor = [name for name in named if name not in major]
    if _nearly_all(cover, major):
        return major[0]
    if len(major) > 1:
        return listing(major) + (f", with some {listing(minor)}" if minor else "")
    return f"mostly {major[0]}" + (f", with some {listing(minor)}" if minor else "")


def ground_captions(
    cover: Mapping[str, float], places: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return captions of the ground; equal contents give equal captions."""
    named, major = _named(cover)
    text = content(cover, places)
    captions = (
        f"{text[0].upper()}{text[1:]}.",
        f"The area shows {text}.",
        f"Seen from above: {text}.",
        f"The scene is {text}.",
    )
    if places:
        what = " and ".join(with_article(place) for place in places)
        return (
            *captions,
            f"There is {what}, and the ground around is {listing(named)}.",
        )
    minor = [name for name in named if name not in major]
    also = f", and there is some {listing(minor)}" if minor else ""
    if _nearly_all(cover, major):
        last = f"Nearly all of the ground is {major[0]}."
    elif len(major) > 1:
        last = f"The ground is divided between {listing(major)}{also}."
    else:
        last = f"Most of the ground is {major[0]}{also}."
    return (*captions, last)


def _named(cover: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """Return the classes that a caption names, and those that stand for themselves.

    Both lists are in the order of :data:`CLASSES`: nearly equal shares must not turn
    one text into another.
    """
    named = [name for name in CLASSES if cover.get(name, 0) >= NAMED]
    top = max(cover, key=lambda name: cover[name])
    if cover[top] >= MOSTLY:
        return named, [top]
    return named, [name for name in named if cover[name] >= MAJOR or name == top]


def _nearly_all(cover: Mapping[str, float], major: Sequence[str]) -> bool:
    return cover[major[0]] >= NEARLY_ALL


def aircraft_captions(name: str) -> tuple[str, ...]:
    """Return captions of a radar image of one aircraft.

    >>> aircraft_captions("Boeing 737")[0], aircraft_captions("A330")[0]
    ('A radar image of a Boeing 737 airliner.', 'A radar image of an A330 airliner.')
    """
    one = with_article(name)
    return (
        f"A radar image of {one} airliner.",
        f"{one[0].upper()}{one[1:]} on the ground, seen by radar.",
        f"A SAR chip of a parked {name}.",
        f"The radar image shows {one}.",
        f"The bright points in this radar image are {one} aircraft.",
    )
