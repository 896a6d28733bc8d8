"""Answer files of LLaVA's evaluation scripts, as GeoChat and its kin write them.

JSONL of ``question_id, image_id, answer`` and, in some, ``ground_truth, question, type,
dataset, obj_ids``. With samples they are joined by ``question_id``; without, records
need ``ground_truth``. Boxes are in 0-100 unless declared otherwise, and the sense of
GeoChat's angles is documented nowhere: both are scored.

Source:
    https://github.com/mbzuai-oryx/GeoChat, ``geochat/eval``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rsvlm.errors import ParseError, SettingsError
from rsvlm.eval.benchmark import Coords, Protocol
from rsvlm.eval.formats.boxes import (
    SCALES,
    Numbers,
    read_boxes,
    to_boxes,
    to_targets,
)
from rsvlm.eval.formats.foreign import (
    NO_IMAGES,
    Foreign,
    Reading,
    fresh,
    make_prediction,
    make_sample,
    repeated,
)
from rsvlm.eval.formats.joined import joined
from rsvlm.eval.formats.protocols import MULTI
from rsvlm.eval.formats.rows import Row, list_of, load_rows, text_of
from rsvlm.eval.formats.texts import Item, from_texts
from rsvlm.eval.records import Prediction
from rsvlm.samples import Sample

#: Frame that stands for images of unknown size; the space is relative.
FRAME = (100, 100)
_USED = ("question_id", "image_id", "answer", "ground_truth", "question", "type")
_OTHER = "f1@0.5-other-sense"


def read(
    path: Path,
    samples: Mapping[str, Sample] | None = None,
    *,
    coords: Coords | None = None,
) -> Foreign:
    """Read an answer file.

    Args:
        path: JSONL file.
        samples: The samples, joined by ``question_id``; None: records hold their
            references.
        coords: Space of boxes. None: with samples there must be no boxes, without
            samples they are read as 0-100.

    Raises:
        ParseError: If a key is missing, or no id is one of the samples.
        SettingsError: If boxes are in a space that needs the sizes of the images.
    """
    found = load_rows(path)
    if samples is not None:
        answers = [_answer(row, row.text("question_id")) for row in found.rows]
        return joined(answers, samples, path.name, coords, found.notes)
    without = sum("ground_truth" not in row for row in found.rows)
    if without:
        raise ParseError(
            f"{path.name} has no 'ground_truth' in {without} of {len(found.rows)} "
            "records. Give the questions that were asked with --samples."
        )
    truths = [_boxes(row) for row in found.rows]
    if any(truths) and all(truth or _is_empty(row) for truth, row in
                           zip(truths, found.rows, strict=True)):  # fmt: skip
        return _grounded(path, found.rows, truths, coords, found.notes)
    seen: dict[str, int] = {}
    items = [_item(row, fresh(_id(row), seen)) for row in found.rows]
    known = all("image_id" in row for row in found.rows)
    notes = (*found.notes, *repeated(seen), *(() if known else (NO_IMAGES,)))
    foreign = from_texts(items, f"llava-answers/{path.stem}", notes)
    return foreign if known else unclustered(foreign)


def unclustered(foreign: Foreign) -> Foreign:
    """Return a file whose images are not known."""
    return Foreign(
        foreign.samples,
        foreign.predictions,
        foreign.protocols,
        foreign.notes,
        clusters_known=False,
        readings=foreign.readings,
        group_by=foreign.group_by,
    )


def _id(row: Row) -> str:
    return row.text("question_id") if "question_id" in row else row.id


def _answer(row: Row, id: str) -> Prediction:
    return make_prediction(id, row.first("answer", "text", "output"))


def _item(row: Row, id: str) -> Item:
    truth = row.get("ground_truth")
    listed = list_of(truth)
    texts = [text_of(value) for value in listed] if listed is not None else []
    return Item(
        id=id,
        question=row.text("question") if "question" in row else "",
        answer=row.first("answer", "text", "output"),
        references=texts or [text_of(truth)],
        image=row.text("image_id") if "image_id" in row else None,
        type=row.text("type") if "type" in row else None,
        meta=row.rest(*_USED),
    )


def _boxes(row: Row) -> tuple[Numbers, ...]:
    """Return the boxes of a reference: a list of numbers, or text."""
    return read_boxes(text_of(row.get("ground_truth"))).boxes


def _is_empty(row: Row) -> bool:
    return row.get("ground_truth") in (None, "", "[]", [])


def _grounded(
    path: Path,
    rows: Sequence[Row],
    truths: Sequence[tuple[Numbers, ...]],
    coords: Coords | None,
    notes: Sequence[str],
) -> Foreign:
    """Read boxes on both sides, once for each sense of an angle."""
    stated = coords or Coords(space="norm100", box="xyxya", angle="ccw")
    if stated.space not in SCALES:
        raise SettingsError(
            f"Boxes in {stated.space!r} need the sizes of the images, which {path.name} "
            "does not hold. Give the questions that were asked with --samples."
        )
    sense = stated.angle or "ccw"
    turned = any(len(box) == 5 for truth in truths for box in truth)
    lines = [
        *notes,
        f"Boxes are read as {stated.space}"
        + ("" if coords else ", the habit of GeoChat; state another with --coords")
        + ". The image sizes are unknown: boxes are compared in a frame of 100 x 100.",
    ]
    protocols = MULTI
    readings = {}
    if turned:
        other = stated.model_copy(update={"angle": "cw" if sense == "ccw" else "ccw"})
        protocols = (
            *MULTI,
            Protocol(id=_OTHER, metric="multi_reference", value="f1"),
        )
        readings[_OTHER] = _reading(path, rows, truths, other)
        lines.append(
            f"Angles are taken as {sense} on screen; {_OTHER} takes them the other way."
        )
    main = _reading(path, rows, truths, stated.model_copy(update={"angle": sense}))
    known = all("image_id" in row for row in rows)
    return Foreign(
        main.samples,
        main.predictions,
        protocols,
        tuple(lines) if known else (NO_IMAGES, *lines),
        clusters_known=known,
        readings=readings,
        group_by=("type",) if any("type" in row for row in rows) else (),
    )


def _reading(
    path: Path,
    rows: Sequence[Row],
    truths: Sequence[tuple[Numbers, ...]],
    coords: Coords,
) -> Reading:
    samples, predictions = [], []
    seen: dict[str, int] = {}
    for row, truth in zip(rows, truths, strict=True):
        id = fresh(_id(row), seen)
        answer = _answer(row, id)
        found = read_boxes(answer.raw)
        samples.append(
            make_sample(
                id,
                "ground_multi",
                f"llava-answers/{path.stem}",
                image=row.text("image_id") if "image_id" in row else None,
                size=FRAME,
                question=row.text("question") if "question" in row else "",
                targets=to_targets(truth, coords, FRAME),
                type=row.text("type") if "type" in row else None,
                meta=row.rest(*_USED),
            )
        )
        changes = {
            "boxes": to_boxes(found.boxes, coords, FRAME),
            "coord_space": coords.space,
            "parsed": found.parsed,
            "status": "truncated" if found.cut else answer.status,
        }
        predictions.append(answer.model_copy(update=changes))
    return Reading(tuple(samples), tuple(predictions))
