"""Words for objects and scenes: singular, plural, synonyms, typical size.

The table serves prompts, the reading of questions and one physical check: an object
that covers less than a few pixels cannot be counted. Adding a word means adding one
entry; nothing else lists them. A label that is not in the table works as well, only
without synonyms and without the size check.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Label:
    """What an object or a scene class is called.

    Attributes:
        name: Canonical singular name.
        plural: Canonical plural.
        synonyms: Other singular names; their plurals are derived.
        size_m: Length of a small one in metres, None for scene classes.
        read: More singular names, understood but not written by rsvlm.
    """

    name: str
    plural: str
    synonyms: tuple[str, ...] = ()
    size_m: float | None = None
    read: tuple[str, ...] = ()


#: An object that is shorter than this many pixels cannot be told from noise.
FEWEST_PIXELS = 4.0

#: Objects that a region can be drawn around.
OBJECTS = {
    label.name: label
    for label in (
        Label(
            "airplane",
            "airplanes",
            ("plane", "aircraft", "aeroplane", "jet"),
            20.0,
            ("airliner", "jetliner"),
        ),
        Label("ship", "ships", ("boat", "vessel"), 8.0),
        Label(
            "storage tank",
            "storage tanks",
            ("tank", "oil tank", "fuel tank", "silo"),
            10.0,
        ),
        Label(
            "baseball diamond",
            "baseball diamonds",
            ("baseball field",),
            40.0,
            ("ballfield", "ball field"),
        ),
        Label("tennis court", "tennis courts", (), 11.0),
        Label("basketball court", "basketball courts", (), 15.0),
        Label(
            "ground track field",
            "ground track fields",
            ("running track", "athletics track", "stadium", "track field"),
            70.0,
        ),
        Label("harbor", "harbors", ("harbour", "pier", "dock", "jetty"), 30.0),
        Label("bridge", "bridges", ("overpass", "viaduct"), 20.0),
        Label("vehicle", "vehicles", ("car", "truck", "bus", "automobile"), 4.5),
    )
}

#: Classes of whole scenes.
SCENES = {
    label.name: label
    for label in (
        Label("grassland", "grasslands", ("grass", "meadow", "lawn")),
        Label("farmland", "farmlands", ("field", "cropland", "crop field")),
        Label("industrial area", "industrial areas", ("industry", "factory")),
        Label(
            "river or lake",
            "rivers or lakes",
            ("river", "lake", "water body", "river lake"),
        ),
        Label("forest", "forests", ("woodland", "wood")),
        Label(
            "residential area",
            "residential areas",
            ("resident", "housing area", "neighbourhood", "neighborhood"),
        ),
        Label("parking lot", "parking lots", ("parking", "car park")),
    )
}


#: What covers the ground, drawn as areas and never counted.
COVERS = {
    label.name: label
    for label in (
        Label("water", "water", ("open water", "water surface", "sea", "ocean")),
        Label(
            "vegetation",
            "vegetation",
            ("green space", "greenery", "plant", "plant cover", "vegetated land"),
        ),
        Label(
            "built-up land",
            "built-up land",
            (
                *("built-up area", "built up area", "built up land", "urban area"),
                *("urban land", "city", "town", "settlement", "built-up"),
            ),
        ),
        Label(
            "bare or dry ground",
            "bare or dry ground",
            ("bare ground", "bare soil", "bare land", "dry ground", "soil", "desert"),
        ),
    )
}

#: Places of a kilometre and more, known by what stands around them.
PLACES = {
    label.name: label
    for label in (
        Label("harbor", "harbors"),
        Label("airport", "airports", ("airfield", "aerodrome")),
    )
}


def plural_of(word: str) -> str:
    """Return the English plural of a noun phrase.

    >>> plural_of("oil tank"), plural_of("bus"), plural_of("jetty"), plural_of("aircraft")
    ('oil tanks', 'buses', 'jetties', 'aircraft')
    """
    tables = (OBJECTS, SCENES, COVERS, PLACES)
    for label in (label for table in tables for label in table.values()):
        if word == label.name:
            return label.plural
    if word.endswith("craft"):
        return word
    if re.search(r"(s|x|ch|sh)$", word):
        return word + "es"
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + "s"


def _forms() -> dict[str, str]:
    forms: dict[str, str] = {}
    for table in (COVERS, PLACES, SCENES, OBJECTS):
        for label in table.values():
            for word in (label.name, *label.synonyms, *label.read):
                forms[word] = forms[plural_of(word)] = label.name
    return forms


#: Every known singular and plural, synonyms included -> canonical name.
FORMS = _forms()


def canonical(phrase: str) -> str | None:
    """Return the canonical name whose word form is the phrase or stands in it.

    The longest form wins, so that "oil tank" is not read as "tank".

    >>> canonical("small boats"), canonical("Oil-tanks"), canonical("giraffe")
    ('ship', 'storage tank', None)
    """
    text = re.sub(r"[_\-\s]+", " ", phrase.lower()).strip()
    found = [
        form for form in FORMS if re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text)
    ]
    return FORMS[max(found, key=len)] if found else None


def count_phrase(count: int, name: str) -> str:
    """Return a count with its noun: "no ships", "1 ship", "3 ships"."""
    if count == 1:
        return f"1 {name}"
    return f"{count or 'no'} {plural_of(name)}"


def is_visible(name: str, gsd_m: float | None) -> bool:
    """Return whether an object can be made out at a ground sample distance.

    Args:
        name: Canonical name; an object of unknown size counts as visible.
        gsd_m: m/px on the ground, None where unknown.

    >>> is_visible("vehicle", 0.3), is_visible("vehicle", 10.0)
    (True, False)
    """
    size = OBJECTS[name].size_m if name in OBJECTS else None
    return not size or gsd_m is None or size / gsd_m >= FEWEST_PIXELS
