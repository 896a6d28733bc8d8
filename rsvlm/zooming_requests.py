"""How a model asks for a window, and how that is read: one line of JSON.

``{"name": "image_zoom_in", "arguments": {"bbox": [x0, y0, x1, y1]}}``, with or without
the marks of a tool call around it: that form works with every engine, whether or not its
server knows tools. Coordinates are in thousandths of the picture that is named, so that
no one needs to know at which size a model sees it. What cannot be read is no request.

Training writes requests, :mod:`rsvlm.zooming_chain` reads them: both by this module.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from rsvlm.geometry import HBB

#: Coordinates of a request run from 0 to this along either side of a picture.
UNITS = 1000
#: Name of the tool.
TOOL = "image_zoom_in"


@dataclass(frozen=True, slots=True)
class Request:
    """A part of a picture that the model wants to see.

    Attributes:
        picture: Number of the picture, from 1.
        box: The part, in thousandths of that picture.
    """

    picture: int
    box: HBB


def read_request(text: str) -> Request | None:
    """Return what the model asks to see, None where it asks for nothing.

    >>> read_request('<tool_call>{"arguments": {"bbox": [10, 20, 300, 400]}}</tool_call>')
    Request(picture=1, box=HBB(x0=10.0, y0=20.0, x1=300.0, y1=400.0))
    """
    for fields in _objects(text):
        arguments = fields.get("arguments", fields.get("parameters", fields))
        if isinstance(arguments, str):  # some servers pass them on as text
            arguments = next(iter(_objects(arguments)), None)
        if fields.get("name", TOOL) != TOOL or not isinstance(arguments, dict):
            continue
        box = _box(arguments.get("bbox", arguments.get("bbox_2d")))
        if box is not None:
            picture = arguments.get("picture", 1)
            return Request(picture if isinstance(picture, int) else 1, box)
    return None


def write_request(box: HBB, picture: int | None = None) -> str:
    """Return the line that asks for a part of a picture.

    Args:
        box: The part, in thousandths of the picture.
        picture: Its number, from 1; None where there is one only.

    >>> write_request(HBB(10, 20.2, 300, 399.9))
    '{"name": "image_zoom_in", "arguments": {"bbox": [10, 20, 300, 400]}}'
    """
    return f'{{"name": "{TOOL}", "arguments": {write_arguments(box, picture)}}}'


def write_arguments(box: HBB, picture: int | None = None) -> str:
    """Return the arguments of a request alone, as calls of tools hold them."""
    numbered = {} if picture is None else {"picture": picture}
    corners = [round(value) for value in (box.x0, box.y0, box.x1, box.y1)]
    return json.dumps({**numbered, "bbox": corners})


def is_attempt(text: str) -> bool:
    """Return whether a text is a try to use the tool, readable or not."""
    return bool(re.search(rf"{TOOL}|</?tool_call>|\"bbox(?:_2d)?\"", text))


def _objects(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects of a text that are not part of others."""
    found, at, reader = [], 0, json.JSONDecoder()
    while (at := text.find("{", at)) >= 0:
        try:
            value, at = reader.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _box(value: Any) -> HBB | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(isinstance(v, int | float) and abs(v) < 1e6 for v in value):
        return None
    xs, ys = sorted(map(float, value[::2])), sorted(map(float, value[1::2]))
    box = HBB(xs[0], ys[0], xs[1], ys[1]).clip(UNITS, UNITS)
    return box if box is not None and box.area > 0 else None
