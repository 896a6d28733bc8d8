"""Tokens of captions: a twin of the PTB tokenizer that needs no Java.

Published caption scores are computed on the tokens of pycocoevalcap: those of the
Stanford PTB tokenizer (CoreNLP 3.4.1, lower case), less its punctuation. That program
is Java; this module gives the same tokens by regular expressions. The rules were found
by feeding the Java program words, marks and their neighbours and looking at what came
out; ``benchmarks/caption_metrics.py`` compares both where Java is installed.

Known differences, none of which a caption is likely to hold: a tag or a telephone
number with a space inside, smileys, addresses other than ``http`` and ``www``, rare
scripts.
"""

import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Literal

TokenizerName = Literal["ptb", "lower-split"]

#: For the PTB rules superscripts and vulgar fractions are neither letter nor digit.
_NEITHER = r"\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u209c\u2150-\u218b\u2460-\u24ff"
_ALNUM = rf"(?:(?![{_NEITHER}])[^\W_]|[\u0300-\u036f])"
_LETTER = rf"(?:(?!\d){_ALNUM})"
_APOSTROPHE = "['\u2019]"
_END = rf"(?!{_ALNUM})"
#: A period before one of these marks stays with its word: "the road.; trees".
_INSIDE = r"(?: \. (?=[,;:]) )?"

#: Words that keep a final period in any case and place.
_ABBREVIATIONS = """
    adj adm adv al ala alex apr ariz assn assoc asst atty attys aug ave bhd bldg blvd
    brig bros calif capt cf cie cmdr co col colo comdr conn corp cos cpl ct dak dec dept
    det dr drs elec ens esq est etc ext feb fla fri ft ga gen gov govs hon inc ind insp
    intl invt jan jos jr jul jun kan kans ky lieut lt ltd maj mar md messrs mfg mich
    minn mlle mlles mme mo mon mont mr mrs ms msgr mt mtg natl neb nev nov oct okla penn
    pfc ph plc ppte pptes ppty pptys pres prof profs prop pte ptes pty ptys pvt rd rep
    reps rev rt sen sens sep sept seq sfc sgt spc sq sr st ste supt supts sys tel tenn
    thu thurs treas tue tues univ va vs vt wed wis wisc wm wyo z
"""
#: Words that keep it when they are written with a capital: names of states.
_CAPITAL_ABBREVIATIONS = "Ark Az Del Ill La Mass Miss Ore Pa Tex Wash"
#: Words that keep it before a number: "fig. 5".
_NUMBER_ABBREVIATIONS = "art ca fig figs no nos op pp"
#: After one letter and a period, these begin a sentence: "plan b. The".
_STARTERS = """
    A About After An As At But He Her Here However If In It Last Many More Mr. Now Once
    One Other Our She Since So Some Such That The Their Then There These They This We
    What When While Yet You
"""


def _any(words: str) -> str:
    return "(?:" + "|".join(sorted(words.split(), key=len, reverse=True)) + ")"


_RULES = rf"""
    (?P<url> (?:https?://|www\.) [^\s"<>(){{}}|]+? (?= [.,?!;:']* (?:$|["<>(){{}}|]) ) )
  | (?P<mail> {_ALNUM}[\w.&+-]* @ [\w-]+ (?:\.[\w-]+)* )
  | (?P<entity> &(?:amp|lt|gt|quot|apos|nbsp); )
  | (?P<tag> (?<!<) </?[A-Za-z][^<>]*> )
  | (?P<code> [Cc](?:\+\+|\#) )
  | (?P<user> @ {_LETTER}\w* | \# {_LETTER}+ )
  | (?P<money> [A-Z]*\$ )
  | (?P<split> (?i:(can)(not)|(gon)(na)|(got)(ta)|(lem)(me)|(gim)(me)|(wan)(na))
        (?! {_ALNUM} | [-/]{_ALNUM} | \.{_LETTER} ) )
  | (?P<twas> (?i: {_APOSTROPHE}t (?=(?:is|was){_END}) ) )
  | (?P<root> {_LETTER}+ (?= (?i: n{_APOSTROPHE}t ) ) )
  | (?P<not> (?i: n{_APOSTROPHE}t ) {_LETTER}* )
  | (?P<clitic> {_APOSTROPHE} (?i: s | m | d | re | ve | ll ) {_END} )
  | (?P<elided> (?i: {_APOSTROPHE}(?:em|till?|cause) ) {_END}
      | {_APOSTROPHE}[nN] (?: {_APOSTROPHE} | {_END} )
      | {_APOSTROPHE}(?: [2-9]0s {_END} | \d\d $ )
      | (?: [A-HJ-XZdlno]{_APOSTROPHE}{_LETTER}{{2,}}
          | (?i:o{_APOSTROPHE}clock|ma{_APOSTROPHE}am|c{_APOSTROPHE}(?:mon|est))
          | {_LETTER}+[aeiouyAEIOUY]{_APOSTROPHE}(?![DMS]{_END})[aeiouA-Z]{_LETTER}*
        ) {_END}
      | [djlyDJLY]{_APOSTROPHE} (?={_LETTER}) )
  | (?P<degree> Ph\.[Dd]\.? {_END} )
  | (?P<acronym> (?: [A-Za-z]\. )+ (?: (?: -{_ALNUM}+ )+ | (?! {_LETTER} ) ) )
  | (?P<abbreviation>
      (?: (?i: {_any(_ABBREVIATIONS)} ) | {_any(_CAPITAL_ABBREVIATIONS)}
        | (?i: {_any(_NUMBER_ABBREVIATIONS)} ) (?= \.\d ) )
      \. (?: (?: -{_ALNUM}+ )+ | (?! {_LETTER} ) ) )
  | (?P<slashed> \d{{1,4}} - \d{{1,4}} / \d{{1,4}} {_END} | {_ALNUM}+ (?:-{_LETTER}+){{0,2}}
        (?: / {_ALNUM}+ (?:-{_LETTER}+){{0,2}} ){{1,2}} )
  | (?P<hyphened> (?: \d+ (?:[.,]\d+)+ {_LETTER}* | {_ALNUM}+ )
        (?: [.,]* [-\u2010\u2011] {_ALNUM}+ | _{_ALNUM}+ )+ {_INSIDE} )
  | (?P<dotted> {_LETTER}{_ALNUM}* (?: [.?!] {_LETTER}{_ALNUM}* )+ (?:-{_ALNUM}+)*
        {_INSIDE} )
  | (?P<joined> [A-Z]+ (?: & [A-Z]+ )+ )
  | (?P<number> [-+]? \d* (?:[.,:]\d+)+ | [-+] \d+ )
  | (?P<word> {_ALNUM}+ {_INSIDE} )
  | (?P<smiley> [:;=] -? (?: [)|\[\]] | \( {_END} | [DPpd] {_END} ) )
  | (?P<run> [?!]+ | \*+ | _+ | \#+ | << | >> | --+ | - (?i:[lr][rsc]b) - )
  | (?P<mark> . )
"""
_TOKEN = re.compile(_RULES, re.VERBOSE)

#: Words that are two tokens; the rule looks further.
_SPLIT = frozenset({"cannot", "gonna", "gotta", "lemme", "gimme", "wanna"})

#: What single characters become; "" leaves nothing.
_MARKS = {
    "(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-",
    "\u20ac": "$", "\u00a4": "$", "\u00a3": "#", "\u00a2": "cents",
    "\u00bc": "1/4", "\u00bd": "1/2", "\u00be": "3/4",
    "\u2153": "1/3", "\u2154": "2/3",
}  # fmt: skip
_ENTITIES = {
    "&amp;": "&",
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": "'",
    "&apos;": "'",
    "&nbsp;": "'",
}
_QUOTES_AND_DASHES = (
    "\u00ab\u00bb\u2010\u2011\u2012\u2013\u2014\u2015\u2018\u2019\u201b\u201c\u201d\u2026"
    "\u2039\u203a"
)
#: Tokens that pycocoevalcap takes out, and quotes and dashes that become one of them.
_DROPPED = frozenset({"''", "``", "...", *".?!,:-;'`\"", *_QUOTES_AND_DASHES})
_NUMBERED = re.compile(rf"(?:.*[^\w.])?(?i:{_any(_NUMBER_ABBREVIATIONS)})\.")
_SINGLE = re.compile(r"(?:.*[^\w.])?[A-Za-z]\.")
_SENTENCE_STARTERS = frozenset(_STARTERS.split())


def ptb(text: str) -> list[str]:
    """Return the tokens that pycocoevalcap makes of a caption.

    Lower case, clitics split off, punctuation left out; brackets stay as ``-lrb-`` and
    ``-rrb-``, as they do there.

    Args:
        text: The caption; line breaks count as spaces.

    Returns:
        The tokens; none for a text of punctuation only.

    Source:
        Reference of behaviour: pycocoevalcap 1.2 with Stanford CoreNLP 3.4.1.

    >>> ptb("The city's stadium isn't near a well-known river, e.g. the St. Croix.")
    ... # doctest: +NORMALIZE_WHITESPACE
    ['the', 'city', "'s", 'stadium', 'is', "n't", 'near', 'a', 'well-known', 'river',
    'e.g.', 'the', 'st.', 'croix']
    """
    chunks = text.split()
    period = text.find(".")
    if period < 0 or not text[period + 1 :].strip():
        return list(chain.from_iterable(map(_TOKENS.__getitem__, chunks)))
    tokens = list[str]()
    for chunk, following in zip(chunks, [*chunks[1:], ""], strict=True):
        if chunk[-1] != ".":
            tokens += _TOKENS[chunk]
        elif following in _SENTENCE_STARTERS and _SINGLE.fullmatch(chunk):
            tokens += _TOKENS[chunk[:-1]]
        elif following[:1].isdigit() and _NUMBERED.fullmatch(chunk):
            *head, last = _TOKENS[chunk[:-1]]
            tokens += [*head, last + "."]
        else:
            tokens += _TOKENS[chunk]
    return tokens


class _Memory(dict[str, tuple[str, ...]]):
    """Tokens of texts without white space: most captions repeat words."""

    def __missing__(self, chunk: str) -> tuple[str, ...]:
        if len(self) >= 1 << 17:
            self.clear()
        self[chunk] = tokens = _read(chunk)
        return tokens


_TOKENS = _Memory()


def _read(chunk: str) -> tuple[str, ...]:
    if chunk.isascii() and chunk.isalpha() and chunk.lower() not in _SPLIT:
        return (chunk.lower(),)
    tokens = list[str]()
    for match in _TOKEN.finditer(chunk):
        tokens += _finished(match)
    return tuple(t for t in tokens if t not in _DROPPED and t.strip("-"))


def _finished(match: re.Match[str]) -> Sequence[str]:
    """Return what one match of the rules becomes."""
    text, rule = match[0], match.lastgroup
    if rule == "split":
        return [part.lower() for part in match.groups() if part and part != text]
    if rule == "entity":
        return [_ENTITIES[text]]
    if rule in ("not", "clitic"):
        return [text.lower().replace("\u2019", "'")]
    if rule == "smiley":
        return [text.lower().replace("(", "-lrb-").replace(")", "-rrb-")]
    if rule == "mark":
        return [_MARKS.get(text, text)] if text <= "\uffff" else []
    return [text.lower()]


def lower_split(text: str) -> list[str]:
    """Return the words of a caption in lower case, marks and all: the legacy habit.

    Some evaluation scripts leave out the PTB tokenizer; CIDEr then moves by tens of
    points, so the protocol has to say so.

    >>> lower_split("A river, and trees.")
    ['a', 'river,', 'and', 'trees.']
    """
    return text.lower().split()


#: The tokenizers, by the name that a protocol gives.
TOKENIZERS: dict[TokenizerName, Callable[[str], list[str]]] = {
    "ptb": ptb,
    "lower-split": lower_split,
}
