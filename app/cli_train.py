"""Command line: ``rsvlm train``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


@click.group()
def train() -> None:
    """Train a checkpoint."""


def _options(command: Callable[..., None]) -> Callable[..., None]:
    options: tuple[Callable[..., Any], ...] = (
        click.option("--set", "changes", multiple=True, metavar="KEY=VALUE",
                     help="Another value of a setting of RECIPE, such as steps=200; "
                     "may be repeated."),
        click.option("--cache", type=click.Path(file_okay=False), default=None,
                     help="Encoded pictures.  [default: OUT/features]"),
        click.option("--out", required=True, type=click.Path(file_okay=False)),
        click.option("--data", "folder", required=True,
                     type=click.Path(exists=True, file_okay=False),
                     help="Folder written by rsvlm data build."),
        click.argument("recipe"),
    )  # fmt: skip
    for option in options:
        command = option(command)
    return command


@train.command("align")
@_options
def train_align(**given: Any) -> None:
    """Align optical, SAR and text encoders by RECIPE, a name or a TOML file."""
    from rsvlm.training.align import AlignRecipe, train_align

    _train(train_align, AlignRecipe, "align", **given)


@train.command("tune")
@_options
def train_tune(**given: Any) -> None:
    """Train projectors and LoRA by RECIPE, a name or a TOML file."""
    from rsvlm.training.tune import TuneRecipe, train_tune

    _train(train_tune, TuneRecipe, "tune", **given)


@train.command("regions")
@_options
def train_regions(**given: Any) -> None:
    """Train the region head by RECIPE, a name or a TOML file."""
    from rsvlm.training.regions import RegionRecipe, train_regions

    _train(train_regions, RegionRecipe, "regions", **given)


@train.command("outlines")
@_options
def train_outlines(**given: Any) -> None:
    """Train the outline head of a region head by RECIPE, a name or a TOML file."""
    from rsvlm.training.outlines import OutlineRecipe, train_outlines

    _train(train_outlines, OutlineRecipe, "outlines", **given)


def _train(
    run: Callable[..., Path],
    kind: Any,
    stage: str,
    recipe: str,
    folder: str,
    out: str,
    cache: str | None,
    changes: tuple[str, ...],
) -> None:
    from rsvlm.training.run import load_recipe, read_changes

    settings = load_recipe(kind, recipe, stage, read_changes(changes))
    store = Path(cache) if cache else Path(out) / "features"
    click.echo(run(settings, Path(folder), Path(out), store, _say))


def _say(line: str) -> None:
    click.echo(line, err=True)
