"""Broken objects: which go, which are clipped, and what is counted."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.data_engine.filters.geometry import clipped, mend
from rsvlm.data_engine.records import Question, Record
from rsvlm.data_engine.validate import target_faults
from rsvlm.samples import Target


def _target(*hbb: float, ring: tuple[float, ...] = ()) -> Target:
    box: Any = hbb
    return Target(label="ship", hbb=box, polygons=(ring,) if ring else ())


def _record(*targets: Target, **fields: Any) -> Record:
    return Record(
        image=b"", name="a.png", width=100, height=50, source="s", licence="l",
        targets=targets, **fields,
    )  # fmt: skip


INSIDE = _target(10, 10, 20, 20, ring=(10, 10, 20, 10, 20, 20, 10, 20))


@pytest.mark.parametrize(
    "target",
    [
        _target(120, 10, 130, 20),  # beside the image
        _target(10, 10, 10, 20),
        _target(20, 10, 10, 20),
        _target(math.nan, 10, 20, 20),
        _target(10, 10, math.inf, 20),
        _target(92, 10, 130, 20),  # a fifth of it is there
        _target(10, 49.5, 20, 50),  # half a pixel of it is there
    ],
)
def test_what_cannot_be_seen_goes(target: Target) -> None:
    record, notes = mend(_record(target, INSIDE))
    assert record.targets == (INSIDE,)
    assert notes == {"object left out": 1, "object clipped": 0}


def test_an_object_at_the_edge_is_clipped_with_its_outline() -> None:
    turned = _target(-4, 10, 12, 26, ring=(4, 10, 12, 18, 4, 26, -4, 18))
    record, notes = mend(_record(turned))
    (found,) = record.targets
    assert found.hbb == (0, 10, 12, 26)
    xs = found.polygons[0][::2]
    assert (min(xs), max(xs)) == (0, 12)
    assert notes == {"object clipped": 1}


@pytest.mark.parametrize(
    "ring",
    [
        (10, 10, 20, 20, 20, 10, 10, 20),  # crosses itself
        (10, 10, 15, 15, 20, 20),  # no area
        (10, 10, 20, 10),
        (10, 10, 20, 10, math.nan, 20),
    ],
)
def test_a_broken_outline_goes_and_the_box_stays(ring: tuple[float, ...]) -> None:
    record, notes = mend(_record(_target(10, 10, 20, 20, ring=ring)))
    assert record.targets == (_target(10, 10, 20, 20),)
    assert notes["outline left out"] == 1


def test_a_question_without_its_object_goes_with_it() -> None:
    gone = Question("Where is it?", task="ground", targets=(_target(200, 1, 210, 9),))
    none = Question("Is there a pier?", answers=("no",))
    kept = Question("Where?", task="ground", targets=(INSIDE,))
    record, _ = mend(_record(questions=(gone, none, kept)))
    assert record.questions == (none, kept)


@settings(max_examples=80, deadline=None)
@given(st.tuples(*[st.floats(-50, 150)] * 4))
def test_what_stays_has_no_fault(hbb: tuple[float, float, float, float]) -> None:
    found = clipped(_target(*hbb), 100, 50)
    if found is not None:
        assert list(target_faults(found, 100, 50)) == []
        assert found.hbb[0] >= hbb[0]
        assert found.hbb[2] <= hbb[2]
