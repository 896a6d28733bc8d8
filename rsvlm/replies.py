"""Sentences whose numbers come from geometry, not from the language model."""

import re
from collections import Counter
from collections.abc import Sequence

from rsvlm.labels import FEWEST_PIXELS, count_phrase, plural_of

#: A word that is not the way of a dialect to say that there is nothing.
_WORDS = re.compile(r"(?!(?:json|none|null)\b)\b[^\W\d_]+", re.IGNORECASE)


def listing(parts: Sequence[str]) -> str:
    """Join phrases: "a", "a and b", "a, b and c".

    >>> listing(["1 ship", "2 bridges", "3 tanks"])
    '1 ship, 2 bridges and 3 tanks'
    """
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def counts(labels: Sequence[str]) -> str:
    """Return how many of each label there are, most frequent first.

    >>> counts(["ship", "bridge", "ship"])
    '2 ships and 1 bridge'
    """
    common = sorted(Counter(labels).items(), key=lambda item: (-item[1], item[0]))
    return listing([count_phrase(number, name) for name, number in common])


def count_text(number: int, name: str) -> str:
    """Answer "how many": "3 ships.", "No ship was found."."""
    return f"{count_phrase(number, name)}." if number else nothing_text(name)


def presence_text(number: int, name: str) -> str:
    """Answer "is there": "Yes, 3 ships.", "No, no ship was found."."""
    if number:
        return f"Yes, {count_phrase(number, name)}."
    return f"No, no {name} was found."


def found_text(labels: Sequence[str], asked: str | None) -> str:
    """Say what was found: "Found 3 ships.", or that there is nothing."""
    if labels:
        return f"Found {counts(labels)}."
    return nothing_text(asked or "known object")


def told_text(reply: str, labels: Sequence[str], asked: str | None) -> str:
    r"""Say in words what a model answered with regions, whatever its dialect.

    Args:
        reply: The model's text.
        labels: Labels of the regions that it holds; "" where the model gave none.
        asked: The object of the question, where that is known.

    >>> told_text('[{"bbox_2d": [1, 2, 3, 4], "label": "Ship"}]', ["Ship"], None)
    'Found 1 ship.'
    >>> told_text("```json\n[]\n```", [], "ship"), told_text("I see none.", [], "ship")
    ('No ship was found.', 'I see none.')
    """
    if labels:
        names = [asked or label.lower() or "region" for label in labels]
        return f"Found {counts(names)}."
    return reply if _WORDS.search(reply) else nothing_text(asked or "known object")


def nothing_text(name: str) -> str:
    """Say that nothing was found."""
    return f"No {name} was found."


def area_text(area_m2: float | None, area_px: float) -> str:
    """Return an area in the unit that suits its size.

    >>> area_text(12345.0, 99.0), area_text(None, 99.4), area_text(2.5e7, 1.0)
    ('12,345 m2 (1.23 ha)', '99 px', '25.00 km2')
    """
    if area_m2 is None:
        return f"{area_px:,.0f} px"
    if area_m2 >= 1e7:
        return f"{area_m2 / 1e6:,.2f} km2"
    if area_m2 >= 1e4:
        return f"{area_m2:,.0f} m2 ({area_m2 / 1e4:,.2f} ha)"
    return f"{area_m2:,.0f} m2"


def too_small_text(name: str, size_m: float, gsd_m: float) -> str:
    """Say that an object cannot be seen at a ground sample distance."""
    many = plural_of(name)
    return (
        f"I cannot tell: {many} are about {size_m:g} m long and one pixel of this image "
        f"covers {gsd_m:.3g} m, so that {many} cannot be made out. Use an image of "
        f"{size_m / FEWEST_PIXELS:.2g} m per pixel or finer."
    )


def by_camera_text(name: str) -> str:
    """Say that an object is found in optical images only, or in other sizes of them."""
    return (
        f"I cannot tell: this model finds {plural_of(name)} in optical images whose "
        "ground size is like that of its training, not in this one. Give such an image "
        "of the place."
    )


def no_count_text(name: str) -> str:
    """Say that land cover has no number."""
    return (
        f"I cannot count {name}: it is land cover, measured as an area. Ask how much of "
        f"the image is {name}."
    )


def cover_text(
    name: str, share: float, area: str, pieces: int, of: str = "the image"
) -> str:
    """Say how much of an image, or of a place in it, a class of land cover covers.

    >>> cover_text("water", 0.084, "1,200 m2", 2)
    'Water covers 8.4 % of the image (1,200 m2) in 2 pieces.'
    """
    if not pieces:
        return f"no {name} was found."
    many = "1 piece" if pieces == 1 else f"{pieces} pieces"
    percent = f"{100 * share:.2g}" if share < 0.995 else "100"
    return f"{name.capitalize()} covers {percent} % of {of} ({area}) in {many}."


def unknown_text(name: str, known: Sequence[str]) -> str:
    """Say that the model was not trained to find something."""
    return (
        f"I cannot tell: this model was not trained to find {name!r}. It finds: "
        f"{', '.join(known)}."
    )
