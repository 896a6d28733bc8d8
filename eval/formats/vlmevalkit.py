"""Prediction tables of VLMEvalKit: ``<model>_<dataset>.xlsx``, also as CSV or TSV.

Columns are ``index, question, answer, prediction`` and, by data set, ``A`` to ``H``,
``category``, ``l2-category``, ``split``, ``image_path``. A failed request stands in
``prediction`` as a sentence; an empty cell is an empty answer.

Source:
    https://github.com/open-compass/VLMEvalKit, ``vlmeval/dataset/image_mcq.py``.
"""

from collections.abc import Mapping
from pathlib import Path

from rsvlm.errors import ParseError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.formats.foreign import (
    NO_IMAGES,
    Foreign,
    fresh,
    make_prediction,
    make_sample,
    repeated,
)
from rsvlm.eval.formats.joined import joined
from rsvlm.eval.formats.llava_answers import unclustered
from rsvlm.eval.formats.options import LETTERS, filled, letters_of, options_of
from rsvlm.eval.formats.protocols import for_letters
from rsvlm.eval.formats.rows import Row, list_of, text_of
from rsvlm.eval.formats.tables import load_table
from rsvlm.eval.formats.texts import Item, from_texts
from rsvlm.samples import Sample

_TYPES = ("category", "l2-category", "type", "task")
_USED = ("question", "answer", "prediction", "image", *LETTERS)
#: Columns that name the image.
_IMAGES = ("image_path", "image_id", "image_name")


def read(
    path: Path,
    samples: Mapping[str, Sample] | None = None,
    *,
    coords: Coords | None = None,
) -> Foreign:
    """Read a prediction table.

    Args:
        path: XLSX, CSV, TSV, JSON or JSONL file.
        samples: The samples, joined by ``index``; None: the column ``answer`` holds
            the references.
        coords: Space of boxes, where samples ask for boxes.

    Raises:
        ParseError: If a column is missing, or no index is one of the samples.
        SettingsError: If samples ask for boxes and their space is not declared.
        MissingExtraError: If the file is XLSX and openpyxl is not installed.
    """
    found = load_table(path)
    if samples is not None:
        answers = [
            make_prediction(row.text("index"), row.text("prediction"))
            for row in found.rows
        ]
        return joined(answers, samples, path.name, coords, found.notes)
    if not any("answer" in row for row in found.rows):
        raise ParseError(
            f"{path.name} has no column 'answer', as the tables of test sets without "
            "public answers. Give the questions that were asked with --samples."
        )
    seen: dict[str, int] = {}
    ids = [fresh(_id(row), seen) for row in found.rows]
    known = [_image(row) for row in found.rows]
    notes = [*found.notes, *repeated(seen)]
    if None in known:
        notes.insert(0, NO_IMAGES)
    letters = [letters_of(row.get("answer")) for row in found.rows]
    if any(value is None for value in letters):
        items = [
            Item(
                id=id,
                question=row.text("question"),
                answer=row.text("prediction"),
                references=_references(row),
                image=image,
                type=_type(row),
                meta=row.rest(*_USED),
            )
            for row, id, image in zip(found.rows, ids, known, strict=True)
        ]
        foreign = from_texts(items, f"vlmevalkit/{path.stem}", notes)
    else:
        asked = tuple(
            make_sample(
                id,
                "vqa",
                f"vlmevalkit/{path.stem}",
                image=image,
                question=row.text("question"),
                answers=accepted or (),
                options=filled(_options(row), accepted or ()),
                type=_type(row),
                meta=row.rest(*_USED),
            )
            for row, id, image, accepted in zip(
                found.rows, ids, known, letters, strict=True
            )
        )
        predictions = tuple(
            make_prediction(id, row.text("prediction"))
            for row, id in zip(found.rows, ids, strict=True)
        )
        types = {sample.type for sample in asked}
        foreign = Foreign(
            asked,
            predictions,
            for_letters(asked),
            tuple(notes),
            group_by=("type",) if len(types) > 1 else (),
        )
    return unclustered(foreign) if None in known else foreign


def _id(row: Row) -> str:
    return row.text("index") if text_of(row.get("index")) else row.id


def _image(row: Row) -> str | None:
    for key in _IMAGES:
        value = row.get(key)
        listed = list_of(value)
        if name := text_of(listed[0] if listed else value):
            return name
    return None


def _type(row: Row) -> str | None:
    return next((text for key in _TYPES if (text := text_of(row.get(key)))), None)


def _options(row: Row) -> tuple[str, ...]:
    """Return the options: columns A, B, .., else those that the question lists."""
    texts = []
    for letter in LETTERS:
        text = text_of(row.get(letter))
        if not text:
            break
        texts.append(text)
    return tuple(texts) or options_of(row.text("question"))


def _references(row: Row) -> list[str]:
    listed = list_of(row.get("answer"))
    return [text_of(value) for value in listed] if listed else [row.text("answer")]
