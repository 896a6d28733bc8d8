"""Command line: ``rsvlm index``, the archive of many rasters.

The commands only gather options; the archive is in :mod:`rsvlm.retrieval.archive`.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rsvlm.app.inputs import allow_host

if TYPE_CHECKING:
    from rsvlm.retrieval.archive import Archive, Filter
    from rsvlm.retrieval.archive_build import Built, Progress
    from rsvlm.retrieval.archive_tables import TileHit

#: Exit status of a command that is done although some rasters failed.
SOME_FAILED = 3

_ARCHIVE = click.Path(exists=True, file_okay=False, path_type=Path)
_SENSOR = click.Choice(["optical", "multispectral", "sar"])


def _model(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--model", default="tiny", show_default=True, metavar="PATH",
        help="Checkpoint with aligned encoders.",
    )(command)  # fmt: skip


def _filters(command: Callable[..., Any]) -> Callable[..., Any]:
    options: tuple[Callable[..., Any], ...] = (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON value."),
        click.option("--thumbnails", type=click.Path(file_okay=False, path_type=Path),
                     metavar="DIR", help="Write a small picture of each hit."),
        click.option("--per-raster", default=3, show_default=True,
                     type=click.IntRange(min=0), metavar="N",
                     help="Most hits of one raster; 0: any number, overlapping too."),
        click.option("-k", default=10, show_default=True, type=click.IntRange(min=1),
                     metavar="N", help="Hits wanted."),
        click.option("--sensor", type=_SENSOR, help="Only images of this sensor."),
        click.option("--date", metavar="DAY[/DAY]",
                     help="Only of a year, month or day, or between two: 2019/2020-06."),
        click.option("--place", metavar="W,S,E,N|LON,LAT[,KM]|IMAGE",
                     help="Only in a rectangle, near a point (25 km), or on an image."),
    )  # fmt: skip
    for option in options:
        command = option(command)
    return command


@click.group("index")
def index() -> None:
    """Search a collection of images by words, image, place and date."""


@index.command("build")
@click.argument("files", nargs=-1, required=True, metavar="FILES|DIR|STAC...")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path),
              help="Folder of the archive; an interrupted build goes on.")  # fmt: skip
@click.option("--sensor", type=_SENSOR, help="Of all images.  [default: each its own]")
@click.option("--no-thumbnails", is_flag=True, help="Keep no small pictures.")
@allow_host
@_model
def index_build(
    files: tuple[str, ...],
    out: Path,
    sensor: str | None,
    no_thumbnails: bool,
    hosts: tuple[str, ...],
    model: str,
) -> None:
    """Index images: files, addresses, folders, or STAC items and catalogues."""
    _fill(files, out, sensor, not no_thumbnails, model, hosts, begins=True)


@index.command("add")
@click.argument("folder", type=_ARCHIVE, metavar="DIR")
@click.argument("files", nargs=-1, required=True, metavar="FILES|DIR|STAC...")
@click.option("--sensor", type=_SENSOR, help="Of all images.  [default: each its own]")
@allow_host
@_model
def index_add(
    folder: Path,
    files: tuple[str, ...],
    sensor: str | None,
    hosts: tuple[str, ...],
    model: str,
) -> None:
    """Add images to the archive DIR."""
    _fill(files, folder, sensor, True, model, hosts, begins=False)


@index.command("search")
@click.argument("folder", type=_ARCHIVE, metavar="DIR")
@click.argument("query", metavar="QUERY|IMAGE")
@_filters
@_model
def index_search(
    folder: Path, query: str, model: str, k: int, as_json: bool,
    thumbnails: Path | None, **only: Any,
) -> None:  # fmt: skip
    """Find tiles by words or by an image of any sensor.

    QUERY is the path of an image, the name of a sample scene, or else words.
    """
    from rsvlm.app.samples import image_path

    chosen = _filter(**only)
    path = Path(image_path(query)) if len(query) < 256 else None
    with _archive(folder, model) as archive:
        if path is not None and path.is_file():
            from rsvlm.raster import Raster

            with Raster.open(path) as raster:
                hits = archive.search_view(raster.preview(512), k, chosen)
        else:
            hits = archive.search_words(query, k, chosen)
        _show(archive, hits, {"query": query}, as_json, thumbnails)


@index.command("similar")
@click.argument("folder", type=_ARCHIVE, metavar="DIR")
@click.argument("tile", type=int)
@_filters
def index_similar(
    folder: Path, tile: int, k: int, as_json: bool, thumbnails: Path | None, **only: Any
) -> None:
    """Find tiles like TILE, a number of an earlier search."""
    chosen = _filter(**only)
    with _archive(folder) as archive:
        hits = archive.similar(tile, k, chosen)
        _show(archive, hits, {"tile": tile}, as_json, thumbnails)


@index.command("ask")
@click.argument("folder", type=_ARCHIVE, metavar="DIR")
@click.argument("tile", type=int)
@click.argument("question")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@allow_host
@_model
def index_ask(
    folder: Path,
    tile: int,
    question: str,
    as_json: bool,
    hosts: tuple[str, ...],
    model: str,
) -> None:
    """Answer QUESTION about TILE, a number of an earlier search."""
    from rsvlm.ranges import Web
    from rsvlm.retrieval.archive_cut import open_hit

    with _archive(folder) as archive:
        hit = archive.hit(tile)
    with open_hit(hit, Web.of(hosts)) as raster:
        from rsvlm.app.build import build_assistant
        from rsvlm.app.progress import asset_progress

        with asset_progress():
            assistant = build_assistant(model)
        answer = assistant.ask([raster], question)
    for warning in answer.warnings:
        click.echo(f"Note: {warning}", err=True)
    click.echo(answer.to_json() if as_json else answer.text)


@index.command("list")
@click.argument("folder", type=_ARCHIVE, metavar="DIR")
def index_list(folder: Path) -> None:
    """List the images of the archive DIR."""
    with _archive(folder) as archive:
        for path in archive.rasters:
            click.echo(path)


@index.command("remove")
@click.argument("folder", type=_ARCHIVE, metavar="DIR")
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
def index_remove(folder: Path, files: tuple[str, ...]) -> None:
    """Take images out of the archive DIR."""
    with _archive(folder) as archive:
        for path in files:
            click.echo(f"{path}: {archive.remove(path)} tiles removed")


@index.command("verify")
@click.argument("folder", type=_ARCHIVE, metavar="DIR")
@allow_host
def index_verify(folder: Path, hosts: tuple[str, ...]) -> None:
    """Check the files of the archive DIR, and whether its images are as indexed.

    Images on other hosts are looked at where their hosts are allowed.
    """
    from rsvlm.ranges import Web

    with _archive(folder) as archive:
        problems = archive.verify(Web.of(hosts) if hosts else None)
        count = len(archive)
    for problem in problems:
        click.echo(problem)
    if problems:
        sys.exit(SOME_FAILED)
    click.echo(f"{count} tiles: ok")


@index.command("rebuild")
@click.argument("folder", type=_ARCHIVE, metavar="DIR")
@click.option("--codes", type=click.Choice(["sq8", "pq"]),
              help="How an index of 100,000 tiles and more stores vectors: a byte a "
              "number, or an eighth of that.  [default: as before]")  # fmt: skip
@allow_host
@_model
def index_rebuild(folder: Path, codes: Any, hosts: tuple[str, ...], model: str) -> None:
    """Make the index of DIR again; damaged tiles are encoded anew."""
    from rsvlm.ranges import Web

    with _archive(folder, model) as archive:
        anew = archive.rebuild(codes, Web.of(hosts))
        click.echo(f"{len(archive)} tiles, {anew} of them encoded anew")


def _fill(
    files: tuple[str, ...], out: Path, sensor: str | None, thumbnails: bool, model: str,
    hosts: tuple[str, ...], begins: bool,
) -> None:  # fmt: skip
    import time

    from rsvlm.app.index_run import write_run
    from rsvlm.ranges import Web
    from rsvlm.retrieval.archive_files import entries

    found = entries(files, sensor or "auto")
    with _archive(out, model, begins) as archive, _bar() as show:
        started = time.time()
        write_run(archive, found, started, None)
        built = archive.add(found, show, thumbnails, Web.of(hosts))
        write_run(archive, found, started, built)
        click.echo(_summary(built, len(archive)))
    for path, reason in built.failed.items():
        click.echo(f"{path}: {reason}", err=True)
    if built.failed:
        sys.exit(SOME_FAILED)


def _summary(built: "Built", tiles: int) -> str:
    text = f"{built.rasters} images indexed, {built.tiles} tiles added"
    for number, what in (
        (built.kept, "images were there"),
        (built.blank, "blank tiles left out"),
        (len(built.failed), "images failed"),
    ):
        text += f", {number} {what}" if number else ""
    return f"{text}; {tiles} tiles in all"


@contextmanager
def _archive(
    folder: Path, model: str | None = None, begins: bool = False
) -> "Iterator[Archive]":
    from rsvlm.retrieval.archive import Archive

    if not begins:
        Archive.open(folder).close()  # before encoders are loaded for nothing
    encoder = None
    if model is not None:
        from rsvlm.app.progress import asset_progress
        from rsvlm.models.aligned import AlignedEncoder
        from rsvlm.models.checkpoint import find_checkpoint

        with asset_progress():
            encoder = AlignedEncoder.load(find_checkpoint(model))
    with Archive(folder, encoder) as archive:
        yield archive


def _filter(
    place: str | None, date: str | None, sensor: str | None, per_raster: int
) -> "Filter":
    from rsvlm.retrieval.archive import Filter
    from rsvlm.retrieval.archive_files import days_between
    from rsvlm.retrieval.archive_place import Place

    return Filter(
        sensor,
        days_between(date) if date else None,
        Place.parse(place) if place else None,
        per_raster,
    )


def _show(
    archive: "Archive", hits: "list[TileHit]", asked: dict[str, Any], as_json: bool,
    thumbnails: Path | None,
) -> None:  # fmt: skip
    """Print hits, and write their thumbnails."""
    pictures: dict[int, str] = {}
    if thumbnails is not None:
        thumbnails.mkdir(parents=True, exist_ok=True)
        for rank, hit in enumerate(hits, 1):
            if data := archive.thumbnail(hit.tile):
                path = thumbnails / f"{rank:03d}-tile-{hit.tile}.webp"
                path.write_bytes(data)
                pictures[hit.tile] = str(path)
    if as_json:
        rows = [
            hit.model_dump(mode="json") | {"thumbnail": pictures.get(hit.tile)}
            for hit in hits
        ]
        click.echo(json.dumps({"schema": "rsvlm.hits/1", **asked, "hits": rows}))
        return
    for hit in hits:
        window = ",".join(f"{value:g}" for value in hit.window)
        day = "/".join(dict.fromkeys(hit.days)) if hit.days else "-"
        click.echo(
            f"{hit.lift:6.2f}  {hit.score:5.3f}  tile {hit.tile:<8} {hit.sensor:13} "
            f"{day:10}  {hit.path} [{window}]"
        )
    if not hits:
        click.echo("Nothing found. Widen --place, --date or --sensor.", err=True)


@contextmanager
def _bar() -> "Iterator[Progress]":
    """Show tiles done on stderr, one line an image where it is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        lines: dict[str, Any] = {}

        def show(path: str, done: int, total: int) -> None:
            if path not in lines:
                lines[path] = bar.add_task(Path(path).name, total=total)
                if not console.is_terminal:
                    console.print(f"{path}: {total} tiles", highlight=False)
            bar.update(lines[path], completed=done)

        yield show
