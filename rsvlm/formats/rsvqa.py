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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsvlm.formats.images import Images
from rsvlm.formats.texts import Asked
from rsvlm.formats.upstream import Fields, as_fields, found, read_json, split_named
from rsvlm.samples import SPLITS, Split

#: Size of a pixel, m.
GSD_M = {"rsvqa-lr": 10.0, "rsvqa-hr": 0.15}
_FOLDERS = {"rsvqa-lr": ("Images_LR", "images"), "rsvqa-hr": ("Data", "images")}
_NAME = re.compile(
    r"^(LR|HR|USGS)_split_(train|val|test)(?:_([a-z]+))?_questions\.json$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Rsvqa:
    """A question of one of the two sets.

    Attributes:
        source: ``rsvqa-lr`` or ``rsvqa-hr``.
        asked: The question; ``part`` is ``phili`` for the second test set of HR.
    """

    source: str
    asked: Asked


def read_rsvqa(root: Path, splits: Sequence[Split] = SPLITS) -> Iterator[Rsvqa]:
    """Yield the active questions of the splits that are there.

    Args:
        root: Folder with the files of either set, or of both.
        splits: Which splits; files of others are not opened.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    for path in found(root, "*_split_*_questions.json"):
        match = _NAME.match(path.name)
        if match and split_named(match[2], path.name) in splits:
            source = "rsvqa-lr" if match[1].upper() == "LR" else "rsvqa-hr"
            for asked in _questions(root, path, source, match):
                yield Rsvqa(source, asked)


def _questions(
    root: Path, path: Path, source: str, match: re.Match[str]
) -> Iterator[Asked]:
    file = path.with_name(path.name.replace("_questions", "_answers"))
    answers = _answers(file)
    images = Images(root, *_FOLDERS[source], gsd_m=GSD_M[source])
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
            raise entry.fault("'answers_ids'", f"name no active answer of {file.name}")
        yield Asked(
            number=number,
            image=images.ref(f"{image}.tif", entry.where),
            text=entry.text("question"),
            answers=tuple(dict.fromkeys(accepted)),
            split=split_named(match[2], path.name),
            kind=entry.text("type"),
            part=(match[3] or "").lower(),
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
