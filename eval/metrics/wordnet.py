"""Synonyms from WordNet, without a package: the rule of LRS-VQA and LRS-GRO.

Path similarity is 1 / (1 + steps), so a threshold of 0.8 is reached by 0 steps only:
two words match if they share a meaning (a synset). That needs the index files of
WordNet and nothing else. Words of two parts have no entry with a space, so two-word
answers match only if they are equal, as in the published scripts.
"""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from rsvlm.errors import ParseError, SettingsError

#: Folder with index.noun and so on; the first place that is looked at.
VARIABLE = "RSVLM_WORDNET"
#: Where the Debian package wordnet-base puts them.
SYSTEM = Path("/usr/share/wordnet")

_PARTS = ("noun", "verb", "adj", "adv")
#: Endings of inflected forms and what stands there in the dictionary.
_ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "noun": (
        ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"),
        ("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y"),
    ),
    "verb": (
        ("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""),
        ("ing", "e"), ("ing", ""),
    ),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}  # fmt: skip


class WordNet:
    """The index of a WordNet dictionary."""

    def __init__(self, folder: Path) -> None:
        """Read the index.

        Args:
            folder: Holds ``index.noun``, ``index.verb``, ``index.adj``, ``index.adv``
                and, where there are irregular forms, ``noun.exc`` and so on.

        Raises:
            SettingsError: If an index file is missing.
            ParseError: If one is not in WordNet's format.
        """
        self._meanings: dict[str, dict[str, tuple[str, ...]]] = {}
        self._irregular: dict[str, dict[str, list[str]]] = {}
        for part in _PARTS:
            self._meanings[part] = dict(_index(folder / f"index.{part}"))
            self._irregular[part] = _exceptions(folder / f"{part}.exc")

    def meanings(self, word: str) -> frozenset[tuple[str, str]]:
        """Return the meanings of a word, inflected or not, as (part, offset)."""
        word = word.lower()
        return frozenset(
            (part, offset)
            for part in _PARTS
            for form in self._forms(word, part)
            for offset in self._meanings[part].get(form, ())
        )

    def are_synonyms(self, one: str, other: str) -> bool:
        """Return whether two words share a meaning."""
        return not self.meanings(one).isdisjoint(self.meanings(other))

    def _forms(self, word: str, part: str) -> list[str]:
        """Return the dictionary forms of a word, by the irregular ones or one ending.

        Source:
            The rules of morphy, https://wordnet.princeton.edu/documentation/morphy7wn.
        """
        known = self._meanings[part]
        if word in self._irregular[part]:
            return [f for f in (word, *self._irregular[part][word]) if f in known]
        cut = [
            word.removesuffix(ending) + instead
            for ending, instead in _ENDINGS[part]
            if word.endswith(ending)
        ]
        return [form for form in dict.fromkeys([word, *cut]) if form in known]


def find_folder() -> Path:
    """Return the folder of WordNet's index files.

    Raises:
        SettingsError: If there is none; says where it was looked for.
    """
    places = [Path(path) for path in (os.environ.get(VARIABLE),) if path]
    nltk = [Path(p) for p in os.environ.get("NLTK_DATA", "").split(os.pathsep) if p]
    for base in (*nltk, Path.home() / "nltk_data"):
        places.append(base / "corpora" / "wordnet")
    places.append(SYSTEM)
    for place in places:
        if (place / "index.noun").is_file():
            return place
    looked = ", ".join(map(str, places))
    raise SettingsError(
        f"WordNet is not in {looked}. Install the Debian package wordnet-base or unpack "
        f"WordNet 3.0, and set {VARIABLE} to the folder that holds index.noun."
    )


@lru_cache(maxsize=2)
def load(folder: Path) -> WordNet:
    """Return the dictionary of a folder; it is read once."""
    return WordNet(folder)


def _index(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield lemma and offsets: "lemma pos n p symbols.. n senses offset offset ..."."""
    if not path.is_file():
        raise SettingsError(
            f"{path} is missing. Point {VARIABLE} to a folder with all four index files."
        )
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if line.startswith(" "):  # the licence
                continue
            fields = line.split()
            try:
                offsets = tuple(fields[-int(fields[2]) :])
                yield fields[0], offsets
            except (IndexError, ValueError):
                raise ParseError(
                    f"{path.name}, line {number} is no index entry of WordNet. Use the "
                    "files of WordNet 3.0 or 3.1 as they are."
                ) from None


def _exceptions(path: Path) -> dict[str, list[str]]:
    """Return irregular form -> dictionary forms; nothing without the file."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {words[0]: words[1:] for line in lines if (words := line.split())}
