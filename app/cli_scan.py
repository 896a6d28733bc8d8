"""Command line: ``rsvlm scan``, objects of large images found in advance."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from rsvlm.app.inputs import allow_host

if TYPE_CHECKING:
    from rsvlm.retrieval.objects import ScanFinder


@click.command("scan")
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option("--model", default="tiny", show_default=True, metavar="PATH",
              help="Checkpoint with a region head.")  # fmt: skip
@click.option("--sensor", default="auto", show_default=True,
              type=click.Choice(["auto", "optical", "multispectral"]),
              help="What the images were taken with.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON line a file.")
@allow_host
def scan(
    files: tuple[str, ...],
    model: str,
    sensor: str,
    as_json: bool,
    hosts: tuple[str, ...],
) -> None:
    """Find the objects of large images at full resolution, for later questions.

    Every window is looked at once; what was found stays in the cache. Interrupted, the
    same command goes on.
    """
    from rsvlm.app.inputs import open_input
    from rsvlm.app.zooming import tile_progress
    from rsvlm.retrieval.objects import ObjectIndex
    from rsvlm.search import SAME
    from rsvlm.tiling import merge

    finder = _finder(model)
    for file in files:
        with (
            open_input(file, sensor, hosts) as raster,
            ObjectIndex.open(raster, finder) as index,
            tile_progress("looking at windows", "search") as tell,
        ):
            index.build(tell)
            windows = index.find(finder.labels, "locate", 0)
            found = merge([w.regions for w in windows], index.windows, SAME)
            counts = Counter(region.label for region in found)
            _print(raster.name, len(index), counts, as_json)


def _finder(model: str) -> "ScanFinder":
    from rsvlm.app.progress import asset_progress
    from rsvlm.errors import SettingsError
    from rsvlm.models.checkpoint import find_checkpoint
    from rsvlm.models.finder import SETTINGS_FILE, RegionFinder

    folder = find_checkpoint(model)
    if not (folder / SETTINGS_FILE).is_file():
        raise SettingsError(
            f"The checkpoint {model!r} has no region head, so that nothing can look for "
            "objects. Train one with rsvlm train regions."
        )
    with asset_progress():
        return RegionFinder.load(folder)


def _print(name: str, windows: int, counts: Counter[str], as_json: bool) -> None:
    if as_json:
        line: dict[str, Any] = {"image": name, "windows": windows, "objects": counts}
        click.echo(json.dumps(line))
        return
    listed = ", ".join(f"{count} {label}" for label, count in counts.most_common())
    click.echo(f"{name}: {windows} windows; {listed or 'nothing that is known'}.")
