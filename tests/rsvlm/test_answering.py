"""Who has the last word: encoders, measures or the engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rsvlm.assistant import Assistant
from rsvlm.engines.base import Capabilities
from rsvlm.engines.stub import StubEngine
from rsvlm.findings import Findings, ShapeKind
from rsvlm.geometry import HBB, Region
from rsvlm.messages import Generation
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.seeking import Seeker
from tests.rsvlm.test_scenes import Colours

QUESTION = "Which of these classes does the image show: forest, farmland, parking lot?"


class Sure(Colours):
    """Is as sure of the classes as it is told."""

    def __init__(self, *chances: float) -> None:
        self.chances = chances

    def choose(self, view: View, options: Sequence[str]) -> NDArray[np.float32]:
        assert list(options) == ["forest", "farmland", "parking lot"]
        return np.array(self.chances, np.float32)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    Image.new("RGB", (64, 64), (90, 120, 60)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize(
    ("chances", "said", "expected"),
    [
        ((0.2, 0.7, 0.1), "forest", "farmland"),  # the encoder is sure
        ((0.45, 0.5, 0.05), "Forest.", "forest"),  # the word decides between two
        ((0.45, 0.5, 0.05), "a meadow", "farmland"),  # no word of the list
    ],
)
def test_encoders_choose_a_listed_class_and_the_word_counts_a_little(
    image: Path, chances: tuple[float, ...], said: str, expected: str
) -> None:
    assistant = Assistant(StubEngine([said]), scenes=Sure(*chances))
    with Raster.open(image) as raster:
        answer = assistant.ask([raster], QUESTION, "classify")
    assert answer.text == expected
    assert {"ask", "choose"} <= {step.step for step in answer.trace}
    assert answer.confidence is not None
    assert 0 < answer.confidence <= 1


def test_a_known_class_of_a_scene_is_weighed_against_the_others(image: Path) -> None:
    class Known(Colours):
        def choose(self, view: View, options: Sequence[str]) -> NDArray[np.float32]:
            assert "farmland" in options
            chances = [0.9 if name == "farmland" else 0.02 for name in options]
            return np.array(chances, np.float32)

    for said, expected in (("Forest.", "farmland"), ("a castle", "a castle")):
        assistant = Assistant(StubEngine([said]), scenes=Known())
        with Raster.open(image) as raster:
            answer = assistant.ask([raster], "What kind of scene is this?", "classify")
        assert answer.text == expected
        assert [step.step for step in answer.trace].count("ask") == 1


def test_of_radar_the_encoder_alone_chooses(image: Path) -> None:
    engine = StubEngine(["forest"])
    assistant = Assistant(engine, scenes=Sure(0.45, 0.5, 0.05))
    with Raster.open(image, "sar") as raster:
        answer = assistant.ask([raster], QUESTION, "classify")
    assert answer.text == "farmland"
    assert "ask" not in {step.step for step in answer.trace}


@pytest.mark.parametrize("sensor", ["sar", "optical"])
def test_a_radar_image_is_described_by_what_is_measured(
    tmp_path: Path, sensor: str
) -> None:
    Image.new("RGB", (400, 400), (90, 90, 90)).save(tmp_path / "a.png")

    class Wide(Colours):
        window_m = None

    able = Capabilities(sensors=frozenset({"optical", "sar"}), weak=frozenset({"sar"}))
    engine = StubEngine(["A radar image of an airliner."], capabilities=able)
    assistant = Assistant(engine, scenes=Wide())
    with Raster.open(tmp_path / "a.png", sensor) as raster:
        answer = assistant.ask([raster], "Describe the image.")
    assert ("airliner" in answer.text) == (sensor == "optical")
    assert ("By area: 100% built-up land." in answer.text) == (sensor == "sar")


@pytest.mark.parametrize(("shape", "tokens"), [("hbb", 48), ("mask", 160)])
def test_a_reply_has_room_for_the_shape_that_is_wanted(
    image: Path, shape: ShapeKind, tokens: int
) -> None:
    class Counting(StubEngine):
        most = 0

        def generate(self, messages: Any, **options: Any) -> Generation:
            self.most = options["max_tokens"]
            return super().generate(messages, **options)

    engine = Counting(["none"])
    with Raster.open(image) as raster:
        Assistant(engine).ask([raster], "Where is the ship?", "ground", shape=shape)
    assert engine.most == tokens


class Granted:
    """A finder that misses one ship in eleven that is taken for granted."""

    labels, side, granted = ("ship",), 448, 0.1

    def find(self, *args: object) -> Findings:
        raise NotImplementedError


def of(*sure: float, label: str = "ship") -> tuple[Region, ...]:
    return tuple(Region(HBB(0, 0, 9, 9), label, value) for value in sure)


@pytest.mark.parametrize(
    ("found", "is_one", "expected"),
    [
        (Findings(of(0.5), 0.5, 0.15), True, 0.8),  # odds 1 against .15 + .1
        (Findings(of(0.5), 0.5, 0.15), False, 0.5),
        (Findings(of(0.5), 0.5, 0.15, chosen=True), True, 0.5),
        (Findings(of(0.5, label="water"), 0.5, 0.15), True, 0.5),
        (Findings(of(0.9, 0.5), 0.9, 0.1), True, 0.7),
        (Findings((), 0.2), True, 0.8),
    ],
)
def test_how_sure_regions_are(found: Findings, is_one: bool, expected: float) -> None:
    """One thing that is taken for granted is surer than what it looks like tells."""
    assert Seeker(Granted(), None).sure(found, is_one) == pytest.approx(expected)
