"""All figures of a checkpoint at once, with leaks and failures, as text and JSON."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from rsvlm.app.figures import beside, card
from rsvlm.app.figures.failures import Failure, failures
from rsvlm.app.figures.figure import Figure, of_benchmarks
from rsvlm.app.figures.leaks import Leaks, find_leaks
from rsvlm.app.figures.measure import Askers, Request, ask, command, folder_of, key_of
from rsvlm.app.figures.report import cell, failures_text, figures_text, leaks_text
from rsvlm.app.figures.rows import Table
from rsvlm.errors import UnknownNameError
from rsvlm.eval.manifest import host_free, versions
from rsvlm.eval.records import read_document
from rsvlm.eval.results import finite, write_text
from rsvlm.models.checkpoint import find_checkpoint
from rsvlm.training.run import revision

Say = Callable[[str], None]


class Record(BaseModel):
    """The content of ``figures.json``.

    Attributes:
        model: What was measured.
        revision: Commit of the code.
        versions: Packages.
        figures: The rows of the table.
        seconds: Part -> seconds that its questions took, as far as is known.
        leaks: Training pictures among the measured ones; None where nobody looked.
        failures: Wrong answers.
        commands: Part -> the command that measures the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    revision: str | None
    versions: dict[str, str]
    figures: tuple[Figure, ...]
    seconds: dict[str, float]
    leaks: Leaks | None
    failures: tuple[Failure, ...]
    commands: dict[str, str]


@dataclass(frozen=True)
class Whole:
    """Everything that is known, and the sections that are written of it.

    Attributes:
        record: Everything.
        texts: Name of a section -> its Markdown.
    """

    record: Record
    texts: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON holds it."""
        found: dict[str, Any] = finite(self.record.model_dump(mode="json"))
        return found

    def write(self, out: Path, into: Sequence[Path]) -> None:
        """Write ``figures.json``, ``figures.md``, and the marked sections of files.

        Raises:
            SettingsError: If a file is missing or has no marked section.
            ParseError: If its marks do not fit.
        """
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False)
        write_text(out / "figures.json", text + "\n")
        titles = {"figures": "Figures", "leaks": "Leakage", "failures": "Failures"}
        blocks = [f"# {titles[name]}\n\n{text}\n" for name, text in self.texts.items()]
        write_text(out / "figures.md", "\n".join(blocks))
        for path in into:
            card.write(path, self.texts)


def figures_of(
    table: Table, request: Request, only: Sequence[str] | None, say: Say
) -> Whole:
    """Measure a checkpoint, or take what was measured before.

    Args:
        table: Which figures.
        request: Of what, and with what.
        only: Parts to measure; of others what is there already is taken. None: all.
        say: Called with a line of progress.

    Raises:
        UnknownNameError: If there is no such part.
        CheckpointError: If there is no such checkpoint.
        ParseError: If its list of training pictures is damaged.
    """
    known = [part.name for part in table.part]
    for name in only or ():
        if name not in known:
            raise UnknownNameError("part", name, known)
    checkpoint = find_checkpoint(request.model)
    found: dict[str, Figure] = {}
    wrong: list[Failure] = []
    seconds: dict[str, float] = {}
    folders: list[str] = []
    leaks, askers = None, Askers(request)
    for part in table.part:
        rows = [row for row in table.row if row.part == part.name]
        key = key_of(part, request, checkpoint)
        folder = folder_of(part, request, key)
        is_wanted = only is None or part.name in only
        if part.by == "leaks":
            leaks = _leaks(table, request, folder, checkpoint, is_wanted, say)
        elif part.by == "needle":
            figures = beside.needle(rows, request)
        elif part.by == "speed":
            figures = beside.speed(rows, request, folder, is_wanted, say)
        else:
            names = table.benchmarks(part) if is_wanted else []
            asked = ask(part, names, askers, key, say)
            figures = of_benchmarks(rows, asked)
            told = failures(rows, asked)
            wrong += told
            folders += [folder.name] if told else []
            seconds[part.name] = round(asked.seconds(), 1)
        if rows:
            found |= {row.title: f for row, f in zip(rows, figures, strict=True)}
    record = Record(
        model=str(host_free(request.model)),
        revision=revision(),
        versions=versions(),
        figures=tuple(found[row.title] for row in table.row),
        seconds=seconds,
        leaks=leaks,
        failures=tuple(wrong),
        commands={p.name: command(p, table.benchmarks(p), request) for p in table.part},
    )
    return Whole(
        record, _texts(record, [f"{request.out.name}/{name}" for name in folders])
    )


def _leaks(
    table: Table,
    request: Request,
    folder: Path,
    checkpoint: Path,
    is_wanted: bool,
    say: Say,
) -> Leaks | None:
    """Return what is known of leaks, found before or now; None where it is not wanted."""
    file = folder / "leaks.json"
    if file.is_file():
        return read_document(file, Leaks)
    if not is_wanted:
        return None
    parts = [part for part in table.part if part.by == "eval"]
    names = dict.fromkeys(name for part in parts for name in table.benchmarks(part))
    leaks = find_leaks(list(names), checkpoint, request, say)
    if not any(leak.note for leak in leaks.leaks):  # what is missing may come
        write_text(file, leaks.model_dump_json(indent=1) + "\n")
    return leaks


def _texts(record: Record, runs: Sequence[str]) -> dict[str, str]:
    """Return name of a section -> its Markdown."""
    python = record.versions.get("python", "")
    torch = record.versions.get("torch", "")
    about = (
        f"Checkpoint `{cell(record.model)}`, code {(record.revision or 'not known')[:9]}, "
        f"Python {python}, torch {torch}, test splits, by `python -m rsvlm.app.figures` "
        "(`make figures`). 95 % intervals: bootstrap by image; of times all values. "
        "A reply that is missing or unreadable is wrong."
    )
    return {
        "figures": figures_text(record.figures, record.commands, about),
        "leaks": "Not looked for."
        if record.leaks is None
        else leaks_text(record.leaks),
        "failures": failures_text(record.failures, runs),
    }
