"""Which questions a picture gives, and the boxes of a turned one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsvlm.codec import RsvlmCodec
from rsvlm.geometry import HBB, Window
from rsvlm.instructions import INSTRUCTIONS, ZOOM
from rsvlm.samples import ImageRef, Sample, Target, Turn, read_samples
from rsvlm.training.augment import Item, items_of, turn
from rsvlm.training.conversations import Shown, draw_turns, pictures, words_of
from rsvlm.zooming_requests import read_request


def sample(task: str, answer: str | None = "yes", **changes: Any) -> Sample:
    turns = [Turn(role="user", text="Is there a ship?")]
    turns += [Turn(role="assistant", text=answer)] if answer else []
    fields: dict[str, Any] = {
        "id": "1", "images": (ImageRef(path="a.png", width=100, height=50),),
        "task": task, "conversation": tuple(turns), "source": "s", "licence": "l",
        "split": "train",
    }  # fmt: skip
    return Sample(**fields | changes)


TARGETS = tuple(
    Target(label=label, hbb=(x, 0, x + side, side))
    for label, x, side in [("ship", 0, 5), ("ship", 10, 20), ("ship", 40, 9),
                           ("ship", 60, 10), ("tank", 80, 20)]
)  # fmt: skip
DETECT = sample("detect", None, targets=TARGETS)


def test_samples_are_grouped_by_picture(smoke_data: Path) -> None:
    every = list(read_samples(smoke_data / "train.jsonl"))
    found = pictures(every)
    samples = [sample for sample in every if len(sample.images) == 1]  # no pairs
    assert len(samples) < len(every)
    assert [p.ref.path for p in found] == list(
        dict.fromkeys(s.images[0].path for s in samples)
    )
    assert sum(len(v) for p in found for v in p.by_task.values()) == len(samples)
    for picture in found:
        if picture.detect:
            assert words_of(picture) == {t.label for t in picture.detect.targets}
        elif picture.source != "synthetic_chains":
            # The scene, or what covers most of the ground if anything does.
            assert len(words_of(picture)) == 1 or picture.source == "synthetic_pairs"


def test_shares_limit_the_questions_of_a_task() -> None:
    samples = [sample("vqa", str(i), id=str(i)) for i in range(9)] + [DETECT]
    (picture,) = pictures([*samples, sample("ground", None, meta={"label": "tank"})])
    rng = np.random.default_rng(0)
    items = items_of(TARGETS[:1])  # as if the others were cut away
    shares = {"vqa": 4, "ground": 2, "caption": 3, "count": 0}
    shown = Shown(items, 100, 50)
    turns = draw_turns(picture, shown, shares, rng, plain=True)
    assert len(turns) == 5
    assert turns.count(
        ("Is there a ship?\nAnswer with boxes.", "none")
    ) == 1  # fmt: skip
    answers = {answer for prompt, answer in turns if "phrase" in prompt}
    assert len(answers) == 4
    again = draw_turns(picture, shown, shares, np.random.default_rng(0), plain=True)
    assert again == turns


SHIP, TANK = TARGETS[1], TARGETS[4]


def placed(task: str, asked: str, shape: str, **meta: Any) -> tuple[str, str]:
    """Return prompt and answer about the larger ship, on the picture upside down."""
    said = [Turn(role="user", text=asked)]
    if "answer" in meta:
        said.append(Turn(role="assistant", text=meta.pop("answer")))
    one = sample(
        task, conversation=tuple(said), targets=(SHIP,),
        meta={"label": "ship", "shape": shape, **meta},
    )  # fmt: skip
    (picture,) = pictures([DETECT, one])
    blank = np.zeros((50, 100, 3), np.uint8)
    _, items = turn(blank, items_of(TARGETS), 2, False)
    shown = Shown(items, 100, 50, 2, False)
    rng = np.random.default_rng(0)
    (found,) = draw_turns(picture, shown, {task: 9}, rng, plain=True)
    return found


def test_one_of_several_is_meant_and_sides_are_turned() -> None:
    prompt, answer = placed("ground", "Find the leftmost ship.", "hbb", side="left")
    assert prompt == "Find the rightmost ship.\nAnswer with boxes."
    assert answer == "ship [700,600,900,1000]"


def test_each_shape_is_asked_for_in_its_words() -> None:
    prompts = {
        shape: placed("segment", "Trace it.", shape)[0].splitlines()[1]
        for shape in INSTRUCTIONS
    }
    assert prompts == INSTRUCTIONS
    assert len(set(prompts.values())) == 4
    assert placed("segment", "Trace it.", "mask")[1].startswith("ship mask[8x16;")


def test_a_region_in_the_question_is_turned() -> None:
    prompt, answer = placed(
        "segment", "Trace the ship in [100,0,300,400].", "obb",
        given="[100,0,300,400]", given_shape="hbb",
    )  # fmt: skip
    assert prompt.startswith("Trace the ship in [700,600,900,1000].")
    assert answer == "ship [700,600,900,600,900,1000,700,1000]"


def test_objects_are_those_asked_for_where_not_all_are_known() -> None:
    asked: dict[str, Any] = {
        "meta": {"kind": "asked"},
        "conversation": (Turn(role="user", text="It?"),),
    }
    (picture,) = pictures([
        sample("ground", targets=(TANK,), **asked),
        sample("segment", targets=(SHIP, TANK), **asked),
        sample("ground", **asked),
    ])  # fmt: skip
    assert picture.objects == (TANK, SHIP)
    assert picture.whole
    assert picture.placed
    shown = Shown(items_of(picture.objects), 100, 50)
    rng = np.random.default_rng(0)
    turns = draw_turns(picture, shown, {"ground": 9, "segment": 9}, rng, plain=True)
    answers = {answer for _, answer in turns}
    assert answers == {
        "tank [800,0,1000,400]", "tank [800,0,1000,400]; ship [100,0,300,400]",
    }  # fmt: skip


def test_a_sentence_names_what_is_meant() -> None:
    said = {"answer": "The ship could sail."}
    _, answer = placed("segment", "What floats?", "hbb", **said)
    assert answer == "The ship could sail: ship [700,600,900,1000]"
    (region,) = RsvlmCodec().parse(answer, Window(HBB(0, 0, 100, 50), 100, 50))
    assert region.label == "ship"
    assert region.shape.hbb.corners[0] == pytest.approx((70, 30))


def test_questions_are_reworded_and_answers_are_not() -> None:
    (picture,) = pictures([DETECT, sample("vqa")])
    turns = [
        turn
        for seed in range(200)
        for turn in draw_turns(
            picture, Shown([], 9, 9), {"vqa": 1}, np.random.default_rng(seed)
        )
    ]
    questions = {prompt.splitlines()[0] for prompt, _ in turns}
    assert {"Is there a ship?", "is there a ship?", "Is there a ship"} <= questions
    assert any(q.startswith("Question: ") for q in questions)
    assert all("is there a ship" in q.lower() for q in questions)
    assert {answer for _, answer in turns} == {"yes"}


def test_samples_without_an_answer_are_no_questions() -> None:
    (silent,) = pictures([DETECT, sample("vqa", None)])
    shares = {"detect": 1, "vqa": 1, "ground": 1}
    assert not silent.asks(shares)
    assert draw_turns(silent, Shown([], 9, 9), shares, np.random.default_rng(0)) == []
    # Without the sample of all objects nobody knows where "none" is right.
    (blind,) = pictures([sample("ground", meta={"label": "ship"})])
    assert not blind.asks(shares)
    (good,) = pictures([sample("vqa")])
    assert good.asks(shares)
    assert not good.asks({"vqa": 0, "caption": 1})


def chain(quarter: int, mirror: bool, **fields: Any) -> tuple[str, str]:
    """Return prompt and answer of a zoom-in chain's first step, on a turned picture."""
    (picture,) = pictures([sample("zoom", **fields)])
    blank = np.zeros((50, 100, 3), np.uint8)
    shown, items = turn(blank, items_of(picture.objects), quarter, mirror)
    height, width = shown.shape[:2]
    rng = np.random.default_rng(0)
    what = Shown(items, width, height, quarter, mirror)
    assert picture.whole
    assert picture.placed
    (found,) = draw_turns(picture, what, {"zoom": 9}, rng, plain=True)
    return found


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("mirror", [False, True])
def test_a_request_asks_for_the_window_of_the_turned_picture(
    quarter: int, mirror: bool
) -> None:
    prompt, answer = chain(
        quarter, mirror, roi=(10, 5, 30, 25), targets=(SHIP,),
        conversation=(
            Turn(role="user", text="Find the leftmost ship."),
            Turn(role="assistant", text="not what is written"),
        ),
        meta={"label": "ship", "shape": "hbb", "side": "left"},
    )  # fmt: skip
    request = read_request(answer)
    assert request is not None
    # The window is the box of an object: turning it as objects are gives the same.
    blank = np.zeros((50, 100, 3), np.uint8)
    corners = np.array([[10.0, 5.0], [30.0, 25.0]])
    shown, (item,) = turn(blank, [Item("a", (corners,))], quarter, mirror)
    height, width = shown.shape[:2]
    units = Window(HBB(0, 0, width, height), 1000, 1000)
    box = units.to_raster(request.box)
    assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx(item.hbb, abs=0.06)
    sides = {(0, False): "leftmost", (2, False): "rightmost", (0, True): "rightmost"}
    if (quarter, mirror) in sides:
        assert prompt == f"Find the {sides[quarter, mirror]} ship.\n{ZOOM}"


def test_what_needs_no_window_is_answered_at_once() -> None:
    assert chain(0, False) == (f"Is there a ship?\n{ZOOM}", "yes")
    where = (Turn(role="user", text="Where is the ship?"),)
    meta = {"label": "ship", "shape": "hbb"}
    placed = chain(2, False, conversation=where, targets=(SHIP,), meta=meta)
    assert placed == (f"Where is the ship?\n{ZOOM}", "ship [700,600,900,1000]")


def test_chains_are_asked_for_by_their_own_share() -> None:
    asks = {"ground": 9, "vqa": 9, "caption": 9}
    (picture,) = pictures([sample("zoom")])
    assert not picture.asks(asks)
    assert picture.asks({"zoom": 1})
    (empty,) = pictures([sample("zoom", None)])
    assert not empty.asks({"zoom": 1})
