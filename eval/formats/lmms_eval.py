"""Samples that lmms-eval logs (``--log_samples``): one JSONL file a task.

A record holds ``doc_id``, ``target``, ``filtered_resps`` (or ``resps``), ``input``, and
a key for each metric. Several filters write one line each for the same document; the
last stands for it. With samples, ``doc_id`` is an id, an upstream id, or the position
in the samples.

Source:
    https://github.com/EvolvingLMMs-Lab/lmms-eval,
    ``lmms_eval/loggers/evaluation_tracker.py``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rsvlm.errors import ParseError
from rsvlm.eval.benchmark import Coords, Protocol
from rsvlm.eval.formats.foreign import (
    NO_IMAGES,
    Foreign,
    counted,
    make_prediction,
    make_sample,
)
from rsvlm.eval.formats.joined import joined
from rsvlm.eval.formats.llava_answers import unclustered
from rsvlm.eval.formats.options import filled, letters_of, options_of
from rsvlm.eval.formats.protocols import for_letters
from rsvlm.eval.formats.rows import Row, list_of, load_rows, text_of
from rsvlm.eval.formats.texts import Item, from_texts
from rsvlm.samples import Sample

#: lmms-eval's mean over the sub-tasks of XLRS-Bench divides by all 13, present or not.
XLRS_MACRO = Protocol(
    id="xlrs-macro-13",
    metric="mcq_accuracy",
    extractor="xlrs",
    average="AA",
    n_types=13,
    legacy=True,
)
_USED = ("doc_id", "doc", "target", "filtered_resps", "resps", "input", "arguments")


def read(
    path: Path,
    samples: Mapping[str, Sample] | None = None,
    *,
    coords: Coords | None = None,
) -> Foreign:
    """Read a file of logged samples.

    Args:
        path: JSONL file.
        samples: The samples, in the order of the task's documents; None: the file's
            own targets are the references.
        coords: Space of boxes, where samples ask for boxes.

    Raises:
        ParseError: If a key is missing, or no document is one of the samples.
        SettingsError: If samples ask for boxes and their space is not declared.
    """
    found = load_rows(path)
    last: dict[str, Row] = {}
    for row in found.rows:
        last[row.text("doc_id")] = row
    notes = list(found.notes)
    if doubled := len(found.rows) - len(last):
        notes.append(
            f"{counted(doubled, 'further line')} of documents that stand before "
            "(several filters, or a repeated run): the last line of each counts."
        )
    if samples is not None:
        places = _placed(last, list(samples))
        answers = [make_prediction(places[id], _reply(row)) for id, row in last.items()]
        return joined(answers, samples, path.name, coords, notes)
    return unclustered(_own(path, last, (NO_IMAGES, *notes)))


def _own(path: Path, rows: Mapping[str, Row], notes: Sequence[str]) -> Foreign:
    """Read a file by its own targets."""
    letters = {id: letters_of(row.text("target")) for id, row in rows.items()}
    if any(value is None for value in letters.values()):
        items = [
            Item(
                id=id,
                question=_prompt(row),
                answer=_reply(row),
                references=_targets(row),
                type=_category(row),
            )
            for id, row in rows.items()
        ]
        return from_texts(items, f"lmms-eval/{path.stem}", notes)
    asked = []
    for id, row in rows.items():
        accepted = letters[id] or ()
        asked.append(
            make_sample(
                id,
                "vqa",
                f"lmms-eval/{path.stem}",
                question=_prompt(row),
                answers=accepted,
                options=filled(options_of(_prompt(row)) or "ABCD", accepted),
                type=_category(row),
            )
        )
    predictions = [make_prediction(id, _reply(row)) for id, row in rows.items()]
    protocols = for_letters(asked)
    if "xlrs" in path.stem.lower() and any(sample.type for sample in asked):
        protocols = (*protocols, XLRS_MACRO)
    return Foreign(
        tuple(asked),
        tuple(predictions),
        protocols,
        tuple(notes),
        group_by=("type",) if any(sample.type for sample in asked) else (),
    )


def _placed(rows: Mapping[str, Row], ids: Sequence[str]) -> dict[str, str]:
    """Return the id that each document is joined by: its own, or that of its place."""
    places: dict[str, str] = {}
    for doc, row in rows.items():
        inner = row.get("doc")
        own = text_of(inner.get("id")) if isinstance(inner, dict) else ""
        if own in ids or doc in ids:
            places[doc] = own if own in ids else doc
        elif doc.isdecimal() and int(doc) < len(ids):
            places[doc] = ids[int(doc)]
        else:
            places[doc] = doc
    return places


def _reply(row: Row) -> str:
    """Return the model's text: the filtered reply, or the first of the raw ones."""
    for key in ("filtered_resps", "resps"):
        value: Any = row.get(key)
        while isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, (str, int, float)):
            return text_of(value)
    if "filtered_resps" in row or "resps" in row:
        return ""
    raise ParseError(
        f"{row.where}: there is neither 'filtered_resps' nor 'resps'. "
        "Run lmms-eval with --log_samples."
    )


def _prompt(row: Row) -> str:
    """Return the text that was asked."""
    value: Any = row.get("input", row.get("arguments"))
    while isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = next((v for v in value.values() if isinstance(v, str)), None)
    return text_of(value)


def _targets(row: Row) -> list[str]:
    listed = list_of(row.get("target"))
    return [text_of(value) for value in listed] if listed else [row.text("target")]


def _category(row: Row) -> str | None:
    """Return the category that a metric of the record, or its document, names."""
    holders = [row.get("doc"), *row.rest(*_USED).values()]
    for holder in holders:
        if isinstance(holder, dict):
            for key in ("category", "Category", "type", "question_type"):
                if isinstance(holder.get(key), str):
                    return str(holder[key])
    return None
