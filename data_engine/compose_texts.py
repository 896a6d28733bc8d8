"""Samples of what a source itself says: captions, and questions with their answers."""

import re
from collections.abc import Iterator

from rsvlm.data_engine.phrases import shuffled
from rsvlm.data_engine.records import Question
from rsvlm.data_engine.writer import Writer
from rsvlm.samples import Sample


def text_samples(writer: Writer) -> Iterator[Sample]:
    """Yield the samples of captions and questions of a record.

    All captions are references of one sample; the assistant says one of them, which is
    drawn, so that sets with five captions an image do not always show the first.

    Args:
        writer: Makes the samples.
    """
    record = writer.record
    if record.captions:
        rng = writer.rng("described")
        captions = tuple(dict.fromkeys(map(tidy, record.captions)))
        request = writer.template("caption", rng)
        yield writer.sample("described", "caption", request, shuffled(rng, captions))
    for number, question in enumerate(record.questions):
        yield _asked(writer, number, question)


def tidy(caption: str) -> str:
    """Return a caption as a sentence: upstream ones are often tokens in lower case.

    >>> tidy("many  planes are parked near a terminal .")
    'Many planes are parked near a terminal.'
    """
    text = re.sub(r"\s+([.,;:!?])", r"\1", " ".join(caption.split()))
    if text and text[-1].isalnum():
        text += "."
    return text[:1].upper() + text[1:]


def _asked(writer: Writer, number: int, question: Question) -> Sample:
    sample = writer.sample(
        "asked",
        question.task,
        question.text,
        question.answers,
        question.targets,
        choices=question.options,
        of=question.kind,
        mask=question.mask,
    )
    return sample.model_copy(update={"id": f"{sample.id}-{number}"})
