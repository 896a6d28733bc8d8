"""Command line: ``rsvlm``.

Results go to stdout, progress and warnings to stderr. Heavy imports stay inside the
commands, so ``rsvlm --help`` answers at once.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rsvlm import __version__
from rsvlm.app.cli_batch import batch
from rsvlm.app.cli_chat import chat
from rsvlm.app.cli_convert import convert_answers
from rsvlm.app.cli_data import data
from rsvlm.app.cli_eval import evaluate
from rsvlm.app.cli_export import export_command
from rsvlm.app.cli_index import index
from rsvlm.app.cli_keys import keys
from rsvlm.app.cli_knowledge import knowledge
from rsvlm.app.cli_rewrite import data_rewrite
from rsvlm.app.cli_scan import scan
from rsvlm.app.cli_serve import serve
from rsvlm.app.cli_train import train
from rsvlm.app.inputs import allow_host
from rsvlm.errors import RsvlmError

#: Names of the tasks, in the order of the help; a test holds them to ``TASKS``.
TASK_NAMES = (
    "auto", "caption", "vqa", "classify", "count", "ground", "segment", "detect",
    "compare",
)  # fmt: skip


class Group(click.Group):
    """Command group that prints an :class:`RsvlmError` as one line."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; user errors leave with status 1 and no traceback."""
        try:
            return super().invoke(ctx)
        except RsvlmError as error:
            raise click.ClickException(" ".join(str(error).split())) from error
        except KeyboardInterrupt:
            raise click.ClickException(
                "Interrupted. Run the same command again to go on."
            ) from None
        except BrokenPipeError:
            # The reader of our output has gone: not our fault, nothing to say.
            sys.stderr.close()
            ctx.exit(0)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rsvlm")
def main() -> None:
    """Ask questions about satellite, aerial and radar images."""


@main.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE [IMAGE...]")
@click.argument("question")
@click.option(
    "-t", "--task", default="auto", show_default=True, metavar="TASK",
    help=f"One of: {', '.join(TASK_NAMES)}.",
)  # fmt: skip
@click.option(
    "--sensor", default="auto", show_default=True,
    type=click.Choice(["auto", "optical", "sar", "multispectral"]),
    help="What the images were taken with.",
)  # fmt: skip
@click.option(
    "--shape", type=click.Choice(["hbb", "obb", "polygon", "mask"]),
    help="Shape of regions.  [default: mask when segmenting, else hbb]",
)  # fmt: skip
@click.option(
    "--zoom", default="auto", show_default=True,
    type=click.Choice(["auto", "none", "search", "chain"]),
    help="Search large images tile by tile, or only as a whole.",
)  # fmt: skip
@click.option(
    "--model", default="tiny", show_default=True, metavar="PATH|URL#NAME",
    help="Shipped checkpoint, checkpoint folder, or a model behind an OpenAI API.",
)  # fmt: skip
@click.option(
    "--region-head", default="", metavar="sam2:PATH",
    help="Draw outlines with a SAM 2 checkpoint.",
)  # fmt: skip
@click.option(
    "--knowledge", default="none", show_default=True, metavar="DIR|none",
    help="Knowledge base to cite (rsvlm knowledge build).",
)  # fmt: skip
@click.option(
    "--at", multiple=True, metavar="PLACE",
    help="Ask about a place: x,y or x0,y0,x1,y1 in px of the first image, or "
    "lonlat:LON,LAT or lonlat:WEST,SOUTH,EAST,NORTH. Can be given again.",
)  # fmt: skip
@allow_host
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overlay", type=click.Path(dir_okay=False), help="Draw a PNG.")
@click.option("--geojson", type=click.Path(dir_okay=False), help="Write GeoJSON.")
@click.option("--mask", type=click.Path(dir_okay=False), help="Write a mask GeoTIFF.")
@click.option("--trace", is_flag=True, help="Print the steps to stderr.")
@click.option("--seed", type=int, help="Seed of the model.")
def ask(
    images: tuple[str, ...],
    question: str,
    task: str,
    sensor: str,
    shape: Any,
    zoom: Any,
    model: str,
    region_head: str,
    knowledge: str,
    at: tuple[str, ...],
    hosts: tuple[str, ...],
    as_json: bool,
    overlay: str | None,
    geojson: str | None,
    mask: str | None,
    trace: bool,
    seed: int | None,
) -> None:
    """Answer QUESTION about one or more images.

    IMAGE is a file, the name of a sample scene (rsvlm assets list), or an address
    (http, https) on an allowed host. A QUESTION of "-" is read from stdin.
    """
    from contextlib import ExitStack

    from rsvlm.app.inputs import open_input
    from rsvlm.tasks import get_task

    if question == "-":
        question = sys.stdin.read().strip()
    if task != "auto":
        get_task(task)  # before the model is loaded
    with ExitStack() as stack:
        rasters = [
            stack.enter_context(open_input(name, sensor, hosts)) for name in images
        ]
        _check_outputs(rasters, geojson)
        from rsvlm.app.places import places

        focus = places(at, rasters)
        from rsvlm.app.build import build_assistant

        with _progress_of_assets():
            base = "" if knowledge == "none" else knowledge
            assistant = build_assistant(model, region_head, base)
        stream = sys.stderr.isatty() and not as_json
        answer = assistant.ask(
            rasters, question, task, shape=shape, zoom=zoom, seed=seed,
            on_text=_streamer() if stream else None, focus=focus,
        )  # fmt: skip
        if stream:
            click.echo("\r\033[K", nl=False, err=True)
        _write_files(answer, rasters, overlay, geojson, mask)
    for warning in answer.warnings:
        click.echo(f"Note: {warning}", err=True)
    if trace:
        for step in answer.trace:
            # The grid of scores is for --overlay and --json.
            fields = step.model_dump(exclude_none=True, exclude={"scores"})
            click.echo(" ".join(f"{k}={v}" for k, v in fields.items()), err=True)
    click.echo(answer.to_json() if as_json else answer.text)


def _check_outputs(rasters: list[Any], geojson: str | None) -> None:
    """Refuse what cannot be written before a model is loaded for it."""
    from rsvlm.errors import SettingsError

    if geojson and not any(raster.georeference for raster in rasters):
        raise SettingsError(
            f"{rasters[0].name!r} has no CRS, so that its regions have no place on the "
            "Earth. Leave out --geojson and take pixels from --json."
        )


def _write_files(
    answer: Any,
    rasters: list[Any],
    overlay: str | None,
    geojson: str | None,
    mask: str | None,
) -> None:
    if overlay:
        from rsvlm.heatmap import draw_zoom
        from rsvlm.overlay import draw, write_png

        view = rasters[0].preview(max_side=1280)
        footer = f"{answer.question}\n{answer.text}"
        regions = answer.to_regions(0)
        pixels = draw_zoom(view.pixels, answer.trace, view.window)
        picture = draw(pixels, regions, view.window, footer=footer, gsd=rasters[0].gsd)
        write_png(Path(overlay), picture)
    if geojson:
        from rsvlm.outputs import write_geojson

        write_geojson(Path(geojson), answer)
    if mask:
        from rsvlm.outputs import write_mask

        write_mask(Path(mask), answer.to_regions(0), rasters[0])


def _streamer() -> Callable[[str], None]:
    """Show the model's words on stderr as they come; the answer replaces them."""

    def show(piece: str) -> None:
        click.echo(piece.replace("\n", " "), nl=False, err=True)

    return show


def _progress_of_assets() -> Any:
    """Show a bar on stderr while assets are fetched for the first time."""
    from rsvlm.app.progress import asset_progress

    return asset_progress()


@main.command()
@click.argument("image")
@click.option("--sensor", default="auto", show_default=True,
              type=click.Choice(["auto", "optical", "sar", "multispectral"]))  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@allow_host
def info(image: str, sensor: str, as_json: bool, hosts: tuple[str, ...]) -> None:
    """Say what IMAGE is and what can be asked of it."""
    from rsvlm.app.info import describe, lines
    from rsvlm.app.inputs import open_input

    with open_input(image, sensor, hosts) as raster:
        facts = describe(raster)
    if as_json:
        import json

        click.echo(json.dumps(facts))
    else:
        click.echo("\n".join(lines(facts)))


def _say(line: str) -> None:
    click.echo(line, err=True)


data.add_command(data_rewrite)
main.add_command(chat)
main.add_command(data)
main.add_command(batch)
main.add_command(convert_answers)
main.add_command(evaluate)
main.add_command(export_command)
main.add_command(index)
main.add_command(keys)
main.add_command(knowledge)
main.add_command(scan)
main.add_command(serve)
main.add_command(train)


@main.group("assets")
def assets_group() -> None:
    """Pretrained files and sample images that arrive inside packages."""


@assets_group.command("list")
def assets_list() -> None:
    """List the assets."""
    from rsvlm import assets

    for asset in assets.table().values():
        state = "here" if assets.cached(asset.name) else "-"
        star = "*" if asset.default else " "
        click.echo(f"{star} {asset.name:28} {asset.kind:16} {state:5} {asset.licence}")


@assets_group.command("fetch")
@click.argument("names", nargs=-1)
def assets_fetch(names: tuple[str, ...]) -> None:
    """Fetch NAMES, or the default set."""
    from rsvlm import assets
    from rsvlm.app.progress import fetch_all

    table = assets.table()
    wanted = list(names) or [a.name for a in table.values() if a.default]
    fetch_all(wanted)
    for name in wanted:
        click.echo(f"{name}: {assets.cached(name)}")


@assets_group.command("verify")
@click.argument("names", nargs=-1)
def assets_verify(names: tuple[str, ...]) -> None:
    """Check NAMES, or everything that was fetched, against the hashes."""
    from rsvlm import assets

    for name in names or [n for n in assets.table() if assets.cached(n)]:
        assets.verify(name)
        click.echo(f"{name}: ok")


@main.command()
@click.option("--fix", is_flag=True, help="Repair what can be repaired.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
def doctor(fix: bool, as_json: bool) -> None:
    """Check the environment; --fix repairs it and says what it changed."""
    from rsvlm.app.doctor import run

    sys.exit(run(fix, as_json))
