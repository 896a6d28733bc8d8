"""Answers that are scored against samples of ours, joined by id.

A file of answers says neither the task nor the space of its boxes: the samples say the
one, the user the other. Nothing is guessed.
"""

from collections.abc import Mapping, Sequence

from rsvlm.errors import SettingsError
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.boxes_text import read_boxes as declared_boxes
from rsvlm.eval.formats.boxes import read_boxes
from rsvlm.eval.formats.foreign import Foreign, Reading, join
from rsvlm.eval.formats.protocols import for_samples, group_by
from rsvlm.eval.records import Prediction, Status
from rsvlm.samples import Sample

#: Tasks that are answered by boxes.
BOX_TASKS = frozenset({"ground", "ground_multi", "detect"})


def joined(
    answers: Sequence[Prediction],
    samples: Mapping[str, Sample],
    name: str,
    coords: Coords | None = None,
    notes: Sequence[str] = (),
) -> Foreign:
    """Return answers as predictions on samples.

    Args:
        answers: The answers, each with the id that the file gives it.
        samples: The samples, by id.
        name: Name of the file, for messages.
        coords: The space of boxes in the answers; needed where samples ask for boxes.
        notes: Notes of the reader.

    Raises:
        ParseError: If ids are given twice or fit no sample.
        SettingsError: If boxes are asked for and their space is not declared, or masks
            are asked for and there is none.
    """
    reading, lines = join(answers, samples, name)
    protocols = for_samples(reading.samples, name)
    if any(sample.task in BOX_TASKS for sample in reading.samples):
        reading = placed(reading, coords, name)
    masked = any(prediction.mask is not None for prediction in reading.predictions)
    if not masked and any(sample.task == "segment" for sample in reading.samples):
        raise SettingsError(
            f"The samples ask for masks, and {name} holds none. "
            "Write masks into rsvlm predictions, and score those."
        )
    return Foreign(
        reading.samples,
        reading.predictions,
        protocols,
        (*notes, *lines),
        group_by=group_by(reading.samples),
    )


def placed(reading: Reading, coords: Coords | None, name: str) -> Reading:
    """Return a reading whose predictions hold the boxes of their texts.

    Predictions that hold boxes already are left as they are.

    Raises:
        SettingsError: If the space of the boxes is not declared.
    """
    predictions = []
    for sample, prediction in zip(reading.samples, reading.predictions, strict=True):
        if prediction.answered and prediction.coord_space is None:
            if coords is None:
                raise SettingsError(
                    f"The boxes of {name} are in a space that the file does not state. "
                    "Declare it, for example --coords norm1000."
                )
            found = read_boxes(prediction.raw)
            status: Status = "truncated" if found.cut else prediction.status
            changes = {
                "boxes": declared_boxes(prediction.raw, coords, sample.images[0]),
                "coord_space": coords.space,
                "parsed": found.parsed,
                "status": status,
            }
            prediction = prediction.model_copy(update=changes)
        predictions.append(prediction)
    return Reading(reading.samples, tuple(predictions))
