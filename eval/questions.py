"""The words in which a sample is asked.

The prompt of a benchmark is filled in for models that get text; an rsvlm assistant is
asked as a user would ask, since it puts its own words around a question.
"""

import re
from collections.abc import Sequence

from rsvlm.eval.benchmark import Benchmark
from rsvlm.samples import Sample

_SLOT = re.compile(r"\{(question|options)\}")
_LETTERED = re.compile(r"\s*\(?[A-Z]\s*[).:]")


def question_of(sample: Sample) -> str:
    """Return what the user says in a sample, "" where it holds no words."""
    said = [turn.text for turn in sample.conversation if turn.role == "user"]
    return said[0] if said else ""


def options_of(sample: Sample, task: str) -> str:
    """Return the options as text: classes by commas, choices a line with a letter.

    Choices that come with letters of their own keep them.
    """
    if task != "mcq":
        return ", ".join(sample.options)
    if all(_LETTERED.match(option) for option in sample.options):
        return "\n".join(sample.options)
    return "\n".join(
        f"({letter(number)}) {option}" for number, option in enumerate(sample.options)
    )


def letter(number: int) -> str:
    """Return the letter of a choice: 0 is A."""
    return chr(ord("A") + number)


def prompt_of(benchmark: Benchmark, sample: Sample) -> str:
    """Return the benchmark's prompt, filled in."""
    return _fill(benchmark.prompt.user, sample, benchmark.task)


def plain_question(benchmark: Benchmark, sample: Sample) -> str:
    """Return the question without the prompt's advice on how to answer.

    Only the lines that hold the question or the options stay; a prompt that is all
    there is to say stays whole.
    """
    lines = benchmark.prompt.user.split("\n")
    kept = [line for line in lines if _SLOT.search(line)]
    if not kept or not question_of(sample):
        return prompt_of(benchmark, sample)
    return _fill("\n".join(kept), sample, benchmark.task)


def _fill(template: str, sample: Sample, task: str) -> str:
    values = {"question": question_of(sample), "options": options_of(sample, task)}
    # In one pass, so that braces of a question stay as they are.
    return _SLOT.sub(lambda slot: values[slot[1]], template).strip()


def reference_text(sample: Sample, task: str) -> str:
    """Return the reference of a sample as a model could write it."""
    answers: Sequence[str] = sample.answers
    if task == "mcq" and str(sample.meta.get("multi", "")).lower() in ("true", "1"):
        return ", ".join(answers)
    return answers[0] if answers else ""
