import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsvlm.assistant import Assistant
from rsvlm.codec import RsvlmCodec
from rsvlm.dialects import get_dialect
from rsvlm.engines.base import Capabilities
from rsvlm.engines.stub import StubEngine
from rsvlm.errors import EngineError, ImageError, SettingsError
from rsvlm.eval.asking import AssistantAsker, ModelAsker, Recorder
from rsvlm.eval.boxes_text import parse_coords
from rsvlm.eval.records import Box, Prediction
from rsvlm.eval.replay import EchoAsker, ReplayAsker
from rsvlm.eval.workers import TooLongError
from rsvlm.findings import Findings
from rsvlm.geometry import HBB, Mask, Region
from rsvlm.messages import Generation, Message
from rsvlm.samples import MaskRle, Target, Turn

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")


@pytest.fixture
def images(made: Any, tmp_path: Path) -> Path:
    folder: Path = made.pictures(tmp_path / "images", 4)
    return folder


def test_a_model_gets_the_prompt_of_the_benchmark(made: Any, images: Path) -> None:
    engine = StubEngine(["Yes, it is.\nThat is all."])
    asker = ModelAsker(engine, "URL#m")
    got = asker.ask(
        made.benchmark(parse="short_answer"), made.sample(0), images, seed=None
    )
    ((message,),) = engine.calls
    assert message.text == "Question 0?\nAnswer with a word."
    assert (got.parsed, got.raw) == ("yes", "Yes, it is.\nThat is all.")
    assert got.images_sent == ({"w": 100, "h": 80},)
    assert got.confidence == pytest.approx(np.exp(-0.1))
    assert got.usage is not None
    assert got.request_sha256 is not None


def test_a_model_writes_no_more_than_it_may(made: Any, images: Path) -> None:
    engine = StubEngine(["one two three four"])
    benchmark = made.benchmark(generation={"temperature": 0, "max_tokens": 2})
    got = ModelAsker(engine).ask(benchmark, made.sample(0), images, None)
    assert (got.status, got.raw) == ("truncated", "one two")


def test_boxes_are_read_in_the_numbers_that_were_declared(
    made: Any, images: Path
) -> None:
    sample = made.ship(0, (10, 8, 40, 48))
    engine = StubEngine(["[10,10,40,60]"])
    asker = ModelAsker(engine, coords=parse_coords("norm100"))
    got = asker.ask(made.benchmark("ground"), sample, images, None)
    assert [box.points for box in got.boxes] == [((10.0, 8.0), (40.0, 48.0))]
    assert got.coord_space == "norm100"
    ((message,),) = engine.calls
    assert "Answer with boxes" not in message.text


def test_a_dialect_is_asked_for_in_its_own_words(made: Any, images: Path) -> None:
    sample = made.ship(0, (10, 8, 40, 48))
    engine = StubEngine(["ship [100,100,400,600]"])
    asker = ModelAsker(engine, codec=RsvlmCodec())
    got = asker.ask(made.benchmark("ground"), sample, images, None)
    assert got.boxes == (Box(points=((10.0, 8.0), (40.0, 48.0)), label="ship"),)
    assert got.coord_space == "dialect rsvlm"
    ((message,),) = engine.calls
    assert message.text.endswith("Answer with boxes.")


def test_the_picture_has_the_size_that_the_dialect_counts_in(
    made: Any, images: Path
) -> None:
    codec = get_dialect("qwen2.5-vl")
    engine = StubEngine(['[{"bbox_2d": [0, 0, 56, 28], "label": "ship"}]'])
    asker = ModelAsker(engine, codec=codec)
    got = asker.ask(made.benchmark("ground"), made.ship(0, (0, 0, 1, 1)), images, None)
    (sent,) = got.images_sent
    assert sent["w"] % 28 == 0
    width = 100 * 56 / sent["w"]
    assert got.boxes[0].points[1][0] == pytest.approx(width, abs=0.5)


def test_a_guess_is_written_down(made: Any, images: Path) -> None:
    capabilities = Capabilities(dialect="json-1000", dialect_known=False)
    engine = StubEngine(
        ['[{"bbox_2d": [0, 0, 4000, 3000], "label": "ship"}]'],
        capabilities=capabilities,
    )
    asker = ModelAsker(engine, codec=get_dialect("json-1000"))
    got = asker.ask(made.benchmark("ground"), made.ship(0, (0, 0, 1, 1)), images, None)
    assert "not known" in got.meta["dialect"]
    assert "4000" in got.meta["misfit"]


def test_boxes_of_unknown_meaning_are_refused_before_the_first_question(
    made: Any,
) -> None:
    with pytest.raises(SettingsError, match="--coords norm1000"):
        ModelAsker(StubEngine(["a"])).prepare(made.benchmark("ground"))
    ModelAsker(StubEngine(["a"])).prepare(made.benchmark("vqa"))
    with pytest.raises(SettingsError, match="rankings"):
        ModelAsker(StubEngine(["a"])).prepare(made.benchmark("retrieve"))


def test_a_mask_is_drawn_from_boxes(made: Any, images: Path) -> None:
    engine = StubEngine(["[10,10,20,30] [15,10,25,30]"])
    asker = ModelAsker(engine, coords=parse_coords("pixel"))
    sample = made.ship(0, (0, 0, 1, 1))
    got = asker.ask(made.benchmark("segment"), sample, images, None)
    assert got.mask is not None
    assert got.mask.size == (80, 100)
    mask = Mask(got.mask.counts, got.mask.size, HBB(0, 0, 100, 80))
    assert mask.area == 15 * 20


def test_an_assistant_is_asked_as_a_user_asks(made: Any, images: Path) -> None:
    engine = StubEngine(["A grey field."])
    asker = AssistantAsker(Assistant(engine), "tiny")
    got = asker.ask(made.benchmark(), made.sample(0), images, None)
    assert got.parsed == got.raw == "A grey field."
    ((message,),) = engine.calls
    assert "Question 0?" in message.text
    assert "Answer with a word.\n" not in message.text
    assert got.trace[0]["step"] == "look"
    assert asker.entry().name == "stub"


def test_options_are_put_to_an_assistant_too(made: Any, images: Path) -> None:
    engine = StubEngine(["B"])
    prompt = {"id": "p", "user": "{question}\n{options}\nAnswer with the letter."}
    sample = made.sample(0, options=("red", "blue"), answers=("B",))
    asker = AssistantAsker(Assistant(engine))
    asker.ask(made.benchmark("mcq", prompt=prompt), sample, images, None)
    ((message,),) = engine.calls
    assert "(A) red\n(B) blue" in message.text
    assert "with the letter" not in message.text


def test_regions_of_an_answer_are_raster_pixels(made: Any, images: Path) -> None:
    engine = StubEngine(["ship [100,100,400,600]"])
    asker = AssistantAsker(Assistant(engine))
    got = asker.ask(made.benchmark("ground"), made.ship(0, (0, 0, 1, 1)), images, None)
    assert got.boxes[0].points == ((10.0, 8.0), (40.0, 48.0))
    assert (got.coord_space, got.parser) == ("answer", "regions")


def test_an_abstention_is_an_empty_answer(made: Any, images: Path) -> None:
    asker = AssistantAsker(Assistant(StubEngine(["a ship"]), least=0.99))
    got = asker.ask(made.benchmark(), made.sample(0), images, None)
    assert (got.abstained, got.parsed, got.status) == (True, "", "ok")
    assert got.raw == "a ship"


def test_a_missing_picture_is_an_error_of_ours(made: Any, tmp_path: Path) -> None:
    with pytest.raises(ImageError):
        ModelAsker(StubEngine(["a"])).ask(
            made.benchmark(), made.sample(0), tmp_path, None
        )


def test_more_pictures_than_a_model_takes_are_refused(made: Any, images: Path) -> None:
    one = made.sample(0)
    two = one.model_copy(update={"images": one.images * 2})
    with pytest.raises(SettingsError, match="2 images, the model takes 1"):
        ModelAsker(StubEngine(["a"])).ask(made.benchmark(), two, images, None)


@dataclass(frozen=True)
class Finder:
    """Sees one ship of confidence 0.9 and one of 0.1."""

    cut: float = 0.5
    labels: tuple[str, ...] = ("ship",)
    side: int = 128

    def loosened(self, least: float) -> "Finder":
        return Finder(least)

    def find(
        self, view: Any, descriptions: Any, shape: Any = "hbb", purpose: Any = ""
    ) -> Findings:
        seen = [
            Region(HBB(10, 8, 40, 48), "ship", 0.9),
            Region(HBB(60, 8, 90, 48), "ship", 0.1),
        ]
        return Findings(tuple(r for r in seen if r.confidence >= self.cut), 0.9)


def test_loose_candidates_join_where_everything_is_detected(
    made: Any, images: Path
) -> None:
    assistant = Assistant(StubEngine(["none"]), Finder())
    turn = Turn(role="user", text="Where are the ships?")
    sample = made.ship(2, (10, 8, 40, 48), conversation=(turn,))
    strict, loose = (AssistantAsker(assistant, least=least) for least in (None, 0.01))
    detect, ground = made.benchmark("detect"), made.benchmark("ground")
    assert len(strict.ask(detect, sample, images, None).boxes) == 1
    got = loose.ask(detect, sample, images, None)
    assert [box.score for box in got.boxes] == [0.9, 0.1]
    assert len(loose.ask(ground, sample, images, None).boxes) <= 1


@dataclass
class Slow:
    """Writes word by word and for ever."""

    name: str = "slow"
    kind: str = "local"
    revision: str = "0"
    capabilities: Capabilities = field(default_factory=Capabilities)

    def generate(
        self,
        messages: Any,
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        stop: Any = (),
        on_text: Callable[[str], None] | None = None,
    ) -> Generation:
        assert on_text is not None
        while True:
            on_text("word ")


def test_a_reply_that_takes_too_long_is_given_up_between_words(
    made: Any, images: Path
) -> None:
    asker = ModelAsker(Slow(), timeout_s=0.05)
    with pytest.raises(TooLongError):
        asker.ask(made.benchmark(), made.sample(0), images, None)


def test_a_temperature_of_the_benchmark_reaches_the_engine() -> None:
    seen: list[float] = []

    class Warm(StubEngine):
        def generate(self, messages: Any, **options: Any) -> Generation:
            seen.append(options["temperature"])
            return super().generate(messages, max_tokens=options["max_tokens"])

    recorder = Recorder(Warm(["a"]), temperature=0.7)
    recorder.generate([Message("user", ("hi",))], max_tokens=1)
    assert seen == [0.7]


# --- without a model ---------------------------------------------------------------


def test_the_reference_is_right(made: Any, images: Path) -> None:
    echo = EchoAsker()
    assert echo.ask(made.benchmark(), made.sample(0), images, None).parsed == "yes"
    got = echo.ask(made.benchmark("ground"), made.ship(0, (1, 2, 3, 4)), images, None)
    assert got.boxes[0].points == ((1, 2), (3, 4))
    mask = MaskRle(size=(80, 100), counts="x")
    sample = made.sample(0, mask=mask)
    assert echo.ask(made.benchmark("segment"), sample, images, None).mask == mask
    nothing = made.sample(0, task="segment", answers=())
    got = echo.ask(made.benchmark("segment"), nothing, images, None)
    assert (got.mask, got.parsed) == (None, "none")


def test_a_turned_reference_stays_turned(made: Any, images: Path) -> None:
    ring = (10.0, 0.0, 20.0, 10.0, 10.0, 20.0, 0.0, 10.0)
    target = Target(label="ship", hbb=(0, 0, 20, 20), polygons=(ring,))
    sample = made.sample(0, targets=(target,))
    coords = {"space": "norm1000", "box": "quad"}
    got = EchoAsker().ask(made.benchmark("ground", coords=coords), sample, images, None)
    assert got.boxes[0].points == ((10, 0), (20, 10), (10, 20), (0, 10))
    got = EchoAsker().ask(made.benchmark("ground"), sample, images, None)
    assert got.boxes[0].points == ((0, 0), (20, 20))


def test_replies_of_a_file_are_read_once(made: Any, images: Path) -> None:
    sample = made.ship(0, (10, 8, 40, 48))
    raw = Prediction(id="s0", raw="[100,100,400,600]", latency_s=1.0)
    asker = ReplayAsker({"s0": raw}, coords=parse_coords("norm1000"))
    got = asker.ask(made.benchmark("ground"), sample, images, None)
    assert got.boxes[0].points == ((10.0, 8.0), (40.0, 48.0))
    again = ReplayAsker({"s0": got}).ask(made.benchmark("ground"), sample, images, None)
    assert again == got
    with pytest.raises(EngineError, match="'s1'"):
        asker.ask(made.benchmark(), made.sample(1), images, None)


def test_a_failure_in_a_file_stays_one(made: Any, images: Path) -> None:
    failed = Prediction(id="s0", status="timeout", error="late")
    got = ReplayAsker({"s0": failed}).ask(
        made.benchmark(), made.sample(0), images, None
    )
    assert got == failed


def test_an_entry_is_json(made: Any) -> None:
    entry = AssistantAsker(Assistant(StubEngine(["a"])), "tiny").entry()
    assert json.loads(entry.model_dump_json())["dialect"] == "rsvlm"
