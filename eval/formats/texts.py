"""Question, answer and reference as texts, where a file does not name the task."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rsvlm.eval.formats.classes import class_list, classified
from rsvlm.eval.formats.foreign import Foreign, make_prediction, make_sample
from rsvlm.eval.formats.protocols import CAPTION, VQA
from rsvlm.eval.records import Prediction

#: References of more words than this, in the median, are sentences.
LONGEST_ANSWER = 5


@dataclass(frozen=True)
class Item:
    """One record.

    Attributes:
        id: Its id.
        question: What was asked.
        answer: What was answered.
        references: What is right; several are captions.
        image: Name of the image; None: not known.
        type: Kind of question; None: not known.
        classes: Class list; empty: that of the question, if it has one.
        meta: Further fields.
        prediction: The answer, where it holds more than the text.
    """

    id: str
    question: str
    answer: str
    references: Sequence[str]
    image: str | None = None
    type: str | None = None
    classes: Sequence[str] = ()
    meta: dict[str, Any] = field(default_factory=dict)
    prediction: Prediction | None = None


def from_texts(
    items: Sequence[Item], source: str, notes: Sequence[str] = ()
) -> Foreign:
    """Return records as classification, captions or short answers.

    Records with class lists are classification; several references each, or long ones,
    are captions; the rest are short answers. The choice is stated as a note.

    Args:
        items: The records.
        source: Which file of which project they come from.
        notes: Notes of the reader.
    """
    lists = [tuple(item.classes) or class_list(item.question) for item in items]
    words = median(len(text.split()) for i in items for text in i.references or ("",))
    if all(lists):
        task, reason = "classify", "every question lists classes"
    elif any(len(item.references) > 1 for item in items):
        task, reason = "caption", "questions have several references"
    elif words > LONGEST_ANSWER:
        task, reason = "caption", f"half of the references have {words:g} words or more"
    else:
        task, reason = "vqa", f"half of the references have {words:g} words or fewer"
    samples = [
        make_sample(
            item.id,
            task,
            source,
            image=item.image,
            question=item.question,
            answers=item.references,
            options=classes if task == "classify" and classes else (),
            type=item.type,
            meta=item.meta,
        )
        for item, classes in zip(items, lists, strict=True)
    ]
    predictions = [
        item.prediction or make_prediction(item.id, item.answer) for item in items
    ]
    lines = (*notes, f"Scored as {task}: {reason}. Give --samples to state the task.")
    if task == "classify":
        return classified(samples, predictions, lines)
    return Foreign(
        tuple(samples),
        tuple(predictions),
        CAPTION if task == "caption" else VQA,
        lines,
        group_by=("type",) if len({item.type for item in items}) > 1 else (),
    )
