"""Scores a result file of another project by all protocols, side by side.

The same predictions get different numbers under rules that are all in use; a table of
them shows how much of a claim is the protocol. Boxes that cannot be in the stated space
are said and not scored.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.benchmark import Benchmark, Coords, DataSpec, Prompt
from rsvlm.eval.formats.foreign import Foreign, Reading
from rsvlm.eval.formats.space import BOX_METRICS, space_complaint
from rsvlm.eval.formats.table import read_foreign
from rsvlm.eval.records import ScoreRow, to_line
from rsvlm.eval.results import (
    METRICS_FILE,
    PREDICTIONS_FILE,
    SAMPLES_FILE,
    SCORES_FILE,
    Result,
    write_results,
    write_text,
)
from rsvlm.eval.score import score
from rsvlm.samples import Sample


@dataclass(frozen=True)
class ForeignScores:
    """The scores of a result file.

    Attributes:
        name: Name of the file, without its suffix.
        format: Name of its format.
        results: One entry a protocol; one without a value has the reason in
            ``details["note"]``.
        notes: What a reader of the scores must know.
        foreign: What was read.
        rows: Score of each sample under each protocol.
    """

    name: str
    format: str
    results: tuple[Result, ...]
    notes: tuple[str, ...]
    foreign: Foreign
    rows: tuple[ScoreRow, ...] = ()

    @property
    def failed(self) -> int:
        """Number of samples without a reply."""
        return sum(not prediction.answered for prediction in self.foreign.predictions)

    @property
    def unscored(self) -> tuple[str, ...]:
        """Ids of the protocols without a value, such as for a wrong space of boxes."""
        return tuple(r.protocol for r in self.results if r.value is None)

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as one JSON object."""
        return {
            "file": self.name,
            "format": self.format,
            "n": len(self.foreign.samples),
            "n_failed": self.failed,
            "notes": list(self.notes),
            "protocols": [result.model_dump(mode="json") for result in self.results],
        }

    def to_markdown(self) -> str:
        """Return the scores as a table, with notes below it."""
        lines = [
            "| protocol | value | 95 % interval | n | failed | unparsed | baselines |",
            "|---|---|---|---|---|---|---|",
            *(_line(result) for result in self.results),
        ]
        marks = []
        if any(result.primary for result in self.results):
            marks.append("**bold**: ours")
        if any(result.legacy for result in self.results):
            marks.append("\u2020: a published rule that is kept for comparison")
        if marks:
            lines += ["", "; ".join(marks) + "."]
        reasons = [
            f"{result.protocol}: {result.details['note']}"
            for result in self.results
            if result.value is None and "note" in result.details
        ]
        warned = [
            f"{result.protocol}: {text}"
            for result in self.results
            for text in result.details.get("warnings", ())
        ]
        shown = [*self.notes, *_merged(reasons), *_merged(warned)]
        return "\n".join([*lines, "", *(f"- {note}" for note in shown)]) + "\n"


def score_foreign(
    path: Path,
    format: str,
    samples: Mapping[str, Sample] | None = None,
    protocol: str | Collection[str] | None = None,
    *,
    coords: Coords | None = None,
    resamples: int = 1000,
) -> ForeignScores:
    """Score a result file by every protocol of its kind.

    Args:
        path: The file.
        format: Name of its format; see :data:`rsvlm.eval.formats.table.FORMATS`.
        samples: The questions, by id, where the file does not hold them.
        protocol: Only the protocol of this id, or those of these ids; None: all.
        coords: The space of the boxes, where the file does not state it.
        resamples: Resamples of the intervals; 0 leaves intervals out.

    Raises:
        UnknownNameError: If there is no such format or protocol.
        SettingsError: If samples or a space are needed, or of no use.
        ParseError: If the file is not of the format.
    """
    foreign = read_foreign(path, format, samples, coords)
    known_ids = [known.id for known in foreign.protocols]
    wanted = [protocol] if isinstance(protocol, str) else protocol or known_ids
    for name in wanted:
        if name not in known_ids:
            raise UnknownNameError("protocol", name, known_ids)
    benchmark = _benchmark(path, format, foreign)
    results: list[Result] = []
    rows: list[ScoreRow] = []
    checked: dict[int, str | None] = {}
    for known in foreign.protocols:
        if known.id not in wanted:
            continue
        reading = foreign.reading(known.id)
        complaint = None
        if known.metric in BOX_METRICS:
            if id(reading.samples) not in checked:
                checked[id(reading.samples)] = space_complaint(
                    reading.samples, reading.predictions
                )
            complaint = checked[id(reading.samples)]
        if complaint is not None:
            results.append(_refused(benchmark, known.id, reading, complaint))
            continue
        outcome = score(
            benchmark,
            reading.samples,
            [reading.predictions],
            protocols=[known.id],
            resamples=resamples,
        )[0]
        results.append(outcome.result)
        rows += outcome.rows if foreign.clusters_known else _alone(outcome.rows)
    return ForeignScores(
        path.stem, format, tuple(results), foreign.notes, foreign, tuple(rows)
    )


def write_scores(scores: ForeignScores, folder: Path) -> Path:
    """Write scores as the folder of a benchmark, so that it can be reported.

    Args:
        scores: The scores.
        folder: Folder to write; files of an earlier scoring are replaced.

    Returns:
        The folder.

    Raises:
        SettingsError: If there is no score.
    """
    if not scores.results:
        raise SettingsError("There is no score to write. Choose a protocol.")
    files = {
        SAMPLES_FILE: scores.foreign.samples,
        PREDICTIONS_FILE: scores.foreign.predictions,
    }
    for name, records in files.items():
        text = "".join(
            f"{record.model_dump_json(by_alias=True, exclude_defaults=False)}\n"
            for record in records
        )
        write_text(folder / name, text)
    lines = "".join(f"{to_line(row)}\n" for row in scores.rows)
    write_text(folder / SCORES_FILE, lines)
    write_text(folder / "table.md", scores.to_markdown())
    write_results(folder / METRICS_FILE, scores.results)
    return folder


def _benchmark(path: Path, format: str, foreign: Foreign) -> Benchmark:
    """Return the definition that a foreign file amounts to."""
    letters = "".join(c if c.isalnum() or c in ".-" else "-" for c in path.stem.lower())
    return Benchmark(
        name=f"{format}.{letters.strip('.-') or 'file'}"[:80],
        version=1,
        title=f"{path.stem}, as published",
        source=format,
        task="vqa",
        data=DataSpec(file=path.name, license="as the upstream file"),
        prompt=Prompt(id="as-published"),
        group_by=foreign.group_by,
        cluster_by="image" if foreign.clusters_known else "id",
        protocols=foreign.protocols,
    )


def _refused(
    benchmark: Benchmark, protocol: str, reading: Reading, reason: str
) -> Result:
    """Return the result of a protocol that is not scored."""
    known = next(entry for entry in benchmark.protocols if entry.id == protocol)
    failed = sum(not prediction.answered for prediction in reading.predictions)
    return Result(
        benchmark=benchmark.name,
        protocol=protocol,
        metric=known.metric,
        primary=known.primary,
        legacy=known.legacy,
        n=len(reading.samples),
        n_scored=len(reading.samples) - failed,
        n_failed=failed,
        value=None,
        details={"note": reason},
    )


def _alone(rows: Iterable[ScoreRow]) -> list[ScoreRow]:
    """Return rows of samples whose images are not known."""
    return [row.model_copy(update={"cluster": None}) for row in rows]


def _line(result: Result) -> str:
    """Return one protocol as a row of the table."""
    name = f"**{result.protocol}**" if result.primary else result.protocol
    name += " \u2020" if result.legacy else ""
    interval = ""
    if result.ci95 is not None:
        interval = f"{result.ci95[0]:.4f} - {result.ci95[1]:.4f}"
    value = "not scored" if result.value is None else f"{result.value:.4f}"
    baselines = ", ".join(
        f"{key} {number:.4f}"
        for key, number in result.baselines.items()
        if number is not None
    )
    cells = (
        name,
        value,
        interval,
        str(result.n),
        str(result.n_failed),
        str(result.n_unparsed),
        baselines,
    )
    return f"| {' | '.join(cells)} |"


def _merged(sentences: list[str]) -> list[str]:
    """Return "a, b: reason" for protocols of one reason."""
    names: dict[str, list[str]] = {}
    for sentence in sentences:
        name, reason = sentence.split(": ", 1)
        names.setdefault(reason, []).append(name)
    return [f"{', '.join(group)}: {reason}" for reason, group in names.items()]
