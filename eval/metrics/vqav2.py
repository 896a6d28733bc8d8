"""The answer normaliser of the VQA v2 challenge.

Kept apart from ours because its oddities are part of published scores: whether a mark
vanishes or becomes a space depends on the rest of the text, and "none" means 0.
"""

import re

_MARKS = ';/[]"{}()=+\\_-><@`,?!'
_THOUSANDS = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
#: The challenge hands a flag to the parameter that limits the replacements.
_MOST_PERIODS = 32
_ARTICLES = frozenset({"a", "an", "the"})
_WORDS = "zero one two three four five six seven eight nine ten"
_NUMBERS = {word: str(n) for n, word in enumerate(_WORDS.split())} | {"none": "0"}
#: Short forms that are accepted without their apostrophe.
_SHORT = (
    "ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't "
    "haven't he'd he's how'd how'll how's isn't it'd it'll let's ma'am mightn't "
    "might've mustn't must've needn't not've o'clock oughtn't shan't she'd've "
    "should've shouldn't that's there'd there're there's they'd they'll they're "
    "they've wasn't we've weren't what'll what're what's what've when's where'd "
    "where's where've who'd who'll who's who've why'll why're why's won't would've "
    "wouldn't y'all you'd you'll you're you've"
)
_SHORT_FORMS = {form.replace("'", ""): form for form in _SHORT.split()}


def normalise_vqav2(text: str) -> str:
    """Return a text in the form that VQA v2 answers are compared in.

    Short forms that miss one of two apostrophes are left as they are.

    Source:
        Antol et al., 2015, https://arxiv.org/abs/1505.00468, and the rules listed at
        https://visualqa.org/evaluation.html.

    >>> normalise_vqav2("The 1,000 boats."), normalise_vqav2("None")
    ('1000 boats', '0')
    """
    flat = text.replace("\n", " ").replace("\t", " ").strip()
    thousands = _THOUSANDS.search(flat) is not None
    bare = flat
    for mark in _MARKS:
        vanishes = thousands or f"{mark} " in flat or f" {mark}" in flat
        bare = bare.replace(mark, "" if vanishes else " ")
    bare = _PERIOD.sub("", bare, count=_MOST_PERIODS)
    words = (_NUMBERS.get(word, word) for word in bare.lower().split())
    return " ".join(_SHORT_FORMS.get(w, w) for w in words if w not in _ARTICLES)
