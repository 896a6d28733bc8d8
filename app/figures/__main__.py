"""Command line of the figures; see ``make figures``."""

import json
from pathlib import Path

import click

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.option("-m", "--model", default="tiny", show_default=True, metavar="PATH",
              help="Checkpoint, by name or folder.")  # fmt: skip
@click.option("--out", default="runs/figures", show_default=True, metavar="DIR",
              type=click.Path(file_okay=False, path_type=Path),
              help="Folder of the runs and of figures.json and figures.md.")  # fmt: skip
@click.option("--data", type=_FOLDER, metavar="DIR",
              help="Folder with the data sets.  [default: $RSVLM_DATA or ../shared/data]")  # fmt: skip
@click.option("--table", "table_file", metavar="FILE",
              type=click.Path(dir_okay=False, path_type=Path),
              help="Rows of your own (TOML).  [default: those of the project]")  # fmt: skip
@click.option("--include", multiple=True, type=_FOLDER, metavar="DIR",
              help="Folder with benchmarks of your own (YAML); repeatable.")  # fmt: skip
@click.option("--only", metavar="PART[,PART...]",
              help="Measure only these parts; of others what is there already is told.")  # fmt: skip
@click.option("--limit", type=click.IntRange(min=1), metavar="N",
              help="Only the first N samples of each benchmark; for a trial.")  # fmt: skip
@click.option("--knowledge", type=_FOLDER, metavar="DIR",
              help="Knowledge base for the place questions.")  # fmt: skip
@click.option("--needle", default="runs/needle/results.jsonl", show_default=True,
              type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Results of benchmarks/zoom_hits.py.")  # fmt: skip
@click.option("--into", multiple=True, type=click.Path(dir_okay=False, path_type=Path),
              metavar="FILE", help="Write the marked sections of this Markdown file; repeatable.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of Markdown.")
def main(
    model: str,
    out: Path,
    data: Path | None,
    table_file: Path | None,
    include: tuple[Path, ...],
    only: str | None,
    limit: int | None,
    knowledge: Path | None,
    needle: Path,
    into: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Measure a checkpoint on all benchmarks; print and keep one table.

    What is finished is not measured again as long as checkpoint, code and data stay the
    same; what was interrupted goes on. What cannot be measured says so in its row.
    """
    from rsvlm.app.figures.measure import Request
    from rsvlm.app.figures.rows import TABLE, read_table
    from rsvlm.app.figures.whole import figures_of
    from rsvlm.app.progress import asset_progress
    from rsvlm.errors import RsvlmError

    if into and limit is not None:
        raise click.UsageError("A trial with --limit has no figures to write --into.")
    request = Request(
        model,
        out,
        None if data is None else str(data),
        include,
        limit,
        knowledge,
        needle,
    )
    parts = None if only is None else [name.strip() for name in only.split(",")]
    try:
        with asset_progress():
            whole = figures_of(
                read_table(table_file or TABLE), request, parts,
                lambda line: click.echo(line, err=True),
            )  # fmt: skip
        whole.write(out, into)
    except (RsvlmError, OSError) as error:
        raise click.ClickException(" ".join(str(error).split())) from error
    click.echo(
        json.dumps(whole.to_dict(), indent=1) if as_json else whole.texts["figures"]
    )


if __name__ == "__main__":
    main()
