"""One question at a time on the model in this process, each getting its turn in order.

Models that run here keep caches and take all cores, so only one question computes at a
time. A question holds a place while it works and hands it over between two steps, where
its progress is reported; so a short question does not wait for the end of a long one.
Work in the background computes while nobody else wants to.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Places that are given in the order in which they were asked for."""

    def __init__(self, places: int = 1) -> None:
        """Open a number of places."""
        self._lock = threading.Lock()
        self._free = places
        #: Those who wait; people before the background.
        self._people: deque[threading.Event] = deque()
        self._background: deque[threading.Event] = deque()

    def take(self, background: bool = False) -> None:
        """Wait for a place, and take it."""
        with self._lock:
            if self._free:
                self._free -= 1
                return
            called = self._wait(background)
        called.wait()  # the place comes with the call: nobody can be faster

    def give(self) -> None:
        """Give a place back, to who has waited longest."""
        with self._lock:
            if not self._call_next():
                self._free += 1

    def hand_over(self, background: bool = False) -> None:
        """Let those who wait go first; nothing happens where nobody waits.

        People wait for people only.
        """
        with self._lock:
            if not self._people and not (background and self._background):
                return
            called = self._wait(background)
            self._call_next()
        called.wait()

    @contextmanager
    def taken(self, background: bool = False) -> Iterator[None]:
        """Hold a place inside the block."""
        self.take(background)
        try:
            yield
        finally:
            self.give()

    def _wait(self, background: bool) -> threading.Event:
        called = threading.Event()
        (self._background if background else self._people).append(called)
        return called

    def _call_next(self) -> bool:
        line = self._people or self._background
        if not line:
            return False
        line.popleft().set()
        return True
