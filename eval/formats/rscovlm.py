"""Result files of RSCoVLM: one JSON list, ``<benchmark>/inference_results.json``.

Boxes of answers are in pixels of the image as the model saw it; the records hold both
sizes. A ``solution`` is one box in pixels of the original. Boxes in ``ground_truth``
are scaled by RSCoVLM as if they were in the resized frame as well; that is the main
reading, and the other one stands beside it.

Source:
    https://github.com/VisionXLab/RSCoVLM, ``rscovlm/eval``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from rsvlm.errors import ParseError
from rsvlm.eval.benchmark import Coords, Protocol
from rsvlm.eval.formats.boxes import Numbers, read_boxes, to_boxes, to_targets
from rsvlm.eval.formats.foreign import (
    Foreign,
    Reading,
    counted,
    fresh,
    make_prediction,
    make_sample,
    repeated,
)
from rsvlm.eval.formats.protocols import GROUND, MULTI
from rsvlm.eval.formats.rows import Row, is_number, list_of, load_rows, text_of
from rsvlm.eval.formats.texts import Item, from_texts
from rsvlm.eval.records import Box, Prediction, Status
from rsvlm.samples import Sample

RESIZED = Coords(space="pixel_resized", box="quad", angle="cw")
ORIGINAL = Coords(space="pixel", box="quad", angle="cw")
NORM1 = Coords(space="norm1", box="quad", angle="cw")

_STRICT = Protocol(id="rscovlm-acc", metric="grounding", strict=True, legacy=True)
_GENERALISED = Protocol(
    id="rscovlm-all-found",
    metric="multi_reference",
    value="perfect",
    overlap="generalised",
    legacy=True,
)
_ORIGINAL = Protocol(
    id="f1@0.5-references-in-original", metric="multi_reference", value="f1"
)
_USED = ("output", "ground_truth", "solution", "message", "question", "image_id",
         "type", "question_id", "idx", "classes")  # fmt: skip


def read(path: Path, samples: Mapping[str, Sample] | None = None) -> Foreign:
    """Read a result file of RSCoVLM.

    Args:
        path: JSON file.
        samples: Not needed: the file holds its references.

    Raises:
        ParseError: If a key or a size is missing.
    """
    del samples
    found = load_rows(path)
    seen: dict[str, int] = {}
    ids = [fresh(_id(row, path), seen) for row in found.rows]
    notes = [*found.notes, *repeated(seen)]
    if all("solution" in row for row in found.rows):
        return _one_box(path, found.rows, ids, notes)
    if all(_is_boxes(row.get("ground_truth")) for row in found.rows):
        return _many_boxes(path, found.rows, ids, notes)
    items = [
        Item(
            id=id,
            question=_question(row),
            answer=row.text("output"),
            references=_references(row),
            image=_image(row),
            type=row.text("category") if "category" in row else _type(row),
            classes=[name.strip() for name in row.text("classes").split(",")]
            if "classes" in row
            else (),
            meta=row.rest(*_USED),
        )
        for row, id in zip(found.rows, ids, strict=True)
    ]
    return from_texts(items, f"rscovlm/{path.parent.name}", notes)


def _one_box(
    path: Path, rows: Sequence[Row], ids: Sequence[str], notes: list[str]
) -> Foreign:
    """Read one upright box a record, in pixels of the resized image."""
    asked: list[Sample] = []
    strict: list[Prediction] = []
    upstream: list[Prediction] = []
    fractions = 0
    for row, id in zip(rows, ids, strict=True):
        size, resized = _sizes(row)
        truth = _numbers(row, "solution")
        found = read_boxes(row.text("output"))
        first = [box for box in found.boxes if len(box) == 4][:1]
        cut: Status | None = "truncated" if found.cut and not first else None
        relative = bool(first) and max(first[0]) <= 1
        fractions += relative
        asked.append(
            make_sample(
                id,
                "ground",
                f"rscovlm/{path.parent.name}",
                image=_image(row),
                size=size,
                question=_question(row),
                targets=to_targets([truth], ORIGINAL, size),
                type=_type(row),
                meta=row.rest(*_USED),
            )
        )
        for answers, coords in (
            (strict, RESIZED),
            (upstream, NORM1 if relative else RESIZED),
        ):
            boxes = to_boxes(first, coords, size, resized)
            answers.append(
                make_prediction(
                    id,
                    row.text("output"),
                    parsed=found.parsed,
                    boxes=boxes,
                    coord_space=coords.space,
                    status=cut,
                )
            )
    protocols = GROUND
    readings = {}
    if fractions:
        notes.append(
            f"{counted(fractions, 'answer')} with numbers up to 1 only. RSCoVLM reads "
            "those as parts of the image (rscovlm-acc); the other protocols read all "
            "answers alike."
        )
        protocols = (*GROUND, _STRICT)
        readings[_STRICT.id] = Reading(tuple(asked), tuple(upstream))
    return Foreign(
        tuple(asked),
        tuple(strict),
        protocols,
        tuple(notes),
        readings=readings,
        group_by=("type",) if any("type" in row for row in rows) else (),
    )


def _many_boxes(
    path: Path, rows: Sequence[Row], ids: Sequence[str], notes: list[str]
) -> Foreign:
    """Read several boxes or quads a record."""
    predictions = []
    sides: dict[str, list[Sample]] = {"resized": [], "original": []}
    differ = False
    for row, id in zip(rows, ids, strict=True):
        size, resized = _sizes(row)
        differ = differ or resized != size
        found = read_boxes(row.text("output"))
        truth = read_boxes(text_of(row.get("ground_truth"))).boxes
        boxes: tuple[Box, ...] = to_boxes(found.boxes, RESIZED, size, resized)
        predictions.append(
            make_prediction(
                id,
                row.text("output"),
                parsed=found.parsed,
                boxes=boxes,
                coord_space=RESIZED.space,
                status="truncated" if found.cut else None,
            )
        )
        for side, coords in (("resized", RESIZED), ("original", ORIGINAL)):
            sides[side].append(
                make_sample(
                    id,
                    "ground_multi",
                    f"rscovlm/{path.parent.name}",
                    image=_image(row),
                    size=size,
                    question=_question(row),
                    targets=to_targets(truth, coords, size, resized),
                    type=_type(row),
                    meta=row.rest(*_USED),
                )
            )
    protocols, readings = (*MULTI, _GENERALISED), {}
    if differ:
        protocols = (*MULTI, _ORIGINAL, _GENERALISED)
        readings[_ORIGINAL.id] = Reading(tuple(sides["original"]), tuple(predictions))
        notes.append(
            "References are read in pixels of the resized image, as RSCoVLM scores "
            f"them; {_ORIGINAL.id} reads them in pixels of the original."
        )
    return Foreign(
        tuple(sides["resized"]),
        tuple(predictions),
        protocols,
        tuple(notes),
        readings=readings,
        group_by=("type",) if any("type" in row for row in rows) else (),
    )


def _id(row: Row, path: Path) -> str:
    for key in ("question_id", "idx"):
        if row.get(key) is not None:
            return row.text(key)
    return f"{path.parent.name}/{row.id}"


def _type(row: Row) -> str | None:
    return row.text("type") if row.get("type") is not None else None


def _references(row: Row) -> list[str]:
    truth = row.get("ground_truth")
    if isinstance(truth, list):
        return [text_of(value) for value in truth]
    return [row.text("ground_truth")]


def _is_boxes(value: Any) -> bool:
    listed = list_of(value)
    if not listed:
        return False
    return bool(read_boxes(text_of(listed)).boxes) and not isinstance(listed[0], str)


def _message(row: Row) -> list[dict[str, Any]]:
    """Return the parts of the messages to the model, the last one last."""
    parts = []
    messages = row.get("message")
    for message in messages if isinstance(messages, list) else []:
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else []:
            if isinstance(part, dict):
                parts.append(part)
    return parts


def _question(row: Row) -> str:
    if "question" in row:
        return row.text("question")
    texts = [text_of(part["text"]) for part in _message(row) if "text" in part]
    return texts[-1] if texts else ""


def _image(row: Row) -> str:
    """Return the name of the image; the paths are of another machine."""
    if row.get("image_id") is not None:
        return row.text("image_id")
    paths = [text_of(part["image"]) for part in _message(row) if "image" in part]
    if not paths:
        return row.first("image", "image_id")
    return PureWindowsPath(paths[-1].removeprefix("file://")).name


def _sizes(row: Row) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the sizes of the original and of the resized image, px."""
    sizes = []
    for frame in ("original", "resized"):
        values = [row.get(f"{frame}_{side}") for side in ("width", "height")]
        numbers = [int(v) for v in values if is_number(v) and v >= 1]
        if len(numbers) != 2:
            raise ParseError(
                f"{row.where}: {frame}_width and {frame}_height are {values}, no sizes "
                "in pixels. Boxes cannot be placed without them."
            )
        sizes.append((numbers[0], numbers[1]))
    return sizes[0], sizes[1]


def _numbers(row: Row, key: str) -> Numbers:
    found = read_boxes(row.text(key)).boxes
    if len(found) != 1 or len(found[0]) != 4:
        raise ParseError(
            f"{row.where}: {key!r} is {row.text(key)[:60]!r}, not the four numbers of a "
            "box. Check that --format is the format of the file."
        )
    return found[0]
