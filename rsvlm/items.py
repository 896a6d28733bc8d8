"""Shapes in a model's text, whatever the dialect: labels, keywords and numbers.

Models write boxes in brackets, in JSON, in tags and in braces; one tolerant reader
serves all :mod:`rsvlm.codec` and :mod:`rsvlm.dialects`, which know what the numbers
mean. It accepts what is clear, leaves the rest out and fails on no text.

======================================= ============================================
``ship [1,2,3,4]``, ``ship (1,2),(3,4)`` rsvlm, Qwen-VL, VHM, GeoGround
``{"bbox_2d": [1,2,3,4], "label": ..}``  Qwen2.5-VL, Qwen3-VL, RSCoVLM, Gemini
``<ref>ship</ref><box>[[1,2,3,4]]</box>`` InternVL, DeepSeek-VL2
``<p>ship</p> {<1><2><3><4>|<90>}``      GeoChat, VRSBench
``ship<box><1><2><3><4></box>``          Falcon; ``<loc_1>``: Florence-2
``1,2,3,4 ship``                         RSCoVLM in plain text
======================================= ============================================
"""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from rsvlm.textmask import read_grid

#: Characters before a bracket in which its label is looked for.
LABEL_REACH = 200
#: Numbers beyond are no coordinates in any unit.
LARGEST = 1e9


class Item(NamedTuple):
    """One shape of a text, before its numbers are given a meaning.

    Attributes:
        label: What it is; "" where the text does not say.
        keyword: ``"poly"``, ``"mask"`` or "".
        content: Numbers with commas, or the text of a mask.
    """

    label: str
    keyword: str
    content: str

    @property
    def numbers(self) -> list[float]:
        """The numbers, none when anything else stands between them."""
        return read_numbers(self.content)


_DIGITS = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_NUMBER = re.compile(_DIGITS)
_BRACKET = re.compile(r"[\[(]([^\[\]()]*)[\])]")
_KEYWORD = re.compile(r"(?<!\w)(polygon|poly|mask)(\s*)[\[(]*\Z", re.IGNORECASE)
_OBJECT = re.compile(r"\{[^{}]*\}")
_SENTENCE_END = re.compile(r"[;:\n]|[.!?]\s")
_LEADING = re.compile(r"(?:and|(?:there|here) (?:is|are))\b\s*", re.IGNORECASE)
_TRAILING = re.compile(
    r"(?:\s*\b(?:is|are|lies?|located|at|in))+\Z|\A(?:it|they|this|these|that)\Z",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"[\[\](){}\"'`*|<>#\u2022]+")
_SHAPE_KEYS = (
    "bbox_2d", "bbox", "box_2d", "box", "hbb", "obb", "oriented bbox", "quadrant bbox",
    "quad", "polygon",
)  # fmt: skip
_LABEL_KEYS = ("label", "name", "class", "category")

# Numbers in angle brackets, at least four: <12><40>..., <loc_12><loc_40>...
_IN_ANGLES = rf"<(?:loc_)?{_DIGITS}>"
_BRACED = re.compile(
    rf"\{{\s*((?:{_IN_ANGLES}\s{{0,4}}){{4,64}})(?:\|\s*(<{_DIGITS}>)\s*)?\}}"
)
# Not before "<", which would be a number that was cut off.
_UNBRACED = re.compile(rf"(?<!\{{)(?<!\d>)(?:{_IN_ANGLES}){{4,}}+(?!\s*[|}}]|<[0-9l])")
_BOX_OF_PLAIN_NUMBERS = re.compile(rf"<box>\s*((?:{_DIGITS}[\s,]*){{4,8}})</box>")
_NAMED = re.compile(
    r"<(p|ref|\|ref\||\|object_ref_start\|)>([^<>]{1,200})"
    r"<(?:/p|/ref|\|/ref\||\|object_ref_end\|)>"
)
_TAG = re.compile(
    r"</?(?:box|obb|quad|delim|det|answer|ref|p|\|/?det\||\|/?ref\||"
    r"\|(?:box|object_ref|begin_of|end_of)_\w+\||\|(?:begin|end)_of_box\|)>"
)
_POLYGON_TAG = re.compile(r"<poly>", re.IGNORECASE)
_LINE = re.compile(
    rf"^[ \t]*({_DIGITS}(?:[ \t]*,[ \t]*{_DIGITS}){{3,7}})[ \t]+([^\W\d][^\n]*)$",
    re.MULTILINE,
)


def read_items(text: str) -> list[Item]:
    """Return every shape of a text, in reading order.

    An item without a label takes the label of the item before it.
    """
    return list(_json_items(text)) or list(_text_items(text))


def read_any(text: str) -> list[Item]:
    """Return every shape of a text that may also hold tags, braces or bare lines."""
    found = read_items(without_markup(text))
    if found:
        return found
    return [Item(match[2].strip(), "", match[1]) for match in _LINE.finditer(text)]


def without_markup(text: str) -> str:
    """Return a text whose tags and braces are written as labels and brackets.

    >>> without_markup("<p>ship</p> {<1><2><3><4>|<90>}")
    '; ship  [1,2,3,4,90]'
    """
    text = _NAMED.sub(lambda match: f"; {_SENTENCE_END.sub(' ', match[2])} ", text)
    text = _BOX_OF_PLAIN_NUMBERS.sub(lambda match: f"[{match[1]}]", text)
    text = _POLYGON_TAG.sub(" poly", text).replace("</poly>", "")
    text = _TAG.sub(" ", text)
    text = _BRACED.sub(lambda match: _listed(match[1] + (match[2] or "")), text)
    return _UNBRACED.sub(lambda match: _listed(match[0]), text)


def _listed(numbers: str) -> str:
    return f"[{','.join(_NUMBER.findall(numbers.replace('loc_', '')))}]"


def plain_label(label: str) -> str:
    """Return a label without the signs that the dialects give a meaning."""
    text = re.sub(r"[;:\s]|[.!?](?=\s|\Z)", " ", _MARKUP.sub(" ", label))
    return " ".join(text.split()).strip(" ,-")


def read_numbers(content: str) -> list[float]:
    """Return the numbers of a bracket, none when anything else stands in it."""
    if _NUMBER.sub("", content).strip(" ,;\t\r\n"):
        return []
    return [float(number) for number in _NUMBER.findall(content)]


def _text_items(text: str) -> Iterator[Item]:
    """Yield every bracket that holds a shape."""
    label, end = "", 0
    pending: Item | None = None  # points written as pairs: (1,2),(3,4)
    for bracket in _BRACKET.finditer(text):
        content = bracket[1]
        count, is_mask = len(read_numbers(content)), read_grid(content) is not None
        if count < 2 and not is_mask:
            continue  # a remark in brackets
        before = text[max(end, bracket.start() - LABEL_REACH) : bracket.start()]
        end = bracket.end()
        if pending and count == 2 and not before.strip(" ,\t"):
            pending = pending._replace(content=f"{pending.content},{content}")
            continue
        if pending:
            yield pending
        keyword = ""
        word = _KEYWORD.search(before)
        if word and (not word[2] or _label(before[: word.start()])):
            keyword = "mask" if word[1].lower() == "mask" else "poly"
            # "solar mask [1,2,3,4]" is a box with that label.
            if word[2] and not is_mask and (keyword == "mask" or count in (3, 4)):
                keyword = ""
            else:
                before = before[: word.start()]
        label = _label(before) or label
        pending = Item(label, keyword, content)
        if count != 2:
            yield pending
            pending = None
    if pending:
        yield pending


def _label(before: str) -> str:
    """Return the name that stands before a bracket, "" when none does."""
    text = _MARKUP.sub(" ", before).strip().rstrip(" ,:=->\u2013\u2014")
    text = _SENTENCE_END.split(text)[-1].strip(" ,.-\t\r")
    text = _TRAILING.sub("", _TRAILING.sub("", _LEADING.sub("", text, count=1)).strip())
    known = text in _SHAPE_KEYS or not any(letter.isalpha() for letter in text)
    return "" if known else " ".join(text.split())


def _json_items(text: str) -> Iterator[Item]:
    """Yield the shapes of every complete JSON object that has some."""
    for match in _OBJECT.finditer(text):
        try:
            record = json.loads(match[0])
        except (ValueError, RecursionError):
            continue
        key = next((key for key in _SHAPE_KEYS if key in record), None)
        values = record[key] if key else None
        if not isinstance(values, list):
            continue
        label = next((record[k] for k in _LABEL_KEYS if k in record), "")
        # One object may hold several boxes of one label: [[1,2,3,4],[5,6,7,8]].
        several = key != "polygon" and all(
            isinstance(value, list) and len(value) in (4, 5, 8) for value in values
        )
        for part in values if several else [values]:
            flat = [n for v in part for n in (v if isinstance(v, list) else [v])]
            if all(isinstance(n, (int, float)) and abs(n) < LARGEST for n in flat):
                content = ",".join(f"{float(n):.3f}" for n in flat)
                keyword = "poly" if key == "polygon" else ""
                yield Item(str(label).strip(), keyword, content)
