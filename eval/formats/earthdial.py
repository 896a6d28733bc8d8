"""Result files of EarthDial: JSONL whose values are all strings.

The fields say which task a file is of. Boxes are whole numbers from 0 to 100 with an
angle, in an image of unknown size: they are compared in a frame of 100 x 100. No image
is named.

Source:
    https://github.com/hiyamdebary/EarthDial, ``src/earthdial/eval/rs_*/results``.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from rsvlm.errors import ParseError
from rsvlm.eval.benchmark import Protocol
from rsvlm.eval.formats.classes import class_list, classified
from rsvlm.eval.formats.earthdial_boxes import described, detected
from rsvlm.eval.formats.foreign import (
    NO_IMAGES,
    Foreign,
    Reading,
    counted,
    make_prediction,
    make_sample,
)
from rsvlm.eval.formats.protocols import CAPTION, RSVQA_LR, THREE_TYPES, VQA
from rsvlm.eval.formats.rows import Row, list_of, load_rows
from rsvlm.samples import Sample

CAPTIONS = tuple(f"caption{number}" for number in range(5))
#: What EarthDial reports of classes: recall of tokens, spaces removed.
_RECALL = Protocol(
    id="earthdial-legacy", metric="vqa_accuracy", match="token-recall", legacy=True
)
_TOKENS = re.compile(r"\[[a-z0-9_.]+\]|<image>", re.IGNORECASE)
_BOXES = re.compile(r"\[\s*-?\d+\s*(?:,\s*-?\d+\s*){4}\]")


def read(path: Path, samples: Mapping[str, Sample] | None = None) -> Foreign:
    """Read a result file of EarthDial.

    Args:
        path: JSONL file.
        samples: Not needed: the file holds its references.

    Raises:
        ParseError: If the file is of no known task, mixes tasks, or lacks a key.
    """
    del samples  # its records have no ids to join by
    found = load_rows(path)
    kinds = {_kind(row) for row in found.rows}
    if len(kinds) > 1:
        raise ParseError(
            f"{path.name} mixes records of {', '.join(sorted(kinds))}. "
            "Score one result file at a time."
        )
    foreign = KINDS[kinds.pop()](path, found.rows)
    notes = (NO_IMAGES, *found.notes, *foreign.notes)
    return Foreign(
        foreign.samples,
        foreign.predictions,
        foreign.protocols,
        notes,
        clusters_known=False,
        readings=foreign.readings,
        group_by=foreign.group_by,
    )


def _kind(row: Row) -> str:
    """Return the task of a record, by its fields."""
    if "gt_bbox" in row:
        return "detection"
    if "groundtruth" in row:
        return "grounding description"
    if "vqa_type" in row:
        return "vqa"
    if "annotation" in row and "task_type" in row:
        return "region captioning"
    if "annotation" in row:
        return "classification" if class_list(question(row)) else "free text"
    if "caption0" in row:
        if _BOXES.search(row.text("caption0")):
            return "change detection"
        return "classification" if class_list(question(row)) else "captioning"
    keys = ", ".join(row.fields) or "none"
    raise ParseError(
        f"{row.where}: the keys ({keys}) are of no result file of EarthDial. "
        "Check that --format is the format of the file."
    )


def question(row: Row) -> str:
    """Return the question without tokens of task and sensor, on one line.

    The files write the line break as a break or as a backslash and an n.
    """
    text = row.text("question").replace("\\n", " ")
    return " ".join(_TOKENS.sub(" ", text).split())


def references(row: Row) -> list[str]:
    """Return the references of a record; a list inside a string is opened."""
    if "caption0" not in row:
        return [row.text("annotation")]
    texts = []
    for key in CAPTIONS:
        value = row.text(key) if key in row else ""
        inner = list_of(value)
        texts += [str(text) for text in inner] if inner is not None else [value]
    return [text for text in texts if text.strip()]


def _texts(
    path: Path,
    rows: Iterable[Row],
    task: str,
    protocols: Sequence[Protocol],
    type_key: str = "",
    parts: tuple[str, ...] = ("type",),
) -> Foreign:
    """Read records whose answers are scored as text."""
    samples, predictions, bare = [], [], 0
    used = ("question", "answer", "annotation", *CAPTIONS, type_key)
    for row in rows:
        texts = references(row)
        bare += not texts
        samples.append(
            make_sample(
                row.id,
                task,
                f"earthdial/{path.stem}",
                question=question(row),
                answers=texts,
                type=row.text(type_key) if type_key and type_key in row else None,
                meta=row.rest(*used),
            )
        )
        predictions.append(make_prediction(row.id, row.text("answer")))
    notes = (f"{counted(bare, 'record')} without a reference.",) if bare else ()
    group_by = parts if type_key else ()
    return Foreign(
        tuple(samples), tuple(predictions), tuple(protocols), notes, group_by=group_by
    )


def _vqa(path: Path, rows: Sequence[Row]) -> Foreign:
    types = {row.text("vqa_type") for row in rows}
    if not {"count", "presence", "comp"} <= types:
        return _texts(path, rows, "vqa", VQA, "vqa_type")
    foreign = _texts(path, rows, "vqa", RSVQA_LR, "vqa_type")
    kept = [i for i, sample in enumerate(foreign.samples) if sample.type in THREE_TYPES]
    three = Reading(
        tuple(foreign.samples[i] for i in kept),
        tuple(foreign.predictions[i] for i in kept),
    )
    note = (
        "RSVQA-LR: published numbers of vision-language models leave out counting "
        "(3type); its authors count it, in bins (orig-4type-bins)."
    )
    return Foreign(
        foreign.samples,
        foreign.predictions,
        foreign.protocols,
        (*foreign.notes, note),
        readings={p.id: three for p in RSVQA_LR if p.id.startswith("exact-3type")},
        group_by=foreign.group_by,
    )


def _classes(path: Path, rows: Sequence[Row]) -> Foreign:
    first = class_list(question(rows[0])) or ()
    if "list of classes" in question(rows[0]).lower():
        foreign = _texts(path, rows, "vqa", VQA)
        note = (
            "Every reference is a list of classes: only an equal list is right under "
            "the exact protocols; token-recall is what EarthDial reports."
        )
        return Foreign(
            foreign.samples,
            foreign.predictions,
            foreign.protocols,
            (*foreign.notes, note),
        )
    samples = [
        make_sample(
            row.id,
            "classify",
            f"earthdial/{path.stem}",
            question=question(row),
            answers=references(row)[:1],
            options=class_list(question(row)) or first,
        )
        for row in rows
    ]
    predictions = [make_prediction(row.id, row.text("answer")) for row in rows]
    foreign = classified(samples, predictions)
    as_written = foreign.reading("raw-string")
    return Foreign(
        foreign.samples,
        foreign.predictions,
        (*foreign.protocols, _RECALL),
        foreign.notes,
        readings={**foreign.readings, _RECALL.id: as_written},
    )


def _free(path: Path, rows: Sequence[Row]) -> Foreign:
    return _texts(path, rows, "vqa", VQA)


def _captions(path: Path, rows: Sequence[Row]) -> Foreign:
    return _texts(path, rows, "caption", CAPTION)


def _regions(path: Path, rows: Sequence[Row]) -> Foreign:
    parts = ("size_group", "type")
    return _texts(path, rows, "caption", CAPTION, "task_type", parts)


def _detection(path: Path, rows: Sequence[Row]) -> Foreign:
    return detected(path, rows, "gt_bbox")


def _change_boxes(path: Path, rows: Sequence[Row]) -> Foreign:
    return detected(path, rows, "caption0", upright=True)


#: Task of a file -> its reader.
KINDS: dict[str, Callable[[Path, Sequence[Row]], Foreign]] = {
    "vqa": _vqa,
    "classification": _classes,
    "free text": _free,
    "captioning": _captions,
    "region captioning": _regions,
    "detection": _detection,
    "change detection": _change_boxes,
    "grounding description": described,
}
