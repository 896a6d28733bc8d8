"""``make demo``: real questions about real scenes, with everything an answer leaves.

Run: ``python -m rsvlm.app.demo --out demo``. The scenes are assets; none of them was
used for training.
"""

from pathlib import Path

import click

#: Scene and question; each answer is written under its number and task.
QUESTIONS = (
    ("la-plata", "Describe this scene."),
    ("wye-mills", "Is there a tennis court in this image?"),
    ("wye-mills", "How many tennis courts are there?"),
    ("wye-mills", "Where are the tennis courts?"),
    ("wye-mills", "Segment the tennis courts."),
)


@click.command()
@click.option(
    "--out", default="demo", show_default=True, type=click.Path(file_okay=False)
)
@click.option("--model", default="tiny", show_default=True, metavar="PATH")
def main(out: str, model: str) -> None:
    """Answer five questions; write overlays, GeoJSON and JSON to a folder."""
    from rsvlm import assets
    from rsvlm.app.build import build_assistant
    from rsvlm.app.progress import asset_progress, fetch_all
    from rsvlm.app.samples import image_path
    from rsvlm.errors import RsvlmError
    from rsvlm.outputs import write_geojson, write_png
    from rsvlm.overlay import draw
    from rsvlm.raster import Raster

    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fetch_all(
            [n for n in dict.fromkeys(q[0] for q in QUESTIONS) if not assets.cached(n)]
        )
        with asset_progress():
            assistant = build_assistant(model)
        for number, (scene, question) in enumerate(QUESTIONS, start=1):
            with Raster.open(image_path(scene)) as raster:
                answer = assistant.ask([raster], question)
                stem = f"{number}-{answer.task}"
                view = raster.preview(max_side=1024)
                picture = draw(
                    view.pixels,
                    answer.to_regions(0),
                    view.window,
                    footer=f"{question}\n{answer.text}",
                    gsd=raster.gsd,
                )
            write_png(folder / f"{stem}.png", picture)
            write_geojson(folder / f"{stem}.geojson", answer)
            (folder / f"{stem}.json").write_text(
                answer.to_json() + "\n", encoding="utf-8"
            )
            click.echo(f"{scene}: {question}")
            click.echo(
                f"  {answer.text}  [{answer.task}, confidence {answer.confidence:.2f}, "
                f"{answer.timing_ms['total'] / 1000:.1f} s]"
            )
    except (RsvlmError, OSError) as error:
        raise click.ClickException(" ".join(str(error).split())) from error
    click.echo(f"Overlays, GeoJSON and JSON are in {folder}/")


if __name__ == "__main__":
    main()
