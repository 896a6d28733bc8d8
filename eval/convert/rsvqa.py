"""RSVQA: questions made from OpenStreetMap, low (LR) and high resolution (HR).

``{LR,USGS,HR}_split_{train,val,test,test_phili}_{questions,answers,images}.json`` with
``questions[{id, img_id, type, question, answers_ids, active}]`` and ``answers[{id,
question_id, answer, active}]``; images are ``Images_LR/<img_id>.tif`` and
``Data/<img_id>.tif``. The files of HR are called ``USGS`` upstream.

Source:
    Lobry, Marcos, Murray, Tuia, "RSVQA: Visual Question Answering for Remote Sensing
    Data", IEEE TGRS 2020; code syvlo/RSVQA.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsvlm.eval.convert.images import Images
from rsvlm.eval.convert.upstream import Fields, as_fields, asked, found, read_json
from rsvlm.eval.convert.upstream import split_named as named
from rsvlm.samples import Sample

LICENCE = {
    "rsvqa-lr": "CC BY 4.0 (questions); Copernicus Sentinel data",
    "rsvqa-hr": "CC BY 4.0 (questions); USGS orthoimagery, public domain",
}
#: Size of a pixel, m.
GSD_M = {"rsvqa-lr": 10.0, "rsvqa-hr": 0.15}
_FOLDERS = {"rsvqa-lr": ("Images_LR", "images"), "rsvqa-hr": ("Data", "images")}
_NAME = re.compile(
    r"^(LR|HR|USGS)_split_(train|val|test)(?:_([a-z]+))?_questions\.json$",
    re.IGNORECASE,
)


def convert(root: Path) -> Iterator[Sample]:
    """Yield the active questions of every split that is there.

    ``meta["part"]`` is ``main``, or ``phili`` for the second test set of HR.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    for path in found(root, "*_split_*_questions.json"):
        match = _NAME.match(path.name)
        if match:
            source = "rsvqa-lr" if match[1].upper() == "LR" else "rsvqa-hr"
            yield from _questions(root, path, source, match)


def _questions(
    root: Path, path: Path, source: str, match: re.Match[str]
) -> Iterator[Sample]:
    answers = _answers(path.with_name(path.name.replace("_questions", "_answers")))
    images = Images(root, *_FOLDERS[source], gsd_m=GSD_M[source])
    part = (match[3] or "").lower()
    split = named(match[2], path.name)
    whole = as_fields(read_json(path), path.name)
    for entry in whole.objects("questions"):
        if not entry.values.get("active", True):
            continue
        number = entry.text("id")
        image = entry.text("img_id")
        accepted = [
            answers[key]
            for key in map(str, entry.items("answers_ids"))
            if key in answers
        ]
        if not accepted:
            raise entry.fault("'answers_ids'", "name no active answer")
        yield Sample(
            id=f"{source}/{split}{'-' if part else ''}{part}/{number}",
            images=(images.ref(f"{image}.tif", entry.where),),
            task="vqa",
            conversation=asked(entry.text("question")),
            answers=tuple(dict.fromkeys(accepted)),
            type=entry.text("type"),
            source=source,
            licence=LICENCE[source],
            split=split,
            meta={"part": part or "main"},
        )


def _answers(path: Path) -> dict[str, str]:
    """Return id -> text of the active answers."""
    whole = as_fields(read_json(path), path.name)
    return {
        entry.text("id"): _text(entry)
        for entry in whole.objects("answers")
        if entry.values.get("active", True)
    }


def _text(entry: Fields) -> str:
    value: Any = entry.raw("answer")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return entry.text("answer")
