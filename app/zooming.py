"""Wires the policies that look closer: ``--zoom auto|search|chain``."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rsvlm.engines.base import Engine
from rsvlm.errors import CheckpointError
from rsvlm.findings import Finder
from rsvlm.progress import Stage, report
from rsvlm.raster import Raster
from rsvlm.search import Scans
from rsvlm.zoom import ZoomPolicy

if TYPE_CHECKING:
    from rsvlm.retrieval.tiles import TileEncoder, TileIndex
    from rsvlm.zooming_search import Tiles

_LOG = logging.getLogger(__name__)
#: Tiles that one question has encoded at most before it goes down the levels: a minute
#: on two slow cores. The next question goes on with the rest.
TILES_AT_ONCE = 1024


def zoom_policies(
    engine: Engine,
    encoder: "TileEncoder | None" = None,
    finder: Finder | None = None,
    folder: Path | None = None,
    scans: Scans | None = None,
) -> dict[str, ZoomPolicy]:
    """Return what may choose windows, by the names that ``--zoom`` takes.

    Args:
        engine: The model; it zooms in by itself where it can ask for windows.
        encoder: Aligned encoders; without them tiles are not searched.
        finder: What finds objects in a view.
        folder: Checkpoint folder, which may hold labelled pictures.
        scans: Knows what was found in rasters in advance.

    Returns:
        ``"search"`` and ``"chain"``, those of the two that the parts allow, and
        ``"auto"`` where scans are known: it looks closer at what they found and at
        nothing else, as a choice between the other two by the question was not shown
        to find more than tiles of the whole do (docs/zoom.md).
    """
    from rsvlm.zooming_known import KnownZoom

    found: dict[str, ZoomPolicy] = {}
    if encoder is not None:
        found["search"] = _search(engine, encoder, finder, folder)
    if engine.capabilities.zooms:
        from rsvlm.zooming_chain import ChainZoom

        found["chain"] = ChainZoom(engine)
    if scans is not None and finder is not None:
        side = engine.capabilities.max_side
        found["auto"] = known = KnownZoom(scans, finder.labels, side)
        if "search" in found:
            found["search"] = replace(known, then=found["search"])
    return found


def _search(
    engine: Engine,
    encoder: "TileEncoder",
    finder: Finder | None,
    folder: Path | None,
) -> ZoomPolicy:
    from rsvlm.retrieval.concepts import FILE, ConceptStore
    from rsvlm.retrieval.tiles import TileIndex
    from rsvlm.zooming_search import SearchSettings, SearchZoom

    settings, concepts = SearchSettings(whole_index=True), None
    if folder is not None and (folder / FILE).is_file():
        try:
            concepts = ConceptStore.load(folder / FILE, encoder.revision)
        except CheckpointError as error:  # words alone have to do
            _LOG.warning("Labelled pictures are not used: %s", error)
        else:
            cuts = {"fast": concepts.fast, "slow": concepts.slow}
            settings = settings.model_copy(update=cuts)

    @contextmanager
    def with_bar(raster: Raster) -> "Iterator[TileIndex]":
        with (
            tile_progress() as tell,
            TileIndex.open(
                raster, encoder, on_progress=tell, most=TILES_AT_ONCE
            ) as index,
        ):
            yield index

    open_tiles: Callable[[Raster], AbstractContextManager[Tiles]] = with_bar
    side = engine.capabilities.max_side
    return SearchZoom(encoder, open_tiles, side, settings, concepts, finder)


def scans_of(finder: Finder | None) -> Scans | None:
    """Return what knows the objects of images that ``rsvlm scan`` has looked at."""
    from rsvlm.retrieval.objects import ObjectIndex, ScanFinder

    if not isinstance(finder, ScanFinder):
        return None
    return partial(ObjectIndex.known, finder=finder)


@contextmanager
def tile_progress(
    title: str = "looking at tiles", stage: Stage = "zoom"
) -> Iterator[Callable[[int, int], None]]:
    """Yield what shows a bar on stderr while tiles are read; quiet elsewhere.

    A few tiles are read before a bar would be seen, so it comes with the first call.

    Args:
        title: What is said to be done.
        stage: Name of it for those who follow the progress of a question.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    )
    line = bar.add_task("tiles", total=None)

    def tell(done: int, total: int) -> None:
        report(stage, done, total)
        bar.start()
        bar.update(line, completed=done, total=total)

    try:
        yield tell
    finally:
        bar.stop()
