"""Citations and coverage: by hand and by what they must obey."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.eval.metrics.rag import Box, citations, cited, coverage

EVIDENCE = [(1, "castle.md"), (2, "river.md"), (3, "castle.md")]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("Built in 1931 [1].", [1]),
        ("See [2][1], and [2].", [2, 1]),
        ("See [1, 3; 2].", [1, 3, 2]),
        ("See [1-3].", [1, 2, 3]),
        ("See [1\u20133].", [1, 2, 3]),
        ("The ship is at [120, 40, 310, 260].", []),  # a box
        ("The years [1900-2000].", []),  # no list of 101 sources
        ("[a] [] [ ] (1)", []),
        ("", []),
        (None, []),
    ],
)
def test_cited(text: str | None, numbers: list[int]) -> None:
    assert cited(text) == numbers


def test_four_known_numbers_are_citations() -> None:
    assert cited("All agree [1, 2, 3, 4].", known=range(1, 5)) == [1, 2, 3, 4]


def test_citations_by_hand() -> None:
    found = citations("Old [1]; wet [2].", EVIDENCE, {"castle.md", "wall.md"})
    assert (found.precision, found.recall, found.dangling) == (0.5, 0.5, ())
    assert found.f1 == 0.5
    # Two passages of one source are one source.
    assert citations("Old [1][3].", EVIDENCE, {"castle.md"}).precision == 1


def test_a_number_without_evidence_is_wrong() -> None:
    found = citations("Old [1], tall [7].", EVIDENCE, {"castle.md"})
    assert found.dangling == (7,)
    assert (found.precision, found.recall) == (0.5, 1.0)


def test_nothing_to_cite() -> None:
    assert citations("No evidence was found.", [], set()).f1 == 1
    assert citations("Surely [1].", EVIDENCE, set()).f1 == 0
    assert citations("A castle.", EVIDENCE, {"castle.md"}).f1 == 0
    assert citations(None, EVIDENCE, {"castle.md"}).precision == 0


coordinates = st.integers(0, 12)
boxes = st.tuples(coordinates, coordinates, coordinates, coordinates).map(
    lambda b: (
        float(min(b[0], b[2])),
        float(min(b[1], b[3])),
        float(max(b[0], b[2])),
        float(max(b[1], b[3])),
    )
)


@given(boxes, st.lists(boxes, max_size=4))
def test_coverage_is_that_of_pixels(target: Box, windows: list[Box]) -> None:
    seen = np.zeros((12, 12), dtype=bool)
    for x0, y0, x1, y1 in windows:
        seen[int(y0) : int(y1), int(x0) : int(x1)] = True
    x0, y0, x1, y1 = map(int, target)
    inside = seen[y0:y1, x0:x1]
    expected = inside.mean() if inside.size else 0.0
    assert coverage(target, windows) == pytest.approx(expected)


def test_coverage_of_all_and_of_nothing() -> None:
    assert coverage((10, 10, 20, 20), [(0, 0, 100, 100)]) == 1
    assert coverage((10, 10, 20, 20), []) == 0
    assert coverage((10, 10, 20, 20), [(20, 10, 30, 20)]) == 0
