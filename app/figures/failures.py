"""A small gallery of failures: what was asked, what came, and what is right.

Pictures of research data sets are not shown in a card, so failures are told by name;
``rsvlm eval report`` draws them for whoever has the data.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from rsvlm.app.figures.measure import Asked
from rsvlm.app.figures.rows import Row
from rsvlm.eval.records import Box, Prediction, ScoreRow
from rsvlm.eval.results import BenchmarkRun
from rsvlm.eval.sample_cards import asked_text, extremes, right_text
from rsvlm.samples import Sample

#: Longest text of a cell, letters; most boxes that are listed in one.
LONGEST, MOST_BOXES = 90, 2


class Failure(BaseModel):
    """One wrong answer.

    Attributes:
        benchmark: Its benchmark.
        sample: Id of the sample.
        image: Its picture, as the data set names it.
        question: What was asked.
        answer: What was answered.
        truth: What is right.
        confidence: How sure the answer was.
        score: What the protocol makes of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    benchmark: str
    sample: str
    image: str
    question: str
    answer: str
    truth: str
    confidence: float | None
    score: float


def failures(rows: Sequence[Row], asked: Asked) -> list[Failure]:
    """Return the failures that the rows of a part want to show, the surest first."""
    found: list[Failure] = []
    for row in rows:
        run = asked.run.benchmarks.get(row.benchmark) if asked.run else None
        if run is not None and row.failures:
            found += _worst(row, run)
    return found


def _worst(row: Row, run: BenchmarkRun) -> list[Failure]:
    """Return wrong answers of a row, each about another picture."""
    wrong = [score for score in run.rows.get(row.protocol, ()) if score.score < 0.5]
    _, worst = extremes(wrong, run.predictions, len(wrong))  # the surest half
    chosen: list[ScoreRow] = []
    images: set[str | None] = set()
    for score in worst:
        if score.cluster not in images and score.id in run.samples:
            images.add(score.cluster)
            chosen.append(score)
    return [_failure(row, score, run) for score in chosen[: row.failures]]


def _failure(row: Row, score: ScoreRow, run: BenchmarkRun) -> Failure:
    sample, said = run.samples[score.id], run.predictions.get(score.id)
    return Failure(
        benchmark=row.benchmark,
        sample=sample.id,
        image=sample.images[0].path,
        question=_short(asked_text(sample)),
        answer=_short(_said(said)),
        truth=_short(_right(sample)),
        confidence=said.confidence if said else None,
        score=score.score,
    )


def _said(said: Prediction | None) -> str:
    if said is None or not said.answered:
        return "no reply"
    if said.abstained:
        return "abstained"
    if said.boxes:
        return _listed([(box.label, _around(box)) for box in said.boxes])
    if said.mask is not None:
        return "a mask"
    return said.raw if said.parsed is None else said.parsed or "nothing"


def _right(sample: Sample) -> str:
    if sample.answers or not sample.targets:
        return right_text(sample)
    return _listed([(target.label, target.hbb) for target in sample.targets])


def _listed(objects: Sequence[tuple[str, Sequence[float]]]) -> str:
    shown = [
        f"{label} at {', '.join(f'{v:.0f}' for v in box)}".strip()
        for label, box in objects[:MOST_BOXES]
    ]
    more = len(objects) - MOST_BOXES
    return "; ".join(shown) + (f"; {more} more" if more > 0 else "")


def _around(box: Box) -> tuple[float, ...]:
    columns, rows = zip(*box.points, strict=True)
    return min(columns), min(rows), max(columns), max(rows)


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 3].rstrip()}..."
