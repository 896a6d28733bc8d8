"""Commands of knowledge bases: ``rsvlm knowledge build|search|verify|rebuild``."""

from pathlib import Path
from typing import Any

import click


@click.group()
def knowledge() -> None:
    """Build and search knowledge that answers can cite."""


@knowledge.command("build")
@click.argument("recipe")
@click.option("--out", required=True, type=click.Path(file_okay=False))
@click.option("--encoder", default="all-minilm-l6-v2", show_default=True,
              help="Text encoder: an asset or a Transformers folder.")  # fmt: skip
@click.option("--pictures", metavar="CHECKPOINT",
              help="Encode pictures of passages with this checkpoint.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def build_command(
    recipe: str, out: str, encoder: str, pictures: str | None, as_json: bool
) -> None:
    """Build the knowledge base of RECIPE (world, smoke, or a TOML file).

    Run again, it goes on where it was stopped, and reads only what has changed.
    """
    import json
    from dataclasses import asdict

    from rsvlm.retrieval.building import build
    from rsvlm.retrieval.encoders import SentenceEncoder
    from rsvlm.retrieval.recipes import load_recipe, sources

    chosen, folder = load_recipe(recipe)
    look, name = None, ""
    if pictures:
        from rsvlm.app.build import build_assistant
        from rsvlm.retrieval.pictures import looker

        # What reads land cover is the aligned encoder, which encodes pictures too.
        scenes: Any = build_assistant(pictures).scenes
        look, name = looker(scenes)
    built = build(
        Path(out),
        sources(chosen, folder, look),
        SentenceEncoder(encoder),
        _say,
        chosen.model_dump(mode="json"),
        pictures=name,
    )
    if as_json:
        click.echo(json.dumps({"folder": out} | asdict(built)))
        return
    click.echo(
        f"{out}: {built.passages} passages ({built.added} new, {built.removed} removed, "
        f"{built.encoded} encoded) in {built.seconds:.0f} s"
    )


@knowledge.command("search")
@click.argument("folder", metavar="DIR")
@click.argument("query")
@click.option("--image", "images", multiple=True, metavar="IMAGE",
              help="Image whose place counts; may be given again.")  # fmt: skip
@click.option("-n", "--count", default=5, show_default=True, help="Most passages.")
@click.option("--least", type=float, help="Lowest score.  [default: that of answers]")
@click.option("--licence", "licences", multiple=True, metavar="PATTERN",
              help="Allowed licences, such as 'CC-BY-*'; may be given again.")  # fmt: skip
@click.option("--since", metavar="DATE", help="Earliest date, such as 2020-01.")
@click.option("--until", metavar="DATE", help="Latest date.")
@click.option("--reranker", metavar="FOLDER", help="Cross-encoder of Transformers.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def search_command(
    folder: str,
    query: str,
    images: tuple[str, ...],
    count: int,
    least: float | None,
    licences: tuple[str, ...],
    since: str | None,
    until: str | None,
    reranker: str | None,
    as_json: bool,
) -> None:
    """Show what DIR knows about QUERY, and the facts that answer it."""
    import json
    from contextlib import ExitStack
    from dataclasses import replace

    from rsvlm.app.samples import image_path
    from rsvlm.raster import Raster
    from rsvlm.retrieval.rerank import CrossEncoder
    from rsvlm.retrieval.retriever import KnowledgeRetriever, Settings
    from rsvlm.retrieval.wiring import open_retriever

    settings = Settings(count=count, licences=licences, since=since, until=until)
    if least is not None:
        settings = replace(settings, least=least)
    second = CrossEncoder.load(reranker) if reranker else None
    with ExitStack() as stack:
        retriever: KnowledgeRetriever = open_retriever(folder, settings, second)
        stack.callback(retriever.base.close)
        rasters = [
            stack.enter_context(Raster.open(image_path(name))) for name in images
        ]
        told = retriever.compose(query, rasters)
        found = retriever.search(query, rasters)
    if as_json:
        record: dict[str, Any] = {
            "query": query,
            "answer": told and told.text,
            "answer_evidence": [e.model_dump() for e in told.evidence] if told else [],
            "passages": [item.model_dump() for item in found],
        }
        click.echo(json.dumps(record, ensure_ascii=False))
        return
    if told:
        click.echo(told.text)
        for item in told.evidence:
            click.echo(f"  [{item.id}] {item.text} ({item.source}, {item.licence})")
        click.echo()
    if not found:
        click.echo("No evidence found.")
    for item in found:
        away = "" if item.distance_km is None else f", {item.distance_km:.1f} km away"
        click.echo(
            f"{item.score:.2f}  {item.text} ({item.source}, {item.licence}{away})"
        )


@knowledge.command("verify")
@click.argument("folder", metavar="DIR")
def verify_command(folder: str) -> None:
    """Check tables, words, places, vectors and every passage of DIR."""
    from rsvlm.retrieval.knowledge import KnowledgeBase

    with KnowledgeBase.open(folder) as base:
        faults = base.verify()
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(base.kinds.items()))
    for fault in faults:
        click.echo(fault)
    if faults:
        raise click.exceptions.Exit(1)
    click.echo(f"{folder}: ok ({kinds})")


@knowledge.command("rebuild")
@click.argument("folder", metavar="DIR")
@click.option(
    "--encoder", default=None, help="Text encoder.  [default: as it was built]"
)
def rebuild_command(folder: str, encoder: str | None) -> None:
    """Make words, places and vectors of DIR again from its passages."""
    from rsvlm.retrieval.building import rebuild
    from rsvlm.retrieval.encoders import SentenceEncoder
    from rsvlm.retrieval.wiring import encoder_of

    chosen = SentenceEncoder(encoder) if encoder else encoder_of(folder)
    rebuild(Path(folder), chosen, _say)
    click.echo(f"{folder}: rebuilt")


def _say(line: str) -> None:
    click.echo(line, err=True)
