"""Samples that ask where: they mean what their words say."""

from dataclasses import replace

import pytest

from rsvlm.codec import RsvlmCodec
from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.phrases import fill
from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.wordings_regions import HELD_OUT, QUESTIONS, VALIDATION
from rsvlm.geometry import Window, iou
from rsvlm.instructions import INSTRUCTIONS
from rsvlm.samples import Sample, Target
from rsvlm.training.augment import items_of
from rsvlm.training.placed import MOST_SHAPES, items_text

WHOLE = Window.whole(400, 200, 400, 200)


def _target(label: str, x: float, y: float, side: float) -> Target:
    ring = (x, y, x + side, y, x + side, y + side, x, y + side)
    return Target(label=label, hbb=(x, y, x + side, y + side), polygons=(ring,))


#: Four tanks of different sizes, a ship, and an airplane too small for an outline.
PORT = Record(
    image=b"pixels",
    name="001.webp",
    width=400,
    height=200,
    source="s",
    licence="l",
    targets=(
        *(
            _target("storage_tank", 10 + 90 * i, 10 + 30 * i, 20 + 12 * i)
            for i in range(4)
        ),
        _target("ship", 300, 20, 60),
        _target("airplane", 5, 190, 4),
    ),
    objects=("storage_tank", "ship", "airplane", "bridge", "harbor"),
)


def _many(split: Split, kind: str) -> list[Sample]:
    return [
        sample
        for number in range(60)
        for sample in compose(replace(PORT, name=f"{number}.webp"), split)
        if sample.meta["kind"].startswith(kind)
    ]


def _asked(sample: Sample) -> str:
    return sample.conversation[0].text


def test_a_description_means_one_object() -> None:
    samples = _many("train", "refer")
    assert {s.meta["kind"] for s in samples} >= {"refer-largest", "refer-side"}
    for sample in samples:
        (target,) = sample.targets
        assert sample.task == "ground"
        assert target.label == sample.meta["label"] == "storage tank"
        assert sample.meta["what"] in _asked(sample)
        assert sample.meta["shape"] in INSTRUCTIONS
        assert len(sample.conversation) == 1
        if sample.meta["kind"] == "refer-largest":
            assert target.hbb[2] - target.hbb[0] == 56
        if sample.meta.get("side") == "left":
            assert target.hbb[0] == 10
    per_image = len(samples) / 60
    assert 2 <= per_image <= 3


def test_outlines_are_asked_of_few_and_large_objects() -> None:
    samples = _many("train", "outline")
    assert {s.meta["label"] for s in samples if s.targets} == {"ship"}
    empty = {s.meta["label"] for s in samples if not s.targets}
    assert empty
    assert empty <= {"bridge", "harbor"}
    assert {s.meta["shape"] for s in samples} == {"obb", "polygon", "mask"}
    for sample in samples:
        assert (sample.task == "ground") == (sample.meta["shape"] == "obb")
        assert len(sample.targets) <= MOST_SHAPES


@pytest.mark.parametrize("kind", ["given-box", "given-shape"])
def test_the_region_in_a_question_is_that_of_its_object(kind: str) -> None:
    for sample in _many("val", kind):
        (target,) = sample.targets
        assert target.label != "airplane"
        given = str(sample.meta["given"])
        assert given in _asked(sample)
        (region,) = RsvlmCodec().parse(given, WHOLE)
        assert region.shape.kind == sample.meta["given_shape"]
        box = region.shape.hbb
        least = 0.9 if sample.meta["given_shape"] != "mask" else 0.5
        (own,) = RsvlmCodec().parse(
            items_text(items_of([target]), "", "hbb", (400, 200)), WHOLE
        )
        assert iou(box, own.shape) > least
        assert (kind == "given-box") == (sample.meta["given_shape"] == "hbb")
        assert (kind == "given-shape") == (sample.meta["shape"] == "hbb")


@pytest.mark.parametrize("kind", QUESTIONS)
def test_each_split_has_wordings_of_its_own(kind: str) -> None:
    tables = [QUESTIONS[kind], VALIDATION[kind], HELD_OUT[kind]]
    assert len(tables[0]) >= (2 if kind.startswith("the-") else 10)
    assert (len(tables[1]), len(tables[2])) == (2, 3)
    every = [text.lower().strip(" .?") for table in tables for text in table]
    assert len(set(every)) >= len(every) - 2  # some differ by case and marks
    assert not set(tables[0]) & set(tables[1])
    assert not (set(tables[0]) | set(tables[1])) & set(tables[2])
    words = {"what": "it", "given": "[1]", "other": "pier", "of": "above"}
    for text in every:
        made = fill(text, "ship", **words, most="lowest", edge="top edge")
        assert "{" not in made
        # What begins with a region must not get a capital: it would be another text.
        assert not text.startswith("{given}")


def test_the_seed_decides() -> None:
    one, again, other = (compose(PORT, "test", seed) for seed in (3, 3, 4))
    assert one == again
    assert one != other
    assert len({sample.id for sample in one}) == len(one)
