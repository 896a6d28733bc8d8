"""Command line: ``rsvlm batch``, many questions from a file."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rsvlm.app.inputs import allow_host

if TYPE_CHECKING:
    from rsvlm.app.batch import Tally

#: Exit status of a command that is done although some questions failed.
SOME_FAILED = 3
#: Time between two lines of progress where stderr is no terminal, s.
SAY_EVERY_S = 10.0


@click.command("batch")
@click.argument("questions", type=click.Path(path_type=Path), metavar="QUESTIONS.jsonl")
@click.option("--out", required=True, metavar="FILE.jsonl",
              type=click.Path(dir_okay=False, path_type=Path),
              help="Answers are added here; the same command goes on after a stop.")  # fmt: skip
@click.option("--model", default="tiny", show_default=True, metavar="PATH|URL#NAME",
              help="Shipped checkpoint, checkpoint folder, or a served model.")  # fmt: skip
@click.option("--engine", default="local", show_default=True,
              metavar="local|vllm|URL#NAME",
              help="What runs a checkpoint: this process, a vLLM server that is "
              "started, or one that serves it.")  # fmt: skip
@click.option("--knowledge", default="none", show_default=True, metavar="DIR|none",
              help="Knowledge base to cite, unless a question names its own.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 1024), metavar="N",
              help="Questions at a time; with --ray: processes, each with the model.  "
              "[default: 8 for a served model, 32 with vllm, else 1]")  # fmt: skip
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), metavar="X",
              help="Most questions begun a second.")  # fmt: skip
@click.option("--retry-errors", is_flag=True, help="Ask again what failed earlier.")
@click.option("--ray", metavar="ADDRESS|local",
              help="Ask on a Ray cluster, or in several processes of this machine.")  # fmt: skip
@allow_host
def batch(**options: Any) -> None:
    """Answer the questions of a file, one JSON object a line.

    A question is {"id", "images": [PATH, ...], "question"} and, where wanted, "task",
    "shape", "sensor", "knowledge"; paths start from the folder of QUESTIONS.jsonl. An
    answer is {"id", "status", "answer", "error"}; answers come in any order.
    """
    from rsvlm.app.batch import BatchRequest, run

    request = BatchRequest(**options)
    with _shown() as show:
        tally = run(request, show)
    click.echo(f"{tally}: {request.out}")
    if tally.left:
        click.echo("Ask what failed earlier again with --retry-errors.", err=True)
    if tally.failed or tally.left:
        sys.exit(SOME_FAILED)


@contextmanager
def _shown() -> "Iterator[Callable[[Tally], None]]":
    """Show how far the batch is on stderr: a bar, or a line now and then."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        line = bar.add_task("asking", total=None)
        said = time.monotonic()

        def show(tally: "Tally") -> None:
            nonlocal said
            done = tally.answered + tally.failed
            failed = f", {tally.failed} failed" if tally.failed else ""
            bar.update(
                line, completed=done, total=tally.open, description=f"asking{failed}"
            )
            if not console.is_terminal and time.monotonic() > said + SAY_EVERY_S:
                said = time.monotonic()
                click.echo(f"{done}/{tally.open} asked{failed}", err=True)

        yield show
