"""What a result file of another project holds, as samples and predictions of ours.

Every reader of this folder returns a :class:`Foreign`. Some claims rest on how a file
is read (boxes with a negative corner lost, classes left out of the list), so a protocol
may have a reading of its own: :meth:`Foreign.reading`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rsvlm.errors import ParseError
from rsvlm.eval.benchmark import Protocol
from rsvlm.eval.records import Box, Prediction, Status
from rsvlm.samples import ImageRef, Sample, Target, Turn

#: Note of a file that names no image.
NO_IMAGES = (
    "The file names no images: every record counts as independent, and the intervals "
    "are too narrow where several questions share an image."
)
#: Size that stands for an image of unknown size, px; text metrics never look at it.
UNKNOWN_SIZE = (1, 1)
#: What programs write into the answer when they got none.
FAILURES = ("failed to obtain answer", "[failed_infer]")


@dataclass(frozen=True)
class Reading:
    """Samples and their predictions, equally long and in the same order."""

    samples: tuple[Sample, ...]
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True)
class Foreign:
    """A result file that was read.

    Attributes:
        samples: What was asked, as far as the file says.
        predictions: What was answered, in the same order.
        protocols: The ways to score it side by side; one is primary.
        notes: What a reader of the scores must know.
        clusters_known: Whether the images of the samples are known, so that intervals
            can draw whole images.
        readings: Protocol id -> another reading of the same file for it.
        group_by: Fields of the samples that scores are split by.
    """

    samples: tuple[Sample, ...]
    predictions: tuple[Prediction, ...]
    protocols: tuple[Protocol, ...]
    notes: tuple[str, ...] = ()
    clusters_known: bool = True
    readings: Mapping[str, Reading] = field(default_factory=dict)
    group_by: tuple[str, ...] = ()

    def reading(self, protocol: str) -> Reading:
        """Return what the protocol of this id scores."""
        own = self.readings.get(protocol)
        return own if own is not None else Reading(self.samples, self.predictions)


#: A reader: file, samples by id where they are known, and options by name.
Reader = Callable[..., Foreign]


def make_sample(
    id: str,
    task: str,
    source: str,
    *,
    image: str | None = None,
    size: tuple[int, int] | None = None,
    question: str = "",
    answers: Iterable[str] = (),
    options: Iterable[str] = (),
    targets: Iterable[Target] = (),
    **more: Any,
) -> Sample:
    """Return a sample of a foreign file; empty references are dropped.

    Args:
        id: Id of the sample.
        task: Name of the task.
        source: Which file of which project it comes from.
        image: Path or name of the image; None: the file does not say.
        size: Width and height of the image, px; None: the file does not say.
        question: What was asked.
        answers: References.
        options: Choices or classes.
        targets: Objects meant.
        **more: Further fields of :class:`~rsvlm.samples.Sample`.
    """
    width, height = size or UNKNOWN_SIZE
    reference = ImageRef(path=image or f"unknown/{id}", width=width, height=height)
    return Sample(
        id=id,
        images=(reference,),
        task=task,
        conversation=(Turn(role="user", text=question),) if question else (),
        answers=tuple(answer for answer in answers if answer.strip()),
        options=tuple(options),
        targets=tuple(targets),
        source=source,
        licence="as the upstream file",
        split="test",
        **more,
    )


def make_prediction(
    id: str,
    raw: str,
    *,
    parsed: str | None = None,
    boxes: Iterable[Box] = (),
    coord_space: str | None = None,
    status: Status | None = None,
    **more: Any,
) -> Prediction:
    """Return a prediction of a foreign file.

    Args:
        id: Id of its sample.
        raw: The model's text.
        parsed: The answer read from it, where it is not the whole text.
        boxes: The boxes read from it, in raster pixels.
        coord_space: The space that they were read in.
        status: None: ``empty`` without text, ``error`` where the text is the message
            of a failed request, else ``ok``.
        **more: Further fields of :class:`~rsvlm.eval.records.Prediction`.
    """
    error = more.pop("error", None)
    if status is None:
        failed = any(raw.strip().lower().startswith(words) for words in FAILURES)
        status = "error" if failed else "ok" if raw.strip() else "empty"
        error = error or (raw.strip() if failed else None)
    return Prediction(
        id=id,
        raw=raw,
        parsed=parsed,
        status=status,
        error=error,
        boxes=tuple(boxes),
        coord_space=coord_space,
        **more,
    )


def join(
    answers: Sequence[Prediction], samples: Mapping[str, Sample], name: str
) -> tuple[Reading, tuple[str, ...]]:
    """Pair answers with samples by id; a sample without an answer is a failure.

    An id that is no sample's own is looked for among the upstream ids that samples
    keep in ``meta`` (``question_id``, ``index``, ``upstream_id``).

    Args:
        answers: The answers, each with the id that the file gives it.
        samples: The samples, by id.
        name: Name of the file, for messages.

    Returns:
        The pairs in the order of the samples, and notes on what did not fit.

    Raises:
        ParseError: If two answers have one id, or no answer fits a sample.
    """
    known = _aliases(samples)
    found: dict[str, Prediction] = {}
    strangers = 0
    for answer in answers:
        target = known.get(answer.id)
        if target is None:
            strangers += 1
        elif target in found:
            raise ParseError(
                f"{name} answers {answer.id!r} twice. Keep one answer a question."
            )
        else:
            found[target] = answer.model_copy(update={"id": target})
    if not found:
        example = answers[0].id if answers else "none at all"
        raise ParseError(
            f"No id of {name} is an id of the samples (the first: {example!r}). "
            "Check that --samples is the file that was asked."
        )
    missing = Prediction(id="", status="error", error="no answer in the file")
    predictions = tuple(
        found.get(id) or missing.model_copy(update={"id": id}) for id in samples
    )
    notes = []
    if absent := len(samples) - len(found):
        notes.append(
            f"No answer to {absent} of {len(samples)} samples: counted as wrong."
        )
    if strangers:
        notes.append(f"{counted(strangers, 'answer')} without a sample: left out.")
    return Reading(tuple(samples.values()), predictions), tuple(notes)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number and its noun.

    >>> counted(1, "box", "boxes"), counted(2, "answer")
    ('1 box', '2 answers')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def fresh(id: str, seen: dict[str, int]) -> str:
    """Return an id that was not given before: a second "a" becomes "a#2"."""
    seen[id] = count = seen.get(id, 0) + 1
    return id if count == 1 else fresh(f"{id}#{count}", seen)


def repeated(seen: Mapping[str, int]) -> tuple[str, ...]:
    """Return the note on ids that :func:`fresh` had to change, if any."""
    count = sum(number > 1 for number in seen.values())
    if not count:
        return ()
    return (f"{counted(count, 'id')} repeated in the file: all records are scored.",)


def _aliases(samples: Mapping[str, Sample]) -> dict[str, str]:
    """Map upstream ids, and then the samples' own, to the ids of the samples."""
    upstream: dict[str, set[str]] = {}
    for id, sample in samples.items():
        for key in ("question_id", "index", "upstream_id"):
            if (value := sample.meta.get(key)) is not None:
                upstream.setdefault(str(value), set()).add(id)
    # An upstream id of two samples names neither.
    single = {key: next(iter(ids)) for key, ids in upstream.items() if len(ids) == 1}
    return single | {id: id for id in samples}
