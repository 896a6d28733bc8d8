"""SearchZoom: windows whose tiles fit the question, without any training.

A phrase of the question is compared with tiles in the space of the aligned encoders.
The fast path compares it as text. Where nothing stands out, the slow path compares
labelled pictures of it, for what an encoder has not learned from words. Where nothing
stands out either, the overview has to do. The step ``score`` of the trace says which
path ran and why.

Source:
    Fast and slow path: ImageRAG, https://arxiv.org/abs/2411.07688. Its threshold on a
    softmax over tiles is replaced by a margin, see :mod:`rsvlm.zooming_margins`.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from rsvlm.answer_parts import TraceStep
from rsvlm.embedding import Embedder, Vectors, class_vectors
from rsvlm.errors import RsvlmError, StoppedError
from rsvlm.findings import Finder
from rsvlm.geometry import HBB
from rsvlm.labels import OBJECTS
from rsvlm.raster import Raster
from rsvlm.subjects import Subject, subject
from rsvlm.zoom import Look, Zoom, bounds_of, drawn_at
from rsvlm.zooming_margins import BACKGROUND, Probe, Scores, text_probe
from rsvlm.zooming_windows import heat, unite, widened

Numbers = NDArray[np.int64]

#: A window that the second stage has seen this share of is not looked at again.
SEEN = 0.8


class Tiles(Protocol):
    """Tiles of one raster; :class:`rsvlm.retrieval.tiles.TileIndex` has them."""

    @property
    def boxes(self) -> NDArray[np.float64]:
        """Tiles in raster pixels, shape (N, 4)."""
        ...

    @property
    def levels(self) -> Numbers:
        """Level of each tile, 0 the finest, shape (N,)."""
        ...

    @property
    def finest_complete(self) -> int | None:
        """The finest level that has been encoded with all above it, None without."""
        ...

    @property
    def has_changed(self) -> bool:
        """Whether the file has changed since its tiles were first encoded."""
        ...

    @property
    def read(self) -> int:
        """Tiles that were encoded since it was opened."""
        ...

    def build(self) -> None:
        """Encode tiles, coarse levels first; maybe not all of them at once."""
        ...

    def children(self, tile: int) -> Numbers:
        """Return the tiles one level below that lie in a tile."""
        ...

    def vectors(self, tiles: Numbers) -> tuple[Vectors, NDArray[np.bool_]]:
        """Return unit vectors (K, D), and which tiles hold anything."""
        ...


class Concepts(Protocol):
    """Labelled pictures; :class:`rsvlm.retrieval.concepts.ConceptStore` has them."""

    def probe(self, label: str) -> Probe | None:
        """Return the probe of a label, None where there are no pictures of it."""
        ...


class SearchSettings(BaseModel):
    """When a tile stands out, and what is done with it.

    Attributes:
        fast: Least margin of the best tile by text.
        slow: Least margin of the best tile by labelled pictures.
        nearly: Margin below the best at which a tile is still worth a window.
        whole_index: Whether all tiles are encoded before the first question; else it
            goes down the levels along the best ones, and few are.
        start: Tiles of the level at which that begins, at least.
        beam: Tiles that are followed at each level.
        looks: Best tiles that the second stage looks at.
        sure: Confidence of the second stage at which an object is there.
        context: Share of a window added around it.
        least: Least side of a window, raster px.
        budget: Most tokens of pictures.
        window_tokens: Tokens of one picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fast: float = 3.0
    slow: float = 3.0
    nearly: float = Field(0.5, ge=0)
    whole_index: bool = False
    start: int = Field(48, ge=1)
    beam: int = Field(12, ge=1)
    looks: int = Field(12, ge=0)
    sure: float = Field(0.5, ge=0, le=1)
    context: float = Field(0.15, ge=0)
    least: int = Field(512, ge=1)
    budget: int = Field(1024, ge=1)
    window_tokens: int = Field(256, ge=1)

    @property
    def most(self) -> int:
        """Windows that the budget allows."""
        return max(1, self.budget // self.window_tokens)


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Tiles that were scored, best first, and how that came."""

    tiles: Numbers
    scores: Scores
    path: str
    reason: str
    stands_out: bool


class SearchZoom:
    """Chooses the windows that fit what a question names; a ``ZoomPolicy``.

    .. versionadded:: 0.2
    """

    def __init__(
        self,
        embedder: Embedder,
        open_tiles: Callable[[Raster], AbstractContextManager[Tiles]],
        side: int,
        settings: SearchSettings | None = None,
        concepts: Concepts | None = None,
        finder: Finder | None = None,
    ) -> None:
        """Join the parts.

        Args:
            embedder: What encodes phrases, in the space of the tiles.
            open_tiles: Opens the tiles of a raster.
            side: Longest side of a picture that the model makes use of, px.
            settings: Thresholds and budget.
            concepts: Labelled pictures for the slow path.
            finder: Second stage: looks for the object on the best tiles.
        """
        self.embedder, self.open_tiles, self.side = embedder, open_tiles, side
        self.settings = settings or SearchSettings()
        self.concepts, self.finder = concepts, finder
        self._background: dict[str, Vectors] = {}  # sensor -> phrases to be beaten

    def next(self, look: Look) -> Sequence[Zoom]:
        """Return the windows that fit, once; none where nothing stands out.

        What goes wrong with tiles leaves the question to the overview, with a warning.
        """
        if look.zooms:
            return ()
        about = subject(look.question)
        start = time.perf_counter()
        if about is None:
            _tell(look, "overview: the question names nothing to search for", start)
            return ()
        try:
            with self.open_tiles(look.raster) as tiles:
                return self._search(look, about, tiles, start)
        except StoppedError:
            raise
        except RsvlmError as error:
            look.warnings.append(f"It was not zoomed in: {error}")
            _tell(look, "overview: tiles could not be searched", start)
            return ()

    def _search(
        self, look: Look, about: Subject, tiles: Tiles, start: float
    ) -> Sequence[Zoom]:
        if tiles.has_changed:
            look.warnings.append(
                f"{look.raster.name} has changed since it was searched last; its tiles "
                "were read again."
            )
        if self.settings.whole_index:
            tiles.build()
            if tiles.finest_complete != 0:
                look.warnings.append(
                    f"{look.raster.name} is large: not all of its tiles are encoded yet, "
                    "and something small may be missing. The next question goes on with "
                    "them."
                )
        ranked = self._rank(about, tiles, look.raster.sensor)
        seen = f"{len(ranked.tiles)} tiles compared, {tiles.read} of them read now"
        picture = heat(tiles.boxes[ranked.tiles], ranked.scores, look.whole)
        best = float(ranked.scores[0]) if len(ranked.scores) else None
        _tell(look, f"{ranked.path}: {ranked.reason}; {seen}", start, best, picture)
        order = ranked.tiles
        if about.label in OBJECTS:  # too small to be seen on coarser levels
            order = order[tiles.levels[order] == tiles.levels.min()]
        found = self._verified(look, about, tiles, order)
        if found:
            numbers, sure = zip(*found, strict=True)
            return self._zooms(look, tiles, numbers, sure, "found by the second stage")
        if not ranked.stands_out or not len(order):
            return ()
        scores = dict(zip(ranked.tiles.tolist(), ranked.scores.tolist(), strict=True))
        least = scores[int(order[0])] - self.settings.nearly
        near = [t for t in order.tolist() if scores[t] >= least]
        return self._zooms(
            look, tiles, near, [scores[t] for t in near], f"{ranked.path} path"
        )

    # which tiles

    def _rank(self, about: Subject, tiles: Tiles, sensor: str) -> Ranked:
        if sensor not in self._background:
            names = class_vectors(self.embedder, BACKGROUND, sensor)
            self._background[sensor] = names
        known = self._background[sensor]
        text = text_probe(self.embedder, about.noun, sensor, known)
        fast = self._compare(tiles, text)
        first = f"the best margin of {about.noun!r} by text is {_best(fast):.1f}"
        if _best(fast) >= self.settings.fast:
            return Ranked(
                *fast, "fast", f"{first}, at least {self.settings.fast}", True
            )
        why = f"{first}, below {self.settings.fast}"
        pictures = self.concepts.probe(about.name) if self.concepts else None
        if pictures is None:
            return Ranked(
                *fast, "overview", f"{why}; no pictures are labelled so", False
            )
        slow = self._compare(tiles, pictures)
        second = f"{why}; by labelled pictures it is {_best(slow):.1f}"
        if _best(slow) >= self.settings.slow:
            return Ranked(
                *slow, "slow", f"{second}, at least {self.settings.slow}", True
            )
        return Ranked(*slow, "overview", f"{second}, below {self.settings.slow}", False)

    def _compare(self, tiles: Tiles, probe: Probe) -> tuple[Numbers, Scores]:
        """Return tiles and their margins, best first."""
        done = tiles.finest_complete
        if done == 0:
            return _sorted(*self._score(tiles, probe, np.arange(len(tiles.levels))))
        # Down the levels: few tiles are read, and they are kept for other questions.
        counts = np.bincount(tiles.levels)
        enough = np.flatnonzero(counts >= self.settings.start)
        level = int(enough.max()) if len(enough) else 0
        level = level if done is None else min(level, done)
        found, scores = self._score(tiles, probe, np.flatnonzero(tiles.levels >= level))
        front, values = found, scores
        while level > 0:
            here = tiles.levels[front] == level
            best = front[here][np.argsort(-values[here], kind="stable")]
            below = [tiles.children(int(t)) for t in best[: self.settings.beam]]
            level -= 1
            if not below:
                break
            front, values = self._score(tiles, probe, np.unique(np.concatenate(below)))
            found = np.concatenate([found, front])
            scores = np.concatenate([scores, values])
        return _sorted(found, scores)

    def _score(
        self, tiles: Tiles, probe: Probe, numbers: Numbers
    ) -> tuple[Numbers, Scores]:
        vectors, seen = tiles.vectors(numbers)
        return numbers[seen], probe.margins(vectors[seen])

    def _verified(
        self, look: Look, about: Subject, tiles: Tiles, order: Numbers
    ) -> list[tuple[int, float]]:
        """Return the tiles on which the second stage finds the object, best first."""
        finder, label = self.finder, about.label
        if finder is None or label is None or label not in finder.labels:
            return []
        found: list[tuple[int, float]] = []
        seen: list[HBB] = []
        for tile in order.tolist():
            if len(seen) == self.settings.looks:
                break
            # As large as the finder sees: pixels are neither lost nor made up.
            box = HBB(*map(float, tiles.boxes[tile]))
            box = widened(box, look.whole, 0, finder.side)
            if any(box.intersection(other) > SEEN * box.area for other in seen):
                continue  # at the borders tiles are shifted onto one another
            seen.append(box)
            start = time.perf_counter()
            window = drawn_at(box, finder.side)
            view = look.raster.view(box, window.width, window.height, image=look.image)
            sure = finder.find(view, [label]).best
            look.trace.append(_step("verify", look, box, sure, start))
            if sure >= self.settings.sure:
                found.append((tile, sure))
        return sorted(found, key=lambda pair: -pair[1])

    # which windows

    def _zooms(
        self,
        look: Look,
        tiles: Tiles,
        numbers: Sequence[int],
        scores: Sequence[float],
        note: str,
    ) -> list[Zoom]:
        boxes = [HBB(*map(float, tiles.boxes[number])) for number in numbers]
        settings = self.settings
        united = unite(
            boxes, look.whole, settings.context, settings.least, settings.most
        )
        return [
            Zoom(
                drawn_at(window, self.side),
                float(scores[first]),
                int(tiles.levels[numbers[first]]),
                note,
            )
            for window, first in united
        ]


def _best(ranked: tuple[Numbers, Scores]) -> float:
    return float(ranked[1][0]) if len(ranked[1]) else float("-inf")


def _sorted(numbers: Numbers, scores: Scores) -> tuple[Numbers, Scores]:
    order = np.argsort(-scores, kind="stable")
    return numbers[order], scores[order]


def _tell(
    look: Look,
    note: str,
    start: float,
    score: float | None = None,
    scores: tuple[tuple[float, ...], ...] | None = None,
) -> None:
    step = _step("score", look, look.whole, score, start)
    look.trace.append(step.model_copy(update={"note": note, "scores": scores}))


def _step(
    name: str, look: Look, box: HBB, score: float | None, start: float
) -> TraceStep:
    return TraceStep(
        step=name,
        image=look.image,
        window=(box.x0, box.y0, box.x1, box.y1),
        sensor=look.raster.sensor,
        score=score,
        bounds_lonlat=bounds_of(look.raster.georeference, box),
        ms=round(1000 * (time.perf_counter() - start)),
    )
