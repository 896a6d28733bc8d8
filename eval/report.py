"""Scores with their provenance, and the table that shows them.

A number alone says little: every score carries the protocol that made it, the number
of samples, its 95 % interval and what a trivial answer scores on the same samples.
"""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Score(BaseModel):
    """One number of an evaluation and what is needed to read it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = Field(min_length=1, description="benchmark and metric")
    protocol: str = Field(min_length=1, description="id of the exact rule")
    value: float = Field(description="0..1 for shares, objects for count errors")
    n: int = Field(ge=1, description="samples scored, failures included")
    ci95: tuple[float, float] | None = Field(
        default=None, description="95 % interval; None where it cannot be told"
    )
    baseline: dict[str, float] = Field(
        default_factory=dict, description="value of trivial answers, such as majority"
    )
    groups: dict[str, float] = Field(
        default_factory=dict, description="value of each class or question type"
    )
    failure_rate: float | None = Field(
        default=None, ge=0, le=1, description="share of replies missing or unreadable"
    )

    @model_validator(mode="after")
    def _interval_is_ordered(self) -> "Score":
        if self.ci95 is not None and self.ci95[0] > self.ci95[1]:
            raise ValueError(f"the interval {self.ci95} is upside down")
        return self


def markdown(scores: Sequence[Score]) -> str:
    """Return the scores as a Markdown table, groups as a list below it.

    Args:
        scores: The scores, in the order of the rows.

    Returns:
        Text that ends in a newline.
    """
    if not scores:
        return "No scores.\n"
    header = ("score", "protocol", "value", "95 % interval", "n", "failed", "baselines")
    ruler = ("---", "---", "---:", "---:", "---:", "---:", "---")
    rows = [header, ruler, *map(_row, scores)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    details = [
        f"- {_cell(score.name)} (`{score.protocol}`): {_named(score.groups)}"
        for score in scores
        if score.groups
    ]
    return "\n".join([*lines, *([""] if details else []), *details]) + "\n"


def _row(score: Score) -> tuple[str, ...]:
    low_high = score.ci95 and f"{_number(score.ci95[0])} to {_number(score.ci95[1])}"
    failed = "-" if score.failure_rate is None else f"{score.failure_rate:.1%}"
    return (
        _cell(score.name),
        f"`{_cell(score.protocol)}`",
        _number(score.value),
        low_high or "-",
        str(score.n),
        failed,
        _named(score.baseline) or "-",
    )


def _named(values: dict[str, float]) -> str:
    return ", ".join(
        f"{_cell(name)} {_number(value)}" for name, value in values.items()
    )


def _number(value: float) -> str:
    return f"{value:.3f}"


def _cell(text: str) -> str:
    """Return a text that cannot end a table cell or its line."""
    return " ".join(text.split()).replace("|", "\\|")
