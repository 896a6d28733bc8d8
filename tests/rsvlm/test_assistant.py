import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from rsvlm.answer import Evidence
from rsvlm.assistant import Assistant
from rsvlm.engines.base import Capabilities
from rsvlm.engines.stub import StubEngine
from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.findings import Findings, Purpose, ShapeKind
from rsvlm.followup import Turn
from rsvlm.geometry import HBB, Mask, Region
from rsvlm.knowing import Composed
from rsvlm.raster import Raster
from rsvlm.render import View


class FakeFinder:
    """Finds the same boxes, in raster pixels, wherever a view shows them whole."""

    labels = ("ship", "vehicle", "bridge")
    side = 100

    def __init__(self, boxes: dict[str, list[HBB]], best: float = 0.9) -> None:
        self.boxes, self.best = boxes, best
        self.asked: list[tuple[str, ...]] = []

    def find(
        self,
        view: View,
        descriptions: Sequence[str],
        shape: ShapeKind = "hbb",
        purpose: Purpose = "locate",
    ) -> Findings:
        self.asked.append(tuple(descriptions))
        frame = view.window.box
        found = []
        for name in descriptions:
            for box in self.boxes.get(name, []):
                if box.intersection(frame) < box.area:
                    continue
                mask = np.ones((int(box.height), int(box.width)), bool)
                drawn = Mask.from_array(mask, int(box.x0), int(box.y0))
                kind = drawn if shape == "mask" else box
                found.append(Region(kind, name, 0.9, view.image))
        return Findings(tuple(found), self.best if found else 0.1)


def write(path: Path, width: int = 100, height: int = 80, gsd: float = 1.0) -> Path:
    """Write an RGB GeoTIFF in UTM zone 11."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (3, height, width), dtype=np.uint8)
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 3}
    place = {"crs": "EPSG:32611", "transform": from_origin(380000, 3730000, gsd, gsd)}
    with rasterio.open(
        path, "w", dtype="uint8", photometric="RGB", **profile, **place
    ) as f:
        f.write(pixels)
    return path


@pytest.fixture
def raster(tmp_path: Path) -> Iterator[Raster]:
    with Raster.open(write(tmp_path / "port.tif")) as opened:
        yield opened


@pytest.mark.parametrize(
    ("gsd", "warned"), [(1.0, False), (3.9, False), (4.2, True), (0.04, True)]
)
def test_a_strange_ground_resolution_is_said(
    tmp_path: Path, gsd: float, warned: bool
) -> None:
    engine = StubEngine(["Fields."])
    with Raster.open(write(tmp_path / "a.tif", gsd=gsd)) as raster:
        usual = Assistant(engine).ask([raster], "Describe this scene.").confidence
    engine = StubEngine(["Fields."])
    engine.capabilities = Capabilities(gsd_m=(0.1, 2.0))
    with Raster.open(write(tmp_path / "a.tif", gsd=gsd)) as raster:
        answer = Assistant(engine).ask([raster], "Describe this scene.")
    said = [w for w in answer.warnings if "0.1 to 2 m per pixel" in w]
    assert bool(said) == warned
    assert answer.confidence == pytest.approx(usual / 2 if warned else usual)


SHIPS = {"ship": [HBB(10, 10, 30, 20), HBB(50, 40, 60, 70)]}


def test_a_count_is_the_number_of_regions_and_no_word_is_asked_for(
    raster: Raster,
) -> None:
    engine = StubEngine(["7"])
    assistant = Assistant(engine, FakeFinder(SHIPS))
    answer = assistant.ask([raster], "How many ships are there?")
    assert (answer.task, answer.count, answer.text) == ("count", 2, "2 ships.")
    assert [region.hbb for region in answer.regions] == [
        (10, 10, 30, 20),
        (50, 40, 60, 70),
    ]
    assert answer.regions[0].area_m2 == pytest.approx(200, rel=2e-3)
    assert [step.step for step in answer.trace] == ["look", "refine"]
    assert not engine.calls


def test_synonyms_are_looked_for_by_their_label(raster: Raster) -> None:
    finder = FakeFinder(SHIPS)
    Assistant(StubEngine(["2"]), finder).ask([raster], "Where are the boats?")
    assert finder.asked == [("ship",)]


@pytest.mark.parametrize(
    ("boxes", "text"), [(SHIPS, "Yes, 2 ships."), ({}, "No, no ship was found.")]
)
def test_presence_follows_geometry(
    raster: Raster, boxes: dict[str, list[HBB]], text: str
) -> None:
    """The engine is not asked: its word did not tell who was right (docs/log.md)."""
    engine = StubEngine(["maybe"])
    answer = Assistant(engine, FakeFinder(boxes)).ask([raster], "Is there a ship here?")
    assert answer.text == text
    assert not engine.calls
    best = max((region.confidence or 0 for region in answer.regions), default=0.0)
    assert answer.confidence == pytest.approx(best or 0.9)  # FakeFinder: best .1


class Wary(FakeFinder):
    """Says yes sooner than it counts: of some boxes one reaches the cut for counting."""

    counted = 0

    def find(self, *args: Any, **named: Any) -> Findings:
        found = super().find(*args, **named)
        most = self.counted if "presence" not in (*args, *named.values()) else None
        return Findings(found.regions[:most], found.best)


@pytest.mark.parametrize("counted", [0, 1])
def test_a_yes_says_what_a_count_would_say(raster: Raster, counted: int) -> None:
    finder = Wary(SHIPS)
    finder.counted = counted
    answer = Assistant(StubEngine([]), finder).ask([raster], "Is there a ship here?")
    assert (answer.text, len(answer.regions)) == ("Yes, 1 ship.", 1)
    assert [step.step for step in answer.trace] == ["look", "refine"]


def test_segmentation_gives_masks_and_their_area(raster: Raster) -> None:
    assistant = Assistant(StubEngine(["none"]), FakeFinder(SHIPS))
    answer = assistant.ask([raster], "Segment the ships.")
    assert {region.kind for region in answer.regions} == {"mask"}
    total = sum(region.area_m2 or 0 for region in answer.regions)
    assert answer.text == f"Found 2 ships, covering {total:,.0f} m2."


def test_nothing_found_is_an_answer(raster: Raster) -> None:
    answer = Assistant(StubEngine(["none"]), FakeFinder({})).ask(
        [raster], "Find the bridge."
    )
    assert (answer.text, answer.abstained) == ("No bridge was found.", False)
    assert answer.regions == ()


def test_objects_smaller_than_pixels_are_not_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "s2.tif", gsd=10.0)
    finder = FakeFinder({"vehicle": [HBB(0, 0, 5, 5)]})
    with Raster.open(path) as opened:
        answer = Assistant(StubEngine(["9"]), finder).ask([opened], "Count the cars.")
    assert answer.abstained
    assert "covers 10 m" in answer.text
    assert finder.asked == []


def test_an_unknown_object_is_refused_with_what_is_known(raster: Raster) -> None:
    answer = Assistant(StubEngine(["3"]), FakeFinder({})).ask(
        [raster], "How many giraffes?"
    )
    assert answer.abstained
    assert "'giraffe'" in answer.text
    assert "ship, vehicle, bridge" in answer.text


def test_words_that_are_not_used_are_named(raster: Raster) -> None:
    answer = Assistant(StubEngine(["1"]), FakeFinder(SHIPS)).ask(
        [raster], "How many white ships are at the pier?"
    )
    assert any("'at the pier'" in warning for warning in answer.warnings)


def test_large_rasters_are_searched_by_tiles(tmp_path: Path) -> None:
    boxes = {"ship": [HBB(5, 5, 15, 15), HBB(370, 250, 390, 270)]}
    finder = FakeFinder(boxes)
    with Raster.open(write(tmp_path / "large.tif", 400, 300)) as opened:
        answer = Assistant(StubEngine(["2"]), finder).ask([opened], "How many ships?")
        whole = Assistant(StubEngine(["2"]), finder).ask(
            [opened], "How many ships?", zoom="none"
        )
    assert answer.count == 2
    assert sum(step.step == "refine" for step in answer.trace) == 20
    assert sum(step.step == "refine" for step in whole.trace) == 1


def test_a_caption_mentions_what_was_found(raster: Raster) -> None:
    finder = FakeFinder(SHIPS)
    answer = Assistant(StubEngine(["A port."]), finder).ask(
        [raster], "Describe the ships."
    )
    assert answer.text == "A port. Found by the region head: 2 ships."
    assert finder.asked == [("ship", "vehicle", "bridge")]


def test_an_unsure_text_is_withheld(raster: Raster) -> None:
    assistant = Assistant(StubEngine(["blue"]), least=0.95)  # the stub is .905 sure
    answer = assistant.ask([raster], "What colour is the roof?")
    assert answer.abstained
    assert "'blue'" in answer.text


def test_boxes_of_the_engine_serve_where_there_is_no_finder(raster: Raster) -> None:
    engine = StubEngine(["ship [0,0,500,500]"])
    answer = Assistant(engine).ask([raster], "Where is the ship?")
    assert [region.hbb for region in answer.regions] == [(0, 0, 50, 40)]


def test_two_dates_are_compared_on_the_ground(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.tif"), write(tmp_path / "b.tif")]
    with rasterio.open(paths[1], "r+") as file:
        pixels = file.read()
        pixels[:, 10:40, 20:70] = 255
        file.write(pixels)
    with Raster.open(paths[0]) as a, Raster.open(paths[1]) as b:
        answer = Assistant(StubEngine(["A port."])).ask([a, b], "What changed?")
    assert answer.task == "compare"
    assert answer.text.startswith("Between image 1 and image 2, ")
    assert {region.image for region in answer.regions} == {1}
    x0, y0, x1, y1 = answer.regions[0].hbb
    assert (x0, y0, x1, y1) == pytest.approx((20, 10, 70, 40), abs=4)
    assert [step.step for step in answer.trace] == ["look", "look", "compare"]


def test_what_cannot_be_compared_is_described_one_by_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, side in (("a.png", 64), ("b.png", 80)):
        picture = rng.integers(0, 255, (side, side, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / name)
    finder = FakeFinder(SHIPS)
    with Raster.open(tmp_path / "a.png") as a, Raster.open(tmp_path / "b.png") as b:
        answer = Assistant(StubEngine(["A port."]), finder).ask([a, b], "What changed?")
    assert answer.text.startswith("Image 1: A port. Found: ")
    assert "Image 2: A port. Found: " in answer.text
    assert any("cannot be placed in another" in w for w in answer.warnings)


def test_an_engine_of_several_images_sees_them_together(tmp_path: Path) -> None:
    engine = StubEngine(["A ship left."], capabilities=Capabilities(together=4))
    paths = [write(tmp_path / "a.tif"), write(tmp_path / "b.tif")]
    with Raster.open(paths[0]) as a, Raster.open(paths[1]) as b:
        answer = Assistant(engine).ask([a, b], "What changed?")
        described = Assistant(engine).ask([a, b], "Describe the images.")
    assert answer.text.endswith("A ship left.")
    assert described.text == "A ship left."
    assert len(engine.calls) == 2


def test_images_are_asked_about_one_by_one_otherwise(tmp_path: Path) -> None:
    engine = StubEngine(["Fields.", "A town."])
    paths = [write(tmp_path / "a.tif"), write(tmp_path / "b.tif")]
    with Raster.open(paths[0]) as a, Raster.open(paths[1]) as b:
        answer = Assistant(engine).ask([a, b], "Describe the images.")
    assert answer.text == "Image 1: Fields. Image 2: A town."
    assert [step.image for step in answer.trace if step.step == "ask"] == [0, 1]


def test_passages_reach_the_engine_and_wrong_citations_go(raster: Raster) -> None:
    class Shelf:
        def search(self, question: str, rasters: Sequence[Raster]) -> list[Evidence]:
            return [Evidence(id=1, text="Built 1970.", source="a book", licence="CC0")]

        def compose(self, question: str, rasters: Sequence[Raster]) -> None:
            return None

        def known(self, label: str, rasters: Sequence[Raster]) -> list[Evidence]:
            return []

        def similarity(self, left: str, right: str) -> float:
            return 1.0

    engine = StubEngine(["It was built in 1970 [1], they say [7]."])
    answer = Assistant(engine, retriever=Shelf()).ask([raster], "When was it built?")
    assert answer.text == "It was built in 1970 [1], they say."
    assert "[1] Built 1970. (a book)" in engine.calls[0][0].text


def test_the_answer_is_placed_on_the_earth(raster: Raster) -> None:
    answer = Assistant(StubEngine(["2"]), FakeFinder(SHIPS)).ask(
        [raster], "Find ships."
    )
    west, south, east, north = json.loads(answer.to_json())["images"][0][
        "bounds_lonlat"
    ]
    assert -119 < west < east < -116
    assert 33 < south < north < 34
    for feature in answer.to_geojson()["features"]:
        lon, lat = feature["geometry"]["coordinates"][0][0]
        assert west <= lon <= east
        assert south <= lat <= north


def test_impossible_calls_are_refused(raster: Raster) -> None:
    assistant = Assistant(StubEngine(["a"]))
    with pytest.raises(SettingsError, match="no image"):
        assistant.ask([], "What is this?")
    with pytest.raises(SettingsError, match="empty"):
        assistant.ask([raster], "  ")
    with pytest.raises(UnknownNameError, match="Did you mean 'count'"):
        assistant.ask([raster], "What is this?", task="cuont")


def test_a_question_of_blanks_does_not_keep_the_rules_busy(raster: Raster) -> None:
    engine = StubEngine(["a field"])
    question = "What" + 3000 * " " + "is this?"
    answer = Assistant(engine, least=0).ask([raster], question)
    assert answer.question == question
    assert "What is this?" in str(engine.calls[0])


class Atlas:
    """Knows one airport, and composes what is asked of it."""

    field = Evidence(id=1, text="Old Field is an airport.", source="a", licence="MIT")

    def __init__(self, told: Composed | None = None) -> None:
        self.told = told

    def search(self, question: str, rasters: Sequence[Raster]) -> list[Evidence]:
        return []

    def compose(self, question: str, rasters: Sequence[Raster]) -> Composed | None:
        return self.told

    def known(self, label: str, rasters: Sequence[Raster]) -> list[Evidence]:
        return [self.field] if label == "airport" else []

    def similarity(self, left: str, right: str) -> float:
        return 0.0


def test_a_composed_answer_needs_no_model(raster: Raster) -> None:
    told = Composed("The nearest airport is Old Field [1].", (Atlas.field,), 0.9)
    engine = StubEngine([])  # has nothing to say
    answer = Assistant(engine, retriever=Atlas(told)).ask([raster], "Nearest airport?")
    assert answer.text == "The nearest airport is Old Field [1]."
    assert [item.id for item in answer.evidence] == [1]
    assert answer.confidence == 0.9
    assert [step.step for step in answer.trace][-1] == "recall"


def test_the_rest_of_a_question_goes_to_the_model(raster: Raster) -> None:
    told = Composed(
        "It is Old Field [1].", (Atlas.field,), 0.9, rest="What colour is it?"
    )
    answer = Assistant(StubEngine(["red"]), retriever=Atlas(told)).ask(
        [raster], "What colour is it, and what is the nearest airport?"
    )
    assert answer.text == "red It is Old Field [1]."


def test_why_says_where_no_model_was_asked(raster: Raster) -> None:
    told = Composed("The nearest airport is Old Field [1].", (Atlas.field,), 0.9)
    engine = StubEngine(["grey"])

    def why(assistant: Assistant, question: str) -> str:
        first = assistant.ask([raster], question)
        return assistant.ask([raster], "Why?", history=[Turn.of(first)]).text

    known = why(Assistant(engine, retriever=Atlas(told)), "Nearest airport?")
    assert "No model was asked: it rests on the passages that are cited." in known
    absent = why(Assistant(engine), "Show the NDVI.")
    assert "No model was asked: it follows from what the images are." in absent
    assert engine.calls == []
    said = why(Assistant(engine), "What colour is the roof?")
    assert "it rests on the words of the language model" in said


@pytest.mark.parametrize("said", ["no", "Yes.", "NO!"])
def test_yes_or_no_is_no_answer_to_an_open_question(raster: Raster, said: str) -> None:
    answer = Assistant(StubEngine([said])).ask([raster], "What surrounds the fields?")
    assert answer.abstained
    assert answer.text == (
        f"I cannot tell: the model answered {said!r}, which does not fit the question."
    )
    closed = Assistant(StubEngine([said])).ask([raster], "Are the fields green?")
    assert (closed.abstained, closed.text) == (False, said)
