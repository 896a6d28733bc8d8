"""Command line: ``rsvlm data``."""

import sys
from pathlib import Path

import click

from rsvlm.app.cli_data_build import data_build


@click.group()
def data() -> None:
    """Build training and evaluation records, look at them, check them."""


data.add_command(data_build)


@data.command("validate")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--images/--no-images", default=True, show_default=True,
              help="Open every image; compare size and hash.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def data_validate(file: Path, images: bool, as_json: bool) -> None:
    """Check a JSONL file or tar shard of samples; every fault is printed.

    Exit status 3 where there are faults.
    """
    from rsvlm.data_engine.validate import Counts, validate

    counts = Counts()
    faults = []
    for fault in validate(file, counts, images):
        if as_json:
            faults.append(fault)
        else:
            click.echo(fault)
    if as_json:
        import json

        fields = {
            "samples": counts.samples,
            "images": counts.images,
            "tasks": dict(sorted(counts.tasks.items())),
            "splits": dict(sorted(counts.splits.items())),
            "faults": faults,
        }
        click.echo(json.dumps(fields, ensure_ascii=False))
    else:
        tasks = ", ".join(f"{name} {n}" for name, n in sorted(counts.tasks.items()))
        _say(
            f"{counts.samples} samples of {counts.images} images ({tasks}): "
            f"{counts.faults or 'no'} faults"
        )
    if counts.faults:
        sys.exit(3)


@data.command("show")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path),
              help="HTML file to write.  [default: FILE.html, or DIR/show.html]")  # fmt: skip
@click.option("--limit", default=60, show_default=True, type=click.IntRange(1, 2000),
              help="Samples on the page, spread over tasks and sources.")  # fmt: skip
@click.option("--task", help="Only samples of one task.")
@click.option("--source", help="Only samples of one source.")
@click.option("--id", "part", help="Only samples whose id holds this text.")
def data_show(
    file: Path,
    out: Path | None,
    limit: int,
    task: str | None,
    source: str | None,
    part: str | None,
) -> None:
    """Write one HTML page of samples with drawn regions, and of a build's statistics.

    FILE is a JSONL file, a tar shard, or the folder of a build.
    """
    from rsvlm.app.data_page import Chosen, show

    page = out or (file / "show.html" if file.is_dir() else file.with_suffix(".html"))
    show(file, page, Chosen(limit, task, source, part))
    click.echo(page)


@data.command("licences")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def data_licences(folder: Path | None, as_json: bool) -> None:
    """Print the terms of the samples in FOLDER and the text that names their owners.

    Without FOLDER: the terms of every source that is known.
    """
    from rsvlm.data_engine.licences import attribution, listed, table

    counts, stated = listed(folder)
    rows = table(counts, stated)
    lines = attribution((row[0] for row in rows), stated)
    if as_json:
        import json

        names = ("source", "spdx", "use", "samples", "licence")
        fields = {
            "sources": [dict(zip(names, row, strict=True)) for row in rows],
            "attribution": lines,
        }
        click.echo(json.dumps(fields, ensure_ascii=False))
        return
    width = max((len(row[0]) for row in rows), default=0)
    for source, spdx, use, count, licence in rows:
        shown = f"{count:>8}  " if folder else ""
        click.echo(f"{source:{width}}  {use:10}  {spdx:28}  {shown}{licence}")
    click.echo("\nAttribution:" if lines else "\nNobody has to be named.")
    for line in lines:
        click.echo(f"  {line}.")


@data.command("pack")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
@click.option("--size", default=256, show_default=True, type=click.IntRange(1),
              help="Size that closes a shard, MiB.")  # fmt: skip
def data_pack(file: Path, out: Path, size: int) -> None:
    """Write the samples of a JSONL file and their images as tar shards (WebDataset)."""
    from rsvlm.data_engine.shards import write_shards
    from rsvlm.errors import SettingsError
    from rsvlm.samples import read_samples

    if not file.is_file():
        raise SettingsError(
            f"There is no file {file.name!r} in {str(file.parent)!r}. Name a JSONL file "
            "of samples."
        )
    samples = read_samples(file)
    for path in write_shards(samples, file.parent, out, file.stem, size << 20):
        click.echo(path)


def _say(line: str) -> None:
    click.echo(line, err=True)
