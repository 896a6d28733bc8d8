"""Single samples in a report: which ones are shown, and what stands under them."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from rsvlm.eval import page
from rsvlm.eval.charts import number
from rsvlm.eval.pictures import picture
from rsvlm.eval.records import Prediction, ScoreRow
from rsvlm.samples import Sample

#: Longest text of a card, letters.
MAX_TEXT = 400
#: Most samples of one image among the best or the worst, as long as there are others.
PER_IMAGE = 2


def extremes(
    rows: Sequence[ScoreRow], predictions: Mapping[str, Prediction], count: int = 20
) -> tuple[list[ScoreRow], list[ScoreRow]]:
    """Return the best and the worst rows, no row twice.

    Where many scores are equal, as those of right and wrong answers are, the surest
    replies come first: a sure error says more than an unsure one. What is equal still
    is drawn by a hash of its id, so the choice is the same every time.

    Args:
        rows: One row a sample.
        predictions: Id -> what was said.
        count: Most rows of each.

    Returns:
        Best and worst rows.
    """

    def doubt(row: ScoreRow) -> tuple[float, str]:
        found = predictions.get(row.id)
        sure = found.confidence if found and found.confidence is not None else 0.0
        return -sure, sha256(row.id.encode()).hexdigest()

    # Half a list each at most, so that a small run shows no sample twice.
    worst = _varied(
        sorted(rows, key=lambda row: (row.score, *doubt(row))),
        min(count, (len(rows) + 1) // 2),
    )
    taken = {id(row) for row in worst}
    rest = [row for row in rows if id(row) not in taken]
    best = _varied(sorted(rest, key=lambda row: (-row.score, *doubt(row))), count)
    return best, worst


def _varied(rows: Sequence[ScoreRow], count: int) -> list[ScoreRow]:
    """Return the first rows, in order, few of them of the same image."""
    seen: dict[str | None, int] = {}
    chosen: list[ScoreRow] = []
    later: list[ScoreRow] = []
    for row in rows:
        used = seen.get(row.cluster, 0) if row.cluster is not None else 0
        (chosen if used < PER_IMAGE else later).append(row)
        seen[row.cluster] = used + 1
    chosen = chosen[:count]
    chosen += later[: count - len(chosen)]
    place = {id(row): position for position, row in enumerate(rows)}
    return sorted(chosen, key=lambda row: place[id(row)])


def cards(
    rows: Sequence[ScoreRow],
    predictions: Mapping[str, Prediction],
    samples: Mapping[str, Sample],
    images: Path | None = None,
) -> str:
    """Return a grid of cards, one a row.

    Args:
        rows: What is shown.
        predictions: Id -> what was said.
        samples: Id -> what was asked.
        images: Folder that the paths of images start from; None: no pictures.
    """
    inner = "".join(
        _card(row, predictions.get(row.id), samples.get(row.id), images) for row in rows
    )
    return f'<div class="cards">{inner}</div>'


def _card(
    row: ScoreRow,
    prediction: Prediction | None,
    sample: Sample | None,
    images: Path | None,
) -> str:
    parts = []
    if sample is not None and images is not None:
        parts.append(picture(sample, prediction, images))
    parts.append(f'<p class="score">{number(row.score)}</p>')
    if sample is not None:
        parts.append(_line("asked", asked_text(sample)))
        parts.append(_line("reference", right_text(sample)))
    parts.append(_line("answer", _said(prediction)))
    if prediction is not None:
        if prediction.status != "ok":
            parts.append(_line(prediction.status, prediction.error or ""))
        if prediction.confidence is not None:
            parts.append(_line("confidence", number(prediction.confidence)))
    details = {
        name: _short(value)
        for name, value in row.details.items()
        if isinstance(value, int | float | str)
    }
    if details:
        shown = ", ".join(f"{name} {value}" for name, value in details.items())
        parts.append(_line("details", shown))
    parts.append(f'<p class="file">{page.escape(row.id)}</p>')
    return f'<div class="card">{"".join(parts)}</div>'


def _short(value: float | str) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else number(value)
    return str(value)


def asked_text(sample: Sample) -> str:
    """Return the question of a sample, with its options."""
    asked = next((turn.text for turn in sample.conversation if turn.role == "user"), "")
    return f"{asked} [{', '.join(sample.options)}]" if sample.options else asked


def right_text(sample: Sample) -> str:
    """Return what is right, in words."""
    if sample.answers:
        return " | ".join(sample.answers)
    if sample.relevant:
        return ", ".join(sample.relevant)
    if sample.targets:
        names: dict[str, int] = {}
        for target in sample.targets:
            names[target.label] = names.get(target.label, 0) + 1
        return ", ".join(f"{count} {name}" for name, count in names.items())
    return "a mask" if sample.mask is not None else "nothing of that kind"


def _said(prediction: Prediction | None) -> str:
    if prediction is None:
        return "(no reply)"
    text = prediction.raw if prediction.parsed is None else prediction.parsed
    if prediction.boxes:
        count = len(prediction.boxes)
        text = f"{text} ({count} box{'es' if count > 1 else ''})".strip()
    return text or "(empty)"


def _line(name: str, text: str) -> str:
    shown = text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
    return f'<p><span class="dim">{page.escape(name)}</span> {page.escape(shown)}</p>'
