"""Answers in one grounding dialect, rewritten in another.

A line of a file is a JSON object with the reply as ``text`` and the size of its image as
``width`` and ``height``, px; other fields stay. A model whose picture was resized before
it answered counts in that size: its codec knows how it resizes, and ``seen`` = [width,
height] tells where it was another one.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from rsvlm.codec import Codec
from rsvlm.geometry import HBB, Window


@dataclass(frozen=True, slots=True)
class Line:
    """One line after translation.

    Attributes:
        number: Its number, from 1.
        text: The line to write; None where it could not be read.
        regions: Regions in it.
        fault: What is wrong with it, "" where nothing is.
    """

    number: int
    text: str | None
    regions: int = 0
    fault: str = ""


def translate(
    text: str, source: Codec, target: Codec, width: int, height: int,
    seen: tuple[int, int] | None = None,
) -> tuple[str, int]:  # fmt: skip
    """Return a reply in another dialect, and how many regions it holds.

    Args:
        text: The reply.
        source: Its dialect.
        target: The dialect that is wanted.
        width: Of the image, px.
        height: Of the image, px.
        seen: Size of the picture that the model saw, px; None as its codec resizes.

    >>> from rsvlm.dialects import get_dialect
    >>> translate('[{"bbox_2d": [100, 200, 300, 400], "label": "ship"}]',
    ...           get_dialect("json-1000"), get_dialect("rsvlm"), 500, 500)
    ('ship [100,200,300,400]', 1)
    """
    whole = HBB(0, 0, width, height)
    read = Window(whole, *(seen or source.picture_size(width, height)))
    regions = source.parse(text, read)
    written = Window(whole, *target.picture_size(width, height))
    return target.encode(regions, written), len(regions)


class _Row(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)

    text: str
    width: PositiveInt
    height: PositiveInt
    seen: tuple[PositiveInt, PositiveInt] | None = None


def translate_lines(
    lines: Iterable[str], source: Codec, target: Codec
) -> Iterator[Line]:
    """Translate the lines of a file; a damaged one tells what is wrong.

    Blank lines are skipped.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = _Row.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            yield Line(number, None, fault=f"{where}: {first['msg']}".lstrip(": "))
            continue
        text, count = translate(
            row.text, source, target, row.width, row.height, row.seen
        )
        fields = row.model_dump(exclude={"seen"})
        out = json.dumps(fields | {"text": text}, ensure_ascii=False)
        yield Line(number, out, count)
