"""The words of a question that ask for a way to draw a raster.

Patterns over English words, without a model, as in :mod:`rsvlm.questions`: what a
question names (:data:`NAMED`, such as NDVI), what it is about (:data:`NEEDS`, such as
floods, which the water index shows best), and whether it asks what covers the ground.
"""

import re
from typing import NamedTuple

from rsvlm.bands import POLARISATIONS
from rsvlm.choice import choose_task
from rsvlm.questions import IMAGE, plain, split_options


class Named(NamedTuple):
    """Words that ask for one way to draw, whatever else the question is about."""

    title: str
    words: re.Pattern[str]
    renderings: tuple[str, ...]


class Need(NamedTuple):
    """Words about something that some ways to draw show better than true colour.

    Attributes:
        rank: Needs of a lower rank come first, those of one rank in the order of the
            question: "how much forest burned" is about fire.
        words: What asks for it.
        renderings: What shows it, the best first.
    """

    rank: int
    words: re.Pattern[str]
    renderings: tuple[str, ...]


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(patterns)})\b")


NAMED: tuple[Named, ...] = (
    Named("NDVI", _words("ndvi", r"vegetation ind(?:ex|ices)"), ("ndvi",)),
    Named("NDWI", _words("ndwi", r"water ind(?:ex|ices)"), ("ndwi",)),
    Named("NDMI", _words("ndmi", r"moisture ind(?:ex|ices)"), ("ndmi",)),
    Named(
        "NBR",  # "the nbr of ships" is their number
        _words(r"d?nbr(?! of (?!the |this |that |it\b))", r"burn\w* (?:ratio|ind\w+)"),
        ("nbr",),
    ),
    Named(
        "False colour",
        _words(
            "false[- ]?colou?rs?", "colou?r[- ]infrared", "cir", "nir",
            "near[- ]?infra-?red",
        ),
        ("false-colour",),
    ),
    Named("True colour", _words("(?:true|natural)[- ]colou?rs?"), ("true-colour",)),
    Named(
        "Short-wave infrared",
        _words("swir", r"short[- ]?wave[- ]infra-?red"),
        ("ndmi", "nbr"),
    ),
    *(
        Named(f"{name} polarisation", _words(name.lower()), (f"sar-{name.lower()}-db",))
        for name in POLARISATIONS
    ),
)  # fmt: skip

NEEDS: tuple[Need, ...] = (
    Need(
        0,
        _words(
            r"burn(?:s|ed|t|ing)?", r"(?:wild|bush|forest )?fires?(?! (?:station|truck|"
            r"engine|department|hydrant|brigade)s?\b)", "scorch(?:ed|ing)", "charred",
        ),
        ("nbr", "false-colour", "ndvi"),
    ),
    Need(
        1,
        _words(
            r"moist\w*", "droughts?", r"irrigat\w*", "arid", "wilt(?:ed|ing)?",
            "parched", "water (?:stress|content|deficit)", "humid(?:ity)?", "dryness",
            r"(?:dry|dried|drier|driest)(?![- ]?docks?\b)",
        ),
        ("ndmi", "ndvi"),
    ),
    Need(
        2,
        _words(
            r"water(?:s|ed|logged)?(?![- ](?:treatment|tower|tank|plant|works|stress"
            r"|content|deficit|ind))", "waterlogging", "surface[- ]waters?",
            r"(?:waterbod|waterway)\w*", r"flood\w*", r"inundat\w*", "submerged",
            "ponds?", "pools?", "rivers?", "lakes?", "reservoirs?", "streams?",
            "creeks?", "canals?", "lagoons?", "bays?", "estuar(?:y|ies)", "deltas?",
            "wetlands?", "marsh(?:es)?", "swamps?", "shorelines?", "coast(?:s|al|lines?)?",
            "seas?", "oceans?", "dams?", r"hydrolog\w+",
        ),
        ("ndwi",),
    ),
    Need(
        2,
        _words(
            r"vegetat\w*", "crops?", "croplands?", r"farm(?:s|ing|lands?)?",
            r"agricultur\w*", r"(?:de|re|af)?forest(?:s|ed|ation|ry)?(?! fires?\b)",
            "woods?", "wooded", "woodlands?", "jungle", "trees?", "canop(?:y|ies)",
            r"grass(?:y|es|lands?)?", "pastures?", "meadows?", r"shrub(?:s|by|lands?)?",
            "mangroves?", "wetlands?", "plantations?", "orchards?", "vineyards?",
            "(?:rice )?padd(?:y|ies)", "rice", "wheat", "corn", "maize", r"soy\w*",
            "biomass", "chlorophyll", "foliage", "greenness", "greenery",
            "green (?:areas?|spaces?|cover)", "how green", "harvest(?:s|ed|ing)?",
            r"clear-?cut\w*", "logging", "(?:crop|farm|green)[- ]?fields?",
            "bare (?:soil|ground|land)",
            "plants?(?= (?:health|cover|stress|growth|grow|look|healthy|here))",
        ),
        ("ndvi", "false-colour"),
    ),
)  # fmt: skip

_AREA = r"(?:area|place|region|site|land(?:scape)?|terrain|surface|ground|spot)"
_LAND_COVER = re.compile(
    r"\bland[- ]?(?:cover|use)|\bclassif\w+|\bcover (?:types?|class\w*)"
    r"|\bwhat (?:is|are) (?:(?:shown|seen|visible|depicted) )?(?:(?:in|on) )?"
    rf"(?:{IMAGE}|here\b|there\b|(?:this|the) {_AREA}\b)"
    rf"|\bwhat (?:does|do) (?:{IMAGE}|this|these) (?:show|depict|contain)"
    r"|\bwhat (?:can|do|could) (?:you|we|i) (?:see|recogni[sz]e)\b"
    r"|\bwhat (?:can|could) be (?:seen|recogni[sz]ed)\b"
    rf"|\b(?:what|which) (?:kinds?|types?|sorts?|categor\w+) of (?:{_AREA}|{IMAGE})"
    r"|\bwhat (?:\w+ ){0,2}covers\b"
)
_DESCRIBE = _words(r"describe", "description", "caption", r"summari[sz]e")


def asked(question: str) -> str:
    """Return the plain words of a question without its lettered options.

    What stands among the options is what the answer may be, not what it is about.
    """
    stem, _ = split_options(question)
    return plain(stem) or plain(question)


def named(text: str) -> list[Named]:
    """Return what a text names, in its order."""
    found = [(m.start(), entry) for entry in NAMED if (m := entry.words.search(text))]
    return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]


def needed(text: str) -> list[str]:
    """Return what shows the things that a text is about: the best of each first."""
    found = [
        (entry.rank, match.start(), entry.renderings)
        for entry in NEEDS
        if (match := entry.words.search(text))
    ]
    lists = [renderings for _, _, renderings in sorted(found)]
    turns = range(max(map(len, lists), default=0))
    return [names[turn] for turn in turns for names in lists if turn < len(names)]


def asks_cover(question: str) -> bool:
    """Return whether a question asks what covers the ground, of all there may be.

    >>> asks_cover("What is here?"), asks_cover("What is on the roof?")
    (True, False)
    """
    found = _LAND_COVER.search(asked(question))
    return bool(found) or choose_task(question, 1)[0] == "classify"


def asks_description(question: str) -> bool:
    """Return whether a question wants the whole picture put into words."""
    return bool(_DESCRIBE.search(asked(question)))
