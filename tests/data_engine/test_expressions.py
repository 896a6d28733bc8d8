"""Descriptions of one object: true, and only where measuring leaves no doubt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.data_engine.expressions import CLEAR, LEAD, area, expressions
from rsvlm.samples import Target

WIDTH, HEIGHT = 400, 200


def box(label: str, x: float, y: float, side: float = 20) -> Target:
    return Target(label=label, hbb=(x, y, x + side, y + side))


def said(*targets: Target) -> dict[tuple[str, str, str], Target]:
    """Return kind, side and other object -> target."""
    return {
        (e.kind, e.side, e.other): e.target for e in expressions(targets, WIDTH, HEIGHT)
    }


def test_sizes_need_a_margin() -> None:
    small, middle, large = box("a", 0, 0, 20), box("a", 90, 0, 23), box("a", 0, 90, 40)
    found = said(small, middle, large)
    assert found["largest", "", ""] == large
    assert found["smallest", "", ""] == small
    assert ("largest", "", "") not in said(small, box("a", 90, 0, 22))


def test_the_outline_decides_about_size() -> None:
    thin = Target(
        label="a", hbb=(0, 0, 90, 90),
        polygons=((0.0, 0.0, 90.0, 80.0, 90.0, 90.0),),
    )  # fmt: skip
    assert area(thin) == pytest.approx(450)
    assert said(thin, box("a", 200, 0, 40))["largest", "", ""].hbb[0] == 200


def test_sides_need_a_lead() -> None:
    found = said(box("a", 10, 100), box("a", 300, 105))
    assert found["side", "left", ""].hbb[0] == 10
    assert found["side", "right", ""].hbb[0] == 300
    assert ("side", "top", "") not in found  # 5 of 200 px higher


def test_one_alone_is_not_told_from_others() -> None:
    assert not said(box("a", 0, 0))
    assert not said(box("a", 0, 0), box("b", 90, 0))


def test_neighbours() -> None:
    near, far, bridge = box("a", 100, 100), box("a", 300, 100), box("b", 160, 100)
    found = said(near, far, bridge)
    assert found["nearest", "", "b"] == near
    assert found["beside", "left", "b"] == near
    assert found["beside", "right", "b"] == far
    # One that reaches over to the left would be meant by some readers.
    assert ("beside", "left", "b") not in said(near, box("a", 150, 50), bridge)
    # Two bridges: nobody knows which.
    assert not [k for k in said(near, far, bridge, box("b", 20, 20)) if k[2] == "b"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("ab"),
            st.floats(0, 380),
            st.floats(0, 180),
            st.floats(1, 20),
        ),
        max_size=7,
    )
)
def test_whatever_is_said_is_true_of_one(
    places: list[tuple[str, float, float, float]],
) -> None:
    targets = [box(*place) for place in places]
    for e in expressions(targets, WIDTH, HEIGHT):
        rivals = [t for t in targets if t.label == e.target.label and t is not e.target]
        assert rivals
        x = [(t.hbb[0] + t.hbb[2]) / 2 for t in (e.target, *rivals)]
        if e.kind == "largest":
            assert all(area(e.target) >= CLEAR * area(t) for t in rivals)
        if e.kind == "smallest":
            assert all(area(t) >= CLEAR * area(e.target) for t in rivals)
        if (e.kind, e.side) == ("side", "left"):
            assert all(x[0] + LEAD * WIDTH <= other + 1e-9 for other in x[1:])
        if (e.kind, e.side) == ("beside", "right"):
            (other,) = (t for t in targets if t.label == e.other)
            assert e.target.hbb[0] >= other.hbb[2]
            assert all(t.hbb[2] <= other.hbb[2] for t in rivals)
