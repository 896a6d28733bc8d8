"""Whether a rewritten text says the same: numbers, classes, places, and what qualifies.

A text is reduced to facts; two texts agree where the facts do. The check is strict: a
true rewrite may be refused, which costs a variant, while a false one that passes teaches
something untrue.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from rsvlm.data_engine.maps import worldcover
from rsvlm.data_engine.maps.tags import ROWS
from rsvlm.data_engine.phrases import CLASS_CAPTIONS, OBJECT_CAPTIONS, SCENE_CAPTIONS
from rsvlm.data_engine.wordings import WORDINGS
from rsvlm.labels import FORMS, plural_of


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ONES = _words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen"
)
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
#: Number word -> value.
NUMBERS = {word: value for value, word in enumerate(_ONES)} | {
    word: 10 * (value + 2) for value, word in enumerate(_TENS)
}
#: Words that turn a statement into its opposite, or make it vague.
NEGATIONS = frozenset(
    _words("no not none never without neither nor nothing cannot lacks")
)
#: Words that claim what a rewriter cannot have seen.
QUALITIES = frozenset(
    _words(
        "white black gray grey red blue green yellow brown orange silver beige dark bright "
        "left right north south east west northern southern eastern western upper lower "
        "top bottom middle center centre central corner large small huge tiny big little "
        "long short tall half quarter third most many few several dozen dozens hundred "
        "hundreds thousand thousands pair double empty crowded busy old new"
    )
)
#: Words that open a sentence without being a name.
_OPENINGS = frozenset(
    _words(
        "a an the this that these those there here it its in on at from above over seen have look "
        "near beside around between with within what which where how is are do does can "
        "could would please tell show find locate mark count describe give name list "
        "image picture photo photograph aerial satellite overhead radar sar optical view "
        "scene area ground land several both each every all visible below you we i "
        "shown pictured depicted captured viewed looking shows depicts displays features "
        "contains includes appears yes no parked located situated surrounded some along"
    )
)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*|\d+(?:[.,]\d+)*")
#: It offers answers and denies nothing.
_CHOICE = re.compile(r"[,:]?\s*\byes or no\b", re.IGNORECASE)
_SENTENCE = re.compile(r"(?:^|[.!?:]\s+)[\"'(]*")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a text says, as far as it must not change.

    Attributes:
        numbers: Its numbers, digits and words alike, sorted.
        classes: Classes of objects and ground, "ship" and "ships" apart.
        places: Proper names.
        qualities: Colours, sides, sizes and amounts.
        denies: Whether it denies something.
        marks: Brackets and what stands in them: coordinates and options.
    """

    numbers: tuple[str, ...]
    classes: tuple[str, ...]
    places: frozenset[str]
    qualities: frozenset[str]
    denies: bool
    marks: tuple[str, ...]


#: Fact -> what is wrong where it differs.
REASONS = {
    "numbers": "number",
    "classes": "class",
    "places": "place",
    "qualities": "quality",
    "denies": "negation",
    "marks": "brackets",
}


def facts(text: str, names: Iterable[str] = ()) -> Facts:
    """Return the facts of a text.

    Args:
        text: A sentence or a few.
        names: Further class names that count, such as the labels of a sample.

    >>> found = facts("Two boats and a plane near Long Key.")
    >>> found.numbers, found.classes, sorted(found.places)
    (('2',), ('airplane', 'ship s'), ['key', 'long'])
    """
    text = _CHOICE.sub("", text)
    starts = {match.end() for match in _SENTENCE.finditer(text)}
    words = [(match[0], match.start()) for match in _WORD.finditer(text)]
    lower = [
        word.lower().removesuffix("\u2019s").removesuffix("'s") for word, _ in words
    ]
    classes, used = _classes(lower, _forms(tuple(sorted(names))))
    places, numbers, qualities = set(), [], set()
    for index, ((word, start), plain) in enumerate(zip(words, lower, strict=True)):
        # It claims no amount.
        is_how_many = plain == "many" and index > 0 and lower[index - 1] == "how"
        if word[0].isdigit():
            numbers.append(_digits(word))
        elif plain in NUMBERS:
            numbers.append(str(NUMBERS[plain]))
        elif plain in QUALITIES and index not in used and not is_how_many:
            qualities.add(plain)
        # A word of a class is no name, even where it opens a sentence.
        is_name = word[:1].isupper() and word != "I" and index not in used
        opens = start in starts and plain in _vocabulary()
        if is_name and not opens and plain not in NUMBERS:
            places.add(plain)
    return Facts(
        tuple(sorted(numbers)),
        classes,
        frozenset(places),
        frozenset(qualities - places),
        bool(NEGATIONS & set(lower)) or any(w.endswith("n't") for w in lower),
        tuple(re.findall(r"[\[({<][^\])}>]*[\])}>]", text)),
    )


def difference(
    before: str, after: str, names: Iterable[str] = (), asks: bool = False
) -> str | None:
    """Return which kind of fact a rewrite changes, None where it is faithful.

    Args:
        before: The text.
        after: The rewrite.
        names: Further class names that count.
        asks: Whether the text is a question: one for a ship is one for ships.

    >>> difference("Two ships at a pier.", "At a pier lie two vessels.")
    >>> difference("Two ships at a pier.", "Three ships at a pier.")
    'number'
    """
    names = tuple(names)
    old, new = facts(before, names), facts(after, names)
    if asks:
        old, new = (replace(f, classes=_alike(f.classes)) for f in (old, new))
    for field, reason in REASONS.items():
        if getattr(old, field) != getattr(new, field):
            return reason
    return None


def _alike(classes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({name.removesuffix(" s") for name in classes}))


def strange(before: str, after: str) -> list[str]:
    """Return the words of a rewrite that neither the text nor any wording has.

    Facts alone do not see "the faces of ships"; the words of the wordings do.

    >>> strange("Two ships.", "There are two vessels in this image.")
    []
    >>> strange("Ships.", "The sky was painted with the faces of ships.")
    ['sky', 'painted', 'faces']
    """
    known = _vocabulary() | {word[0].lower() for word in _WORD.finditer(before)}
    words = (match[0].lower() for match in _WORD.finditer(after))
    return [word for word in words if word not in known]


@lru_cache(maxsize=1)
def _vocabulary() -> frozenset[str]:
    """Return the words of all wordings and classes, and plain words of any sentence."""
    texts = [t for split in WORDINGS.values() for kind in split.values() for t in kind]
    texts += [*OBJECT_CAPTIONS, *SCENE_CAPTIONS, *FORMS]
    texts += [text for group in CLASS_CAPTIONS.values() for text in group]
    texts += [row.label for row in ROWS] + list(worldcover.CLASSES.values())
    words = {match[0].lower() for text in texts for match in _WORD.finditer(text)}
    return frozenset(words | _OPENINGS | NUMBERS.keys() | QUALITIES | NEGATIONS)


def _classes(
    words: list[str], forms: dict[tuple[str, ...], str]
) -> tuple[tuple[str, ...], set[int]]:
    """Return the classes named, longest names first, and which words name them."""
    found, used, index = set(), set[int](), 0
    longest = max(map(len, forms))
    while index < len(words):
        for size in range(min(longest, len(words) - index), 0, -1):
            name = forms.get(tuple(words[index : index + size]))
            if name is not None:
                found.add(name)
                used.update(range(index, index + size))
                index += size - 1
                break
        index += 1
    return tuple(sorted(found)), used


@lru_cache(maxsize=256)
def _forms(names: tuple[str, ...]) -> dict[tuple[str, ...], str]:
    """Return the words of each class -> its name, with " s" for the plural."""
    forms: dict[tuple[str, ...], str] = {}
    extra = {row.label for row in ROWS} | set(worldcover.CLASSES.values()) | set(names)
    for name in extra:
        # A word that the core knows keeps the core's name, so that synonyms agree.
        forms[tuple(name.lower().split())] = name.lower()
        forms[tuple(plural_of(name).lower().split())] = f"{name.lower()} s"
    for word, name in FORMS.items():
        many = word not in (name, *_singulars(name))
        forms[tuple(word.lower().split())] = f"{name} s" if many else name
    return forms


@lru_cache(maxsize=1)
def _plurals() -> dict[str, set[str]]:
    """Return canonical name -> every plural of its words."""
    plurals: dict[str, set[str]] = {}
    for word, name in FORMS.items():
        plurals.setdefault(name, set()).add(plural_of(word))
    return plurals


def _singulars(name: str) -> set[str]:
    """Return the words of a class that are no plural of another of its words."""
    words = {word for word, known in FORMS.items() if known == name}
    return words - (_plurals()[name] - {name})


def _digits(word: str) -> str:
    """Return a number without the signs that group its digits.

    >>> _digits("1,200"), _digits("0.50"), _digits("12")
    ('1200', '0.5', '12')
    """
    plain = re.sub(r",(?=\d{3}(?:\D|$))", "", word).replace(",", ".")
    try:
        return f"{float(plain):g}" if float(plain) < 1e6 else plain
    except ValueError:
        return plain
