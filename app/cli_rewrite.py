"""Command line: ``rsvlm data rewrite``."""

from pathlib import Path

import click


@click.command("rewrite")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--rewriter", required=True, metavar="URL#MODEL",
              help="OpenAI-compatible server and model; its key: $RSVLM_API_KEY.")  # fmt: skip
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--memory", type=click.Path(dir_okay=False, path_type=Path),
              help="File of replies; nothing is asked twice.  [default: OUT.replies.jsonl]")  # fmt: skip
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1, 256),
              help="Requests at a time.")  # fmt: skip
def data_rewrite(
    file: Path, rewriter: str, out: Path, memory: Path | None, threads: int
) -> None:
    """Reword captions and questions of FILE with a language model.

    A rewrite that adds or loses a number, a class or a place is refused; the sample then
    stays as it was. Images are not sent. Exit status 3 where texts were left without a
    reply.
    """
    import os
    import sys

    from rsvlm.data_engine.rewrite import Rewriter
    from rsvlm.engines.remote import RemoteEngine
    from rsvlm.engines.remote_settings import read_settings
    from rsvlm.errors import SettingsError
    from rsvlm.samples import read_samples, stamped

    if not file.is_file():
        raise SettingsError(
            f"There is no file {file.name!r} in {str(file.parent)!r}. Name a JSONL file "
            "of samples."
        )
    memory = memory or out.with_name(f"{out.name}.replies.jsonl")
    worker = Rewriter(RemoteEngine(read_settings(rewriter)), memory, threads)
    draft = out.with_name(f".{out.name}.part")
    with draft.open("w", encoding="utf-8", errors="replace", newline="\n") as lines:
        for sample in worker.rewrite(read_samples(file)):
            lines.write(f"{stamped(sample)}\n")
    rates = worker.rates
    if worker.error is not None and rates.unanswered == rates.asked:
        draft.unlink()
        raise worker.error
    os.replace(draft, out)
    click.echo(str(rates), err=True)
    click.echo(out)
    if worker.error is not None:
        click.echo(
            f"{rates.unanswered} texts stay as they were: {worker.error}", err=True
        )
        sys.exit(3)
