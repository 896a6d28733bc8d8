"""The wording of captions, and the grammar that fills it and the questions.

Placeholders: ``{one}`` and ``{many}`` are the noun in the singular and the plural,
``{a}`` is the singular with its article, ``{options}`` a list. No wording names a
side of the image, since training flips and turns images.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from rsvlm.labels import OBJECTS, SCENES, plural_of

#: Captions of an image with known objects; ``{list}`` is what it shows.
OBJECT_CAPTIONS = (
    "An aerial image with {list}.",
    "An overhead view of {list}.",
    "This aerial image shows {list}.",
    "The image shows {list}.",
    "Seen from above: {list}.",
)

#: Captions of any scene class.
SCENE_CAPTIONS = ("{a} seen from above.", "An aerial image of {a}.")

#: Canonical scene class -> further captions that hold for all of its images.
CLASS_CAPTIONS = {
    "grassland": (
        "The image shows open land covered with grass.",
        "An overhead view of a grassy area.",
        "Open, grassy ground in an aerial image.",
    ),
    "farmland": (
        "The image shows land used for growing crops.",
        "An overhead view of agricultural land.",
        "Cultivated land in an aerial image.",
    ),
    "industrial area": (
        "The image shows buildings of an industrial site.",
        "An overhead view of industrial buildings and their surroundings.",
        "A built-up area used by industry.",
    ),
    "river or lake": (
        "The image shows a body of water.",
        "An overhead view of inland water.",
        "The open water of a river or lake in an aerial image.",
    ),
    "forest": (
        "The image shows land covered with trees.",
        "An overhead view of a wooded area.",
        "Trees cover the ground in this aerial image.",
    ),
    "residential area": (
        "The image shows buildings where people live.",
        "An overhead view of a neighbourhood with residential buildings.",
        "A built-up area with housing.",
    ),
    "parking lot": (
        "The image shows a paved area for parking vehicles.",
        "An overhead view of a car park.",
        "Ground laid out for parking vehicles in an aerial image.",
    ),
}

#: Upstream spellings that are no word form of their canonical name.
UPSTREAM = {
    "resident": "residential area",
    "field": "farmland",
    "grass": "grassland",
    "industry": "industrial area",
    "river lake": "river or lake",
    "parking": "parking lot",
}

#: Synonyms that would make an answer untrue (not every vehicle is a truck, a lake is
#: no river) or that nobody says; reading a question still understands them.
_UNFIT = frozenset(
    (
        "truck", "bus", "jet", "silo", "fuel tank", "stadium", "track field", "overpass",
        "viaduct", "jetty", "grass", "lawn", "field", "industry", "factory", "river",
        "lake", "river lake", "wood", "resident", "parking",
    )
)  # fmt: skip

#: Nouns without an article and without a plural.
_MASS = frozenset({"grassland", "farmland", "cropland", "woodland"})

T = TypeVar("T")


def pick(rng: Random, options: Sequence[T]) -> T:
    """Return a random element; depends on ``Random.random`` alone.

    Python promises the same sequence in all versions for that method only.
    """
    return options[int(rng.random() * len(options))]


def shuffled(rng: Random, options: Sequence[T]) -> list[T]:
    """Return the elements in random order; depends on ``Random.random`` alone."""
    keys = [rng.random() for _ in options]
    return [options[i] for i in sorted(range(len(options)), key=keys.__getitem__)]


def canonical_name(upstream: str) -> str:
    """Return the canonical name of an upstream class.

    >>> canonical_name("storage_tank"), canonical_name("river_lake")
    ('storage tank', 'river or lake')
    """
    words = upstream.replace("_", " ").lower()
    return UPSTREAM.get(words, words)


def words_for(name: str) -> tuple[str, ...]:
    """Return the singular words that a question may use for a class, name first."""
    label = OBJECTS.get(name) or SCENES.get(name)
    synonyms = label.synonyms if label else ()
    return (name, *(word for word in synonyms if word not in _UNFIT))


def with_article(noun: str) -> str:
    """Return a singular noun with its indefinite article.

    >>> with_article("airplane"), with_article("ship"), with_article("farmland")
    ('an airplane', 'a ship', 'farmland')
    """
    if noun in _MASS:
        return noun
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def some(name: str, count: int) -> str:
    """Return objects without their number: "a ship", "ships"."""
    return with_article(name) if count == 1 else plural_of(name)


def listing(parts: Sequence[str]) -> str:
    """Join phrases into a list.

    >>> listing(["ships", "a bridge", "harbors"])
    'ships, a bridge and harbors'
    """
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if parts[1:] else parts)


def fill(template: str, noun: str = "", **fields: str) -> str:
    """Fill a wording with a noun and other fields; it starts as the template does.

    >>> fill("{many} here?", "oil tank"), fill("{a} seen from above.", "ship")
    ('oil tanks here?', 'A ship seen from above.')
    """
    if noun:
        fields |= {"one": noun, "many": plural_of(noun), "a": with_article(noun)}
    text = template.format(**fields)
    # A sentence that opens with a filled-in noun needs its capital.
    if template.startswith("{") and template.endswith("."):
        return text[0].upper() + text[1:]
    return text
