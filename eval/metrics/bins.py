"""Bins of RSVQA: counts and areas are right when they fall into the true bin.

A reply may be the number or the bin in words ("between 10m2 and 100m2"). Bins are
0, 1-10, 11-100, 101-1000 and >1000; counts of RSVQA-HR are compared exactly.

Source:
    Lobry, Marcos, Murray, Tuia, 2020, https://arxiv.org/abs/2003.07333, section III.
"""

import re
from collections.abc import Callable, Mapping

from rsvlm.eval.metrics.vqa import canonicalise

LABELS = ("0", "1-10", "11-100", "101-1000", ">1000")
_EDGES = (0.0, 10.0, 100.0, 1000.0)
_NUMBER = r"(\d+(?:\.\d+)?)"
_RANGE = re.compile(rf"{_NUMBER} (?:and|to) {_NUMBER}|{_NUMBER} ?[-\u2013] ?{_NUMBER}")
_MORE = re.compile(
    rf"(?:more than|greater than|larger than|over|above|>) ?{_NUMBER}|{_NUMBER} ?\+"
)
#: Everything below a number lies in several bins.
_LESS = re.compile(r"(?:less|fewer|smaller|no more) than|under|below|at most|<")
_AREA = re.compile(r" ?(?:m\^?2|sq\.? ?m|square (?:met(?:er|re)s?))\b")


def rsvqa_bin(text: str | None) -> str | None:
    """Return the bin of a count; None where the reply names no bin, or spans two.

    >>> rsvqa_bin("12"), rsvqa_bin("There are seven."), rsvqa_bin("more than 1000")
    ('11-100', '1-10', '>1000')
    >>> rsvqa_bin("between 10 and 100"), rsvqa_bin("between 5 and 50"), rsvqa_bin("")
    ('11-100', None, None)
    """
    # Hyphens between words only: canonicalise would read "1-10" as two words.
    flat = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text or "").lower()
    if _LESS.search(flat):
        return None
    if more := _MORE.search(flat):
        limit = float(more[1] or more[2])
        return LABELS[-1] if limit >= _EDGES[-1] else None
    if span := _RANGE.search(flat):
        low, high = (float(edge) for edge in span.groups() if edge is not None)
        return _span(low, high)
    numbers = re.findall(rf"(?<![\w.-]){_NUMBER}(?![\w.]*\w)", canonicalise(flat))
    if len(numbers) != 1:
        return None
    return LABELS[sum(float(numbers[0]) > edge for edge in _EDGES)]


def rsvqa_area_bin(text: str | None) -> str | None:
    """Return the bin of an area in square metres; see :func:`rsvqa_bin`.

    >>> rsvqa_area_bin("0m2"), rsvqa_area_bin("between 10m2 and 100m2")
    ('0', '11-100')
    """
    return rsvqa_bin(_AREA.sub("", (text or "").replace("\u00b2", "2").lower()))


#: Set of bins -> type of question -> reader of its bin; other types have none.
BINS: Mapping[str, Mapping[str, Callable[[str | None], str | None]]] = {
    "rsvqa_lr": {"count": rsvqa_bin},
    "rsvqa_hr": {"area": rsvqa_area_bin},
}


def _span(low: float, high: float) -> str | None:
    """Return the bin that a range is, its lower edge given as 10 or as 11."""
    for label, bottom, top in zip(LABELS[1:], _EDGES, _EDGES[1:], strict=False):
        if high == top and low in (bottom, bottom + 1):
            return label
    return None
