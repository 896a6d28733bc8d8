"""``rsvlm convert-answers``: a file of answers from one dialect into another."""

from typing import TextIO

import click


@click.command("convert-answers")
@click.argument("answers", type=click.File("r", encoding="utf-8"))
@click.argument("out", type=click.File("w", encoding="utf-8", atomic=True))
@click.option("--from", "source", required=True, metavar="DIALECT", help="Of ANSWERS.")
@click.option(
    "--to", "target", default="rsvlm", show_default=True, metavar="DIALECT",
    help="Of OUT.",
)  # fmt: skip
@click.pass_context
def convert_answers(
    ctx: click.Context, answers: TextIO, out: TextIO, source: str, target: str
) -> None:
    """Rewrite the boxes of ANSWERS, a JSONL file, into OUT.

    A line holds "text", the reply, and "width" and "height", the size of its image in
    px; "-" is stdin or stdout. Lines that cannot be read are named and left out.
    """
    from rsvlm.dialects import get_dialect
    from rsvlm.translation import translate_lines

    codecs = get_dialect(source), get_dialect(target)
    lines = regions = faults = 0
    for line in translate_lines(answers, *codecs):
        if line.text is None:
            faults += 1
            click.echo(f"{answers.name}, line {line.number}: {line.fault}", err=True)
            continue
        lines, regions = lines + 1, regions + line.regions
        click.echo(line.text, file=out)
    click.echo(f"{lines} answers, {regions} regions, {faults} faulty lines", err=True)
    if faults:
        ctx.exit(3)
