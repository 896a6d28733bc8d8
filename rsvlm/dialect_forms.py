"""How dialects write regions: one function for each form of text.

A form gets shapes whose numbers are in the unit of the dialect already and returns the
text of a reply. Unlabelled shapes come first in the forms where a shape without a
label would be taken for one of the label before it.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple


class Written(NamedTuple):
    """A shape in the unit of a dialect.

    Attributes:
        label: What it is, without signs of the dialect; may be "".
        kind: ``"box"``, ``"turned"`` (five numbers), ``"corners"`` (eight),
            ``"outline"`` or ``"mask"``.
        numbers: Coordinates and, where it is turned, degrees.
        text: The rows of a mask.
    """

    label: str
    kind: str
    numbers: tuple[float, ...]
    text: str = ""

    @property
    def words(self) -> list[str]:
        """The numbers as text, whole ones without a point."""
        return [f"{number:g}" if number % 1 else str(int(number)) for number in self[2]]

    @property
    def commas(self) -> str:
        """The numbers with commas."""
        return ",".join(self.words)

    @property
    def angles(self) -> str:
        """The numbers in angle brackets."""
        return "".join(f"<{word}>" for word in self.words)


_BY_LABEL = dict[str, list[Written]]


def _grouped(shapes: Sequence[Written]) -> _BY_LABEL:
    groups: _BY_LABEL = {"": []}
    for shape in shapes:
        groups.setdefault(shape.label, []).append(shape)
    return {label: members for label, members in groups.items() if members}


def in_json(shapes: Sequence[Written], keys: Mapping[str, str]) -> str:
    """Write a JSON list of objects; ``keys`` names the entry of each kind.

    Masks, which have no JSON form, stand before the list.
    """
    masks = [f"<seg>{shape.text}</seg>" for shape in shapes if shape.kind == "mask"]
    records = [
        {
            keys[shape.kind]: [int(n) if n % 1 == 0 else n for n in shape.numbers],
            "label": shape.label,
        }
        for shape in shapes
        if shape.kind != "mask"
    ]
    if masks and not records:
        return "\n".join(masks)
    return "\n".join([*masks, json.dumps(records, ensure_ascii=False)])


def in_boxes(shapes: Sequence[Written]) -> str:
    """Write ``<ref>ship</ref><box>[[x0,y0,x1,y1],[..]]</box>``."""
    return _tagged(shapes, "<ref>{}</ref>", "<box>{}</box>")


def in_det(shapes: Sequence[Written]) -> str:
    """Write ``<|ref|>ship<|/ref|><|det|>[[x0,y0,x1,y1],[..]]<|/det|>``."""
    return _tagged(shapes, "<|ref|>{}<|/ref|>", "<|det|>{}<|/det|>")


def _tagged(shapes: Sequence[Written], name: str, box: str) -> str:
    parts = []
    for label, members in _grouped(shapes).items():
        lists = ",".join(f"[{shape.commas}]" for shape in members)
        parts.append((name.format(label) if label else "") + box.format(f"[{lists}]"))
    return " ".join(parts) or "none"


def in_pairs(shapes: Sequence[Written]) -> str:
    """Write ``<ref>ship</ref><box>(x0,y0),(x1,y1)</box>``."""
    parts = []
    for label, members in _grouped(shapes).items():
        for shape in members:
            a, b, c, d = shape.words
            name = f"<ref>{label}</ref>" if label else ""
            parts.append(f"{name}<box>({a},{b}),({c},{d})</box>")
    return "".join(parts) or "none"


def in_braces(shapes: Sequence[Written]) -> str:
    """Write ``<p>ship</p> {<x0><y0><x1><y1>|<angle>}<delim>{..}``."""
    parts = []
    for label, members in _grouped(shapes).items():
        texts = []
        for shape in members:
            angles = shape.angles
            if shape.kind == "turned":
                angles = _before_last(angles)
            texts.append(f"{{{angles}}}")
        name = f"<p>{label}</p> " if label else ""
        parts.append(name + "<delim>".join(texts))
    return " ".join(parts) or "none"


def _before_last(angles: str) -> str:
    """Put a bar before the last number."""
    cut = angles.rindex("<")
    return f"{angles[:cut]}|{angles[cut:]}"


def in_lists(shapes: Sequence[Written], outer: bool = False) -> str:
    """Write ``ship [x0,y0,x1,y1],[..]``, or ``ship [[..]][[..]]`` with ``outer``."""
    parts = []
    for label, members in _grouped(shapes).items():
        lists = [_listed(shape, outer) for shape in members]
        joined = ("" if outer else ",").join(lists)
        parts.append(f"{label} {joined}".strip())
    return "; ".join(parts) or "none"


def _listed(shape: Written, outer: bool) -> str:
    if shape.kind == "mask":
        return f"<seg>{shape.text}</seg>"
    return f"[[{shape.commas}]]" if outer else f"[{shape.commas}]"


#: Names of the tags of each kind of shape, in Florence-2 that was trained on scenes.
_FALCON = {"box": "box", "corners": "quad", "outline": "poly"}


def in_angles(shapes: Sequence[Written]) -> str:
    """Write ``ship<box><x0><y0><x1><y1></box>``."""
    parts = []
    for label, members in _grouped(shapes).items():
        for shape in members:
            tag = _FALCON[shape.kind]
            parts.append(f"{label}<{tag}>{shape.angles}</{tag}>")
    return "".join(parts) or "none"


def in_tokens(shapes: Sequence[Written]) -> str:
    """Write ``ship<loc_x0><loc_y0><loc_x1><loc_y1>``."""
    parts = []
    for label, members in _grouped(shapes).items():
        tokens = ["".join(f"<loc_{word}>" for word in shape.words) for shape in members]
        parts.append(label + (f"{label}".join(tokens) if label else "\n".join(tokens)))
    return "\n".join(parts) or "none"


in_bbox_json = partial(in_json, keys={"box": "bbox_2d"})
in_box_json = partial(in_json, keys={"box": "box_2d"})
in_rscovlm_json = partial(
    in_json,
    keys={"box": "bbox_2d", "turned": "oriented bbox", "corners": "quadrant bbox"},
)
