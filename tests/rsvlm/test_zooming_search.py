"""Windows that fit the question: margins, both paths, descent, second stage."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsvlm.embedding import Vectors, unit
from rsvlm.errors import SettingsError
from rsvlm.findings import Findings, Purpose, ShapeKind
from rsvlm.geometry import HBB, Window
from rsvlm.render import View
from rsvlm.zoom import Look, bounds_of, look_closer
from rsvlm.zooming_margins import (
    PictureProbe,
    TextProbe,
    text_probe,
)
from rsvlm.zooming_search import SearchSettings, SearchZoom

WHOLE = HBB(0, 0, 4000, 4000)


class Place:
    """A raster of which only views are asked."""

    name, sensor, georeference, width, height = "a.tif", "optical", None, 4000, 4000

    def view(self, box: HBB, width: int, height: int, image: int = 0) -> View:
        pixels = np.zeros((height, width, 3), np.uint8)
        return View(pixels, Window(box, width, height), "optical", "true-colour", "")


class Words:
    """Every phrase of the background on its own axis; a ship fits axis 0."""

    name, revision, width, scale = "words", "1", 64, 10.0
    sensors = frozenset({"optical"})

    def encode_image(self, views: Sequence[View]) -> Vectors:
        raise NotImplementedError

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        rows = []
        for text in texts:
            axis = 0 if "ship" in text and "a ship" not in text else 1 + hash_of(text)
            rows.append(np.eye(64)[axis])
        return np.array(rows, np.float32)


def hash_of(text: str) -> int:
    return sum(map(ord, text)) % 40


@dataclass
class Grid:
    """A pyramid of 1 + 4 + 16 + 64 tiles over the raster; one shows what is wanted."""

    needle: int | None = None
    axis: int = 0
    finest_complete: int | None = 0
    has_changed: bool = False
    read: int = 0
    asked: set[int] = field(default_factory=set)
    built: bool = False
    after: int = 0

    def __post_init__(self) -> None:
        boxes, levels = [], []
        for level in range(4):
            n = 8 >> level
            size = 4000 / n
            for row in range(n):
                for column in range(n):
                    x, y = column * size, row * size
                    boxes.append((x, y, x + size, y + size))
                    levels.append(level)
        self.boxes = np.array(boxes, np.float64)
        self.levels = np.array(levels, np.int64)
        generator = np.random.default_rng(0)
        self.all = generator.normal(0, 0.05, (len(boxes), 64))
        self.all[:, 41:] += 0.3  # what no phrase is about
        if self.needle is not None:
            x, y = (self.boxes[self.needle, :2] + self.boxes[self.needle, 2:]) / 2
            over = (self.boxes[:, :2] <= (x, y)).all(1)
            over &= (self.boxes[:, 2:] >= (x, y)).all(1)
            self.all[over, self.axis] += 1.0 / (1 + self.levels[over])
        self.all /= np.linalg.norm(self.all, axis=1, keepdims=True)

    def build(self) -> None:
        self.built, self.finest_complete = True, self.after

    def children(self, tile: int) -> NDArray[np.int64]:
        middle = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2
        x0, y0, x1, y1 = self.boxes[tile]
        inside = (middle > (x0, y0)).all(1) & (middle < (x1, y1)).all(1)
        return np.flatnonzero(inside & (self.levels == self.levels[tile] - 1))

    def vectors(self, tiles: NDArray[np.int64]) -> tuple[Vectors, NDArray[np.bool_]]:
        self.asked |= set(tiles.tolist())
        return np.asarray(self.all[tiles], np.float32), np.ones(len(tiles), bool)


@dataclass
class Labelled:
    probes: dict[str, PictureProbe]

    def probe(self, label: str) -> PictureProbe | None:
        return self.probes.get(label)


def search(grid: Grid, **more: Any) -> SearchZoom:
    @contextmanager
    def open_tiles(raster: object) -> Iterator[Grid]:
        yield grid

    fields = {"fast": 4.0, "slow": 4.0, "start": 4, "beam": 2, "least": 100}
    chosen = SearchSettings(**(fields | more.pop("settings", {})))
    return SearchZoom(Words(), open_tiles, 448, chosen, **more)


def look(question: str = "Where is the ship?", task: str = "ground") -> Look:
    place = Place()
    overview = place.view(WHOLE, 400, 400)
    return Look(question, task, place, [overview])  # type: ignore[arg-type]


def note_of(look: Look) -> str:
    (step,) = [step for step in look.trace if step.step == "score"]
    assert step.note is not None
    return step.note


# margins


def test_a_margin_is_worked_out_by_hand() -> None:
    background = np.eye(3, dtype=np.float32)[1:]
    probe = TextProbe(np.eye(3, dtype=np.float32)[0], background)
    tile = np.array([[0.9, 0.4, 0.2]], np.float32)
    # Mean of the others 0.3, their standard deviation 0.1: (0.9 - 0.3) / 0.1.
    assert probe.margins(tile) == pytest.approx([6.0])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 50))
def test_a_margin_does_not_depend_on_the_number_of_tiles(count: int) -> None:
    probe = text_probe(Words(), "ship")
    tiles = unit(np.random.default_rng(1).normal(size=(50, 64)))
    assert probe.margins(tiles[:count]) == pytest.approx(
        probe.margins(tiles)[:count], abs=1e-5
    )


def test_other_words_for_the_phrase_are_no_background() -> None:
    class Same(Words):
        def encode_text(self, texts: Sequence[str]) -> Vectors:
            rows = super().encode_text(texts)
            rows[["a ship" in text for text in texts]] = np.eye(64)[0]
            return rows

    assert (text_probe(Same(), "ship").background[:, 0] < 0.8).all()


# paths


def test_the_fast_path_finds_the_tile() -> None:
    grid = Grid(needle=19)
    asked = look()
    (view,) = look_closer(search(grid), asked)
    x0, y0, x1, y1 = grid.boxes[19]
    assert view.window.box.x0 <= x0
    assert view.window.box.x1 >= x1
    assert view.window.box.y0 <= y0
    assert view.window.box.y1 >= y1
    assert note_of(asked).startswith("fast: the best margin of 'ship' by text is")
    step = asked.trace[-1]
    assert (step.step, step.level, step.note) == ("zoom", 0, "fast path")
    assert step.scale == pytest.approx(view.window.scale[0], abs=1e-4)
    assert asked.zooms[0].score == pytest.approx(asked.trace[0].score, abs=1e-3)


def test_nothing_stands_out_so_the_overview_has_to_do() -> None:
    asked = look()
    assert look_closer(search(Grid()), asked) == []
    assert note_of(asked).startswith("overview: the best margin")
    assert "no pictures are labelled so" in note_of(asked)
    assert asked.trace[0].scores is not None


def test_the_slow_path_takes_over_where_words_fail() -> None:
    grid = Grid(needle=40, axis=50)  # an axis that no phrase knows
    direction = np.eye(64, dtype=np.float32)[50]
    known = Labelled({"ship": PictureProbe(direction, 0.1, 0.1)})
    asked = look()
    (view,) = look_closer(search(grid, concepts=known), asked)
    assert note_of(asked).startswith("slow: ")
    assert "by labelled pictures it is" in note_of(asked)
    assert view.window.box.intersection(HBB(*grid.boxes[40])) > 0.9 * 500**2


def test_labelled_pictures_may_fail_as_well() -> None:
    direction = np.eye(64, dtype=np.float32)[50]
    known = Labelled({"ship": PictureProbe(direction, 0.5, 0.2)})
    asked = look()
    assert look_closer(search(Grid(), concepts=known), asked) == []
    assert "below 4.0" in note_of(asked)


def test_a_question_without_a_thing_is_not_searched() -> None:
    grid = Grid(needle=3)
    asked = look("Describe this scene.", "caption")
    assert look_closer(search(grid), asked) == []
    assert not grid.asked
    assert "names nothing" in note_of(asked)


def test_it_goes_down_the_levels_and_reads_few_tiles() -> None:
    grid = Grid(needle=19, finest_complete=None)
    (view,) = look_closer(search(grid), look())
    assert view.window.box.intersection(HBB(*grid.boxes[19])) > 0.9 * 500**2
    # 1 + 4 at the top, then two tiles a level with four children each.
    assert len(grid.asked) == 5 + 8 + 8
    assert not grid.built


def test_levels_that_are_encoded_are_all_compared() -> None:
    # The needle lies where the coarse levels show nothing: only all of level 1 has it.
    grid = Grid(needle=19, finest_complete=1)
    coarse = grid.levels > 1
    grid.all[coarse] = grid.all[coarse][::-1]
    (view,) = look_closer(search(grid), look())
    assert view.window.box.intersection(HBB(*grid.boxes[19])) > 0.9 * 500**2
    # All of levels 1 and above, then the children of two tiles.
    assert len(grid.asked) == 16 + 4 + 1 + 8


def test_the_whole_index_is_built_when_it_is_wanted() -> None:
    grid = Grid(needle=19, finest_complete=None)
    look_closer(search(grid, settings={"whole_index": True}), look())
    assert grid.built
    assert len(grid.asked) == len(grid.boxes)


def test_a_build_that_leaves_tiles_over_is_told() -> None:
    grid = Grid(needle=19, finest_complete=None, after=1)
    asked = look()
    (view,) = look_closer(search(grid, settings={"whole_index": True}), asked)
    assert view.window.box.intersection(HBB(*grid.boxes[19])) > 0.9 * 500**2
    assert len(grid.asked) == 16 + 4 + 1 + 8
    (warning,) = asked.warnings
    assert "not all of its tiles" in warning


def test_the_budget_limits_the_windows() -> None:
    grid = Grid()
    grid.all[[0, 7, 56, 63], 0] = 3  # the four corners
    grid.all /= np.linalg.norm(grid.all, axis=1, keepdims=True)
    policy = search(grid, settings={"budget": 600, "window_tokens": 256, "nearly": 9.0})
    assert len(look_closer(policy, look())) == 2


@dataclass
class Eyes:
    """A finder that is sure of one place."""

    place: HBB | None = None
    labels: Sequence[str] = ("ship",)
    side: int = 500
    seen: list[Window] = field(default_factory=list)

    def find(
        self,
        view: View,
        descriptions: Sequence[str],
        shape: ShapeKind = "hbb",
        purpose: Purpose = "locate",
    ) -> Findings:
        assert descriptions == ["ship"]
        self.seen.append(view.window)
        return Findings((), 0.9 if view.window.box == self.place else 0.1)


def test_the_second_stage_decides_between_tiles() -> None:
    grid = Grid(needle=19)
    other = HBB(*map(float, grid.boxes[33]))
    eyes = Eyes(other)
    asked = look()
    (view,) = look_closer(search(grid, finder=eyes, settings={"looks": 64}), asked)
    assert view.window.box.intersection(other) > 0.9 * other.area
    assert asked.zooms[0].note == "found by the second stage"
    assert sum(step.step == "verify" for step in asked.trace) == 64
    assert {(window.width, window.height) for window in eyes.seen} == {(500, 500)}


def test_the_second_stage_sees_as_much_as_it_can() -> None:
    eyes = Eyes(side=800)
    look_closer(search(Grid(needle=19), finder=eyes, settings={"looks": 1}), look())
    assert eyes.seen[0].box.width == 800  # more than the tile, at full resolution


def test_the_second_stage_looks_at_nothing_twice() -> None:
    # The finder sees half the raster: 64 tiles lie in far fewer different windows.
    eyes = Eyes(side=2000)
    look_closer(search(Grid(needle=19), finder=eyes, settings={"looks": 64}), look())
    boxes = [window.box for window in eyes.seen]
    assert 4 <= len(boxes) < 40
    for number, box in enumerate(boxes):
        assert all(box.intersection(b) <= 0.8 * box.area for b in boxes[:number])


def test_a_second_stage_that_finds_nothing_leaves_the_first() -> None:
    asked = look()
    assert len(look_closer(search(Grid(needle=19), finder=Eyes()), asked)) == 1
    assert asked.zooms[0].note == "fast path"


def test_a_second_stage_that_does_not_know_the_label_is_not_asked() -> None:
    eyes = Eyes(labels=("airplane",))
    assert len(look_closer(search(Grid(needle=19), finder=eyes), look())) == 1
    assert not eyes.seen


def test_trouble_with_tiles_leaves_a_plain_question() -> None:
    @contextmanager
    def broken(raster: object) -> Iterator[Grid]:
        raise SettingsError("The disk of the cache is full. Free some space.")
        yield Grid()

    asked = look()
    policy = SearchZoom(Words(), broken, 448)
    assert look_closer(policy, asked) == []
    assert asked.warnings == [
        "It was not zoomed in: The disk of the cache is full. Free some space."
    ]


def test_a_changed_raster_is_told() -> None:
    asked = look()
    look_closer(search(Grid(needle=1, has_changed=True)), asked)
    assert "has changed since" in asked.warnings[0]


def test_windows_have_a_place_on_the_earth() -> None:
    from rasterio.crs import CRS

    from rsvlm.georeference import GeoReference

    place = GeoReference.create(CRS.from_epsg(4326).wkt, (0.1, 0, 10.0, 0, -0.1, 50.0))
    bounds = bounds_of(place, HBB(0, 0, 10, 20))
    assert bounds == pytest.approx((10.0, 48.0, 11.0, 50.0))
    assert bounds_of(None, HBB(0, 0, 10, 20)) is None


def test_the_second_question_encodes_its_own_phrase_only() -> None:
    policy = search(Grid(20))
    told: list[int] = []

    class Counting(Words):
        def encode_text(self, texts: Sequence[str]) -> Vectors:
            told.append(len(texts))
            return super().encode_text(texts)

    policy.embedder = Counting()
    one, two = look("Where is the ship?"), look("Where is the barge?")
    first = look_closer(policy, one)
    few = told[-1]
    assert sum(told) > 40 * few
    told.clear()
    look_closer(policy, two)
    assert told == [few]
    alone = look_closer(search(Grid(20)), look())
    assert [v.window.box for v in alone] == [v.window.box for v in first]
