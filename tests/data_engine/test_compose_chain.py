"""Which questions need a window, which window, and which need none."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.compose_chain import LARGE, SMALL, window_of
from rsvlm.data_engine.records import Record
from rsvlm.geometry import HBB
from rsvlm.samples import Sample, Target
from rsvlm.zooming_requests import read_request

SIDE = 1000


def target(label: str, x: float, y: float, size: float) -> Target:
    return Target(label=label, hbb=(x, y, x + size, y + size))


def asked(*targets: Target, seed: int = 0, **fields: Any) -> list[Sample]:
    about: dict[str, Any] = {
        "image": b"", "name": "a.png", "width": SIDE, "height": SIDE, "source": "s",
        "licence": "l", "chain": True, "targets": targets,
        "objects": ("airplane", "ship", "bridge"),
    }  # fmt: skip
    return compose(Record(**about | fields), "train", seed)


def of(samples: list[Sample], kind: str) -> list[Sample]:
    return [s for s in samples if s.meta["kind"].startswith(f"chain-{kind}")]


def test_a_small_object_needs_its_window() -> None:
    samples = asked(target("ship", 600, 300, 20))
    assert all(sample.task == "zoom" for sample in samples)
    assert len({sample.id for sample in samples}) == len(samples)
    (where,) = of(samples, "where")
    assert where.roi == (510, 210, 710, 410)
    assert where.targets == (target("ship", 600, 300, 20),)
    request = read_request(where.conversation[1].text)
    assert request is not None
    assert request.box == HBB(510, 210, 710, 410)
    (there,) = of(samples, "presence")
    assert [turn.role for turn in there.conversation] == ["user", "assistant"] * 2
    assert there.conversation[0] == there.conversation[2]
    assert there.conversation[3].text == "yes"


def test_a_large_object_and_what_is_not_there_need_none() -> None:
    samples = asked(target("ship", 100, 300, 300))
    assert samples
    assert all(sample.roi is None for sample in samples)
    (where,) = of(samples, "where-large")
    assert where.targets
    assert len(where.conversation) == 1
    absent = [s for seed in range(5) for s in of(asked(seed=seed), "absent")]
    assert absent
    assert {s.answers for s in absent} == {("no",)}
    assert all(s.roi is None for s in absent)


def test_between_the_two_sizes_nothing_is_asked_for() -> None:
    samples = asked(target("ship", 100, 300, SIDE * (SMALL + LARGE) / 2))
    assert not of(samples, "where")
    assert not of(samples, "presence")
    assert not of(asked(target("ship", 100, 300, 3)), "where")  # nobody sees it


def test_numbers_comparisons_and_positions_need_the_whole() -> None:
    ships = [target("ship", 50 + 300 * i, 50, 20) for i in range(3)]
    samples = [
        sample
        for seed in range(20)
        for sample in asked(*ships, target("airplane", 800, 800, 20), seed=seed)
    ]
    counts = of(samples, "count")
    more = of(samples, "more")
    assert counts
    assert more
    assert {s.answers[0] for s in counts} == {"3", "1"}
    for sample in (*counts, *more, *of(samples, "objects")):
        assert sample.roi is None
    for sample in more:
        many = sample.meta["label"] == "ship"
        assert sample.answers == ("yes" if many else "no",)
    # Three ships far apart fit no window: one of them says that there are some.
    assert not of(samples, "where-")
    assert all(s.meta["label"] == "airplane" for s in of(samples, "where"))
    assert any(s.meta["label"] == "ship" for s in of(samples, "presence"))


def test_positions_follow_the_boxes_and_turn_with_the_picture() -> None:
    pair = (target("ship", 50, 50, 20), target("airplane", 800, 60, 20))
    found = [
        sample for seed in range(60) for sample in of(asked(*pair, seed=seed), "side")
    ]
    assert {s.answers[0] for s in found} == {"yes", "no"}
    for sample in found:
        side, ship = sample.meta["side"], sample.meta["label"] == "ship"
        assert side in ("left", "right")  # one above the other they are not
        assert sample.answers == ("yes" if (side == "left") == ship else "no",)


def test_one_of_several_is_meant_by_a_description() -> None:
    ships = [target("ship", 50 + 300 * i, 50 + 200 * i, 20) for i in range(3)]
    found = [
        s for seed in range(10) for s in of(asked(*ships, seed=seed), "refer-side")
    ]
    assert found
    for sample in found:
        (one,) = sample.targets
        first = sample.meta["side"] in ("left", "top")
        assert one == (ships[0] if first else ships[2])
        assert sample.roi is not None
        assert sample.roi[0] <= one.hbb[0] < one.hbb[2] <= sample.roi[2]


@given(st.floats(0, 900), st.floats(0, 400), st.floats(5, 90), st.integers(500, 1000))
def test_a_window_holds_its_object_and_lies_inside(
    x: float, y: float, size: float, height: int
) -> None:
    one = target("ship", x, y, size)
    window = window_of([one], (SIDE, height))
    assert window is not None
    x0, y0, x1, y1 = window
    assert x0 >= 0
    assert y0 >= 0
    assert x1 <= SIDE
    assert y1 <= height
    assert x1 - x0 == pytest.approx(max(200, 2 * size), abs=0.03)
    assert x0 - 0.01 <= x
    assert x + size <= x1 + 0.01
    assert y0 - 0.01 <= y
    assert y + size <= y1 + 0.01


def test_objects_far_apart_fit_no_window() -> None:
    ships = [target("ship", 0, 0, 20), target("ship", 900, 0, 20)]
    assert window_of(ships, (SIDE, SIDE)) is None
