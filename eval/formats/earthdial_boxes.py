"""EarthDial's files with boxes: detection, change detection, grounded descriptions.

Boxes are ``[[x0, y0, x1, y1, angle]]`` in 0-100, several as ``]][[``, ``]], [[`` or
``], [``. Angles are degrees, counter-clockwise on screen, about the centre. They may
leave the frame and have negative corners; EarthDial's own pattern knows no sign and
loses those, which is offered as a protocol of its own.
"""

from collections.abc import Sequence
from pathlib import Path

from rsvlm.eval.benchmark import Coords, Protocol
from rsvlm.eval.formats.boxes import (
    Numbers,
    legacy_boxes,
    read_boxes,
    to_boxes,
    to_targets,
)
from rsvlm.eval.formats.foreign import (
    Foreign,
    Reading,
    counted,
    make_prediction,
    make_sample,
)
from rsvlm.eval.formats.protocols import CAPTION, MULTI
from rsvlm.eval.formats.rows import Row, list_of
from rsvlm.eval.records import Prediction, Status
from rsvlm.samples import Sample

#: The frame of the boxes, which stands for an image of unknown size.
FRAME = (100, 100)
CCW = Coords(space="norm100", box="xyxya", angle="ccw")
CW = Coords(space="norm100", box="xyxya", angle="cw")
#: Fields that detections are split by.
_PARTS = ("size_group", "task_type")

_LEGACY = Protocol(
    id="earthdial-legacy",
    metric="multi_reference",
    rule="earthdial",
    value="precision",
    threshold=0.5,
    legacy=True,
)
#: Detection: our matching, EarthDial's, and our matching with angles the other way.
DETECTION: tuple[Protocol, ...] = (
    *MULTI,
    Protocol(id="f1@0.5-clockwise", metric="multi_reference", value="f1"),
    _LEGACY,
)
#: Files whose references have no angle; EarthDial sets the predicted one to 0.
UPRIGHT: tuple[Protocol, ...] = (
    *MULTI,
    Protocol(id="f1@0.5-angle0", metric="multi_reference", value="f1"),
    _LEGACY.model_copy(update={"threshold": 0.25}),
)

_Boxes = Sequence[Numbers]


def detected(
    path: Path, rows: Sequence[Row], key: str, upright: bool = False
) -> Foreign:
    """Read a file of detections.

    Args:
        path: The file.
        rows: Its records.
        key: Field of the references.
        upright: Whether EarthDial scores this file without angles.
    """
    main = _Builder(path)
    other, legacy = _Builder(path), _Builder(path)
    lost = emptied = signed = cut = odd = 0
    for row in rows:
        answer, reference = read_boxes(row.text("answer")), read_boxes(row.text(key))
        five, digits = _five(reference.boxes), legacy_boxes(row.text(key))
        signed += sum(min(box[:4]) < 0 for box in five)
        lost += len(five) - len(digits)
        emptied += bool(five) and not digits
        cut += answer.cut
        odd += answer.malformed + reference.malformed
        status: Status | None = "truncated" if answer.cut else None
        words = answer.parsed
        main.add(row, key, reference.boxes, answer.boxes, CCW, status, words)
        if upright:
            flat = _flat(answer.boxes)
            other.vary(main, _flat(reference.boxes), flat, CCW)
            seen = _flat(legacy_boxes(row.text("answer")))
            # Only the predicted angle is dropped there; the references have none.
        else:
            other.vary(main, reference.boxes, answer.boxes, CW)
            seen = list(legacy_boxes(row.text("answer")))
        legacy.vary(main, digits, seen, CCW)
    notes = ["The image sizes are unknown: boxes are compared in a frame of 100 x 100."]
    if signed:
        notes.append(
            f"{counted(signed, 'reference box', 'reference boxes')} with a negative "
            f"corner. EarthDial's pattern loses {counted(lost, 'box', 'boxes')}, and "
            f"all references of {counted(emptied, 'record')} (earthdial-legacy)."
        )
    if cut:
        notes.append(
            f"{counted(cut, 'answer')} cut inside a box: whole boxes are kept."
        )
    if odd:
        notes.append(f"{counted(odd, 'list')} of numbers left out: no boxes.")
    protocols = UPRIGHT if upright else DETECTION
    turned = "f1@0.5-angle0" if upright else "f1@0.5-clockwise"
    return Foreign(
        tuple(main.samples),
        tuple(main.predictions),
        protocols,
        tuple(notes),
        readings={turned: other.reading, _LEGACY.id: legacy.reading},
        group_by=tuple(name for name in _PARTS if any(name in row for row in rows)),
    )


def described(path: Path, rows: Sequence[Row]) -> Foreign:
    """Read a file of descriptions with boxes inside the text.

    Text and boxes are scored apart: the text without boxes as a caption, the boxes of
    all phrases against each other, whatever phrase they belong to.
    """
    main, legacy = _Builder(path), _Builder(path)
    cut = crowded = 0
    for row in rows:
        answer, truth = read_boxes(row.text("answer")), read_boxes(_truth(row))
        words = read_boxes(row.text("groundtruth")).words
        cut += answer.cut
        status: Status | None = "truncated" if answer.cut else None
        said = answer.words
        main.add(row, "obj_ids", truth.boxes, answer.boxes, CCW, status, said, words)
        digits = legacy_boxes(_truth(row))
        if len(digits) < 50:  # EarthDial leaves crowded images out
            seen = legacy_boxes(row.text("answer"))
            legacy.vary(main, digits, seen, CCW)
        else:
            crowded += 1
    notes = ["The image sizes are unknown: boxes are compared in a frame of 100 x 100."]
    if cut:
        notes.append(
            f"{counted(cut, 'answer')} cut inside a box: whole boxes are kept."
        )
    if crowded:
        left = counted(crowded, "record")
        notes.append(f"earthdial-legacy leaves out {left} of 50 boxes or more.")
    captions = [protocol.model_copy(update={"primary": False}) for protocol in CAPTION]
    readings = {_LEGACY.id: legacy.reading} if legacy.samples else {}
    return Foreign(
        tuple(main.samples),
        tuple(main.predictions),
        (*MULTI, *((_LEGACY,) if readings else ()), *captions),
        tuple(notes),
        readings=readings,
    )


class _Builder:
    """Collects one reading of a file."""

    def __init__(self, path: Path) -> None:
        self.source = f"earthdial/{path.stem}"
        self.samples: list[Sample] = []
        self.predictions: list[Prediction] = []

    @property
    def reading(self) -> Reading:
        return Reading(tuple(self.samples), tuple(self.predictions))

    def add(
        self,
        row: Row,
        key: str,
        truth: _Boxes,
        boxes: _Boxes,
        coords: Coords,
        status: Status | None,
        words: str | None,
        reference: str = "",
    ) -> None:
        """Add a record: its references, its answer, and the words of both."""
        raw = row.text("answer")
        self.samples.append(
            make_sample(
                row.id,
                "ground_multi",
                self.source,
                size=FRAME,
                question=" ".join(row.text("question").replace("\\n", " ").split()),
                answers=[reference],
                targets=to_targets(truth, coords, FRAME),
                type=row.text("task_type") if "task_type" in row else None,
                meta=row.rest("question", "answer", "groundtruth", key),
            )
        )
        self.predictions.append(
            make_prediction(
                row.id,
                raw,
                parsed=words,
                boxes=to_boxes(boxes, coords, FRAME),
                coord_space=coords.space,
                status=status,
            )
        )

    def vary(
        self, other: "_Builder", truth: _Boxes, boxes: _Boxes, coords: Coords
    ) -> None:
        """Add the last record of another reading with these boxes."""
        targets = to_targets(truth, coords, FRAME)
        placed = to_boxes(boxes, coords, FRAME)
        sample, prediction = other.samples[-1], other.predictions[-1]
        self.samples.append(sample.model_copy(update={"targets": targets}))
        self.predictions.append(prediction.model_copy(update={"boxes": placed}))


def _truth(row: Row) -> str:
    """Return the references: a list of strings inside a string."""
    value = row.text("obj_ids") if "obj_ids" in row else row.text("groundtruth")
    inner = list_of(value)
    if inner is None or not all(isinstance(item, str) for item in inner):
        return value
    return " ".join(inner)


def _five(boxes: _Boxes) -> list[Numbers]:
    return [box for box in boxes if len(box) == 5]


def _flat(boxes: _Boxes) -> list[Numbers]:
    return [(*box[:4], 0.0) if len(box) == 5 else box for box in boxes]
