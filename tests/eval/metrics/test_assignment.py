"""One-to-one assignment in an order of preference."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.eval.metrics.assignment import greedy

pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=25)


def test_a_taken_end_blocks_later_pairs_only() -> None:
    # (0, 1) takes 0 and 1, which blocks (0, 2) and (1, 1); (1, 2) is then free.
    left, right = np.array([0, 0, 1, 1]), np.array([1, 2, 1, 2])
    assert greedy(left, right).tolist() == [True, False, False, True]


def test_a_chain_is_resolved_from_its_head() -> None:
    # Each pair shares an end with the one before: every second one is taken.
    left, right = np.array([0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 2])
    assert greedy(left, right).tolist() == [True, False, True, False, True]


def test_nothing_to_assign() -> None:
    none = np.zeros(0, dtype=np.intp)
    assert greedy(none, none).tolist() == []


@settings(deadline=None)
@given(pairs)
def test_as_one_pair_after_the_other(listed: list[tuple[int, int]]) -> None:
    used: tuple[set[int], set[int]] = (set(), set())
    expected = []
    for i, j in listed:
        free = i not in used[0] and j not in used[1]
        expected.append(free)
        if free:
            used[0].add(i)
            used[1].add(j)
    columns = np.array(listed, dtype=np.intp).reshape(-1, 2).T
    assert greedy(columns[0], columns[1]).tolist() == expected
