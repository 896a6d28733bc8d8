"""SARLANG-1M: captions and questions about SAR images.

``SARimages/`` holds the images. ``Text/caption/Caption_test.csv`` has long captions,
``Caption_test1.csv`` short ones, ``Text/VQA/test/SARVQA{1,2}_test.json`` questions
(1: SARDet-100K, 2: SpaceNet 6, DFC 2023 and OpenEarthMap-SAR).

The README names files and folders but not the columns. Assumed are, for tables,
``image`` (or ``image_name``, ``filename``, ``images``) and ``caption`` (or ``text``,
``answer``), for questions ``image`` or ``images`` with ``question`` and ``answer``, or
a LLaVA conversation, or OpenAI ``messages``.

Source:
    Wei et al., "SARLANG-1M", 2025, https://arxiv.org/abs/2504.03254; code
    Jimmyxichen/SARLANG-1M.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsvlm.eval.convert.images import Images
from rsvlm.eval.convert.upstream import Fields, asked, found, read_csv, read_objects
from rsvlm.samples import Sample

SOURCE = "sarlang-1m"
LICENCE = "no terms stated upstream; images of SARDet-100K, SpaceNet 6 and others"
CAPTION = "Describe the content of this image in one sentence."
_IMAGE_KEYS = ("image", "images", "image_name", "image_path", "filename", "img")
_TEXT_KEYS = ("caption", "captions", "text", "answer", "label", "gt")


def convert(root: Path) -> Iterator[Sample]:
    """Yield the test captions, then the test questions.

    ``meta["part"]`` is the name of the file without its ending.

    Raises:
        ParseError: If an entry does not hold what the layout requires.
    """
    images = Images(root, "SARimages", sensor="sar")
    for path in found(root, "Caption_test*.csv", "SARVQA*_test.json"):
        if path.suffix == ".csv":
            yield from _captions(path, images)
        else:
            for number, entry in enumerate(read_objects(path)):
                yield _question(entry, path.stem, number, images)


def _captions(path: Path, images: Images) -> Iterator[Sample]:
    """Yield one sample an image: its captions stand in rows of their own."""
    by_image: dict[str, list[str]] = {}
    places: dict[str, str] = {}
    for row in read_csv(path):
        name = _image_name(row)
        by_image.setdefault(name, []).append(row.text(*_TEXT_KEYS))
        places.setdefault(name, row.where)
    for name, captions in by_image.items():
        yield Sample(
            id=f"{SOURCE}/{path.stem}/{name}",
            images=(images.ref(name, places[name]),),
            task="caption",
            conversation=asked(CAPTION),
            answers=tuple(captions),
            source=SOURCE,
            licence=LICENCE,
            split="test",
            meta={"part": path.stem},
        )


def _question(entry: Fields, part: str, number: int, images: Images) -> Sample:
    question, answer = _pair(entry)
    kind = entry.values.get("application") or entry.values.get("type")
    return Sample(
        id=f"{SOURCE}/{part}/{number}",
        images=(images.ref(_image_name(entry), entry.where),),
        task="vqa",
        conversation=asked(question.replace("<image>", "").strip()),
        answers=(answer,),
        type=str(kind) if kind else None,
        source=SOURCE,
        licence=LICENCE,
        split="test",
        meta={"part": part},
    )


def _pair(entry: Fields) -> tuple[str, str]:
    for key, who, what in (
        ("conversations", "from", "value"),
        ("messages", "role", "content"),
    ):
        if entry.has(key):
            turns = list(entry.objects(key))
            said = {turn.text(who): turn.text(what) for turn in reversed(turns)}
            question = said.get("human", said.get("user"))
            answer = said.get("gpt", said.get("assistant"))
            if question is None or answer is None:
                raise entry.fault(repr(key), "lack a question or an answer")
            return question, answer
    return entry.text("question", "query"), entry.text("answer", "response", "gt")


def _image_name(entry: Fields) -> str:
    value: Any = entry.raw(*_IMAGE_KEYS)
    if isinstance(value, list):
        value = value[0] if value else ""
    if not isinstance(value, str) or not value.strip():
        raise entry.fault("'image'", "is no name of a file")
    return value
