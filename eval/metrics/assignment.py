"""One-to-one assignment of predictions to references, in a stated order of preference."""

import numpy as np
from numpy.typing import NDArray

from rsvlm.eval.metrics.overlaps import Indices


def greedy(left: Indices, right: Indices) -> NDArray[np.bool_]:
    """Return which pairs a greedy one-to-one matching takes.

    Going down the list, a pair is taken when neither of its ends is taken yet. This is
    done in rounds: a pair that is the first of the list for both of its ends is sure to
    be taken, whatever happens to the others, so a round takes all of these at once.

    Args:
        left: One end of each pair, shape (K,), from 0; best pair first.
        right: The other end, shape (K,).

    Returns:
        Whether each pair is taken, shape (K,).

    >>> greedy(np.array([0, 0, 1]), np.array([5, 6, 6]))
    array([ True, False,  True])
    """
    taken = np.zeros(len(left), dtype=bool)
    if not len(left):
        return taken
    ends = (left, right)
    first = [np.empty(int(side.max()) + 1, dtype=np.intp) for side in ends]
    used = [np.zeros(len(firsts), dtype=bool) for firsts in first]
    alive = np.arange(len(left))
    while alive.size:
        best = np.ones(len(alive), dtype=bool)
        for side, firsts in zip(ends, first, strict=True):
            here = side[alive]
            # Of repeated indices the last assignment stays: the first of the list.
            firsts[here[::-1]] = alive[::-1]
            best &= firsts[here] == alive
        taken[alive[best]] = True
        free = ~best
        for side, marks in zip(ends, used, strict=True):
            marks[side[alive[best]]] = True
            free &= ~marks[side[alive]]
        alive = alive[free]
    return taken
