"""Instructions: GeoChat-Instruct, the training part of VRSBench, SARChat.

Each is one JSON list of conversations (see :mod:`rsvlm.formats.conversations`):

================ ===================================================================
GeoChat-Instruct ``GeoChat_Instruct.json``; boxes ``{<x0><y0><x1><y1>|<angle>}`` in
                 hundredths, tags such as ``[refer]`` before the question
VRSBench         ``VRSBench_train.json``; the same with ``{<x0><y0><x1><y1>}``
SARChat          ``*train*.json[l]``; the text is taken as it is. The unit of its
                 coordinates is not documented: turns with coordinates are left out
================ ===================================================================

Boxes leave their dialect here: a place that is asked for becomes targets in raster
pixels, boxes inside a text become those of :mod:`rsvlm.codec`. Of a conversation of
several turns each is a question of its own; one that points back ("is it ..") is left
out. Images of the training list are held out for validation; there is no test split.

Source:
    Kuckreja et al., "GeoChat", CVPR 2024; code mbzuai-oryx/GeoChat. Li, Ding, Elhoseiny,
    "VRSBench", NeurIPS 2024; code lx709/VRSBench. Ma et al., "SARChat-Bench-2M",
    https://arxiv.org/abs/2502.08168; code JimmyMa99/SARChat; its columns are assumed.
"""

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from rsvlm.codec import RsvlmCodec
from rsvlm.data_engine.records import Question, Record, Split
from rsvlm.data_engine.sources.texts import Said, kept_for, said_record
from rsvlm.dialects import DIALECTS
from rsvlm.formats.conversations import Talk, read_talks
from rsvlm.formats.images import Images
from rsvlm.formats.upstream import found
from rsvlm.geometry import OBB, Region, Window
from rsvlm.samples import ImageRef, Target


class Layout(NamedTuple):
    """Where the parts of a data set lie.

    Attributes:
        files: Patterns of the annotation files.
        folders: Folders of the images.
        licence: Terms.
        dialect: How boxes are written; None where that is not known.
        sensor: What took the images.
    """

    files: tuple[str, ...]
    folders: tuple[str, ...]
    licence: str
    dialect: str | None
    sensor: Literal["optical", "sar"] = "optical"


LAYOUTS = {
    "geochat-instruct": Layout(
        ("GeoChat_Instruct*.json",),
        ("final_images_llava", "images"),
        "not verified; repository Apache-2.0; images of SAMRS, AID, UCMerced, RSVQA and "
        "others, research only",
        "geochat",
    ),
    "vrsbench": Layout(
        ("VRSBench_train*.json",),
        ("Images_train", "images"),
        "CC BY 4.0 (annotations); images of DOTA-v2 and DIOR, research only",
        "vrsbench",
    ),
    "sarchat": Layout(
        ("*train*.json", "*train*.jsonl"),
        ("images", "train"),
        "CC BY-NC 4.0 (as others report it); radar images of several sets, research only",
        None,
        "sar",
    ),
}  # fmt: skip

_TAG = re.compile(r"^\s*\[(\w+)\]\s*")
_BRACED = re.compile(r"\{\s*(?:<[^<>]*>\s*){4}(?:\|\s*<[^<>]*>\s*)?\}")
_MARKS = re.compile(r"</?p>|<delim>")
_PHRASE = re.compile(r"<p>\s*(.+?)\s*</p>")
_COORDINATES = re.compile(r"[\[(<]\s*-?\d+(?:\.\d+)?\s*,\s*-?\d+(?:\.\d+)?|<box|<\|box")
#: A question of a later turn that only the turns before it explain.
_BACK = re.compile(
    r"\b(it|its|they|them|their|this one|that one|these|those|he|she)\b", re.IGNORECASE
)
_CLASSES = re.compile(
    r"(?:classes|categories)\s*:?\s*([^.?\n]+,[^.?\n]+)", re.IGNORECASE
)
#: Tag -> task of the turn, where the tag says it.
_TASKS = {"caption": "caption", "grounding": "caption", "vqa": "vqa", "identify": "vqa"}


def read(source: str, root: Path, split: Split) -> Iterator[Record]:
    """Yield the images of a split with what is said about them.

    Args:
        source: Key of :data:`LAYOUTS`.
        root: Folder of the data set.
        split: ``train`` or ``val``; ``test`` is empty.

    Raises:
        ParseError: If an entry does not hold what the layout requires.
    """
    if split == "test":
        return
    layout = LAYOUTS[source]
    images = Images(root, *layout.folders, sensor=layout.sensor)
    by_image: dict[str, Said] = {}
    for path in found(root, *layout.files):
        for talk in read_talks(path, images):
            if kept_for(talk.image.path, source) == split:
                said = by_image.setdefault(talk.image.path, Said(talk.image))
                for question in _questions(talk, layout.dialect):
                    _add(said, question)
    for said in by_image.values():
        if said.captions or said.questions:
            yield said_record(root, said, source, layout.licence)


def _add(said: Said, question: Question) -> None:
    """File a turn: a description without boxes is a caption."""
    described = question.task == "caption" and not _boxed(question)
    if described and question.answers[0] not in said.captions:
        said.captions.append(question.answers[0])
    elif not described and question not in said.questions:
        said.questions.append(question)


def _boxed(question: Question) -> bool:
    return "[" in question.text + question.answers[0]


def _questions(talk: Talk, dialect: str | None) -> Iterator[Question]:
    for number, (asked, answer) in enumerate(talk.turns):
        tagged = _TAG.match(asked)
        kind = tagged[1].lower() if tagged else None
        asked = _TAG.sub("", asked)
        if number and _BACK.search(asked):
            continue
        if dialect is None:
            if not _COORDINATES.search(asked + answer):
                yield _spoken(asked, answer, kind)
            continue
        window = _window(talk.image)
        if _BRACED.search(answer) and not _words(answer):
            yield _located(asked, answer, kind, window, dialect)
            continue
        asked, answer = (_translated(text, window, dialect) for text in (asked, answer))
        yield _spoken(asked, answer, kind)


def _spoken(asked: str, answer: str, kind: str | None) -> Question:
    task = _TASKS.get(kind or "", "vqa")
    if kind is None and re.match(
        r"(describe|caption|summari[sz]e)\b", asked, re.IGNORECASE
    ):
        task = "caption"
    options: Sequence[str] = ()
    if listed := _CLASSES.search(asked):
        options = [name.strip(" '\"") for name in re.split(r",|\bor\b", listed[1])]
        options = [name for name in options if name]
        if answer.strip(" .").lower() in {name.lower() for name in options}:
            task = "classify"
    return Question(
        text=_clean(asked),
        answers=(_clean(answer),),
        kind=kind,
        task=task,
        options=tuple(options) if task == "classify" else (),
    )


def _located(
    asked: str, answer: str, kind: str | None, window: Window, dialect: str
) -> Question:
    """Return a question whose answer is nothing but places."""
    phrase = _PHRASE.search(asked) or _PHRASE.search(answer)
    label = phrase[1].strip(" .").lower() if phrase else "object"
    regions = DIALECTS[dialect].parse(answer, window)
    text = _clean(_translated(asked, window, dialect))
    if text.strip(" .").lower() == label:  # the phrase alone asks for nothing
        text = f"Where is {label}?"
    return Question(
        text=text,
        kind=kind or "refer",
        task="ground",
        targets=tuple(_target(region, label) for region in regions),
    )


def _translated(text: str, window: Window, dialect: str) -> str:
    """Write the boxes of a text as ours."""

    def ours(match: re.Match[str]) -> str:
        regions = DIALECTS[dialect].parse(match[0], window)
        return RsvlmCodec().encode([Region(r.shape, "") for r in regions], window)

    return _BRACED.sub(ours, text)


def _target(region: Region, label: str) -> Target:
    box = region.shape.hbb
    rings: tuple[tuple[float, ...], ...] = ()
    if isinstance(region.shape, OBB):
        rings = (tuple(value for point in region.shape.corners for value in point),)
    return Target(label=label, hbb=(box.x0, box.y0, box.x1, box.y1), polygons=rings)


def _words(answer: str) -> bool:
    """Whether an answer says more than places and the phrases that they belong to."""
    rest = _MARKS.sub(" ", _BRACED.sub(" ", _PHRASE.sub(" ", answer)))
    return any(char.isalnum() for char in rest)


def _window(image: ImageRef) -> Window:
    return Window.whole(image.width, image.height, image.width, image.height)


def _clean(text: str) -> str:
    return " ".join(_MARKS.sub(" ", text).split())


#: Source -> reader of its records.
READ = {source: partial(read, source) for source in LAYOUTS}
