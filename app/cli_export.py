"""``rsvlm export``: a checkpoint as a self-contained folder."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rsvlm.models.export import Dtype


@click.command("export")
@click.argument("checkpoint")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="New folder."
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    default="float32",
    show_default=True,
    help="Type of the weights; float32 loses nothing, others are half as large.",
)
def export_command(checkpoint: str, out: Path, dtype: "Dtype") -> None:
    """Write CHECKPOINT as a self-contained folder for vLLM and Transformers.

    Frozen parts are put in and low-rank updates added; then the folder is loaded again
    and must answer as the checkpoint does.
    """
    from rsvlm.models.export import export

    click.echo(export(checkpoint, out, dtype, lambda line: click.echo(line, err=True)))
