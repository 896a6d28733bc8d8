"""Result files of ZoomEarth on LRS-GRO: an answer before and one after the crop.

``answer1`` is given on the whole image, ``answer2`` after a look at a crop; where it is
null, the first counts. Both the published records and what ZoomEarth's inference writes
are read. ``bbox`` is in an undocumented downsampled frame (it ends at 1024), so that it
is kept in ``meta`` and used as a place only where a space is declared.

Source:
    https://github.com/earth-insights/ZoomEarth, ``src/eval``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rsvlm.eval.benchmark import Coords
from rsvlm.eval.formats.boxes import bounds_of, read_boxes, to_points
from rsvlm.eval.formats.foreign import (
    Foreign,
    Reading,
    fresh,
    join,
    make_prediction,
    make_sample,
    repeated,
)
from rsvlm.eval.formats.protocols import SYNONYMS
from rsvlm.eval.formats.rows import Row, list_of, load_rows, text_of
from rsvlm.eval.metrics.vqa import is_match
from rsvlm.eval.records import Prediction
from rsvlm.samples import Sample

_FRAME = (
    "'bbox' is in a downsampled frame (it ends at 1024) that is documented nowhere: it "
    "is not used. Declare its space with --coords, and give --samples for the sizes of "
    "the images, to use it."
)


def read(
    path: Path,
    samples: Mapping[str, Sample] | None = None,
    *,
    coords: Coords | None = None,
) -> Foreign:
    """Read a result file of ZoomEarth.

    Args:
        path: JSONL file.
        samples: The samples, for their images and references; None: the file holds
            what is needed.
        coords: Space of ``bbox``; None: it is not used.

    Raises:
        ParseError: If a key is missing, or no id is one of the samples.
    """
    found = load_rows(path)
    seen: dict[str, int] = {}
    asked, last, whole = [], [], []
    notes = list(found.notes)
    boxed = False
    for row in found.rows:
        id = fresh(row.text("question_id") if "question_id" in row else row.id, seen)
        asked.append(_sample(row, id))
        first, second = row.text("answer1"), row.get("answer2")
        final = first if second is None else row.text("answer2")
        meta = {"error": True} if row.get("error") else {}
        whole.append(make_prediction(id, first))
        last.append(make_prediction(id, final, meta=meta))
        boxed = boxed or bool(list_of(row.get("bbox")))
    notes += repeated(seen)
    final_reading, lines = _joined(asked, last, samples, path.name)
    whole_reading, _ = _joined(asked, whole, samples, path.name)
    notes += lines
    if coords is not None and samples is not None:
        final_reading = _with_roi(final_reading, asked, coords)
    elif boxed:
        notes.append(_FRAME)
    notes.append(_stages(whole_reading, final_reading))
    stages = [p.model_copy(update={"id": f"whole-image-{p.id}", "primary": False})
              for p in SYNONYMS]  # fmt: skip
    return Foreign(
        final_reading.samples,
        final_reading.predictions,
        (*SYNONYMS, *stages),
        tuple(notes),
        readings={protocol.id: whole_reading for protocol in stages},
        group_by=("type",),
    )


def _sample(row: Row, id: str) -> Sample:
    used = ("question_id", "image_name", "image", "question", "prompt", "ground_truth",
            "type", "answer1", "answer2", "stage1", "stage2")  # fmt: skip
    return make_sample(
        id,
        "vqa",
        "lrs-gro",
        image=row.first("image_name", "image"),
        question=row.first("question", "prompt"),
        answers=[row.text("ground_truth")],
        type=row.text("type"),
        meta=row.rest(*used),
    )


def _joined(
    asked: Sequence[Sample],
    answers: Sequence[Prediction],
    samples: Mapping[str, Sample] | None,
    name: str,
) -> tuple[Reading, tuple[str, ...]]:
    if samples is None:
        return Reading(tuple(asked), tuple(answers)), ()
    return join(answers, samples, name)


def _with_roi(reading: Reading, asked: Sequence[Sample], coords: Coords) -> Reading:
    """Return a reading whose samples say where the answer can be seen."""
    boxes = {s.id: s.meta.get("bbox_ref", s.meta.get("bbox")) for s in asked}
    placed = []
    for sample in reading.samples:
        found = read_boxes(text_of(boxes.get(sample.id))).boxes
        if sample.roi is None and [len(box) for box in found] == [4]:
            image = sample.images[0]
            corners = to_points(found[0], coords, (image.width, image.height))
            box = bounds_of(corners)
            roi = (box.x0, box.y0, box.x1, box.y1)
            sample = sample.model_copy(update={"roi": roi})
        placed.append(sample)
    return Reading(tuple(placed), reading.predictions)


def _stages(whole: Reading, final: Reading) -> str:
    """Say what the second look changed, under the exact match."""
    fixed = broken = 0
    for sample, before, after in zip(
        whole.samples, whole.predictions, final.predictions, strict=True
    ):
        was = before.answered and is_match(before.raw, sample.answers)
        now = after.answered and is_match(after.raw, sample.answers)
        fixed += now and not was
        broken += was and not now
    return (
        f"The crop mended {fixed} and broke {broken} of {len(whole.samples)} answers "
        "(exact-canonical)."
    )
