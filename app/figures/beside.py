"""Figures that scripts in ``benchmarks/`` measure: time, memory, needles in scenes."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rsvlm.app.figures.figure import Figure, measured, missing
from rsvlm.app.figures.measure import Request
from rsvlm.app.figures.rows import Row
from rsvlm.eval.manifest import host_free
from rsvlm.eval.metrics.intervals import wilson
from rsvlm.eval.results import write_text

Say = Callable[[str], None]

#: The script that measures time; scripts are part of the repository, not of the package.
SPEED = Path(__file__).resolve().parents[2] / "benchmarks" / "answer_time.py"
#: Seconds that it may take.
LONGEST_S = 1800


def speed(
    rows: Sequence[Row], request: Request, folder: Path, is_wanted: bool, say: Say
) -> list[Figure]:
    """Return times and memory, measured by ``benchmarks/answer_time.py``.

    They are those of a quiet machine only if it is one.

    Args:
        rows: What is timed.
        request: Of which checkpoint.
        folder: Where the times are kept.
        is_wanted: Whether they are taken where they are not there.
        say: Called with a line of progress.
    """
    file = folder / "answer_time.json"
    if not file.is_file():
        if not is_wanted:
            return [missing(row, "") for row in rows]
        if not SPEED.is_file():
            return [
                missing(row, f"{SPEED.name} is in the repository only") for row in rows
            ]
        say("speed: measuring times; keep the machine quiet")
        try:
            text = subprocess.run(
                [sys.executable, str(SPEED), "--model", request.model, "--json"],
                capture_output=True, text=True, check=True, timeout=LONGEST_S,
            ).stdout  # fmt: skip
            write_text(file, text)
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or ["it said nothing"])[-1]
            return [missing(row, f"{SPEED.name} failed: {last}") for row in rows]
        except subprocess.TimeoutExpired:
            why = f"{SPEED.name} took more than {LONGEST_S} s"
            return [missing(row, why) for row in rows]
    times: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    figures = []
    for row in rows:
        found = times.get(row.protocol)
        if found is None:
            figures.append(missing(row, f"{SPEED.name} does not time it"))
            continue
        values = sorted(found)
        figures.append(
            measured(
                row, values[len(values) // 2], (values[0], values[-1]), len(values)
            )
        )
    return figures


def needle(rows: Sequence[Row], request: Request) -> list[Figure]:
    """Return shares of hits and right answers of ``benchmarks/zoom_hits.py``."""
    try:
        lines = request.needle.read_text(encoding="utf-8").splitlines()
        cases = [json.loads(line) for line in lines if line.strip()]
    except (OSError, ValueError):
        why = (
            f"there are no results in {request.needle.name}; run "
            f"python benchmarks/zoom_hits.py --model {host_free(request.model)}"
        )
        return [missing(row, why) for row in rows]
    figures = []
    for row in rows:
        values = _values(cases, row.benchmark, row.protocol)
        if not values:
            figures.append(missing(row, f"no case was asked with {row.benchmark}"))
            continue
        plain = _values(cases, "none", row.protocol)
        rule = _values(cases, "rule", row.protocol)
        baselines = {
            name: sum(others) / len(others)
            for name, others in (("whole image", plain), ("ImageRAG's rule", rule))
            if others
        }
        hits = sum(values)
        figures.append(
            measured(
                row,
                hits / len(values),
                wilson(hits, len(values)),
                len(values),
                baselines,
            )
        )
    return figures


def _values(cases: Sequence[dict[str, Any]], method: str, field: str) -> list[bool]:
    return [
        bool(case[field])
        for case in cases
        if case.get("method") == method and field in case
    ]
