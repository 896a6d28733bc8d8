"""Questions about places, and conversations, through the whole assistant."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from rsvlm.answer import Answer
from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine
from rsvlm.findings import Findings, Purpose, ShapeKind
from rsvlm.focus import Focus
from rsvlm.followup import Turn
from rsvlm.geometry import HBB, OBB, Mask, Region
from rsvlm.raster import Raster
from rsvlm.render import View
from tests.rsvlm.ramp import write

SHIPS = [HBB(20, 20, 40, 32), HBB(60, 24, 76, 40), HBB(300, 200, 330, 220)]
BRIDGE = HBB(140, 100, 220, 110)


class Drawing:
    """A finder that knows ships and a bridge, and outlines whatever lies in a box."""

    labels = ("ship", "bridge")
    side = 160
    magnifies = False

    def __init__(self) -> None:
        self.refined: list[Region] = []
        self.looked: list[tuple[float, float]] = []

    def find(
        self,
        view: View,
        descriptions: Sequence[str],
        shape: ShapeKind = "hbb",
        purpose: Purpose = "locate",
    ) -> Findings:
        self.looked.append(view.window.scale)
        known = [(box, "ship") for box in SHIPS] + [(BRIDGE, "bridge")]
        # A view of a part has that part's pixels: a marked pixel tells where it lies.
        x, y = origin_of(view)
        found = []
        for box, label in known:
            here = box.scale(1, 1, -x, -y)
            frame = view.window.box
            if label in descriptions and here.intersection(frame) == here.area:
                found.append(Region(shaped(here, shape), label, 0.9, view.image))
        return Findings(tuple(found), 0.9 if found else 0.1)

    def refine(self, view: View, region: Region, shape: ShapeKind = "mask") -> Region:
        self.refined.append(region)
        box = region.shape.hbb
        inner = HBB(box.x0 + 1, box.y0 + 1, box.x1 - 1, box.y1 - 1)
        return Region(
            shaped(inner, shape), region.label, region.confidence, region.image
        )


def shaped(box: HBB, kind: ShapeKind) -> Mask | OBB | HBB:
    if kind == "mask":
        size = (round(box.height), round(box.width))
        return Mask.from_array(np.ones(size, bool), round(box.x0), round(box.y0))
    if kind == "obb":
        return OBB(box.corners)
    return box


def origin_of(view: View) -> tuple[float, float]:
    """Return where the pixels of a view come from, as its first pixel tells."""
    red, green, blue = (int(value) for value in view.pixels[0, 0])
    x, y = red + 256 * (blue % 2), green + 256 * (blue // 2)
    return x - view.window.box.x0, y - view.window.box.y0


@pytest.fixture
def raster(tmp_path: Path) -> Iterator[Raster]:
    with Raster.open(write(tmp_path / "port.tif")) as opened:
        yield opened


# --- questions ------------------------------------------------------------------------


def ask(
    raster: Raster,
    question: str,
    box: HBB | None,
    reply: str = "a roof",
    **more: object,
) -> tuple[Answer, Drawing, StubEngine]:
    finder, engine = Drawing(), StubEngine([reply])
    focus = [] if box is None else [Focus(0, box)]
    answer = Assistant(engine, finder).ask([raster], question, focus=focus, **more)  # type: ignore[arg-type]
    return answer, finder, engine


LEFT = HBB(10, 10, 90, 50)  # two ships


def test_objects_are_counted_at_the_place_alone(raster: Raster) -> None:
    answer, finder, _ = ask(raster, "How many ships are here?", LEFT)
    assert (answer.task, answer.count, answer.text) == ("count", 2, "2 ships.")
    assert [region.hbb for region in answer.regions] == [
        (b.x0, b.y0, b.x1, b.y1) for b in SHIPS[:2]
    ]
    assert answer.regions[0].area_m2 == pytest.approx(240, rel=2e-3)
    assert finder.looked == [(1.0, 1.0)]  # native resolution
    step = next(step for step in answer.trace if step.step == "focus")
    assert step.window == (10, 10, 90, 50)
    assert step.bounds_lonlat is not None
    shown = next(step for step in answer.trace if step.step == "look")
    assert shown.window is not None
    assert shown.window[0] < 10
    assert shown.window[2] > 90
    assert ask(raster, "How many ships are here?", None)[0].count == 3


def test_presence_and_places_are_those_of_the_box(raster: Raster) -> None:
    empty = HBB(200, 20, 260, 80)
    assert ask(raster, "Is there a ship?", empty)[0].text == "No, no ship was found."
    answer, _, _ = ask(raster, "Where is the bridge?", HBB(130, 90, 230, 120))
    assert answer.regions[0].hbb == (140, 100, 220, 110)


def test_is_this_a_ship_is_answered_by_what_is_found(raster: Raster) -> None:
    assert ask(raster, "Is this a ship?", SHIPS[0], "yes")[0].text == "Yes, 1 ship."
    answer = ask(raster, "Is this a ship?", HBB(200, 20, 220, 40), "no")[0]
    assert answer.text == "No, no ship was found."
    assert answer.question == "Is this a ship?"


def test_what_is_this_names_what_the_box_holds(raster: Raster) -> None:
    answer, _, engine = ask(raster, "What is this?", SHIPS[2])
    assert (answer.text, engine.calls) == ("This is a ship.", [])
    answer, _, engine = ask(raster, "What is this?", HBB(200, 20, 220, 40))
    assert "a roof" in answer.text


def test_words_come_from_the_place(raster: Raster) -> None:
    answer, _, _ = ask(raster, "What colour is this?", HBB(200, 100, 240, 140))
    assert answer.text == "a roof"
    shown = next(step for step in answer.trace if step.step == "look")
    assert shown.window == (172, 72, 268, 168)  # the box and what is around it


def test_the_place_itself_is_outlined_and_measured(raster: Raster) -> None:
    box = HBB(200, 120, 240, 150)
    answer, finder, engine = ask(raster, "Outline this.", box)
    (region,) = answer.regions
    assert (region.kind, region.hbb) == ("mask", (201, 121, 239, 149))
    assert f"{region.area_m2:,.0f} m2" in answer.text
    assert answer.confidence == pytest.approx(38 * 28 / (40 * 30), abs=1e-3)
    assert (len(finder.refined), engine.calls) == (1, [])
    answer, _, _ = ask(raster, "How large is this field?", box)
    assert answer.regions[0].label == "farmland"
    assert "38 m long and 28 m wide" in answer.text
    answer, _, _ = ask(raster, "How long is this?", box)
    assert (answer.text, answer.regions[0].kind) == ("The place is 38 m long.", "obb")


def test_what_the_finder_knows_is_found_again_rather_than_drawn(raster: Raster) -> None:
    drawn = HBB(58, 22, 77, 41)  # a hand drew it about the ship
    answer, finder, _ = ask(raster, "Outline this ship.", drawn)
    assert answer.regions[0].hbb == (60, 24, 76, 40)
    assert finder.refined == []


def test_without_a_drawer_the_box_is_measured_and_that_is_said(raster: Raster) -> None:
    answer = Assistant(StubEngine([""])).ask(
        [raster], "How large is this?", focus=[Focus(0, HBB(0, 0, 20, 10))]
    )
    assert answer.regions[0].area_m2 == pytest.approx(200, rel=2e-3)
    assert any("box was measured" in line for line in answer.warnings)
    assert answer.confidence == 0.5


def test_a_place_is_compared_and_its_distance_taken(raster: Raster) -> None:
    focus = [Focus(0, SHIPS[2]), Focus(0, SHIPS[0])]
    assistant = Assistant(StubEngine([""]), Drawing())
    answer = assistant.ask([raster], "Is this larger than that?", focus=focus)
    assert answer.text.startswith("Yes: ")
    assert len(answer.regions) == 2
    answer = assistant.ask([raster], "Is this smaller than that?", focus=focus)
    assert answer.text.startswith("No: ")
    answer = assistant.ask(
        [raster], "How far is this from the bridge?", focus=focus[1:]
    )
    # From (40, 32) to (140, 100).
    assert answer.text == "The ship and the bridge are 121 m apart."
    answer = assistant.ask([raster], "How far apart are these?", focus=focus)
    assert answer.text == "The two nearest ships are 310 m apart."


def test_boxes_of_an_engine_count_at_the_place_alone(raster: Raster) -> None:
    engine = StubEngine(["ship [0,0,100,100] ship [450,450,550,550]"])
    box = HBB(150, 100, 250, 200)
    answer = Assistant(engine).ask([raster], "Find the ships", focus=[Focus(0, box)])
    # The engine saw 100 px and 50 px around: 450 of 1000 is 90 px from 100, 50.
    assert [region.hbb for region in answer.regions] == [(190, 140, 210, 160)]
    assert answer.text == "Found 1 ship."


def test_a_place_of_one_image_leaves_the_others_out(raster: Raster) -> None:
    assistant = Assistant(StubEngine(["2"]), Drawing())
    answer = assistant.ask(
        [raster, raster], "How many ships are here?", focus=[Focus(1, LEFT)]
    )
    assert {region.image for region in answer.regions} == {1}
    assert {step.image for step in answer.trace if step.window} == {1}
    assert answer.text == "2 ships."
    assert len(answer.images) == 2


def test_a_place_is_carried_to_the_image_that_is_named(raster: Raster) -> None:
    assistant = Assistant(StubEngine(["2"]), Drawing())
    answer = assistant.ask(
        [raster, raster], "How many ships are here in image 2?", focus=[Focus(0, LEFT)]
    )
    assert {region.image for region in answer.regions} == {1}
    assert answer.count == 2


# --- conversations --------------------------------------------------------------------


def test_a_conversation_over_one_image(raster: Raster) -> None:
    assistant = Assistant(StubEngine(["3"]), Drawing())
    history: list[Turn] = []

    def say(question: str) -> Answer:
        answer = assistant.ask([raster], question, history=history)
        history.append(Turn.of(answer))
        return answer

    assert say("How many ships are there?").count == 3
    second = say("And the second one?")
    assert (second.question, second.task) == ("And the second one?", "ground")
    assert [region.hbb for region in second.regions] == [(60, 24, 76, 40)]
    step = second.trace[0]
    assert step.step == "follow-up"
    assert step.note is not None
    assert step.note.startswith("Understood as: Where is this ship?")
    outlined = say("outline it")
    assert [region.kind for region in outlined.regions] == ["mask"]
    large = say("how large is it?")
    assert "256 m2" in large.text
    assert large.regions[0].kind == "mask"
    assert say("is it larger than the third?").text.startswith("No: ")
    doubt = say("are you sure?")
    assert "The 2 regions have" in doubt.text
    assert not doubt.regions
    assert "region head" in say("why?").text
    assert say("and the bridges?").text.endswith("bridge, covering 800 m2.")


def test_words_alone_are_answered_again_for_their_regions(raster: Raster) -> None:
    assistant = Assistant(StubEngine(["3"]), Drawing())
    history = [Turn("How many ships are there?", "3 ships.")]
    answer = assistant.ask([raster], "and the third?", history=history)
    assert [region.hbb for region in answer.regions] == [(300, 200, 330, 220)]
    history.append(Turn("and the third?", answer.text))
    answer = assistant.ask([raster], "how long is it?", history=history)
    assert answer.text == "The ship is 30 m long."
    assert assistant.ask([raster], "why?", history=history).confidence < 1


def test_a_follow_up_about_image_2_asks_about_that_image(raster: Raster) -> None:
    assistant = Assistant(StubEngine(["3"]), Drawing())
    both = [raster, raster]
    first = assistant.ask(both, "How many ships are in image 1?")
    assert {region.image for region in first.regions} == {0}
    second = assistant.ask(both, "and in image 2?", history=[Turn.of(first)])
    assert {region.image for region in second.regions} == {1}
    shown = assistant.ask(
        both, "outline them", history=[Turn.of(first), Turn.of(second)]
    )
    assert {region.image for region in shown.regions} == {1}


def test_a_loose_box_is_outlined_as_what_lies_in_it(raster: Raster) -> None:
    answer, _, _ = ask(raster, "Outline this.", HBB(50, 10, 86, 54))
    (region,) = answer.regions
    assert (region.kind, region.label) == ("mask", "ship")
    assert region.hbb == (60, 24, 76, 40)
    assert answer.confidence == 0.9  # of what was found, however loose the box


def test_here_is_the_picture_of_the_place(raster: Raster) -> None:
    assert ask(raster, "What is here?", SHIPS[2])[0].text == "This is a ship."
    answer, _, _ = ask(raster, "Are there ships in this box?", LEFT, "yes")
    assert (answer.text, answer.question) == (
        "Yes, 2 ships.",
        "Are there ships in this box?",
    )


def test_a_drawn_place_is_not_mixed_with_an_earlier_answer(raster: Raster) -> None:
    assistant = Assistant(StubEngine([""]), Drawing())
    ship = Region(HBB(60, 24, 76, 40), "ship", 0.9)
    history = [Turn("Where is the ship?", "Found 1 ship.", (ship,), "ground", 0.9)]
    box = HBB(200, 120, 240, 150)

    def say(question: str) -> Answer:
        return assistant.ask([raster], question, history=history, focus=[Focus(0, box)])

    large = say("How large is it?")
    assert [region.hbb for region in large.regions] == [(201, 121, 239, 149)]
    assert large.text.startswith("The place covers")
    assert [r.hbb for r in say("Outline it.").regions] == [(201, 121, 239, 149)]
    compared = say("Is it larger than this?")
    assert compared.text.startswith("No: 256 m2 (the ship ")
    assert "against 1,064 m2 (the place at x 220" in compared.text
    turned = say("Is this larger than it?")
    assert turned.text.startswith("Yes: 1,064 m2 (the place ")
    far = say("How far is it from here?")
    assert [region.label for region in far.regions] == ["ship", ""]


def test_no_turn_of_words_is_answered_twice(raster: Raster) -> None:
    engine = StubEngine(["a boat"])
    history = [Turn("How many ships are there?", "3 ships.")]
    history += [Turn("What colour is the second one?", "White.")] * 5
    kept = list(history)
    assistant = Assistant(engine, Drawing())
    assistant.ask([raster], "What colour is it?", history=history)
    # The count takes one call, each of the five one, the question itself one.
    assert len(engine.calls) <= 7
    assert history == kept
