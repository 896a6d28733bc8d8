"""Command line: ``rsvlm eval``.

The commands only gather options; what they do is in :mod:`rsvlm.app.evaluate` and in
:mod:`rsvlm.eval`, which are imported when a command runs.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

#: Exit status of a command that is done although some samples failed.
SOME_FAILED = 3

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, path_type=Path)
_OUT = click.Path(file_okay=False, path_type=Path)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _include(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--include", multiple=True, type=_FOLDER, metavar="DIR",
        help="Folder with benchmarks of your own (YAML); repeatable.",
    )(command)  # fmt: skip


def _data(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--data", type=click.Path(file_okay=False), metavar="DIR",
        help="Folder with the data sets.  [default: $RSVLM_DATA or ../shared/data]",
    )(command)  # fmt: skip


def _scoring(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        click.option("--judge", metavar="URL#NAME",
                     help="Let a model judge answers too, as a column of its own."),
        click.option("--resamples", default=1000, show_default=True,
                     type=click.IntRange(min=0), metavar="N",
                     help="Resamples of the 95 % intervals; 0: none."),
        click.option("--allow-failures", is_flag=True,
                     help="Exit with 0 although some samples failed."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON value."),
    )  # fmt: skip
    for option in options:
        command = option(command)
    return command


@click.group("eval")
def evaluate() -> None:
    """Measure a model: benchmarks, scores, comparisons, reports."""


@evaluate.command("list")
@_data
@_include
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
def eval_list(data: str | None, include: tuple[Path, ...], as_json: bool) -> None:
    """List the benchmarks and whether their samples are here."""
    from rsvlm.app.eval_tables import listing

    click.echo(listing(data, include, as_json))


@evaluate.command("show")
@click.argument("name")
@_data
@_include
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
def eval_show(
    name: str, data: str | None, include: tuple[Path, ...], as_json: bool
) -> None:
    """Show a benchmark: source, terms, prompt, protocols, samples."""
    from rsvlm.app.eval_tables import shown

    click.echo(shown(name, data, include, as_json))


@evaluate.command("convert")
@click.argument("name", required=False)
@click.option("--root", type=_FOLDER, metavar="SRC",
              help="Folder with the data set as it was unpacked.")  # fmt: skip
@click.option("--out", type=_OUT, metavar="DIR", help="Folder to write to.")
def eval_convert(name: str | None, root: Path | None, out: Path | None) -> None:
    """Make the samples of a data set from its own layout.

    Without NAME the data sets are listed.
    """
    from rsvlm.eval.convert.table import CONVERTERS

    if name is None:
        for known, entry in CONVERTERS.items():
            click.echo(f"{known:18} {entry.what}")
        return
    if root is None or out is None:
        raise click.UsageError("Give --root SRC and --out DIR.")
    from rsvlm.eval.convert.write import write

    click.echo(write(name, root, out, _say))


@evaluate.command("run")
@click.option("-b", "--benchmark", "names", required=True, metavar="NAME[,NAME...]",
              help="Benchmarks, by name (rsvlm eval list).")  # fmt: skip
@click.option("-m", "--model", default="tiny", show_default=True,
              metavar="PATH|URL#NAME|encoder:PATH|replay:FILE|echo",
              help="Checkpoint, served model, aligned encoders of a checkpoint, replies "
              "of a file, or the reference.")  # fmt: skip
@click.option("--out", required=True, type=_OUT, metavar="RUN",
              help="Folder of the run; an interrupted one is continued.")  # fmt: skip
@_data
@_include
@click.option("--limit", type=click.IntRange(min=1), metavar="N",
              help="Only the first N samples of each benchmark.")  # fmt: skip
@click.option("--ids", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              metavar="FILE", help="Only the samples of these ids, one a line.")  # fmt: skip
@click.option("--shard", metavar="i/n", help="Only every n-th sample from number i on.")
@click.option("--repeats", default=1, show_default=True, type=click.IntRange(min=1),
              metavar="N", help="Ask every sample N times, each with its own seed.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Seed of the first repeat.")
@click.option("--concurrency", default=8, show_default=True, type=click.IntRange(min=1),
              metavar="N", help="Most questions at a time to a served model.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S",
              help="Seconds that a reply may take.  [default: 120 for a URL]")  # fmt: skip
@click.option("--retries", default=4, show_default=True, type=click.IntRange(min=0),
              metavar="N", help="Further attempts after an error of a served model.")  # fmt: skip
@click.option("--through", default="auto", show_default=True,
              type=click.Choice(["auto", "assistant", "model"]),
              help="Ask as a user does, or send the benchmark's own prompt.")  # fmt: skip
@click.option("--coords", metavar="SPACE[:BOX[:ANGLE]]",
              help="In which numbers the model writes boxes, such as norm1000.")  # fmt: skip
@click.option("--least", type=click.FloatRange(0, 1), metavar="P",
              help="Detecting: also take candidates of the region head from P on.")  # fmt: skip
@click.option("--cache/--no-cache", default=True, show_default=True,
              help="Keep the replies of a served model.")  # fmt: skip
@click.option("--resume/--fresh", default=True, show_default=True,
              help="Go on with the run in the folder, or ask everything again.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be asked, then stop.")
@click.option("--predict-only", is_flag=True, help="Do not score.")
@click.option("--allow-leak", is_flag=True,
              help="Mark images that the model was trained on instead of refusing.")  # fmt: skip
@_scoring
def eval_run(**options: Any) -> None:
    """Ask a model the samples of benchmarks, and score the replies.

    Every reply is kept the moment it comes; the same command goes on after a stop and
    asks only what failed or is missing.
    """
    from rsvlm.app.evaluate import RunRequest, run

    allow_failures = options.pop("allow_failures")
    as_json = options.pop("as_json")
    options["fresh"] = not options.pop("resume")
    options["names"] = [n.strip() for n in options["names"].split(",") if n.strip()]
    text, failed = run(RunRequest(**options), as_json, _say)
    click.echo(text)
    _leave(failed, allow_failures)


@evaluate.command("score")
@click.argument("run", required=False, type=_FOLDER)
@click.option("--predictions", type=_FILE, metavar="FILE",
              help="A result file, ours or of another project.")  # fmt: skip
@click.option("--format", "form", metavar="NAME",
              help="Its format: rsvlm, earthdial, rswk, mme-realworld, lrs-gro, "
              "llava-answers, rscovlm, lmms-eval, vlmevalkit.  [default: rsvlm]")  # fmt: skip
@click.option("--samples", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              metavar="FILE", help="The samples, where the file does not hold them.")  # fmt: skip
@click.option("--coords", metavar="SPACE[:BOX[:ANGLE]]",
              help="Numbers of the boxes, where the file does not say.")  # fmt: skip
@click.option("--protocol", "protocols", multiple=True, metavar="ID",
              help="Only this protocol; repeatable.")  # fmt: skip
@click.option("--out", type=_OUT, metavar="DIR",
              help="Write the scores of a result file here.")  # fmt: skip
@_include
@_scoring
def eval_score(
    run: Path | None,
    predictions: Path | None,
    form: str | None,
    samples: Path | None,
    coords: str | None,
    protocols: tuple[str, ...],
    out: Path | None,
    include: tuple[Path, ...],
    judge: str | None,
    resamples: int,
    allow_failures: bool,
    as_json: bool,
) -> None:
    """Score RUN again, or a result file of any known format.

    A result file is scored under all protocols side by side, so that one sees how much
    of a claim is the protocol.
    """
    from rsvlm.app import evaluate as work

    if (run is None) == (predictions is None):
        raise click.UsageError("Give either RUN or --predictions FILE.")
    if run is not None:
        if form or samples or coords or out:
            raise click.UsageError(
                "--format, --samples, --coords and --out belong to --predictions."
            )
        text, failed = work.rescore(
            run, include, protocols, judge, resamples, as_json, _say
        )
    else:
        assert predictions is not None
        if judge:
            raise click.UsageError("--judge needs a RUN.")
        text, failed = work.score_file(
            predictions, form or "rsvlm", samples, coords, protocols, out, resamples,
            as_json,
        )  # fmt: skip
    click.echo(text)
    _leave(failed, allow_failures)


@evaluate.command("merge")
@click.argument("runs", nargs=-1, required=True, type=_FOLDER)
@click.option("--out", required=True, type=_OUT, metavar="RUN")
@_scoring
def eval_merge(
    runs: tuple[Path, ...],
    out: Path,
    judge: str | None,
    resamples: int,
    allow_failures: bool,
    as_json: bool,
) -> None:
    """Merge RUNS, such as the shards of one, and score the whole."""
    from rsvlm.app.evaluate import merged

    text, failed = merged(runs, out, judge, resamples, as_json, _say)
    click.echo(text)
    _leave(failed, allow_failures)


@evaluate.command("compare")
@click.argument("runs", nargs=-1, required=True, type=_FOLDER)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path),
              metavar="FILE", help="Write a page.")  # fmt: skip
@click.option("--md", type=click.Path(dir_okay=False, path_type=Path),
              metavar="FILE", help="Write Markdown.")  # fmt: skip
def eval_compare(runs: tuple[Path, ...], html: Path | None, md: Path | None) -> None:
    """Compare RUNS with the first of them, sample by sample."""
    from rsvlm.eval.compare import compare
    from rsvlm.eval.compare_page import comparison_markdown, comparison_page
    from rsvlm.eval.results import write_text

    comparison = compare(runs)
    text = comparison_markdown(comparison)
    if md:
        write_text(md, text)
    if html:
        write_text(html, comparison_page(comparison))
    click.echo(text)


@evaluate.command("report")
@click.argument("runs", nargs=-1, required=True, type=_FOLDER)
@click.option("--html", "--out", "out", required=True, type=_OUT, metavar="DIR",
              help="Folder for report.html, report.md and table.csv.")  # fmt: skip
@_data
@_include
def eval_report(
    runs: tuple[Path, ...], out: Path, data: str | None, include: tuple[Path, ...]
) -> None:
    """Write a report of RUNS: one HTML page, Markdown and CSV."""
    from rsvlm.app.evaluate import image_folders
    from rsvlm.eval.report import write_report

    for path in write_report(runs, out, image_folders(runs, data, include)):
        click.echo(path)


@evaluate.command("export")
@click.argument("names", metavar="NAME[,NAME...]")
@click.option("--out", required=True, type=_OUT, metavar="DIR")
@_data
@_include
@click.option("--limit", type=click.IntRange(min=1), metavar="N",
              help="Only the first N samples of each benchmark.")  # fmt: skip
@click.option("--coords", metavar="SPACE[:BOX[:ANGLE]]",
              help="In which numbers models write boxes.")  # fmt: skip
def eval_export(
    names: str,
    out: Path,
    data: str | None,
    include: tuple[Path, ...],
    limit: int | None,
    coords: str | None,
) -> None:
    """Write benchmarks as tasks of lmms-eval, with rsvlm as a model of it."""
    from rsvlm.app.evaluate import exported

    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for path in exported(wanted, out, data, include, limit, coords, _say):
        click.echo(path)


def _leave(failed: int, allowed: bool) -> None:
    if failed:
        _say(f"{failed} samples have no reply that can be scored; they count as wrong.")
        if not allowed:
            sys.exit(SOME_FAILED)
