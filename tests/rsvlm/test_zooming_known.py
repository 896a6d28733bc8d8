"""Windows of what a scan found: which questions get them, and in what order."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from rsvlm.findings import Findings, Purpose, Scan
from rsvlm.geometry import HBB, Region, Window
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.zoom import Look, Zoom, look_closer
from rsvlm.zooming_known import LEAST, KnownZoom

SIZE = 4000


class Place:
    """A raster of which only views are asked."""

    name, sensor, georeference, gsd = "a.tif", "optical", None, None
    width = height = SIZE

    def view(self, box: HBB, width: int, height: int, image: int = 0) -> View:
        pixels = np.zeros((height, width, 3), np.uint8)
        return View(pixels, Window(box, width, height), "optical", "true-colour", "")


@dataclass
class Found:
    """A scan in two windows."""

    boxes: Sequence[tuple[str, float, HBB]]
    asked: list[Purpose] = field(default_factory=list)
    windows = (HBB(0, 0, 2000, SIZE), HBB(2000, 0, SIZE, SIZE))

    def find(
        self, labels: Sequence[str], purpose: Purpose, image: int
    ) -> Sequence[Findings]:
        self.asked.append(purpose)
        return [
            Findings(
                tuple(
                    Region(box, label, sure, image)
                    for label, sure, box in self.boxes
                    if label in labels and window.intersection(box)
                ),
                1.0,
            )
            for window in self.windows
        ]


def box(x: float, y: float) -> HBB:
    return HBB(x, y, x + 40, y + 40)


SCAN = Found([("ship", 0.2, box(100, 100)), ("ship", 0.9, box(3000, 3000)),
              ("airplane", 0.8, box(500, 3500))])  # fmt: skip


def look(question: str, task: str = "ground") -> Look:
    place = Place()
    overview = place.view(HBB(0, 0, SIZE, SIZE), 400, 400)
    return Look(question, task, place, [overview])  # type: ignore[arg-type]


def known(scan: Scan | None = SCAN, then: "Elsewhere | None" = None) -> KnownZoom:
    def scans(raster: Raster) -> Scan | None:
        return scan

    return KnownZoom(scans, ("ship", "airplane", "bridge"), 448, then)


class Elsewhere:
    """A policy that always looks at the same corner."""

    def next(self, look: Look) -> Sequence[Zoom]:
        return () if look.zooms else [Zoom(Window(HBB(0, 0, 10, 10), 10, 10))]


def test_the_surest_place_comes_first() -> None:
    asked = look("Where is the ship?")
    views = look_closer(known(), asked)
    first, second = (view.window.box for view in views)
    assert first.intersection(box(3000, 3000)) == box(3000, 3000).area
    assert second.intersection(box(100, 100)) == box(100, 100).area
    assert first.width == first.height == LEAST
    assert [zoom.score for zoom in asked.zooms] == [0.9, 0.2]
    assert {step.note for step in asked.trace} == {
        "found by an earlier scan of the image"
    }


def test_a_weak_candidate_is_shown_as_the_question_takes_it_for_granted() -> None:
    scan = Found(SCAN.boxes)
    look_closer(known(scan), look("What colour is the airplane?", "vqa"))
    assert scan.asked == ["named"]


@pytest.mark.parametrize(
    ("question", "task"),
    [
        ("Describe the image.", "caption"),
        ("How many ships are there?", "count"),
        ("Are there more ships than airplanes?", "vqa"),
        ("Where is the giraffe?", "ground"),
    ],
)
def test_other_questions_are_left_alone(question: str, task: str) -> None:
    asked = look(question, task)
    assert look_closer(known(), asked) == []
    assert asked.trace == []


@pytest.mark.parametrize("scan", [None, Found([])])
def test_where_nothing_is_known_the_next_policy_chooses(scan: Scan | None) -> None:
    assert look_closer(known(scan), look("Where is the ship?")) == []
    (view,) = look_closer(known(scan, Elsewhere()), look("Where is the ship?"))
    assert view.window.box == HBB(0, 0, 10, 10)


def test_the_next_policy_does_not_add_to_what_is_known() -> None:
    views = look_closer(known(then=Elsewhere()), look("Where is the ship?"))
    assert len(views) == 2
