"""Which questions a picture gives, and the boxes of a turned one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsvlm.codec import RsvlmCodec
from rsvlm.geometry import HBB, Window
from rsvlm.samples import ImageRef, Sample, Target, Turn, read_samples
from rsvlm.training.augment import items_of
from rsvlm.training.conversations import (
    MOST_BOXES,
    boxes_text,
    draw_turns,
    pictures,
    words_of,
)


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
        else:  # the scene, or what covers most of the ground if anything does
            assert len(words_of(picture)) == 1 or picture.source == "synthetic_pairs"


def test_the_largest_boxes_are_told() -> None:
    items = items_of(TARGETS)
    text = boxes_text(items, "ship", 100, 50)
    window = Window(HBB(0, 0, 100, 50), 100, 50)
    boxes = [region.shape.hbb for region in RsvlmCodec().parse(text, window)]
    assert len(boxes) == MOST_BOXES
    assert boxes[0].corners[2] == pytest.approx((30, 20), abs=0.2)
    assert [round(box.width) for box in boxes] == [20, 10, 9]
    assert boxes_text(items, "cloud", 100, 50) == RsvlmCodec().encode([], window)


def test_shares_limit_the_questions_of_a_task() -> None:
    samples = [sample("vqa", str(i), id=str(i)) for i in range(9)] + [DETECT]
    (picture,) = pictures([*samples, sample("ground", None, meta={"label": "tank"})])
    rng = np.random.default_rng(0)
    items = items_of(TARGETS[:1])  # as if the others were cut away
    shares = {"vqa": 4, "ground": 2, "caption": 3, "count": 0}
    turns = draw_turns(picture, items, (100, 50), shares, rng, plain=True)
    assert len(turns) == 5
    assert turns.count(
        ("Is there a ship?\nAnswer with boxes.", boxes_text([], "tank", 100, 50))
    ) == 1  # fmt: skip
    answers = {answer for prompt, answer in turns if "phrase" in prompt}
    assert len(answers) == 4
    again = draw_turns(
        picture, items, (100, 50), shares, np.random.default_rng(0), plain=True
    )
    assert again == turns


def test_questions_are_reworded_and_answers_are_not() -> None:
    (picture,) = pictures([DETECT, sample("vqa")])
    turns = [
        turn
        for seed in range(200)
        for turn in draw_turns(
            picture, [], (9, 9), {"vqa": 1}, np.random.default_rng(seed)
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
    assert draw_turns(silent, [], (9, 9), shares, np.random.default_rng(0)) == []
    # Without the sample of all objects nobody knows where "none" is right.
    (blind,) = pictures([sample("ground", meta={"label": "ship"})])
    assert not blind.asks(shares)
    (good,) = pictures([sample("vqa")])
    assert good.asks(shares)
    assert not good.asks({"vqa": 0, "caption": 1})
