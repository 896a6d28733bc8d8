"""Command line: ``rsvlm data build``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rsvlm.data_engine.pools import Pool


@click.command("build")
@click.argument("recipe")
@click.option("--data", "root", type=click.Path(file_okay=False), default=None,
              help="Folder with the source data sets.  [default: $RSVLM_DATA or ../shared/data]")  # fmt: skip
@click.option("--out", required=True, type=click.Path(file_okay=False))
@click.option("--seed", default=0, show_default=True)
@click.option("--use", type=click.Choice(["commercial", "research"]),
              help="Refuse sources whose terms do not allow it.")  # fmt: skip
@click.option("--workers", type=click.IntRange(1, 4096), default=None,
              help="Processes, or tasks of a cluster at a time.  [default: all cores]")  # fmt: skip
@click.option("--ray", "address", metavar="ADDRESS",
              help="Work on a Ray cluster: its address, or local.")  # fmt: skip
@click.option("--limit", type=click.IntRange(1), default=None,
              help="Most images of each source and split, spread over all of them.")  # fmt: skip
@click.option("--rewriter", metavar="URL#MODEL", default=None,
              help="Reword the training texts: OpenAI-compatible server and model; its key: $RSVLM_API_KEY.")  # fmt: skip
def data_build(
    recipe: str,
    root: str | None,
    out: str,
    seed: int,
    use: Any,
    workers: int | None,
    address: str | None,
    limit: int | None,
    rewriter: str | None,
) -> None:
    """Build the records of RECIPE, a name or a TOML file.

    Recipes: smoke, tiny, chains, sensors, aligned, large.

    A build that was broken off goes on where it was when the command is run again. Exit
    status 3 where a rewriter left texts without a reply.
    """
    from rsvlm.app.settings import data_folder
    from rsvlm.data_engine.build import build

    engine = None
    if rewriter:
        from rsvlm.engines.remote import RemoteEngine
        from rsvlm.engines.remote_settings import read_settings

        engine = RemoteEngine(read_settings(rewriter))
    done = build(
        recipe,
        data_folder(root),
        Path(out),
        seed,
        _say,
        use,
        pool=_pool(workers, address),
        limit=limit,
        rewriter=engine,
    )
    click.echo(out)
    if (done.get("rewrites") or {}).get("unanswered"):
        sys.exit(3)


def _pool(workers: int | None, address: str | None) -> "Pool":
    if address is not None:
        from rsvlm.data_engine.ray_pool import RayPool

        return RayPool(address, workers)
    from rsvlm.data_engine.pools import Here, Processes, cores

    count = workers or cores()
    return Processes(count) if count > 1 else Here()


def _say(line: str) -> None:
    click.echo(line, err=True)
