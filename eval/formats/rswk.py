"""Result files of RS-RAG on RSWK: conversations with a prediction.

The settings of the retrieval live in the file name,
``RSWK_answer_<model>[_rag]_imgw<weight>_topk<k>.jsonl``, the task in the folder above
it. Image paths are those of the machine that wrote the file; only the name counts.

Source:
    https://github.com/CongcongWen1208/RS-RAG, ``TASKS/answer``.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath
from statistics import median

from rsvlm.errors import ParseError
from rsvlm.eval.benchmark import Protocol
from rsvlm.eval.formats.classes import class_list, classified
from rsvlm.eval.formats.foreign import (
    Foreign,
    Reading,
    counted,
    fresh,
    make_prediction,
    make_sample,
    repeated,
)
from rsvlm.eval.formats.protocols import CAPTION, VQA
from rsvlm.eval.formats.rows import Row, load_rows
from rsvlm.eval.records import Prediction
from rsvlm.samples import Sample

_NAME = re.compile(
    r"_answer_(?P<model>.+?)(?P<rag>_rag)?"
    r"(?:_imgw(?P<weight>[\d.]+?))?(?:_topk(?P<k>\d+))?\Z"
)
#: References of more words than this, in the median, are captions.
LONGEST_ANSWER = 20
_FOLDER = re.compile(r"model_answers_(classification|caption|vqa)")
#: A bare number with, at most, a unit: "0.07", "12.51mm", "1,200 km2", "-3 °C".
_QUANTITY = re.compile(
    r"\s*[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?\s*[^\W\d]{0,12}[\d²³/^%°.\w-]{0,12}\s*\Z",
    re.IGNORECASE,
)
_QUANTITIES = Protocol(id="rel-error<10%", metric="vqa_accuracy", match="rel-error<10%")


def read(path: Path, samples: Mapping[str, Sample] | None = None) -> Foreign:
    """Read a result file of RS-RAG.

    Args:
        path: JSONL file.
        samples: Not needed: the file holds its references.

    Raises:
        ParseError: If a record is no conversation of a question and its reference, or
            the file holds no predictions.
    """
    del samples
    found = load_rows(path)
    if not any("prediction" in row for row in found.rows):
        raise ParseError(
            f"{path.name} holds no 'prediction': it is a task file of RSWK, and no "
            "result file. Give a file of TASKS/answer."
        )
    asked, predictions = [], []
    seen: dict[str, int] = {}
    keys: dict[tuple[str, str], int] = {}
    task = _task(path, found.rows)
    settings = settings_of(path)
    for row in found.rows:
        question, reference = _turns(row)
        image = _image(row)
        keys[question, image] = keys.get((question, image), 0) + 1
        id = fresh(row.id, seen)
        asked.append(
            make_sample(
                id,
                "classify" if task == "classification" else task,
                "rswk",
                image=image,
                question=question,
                answers=[reference],
                options=(class_list(question) or ())
                if task == "classification"
                else (),
                meta=row.rest("messages", "images", "prediction"),
            )
        )
        predictions.append(make_prediction(id, row.text("prediction"), meta=settings))
    notes = [*found.notes, *repeated(seen), *_settings_note(settings)]
    if twice := sum(count > 1 for count in keys.values()):
        notes.append(f"{counted(twice, 'pair')} of question and image repeated.")
    if task == "classification":
        return classified(asked, predictions, notes)
    if task == "caption":
        return Foreign(tuple(asked), tuple(predictions), CAPTION, tuple(notes))
    return _answers(asked, predictions, notes)


def settings_of(path: Path) -> dict[str, str]:
    """Return model and retrieval settings, as the name of the file says them.

    >>> settings_of(Path("RSWK_answer_qwen_rag_imgw0.5_topk3.jsonl"))
    {'model': 'qwen', 'retrieval': 'yes', 'image_weight': '0.5', 'top_k': '3'}
    """
    match = _NAME.search(path.stem)
    if match is None:
        return {}
    settings = {"model": match["model"], "retrieval": "yes" if match["rag"] else "no"}
    if match["weight"]:
        settings["image_weight"] = match["weight"]
    if match["k"]:
        settings["top_k"] = match["k"]
    return settings


def is_quantity(text: str) -> bool:
    """Return whether a reference is a number, at most with a unit.

    >>> [is_quantity(t) for t in ("0.07", "12.51mm", "In 1889", "12.3 km2", "a tower")]
    [True, True, False, True, False]
    """
    return _QUANTITY.match(text) is not None


def _answers(
    samples: Sequence[Sample], predictions: Sequence[Prediction], notes: list[str]
) -> Foreign:
    """Return the questions, and those with a number as their answer once more."""
    numbers = [
        i for i, s in enumerate(samples) if s.answers and is_quantity(s.answers[0])
    ]
    readings = {}
    protocols = VQA
    if numbers:
        notes.append(
            f"Bare numbers as references: {len(numbers)} of {len(samples)}. The overlap "
            "of words means nothing there: rel-error<10% scores these alone."
        )
        protocols = (*VQA, _QUANTITIES)
        readings[_QUANTITIES.id] = Reading(
            tuple(samples[i] for i in numbers), tuple(predictions[i] for i in numbers)
        )
    return Foreign(
        tuple(samples), tuple(predictions), protocols, tuple(notes), readings=readings
    )


def _settings_note(settings: Mapping[str, str]) -> tuple[str, ...]:
    if not settings:
        return ("The name of the file says nothing of the model and its retrieval.",)
    listed = ", ".join(f"{key} {value}" for key, value in settings.items())
    return (f"By the name of the file: {listed}.",)


def _turns(row: Row) -> tuple[str, str]:
    """Return question and reference of a conversation."""
    messages = row.get("messages")
    turns = messages if isinstance(messages, list) else []
    texts = {
        str(turn.get("role")): turn.get("content")
        for turn in turns
        if isinstance(turn, dict)
    }
    question, reference = texts.get("user"), texts.get("assistant")
    if not isinstance(question, str) or not isinstance(reference, str):
        raise ParseError(
            f"{row.where}: 'messages' holds no texts of user and assistant. "
            "Check that --format is the format of the file."
        )
    return " ".join(question.replace("<image>", " ").split()), reference


def _image(row: Row) -> str:
    images = row.get("images")
    first = images[0] if isinstance(images, list) and images else images
    if not isinstance(first, str) or not first:
        raise ParseError(
            f"{row.where}: 'images' names no image. "
            "Check that --format is the format of the file."
        )
    return PureWindowsPath(first).name  # takes / and \ as separators


def _task(path: Path, rows: Sequence[Row]) -> str:
    """Return the task: the folder names it, else prompts and references show it."""
    for part in reversed(path.parts):
        if match := _FOLDER.fullmatch(part):
            return match[1]
    turns = [_turns(row) for row in rows]
    if all(class_list(question) for question, _ in turns):
        return "classification"
    words = median(len(reference.split()) for _, reference in turns)
    return "caption" if words > LONGEST_ANSWER else "vqa"
