"""Asks many questions at once, none of which can stop the others.

Threads, since the time goes into waiting for a server. A question that takes too long
is given up: its thread is left behind (it cannot be stopped) and another takes its
place, so that one dead connection does not end a run.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class TooLongError(Exception):
    """Raised for a question that took longer than it may."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_In, _Out]):
    """What became of one item: a value or an error, never both."""

    item: _In
    value: _Out | None
    error: Exception | None
    seconds: float


def one_by_one(
    items: Sequence[_In], work: Callable[[_In], _Out]
) -> Iterator[Outcome[_In, _Out]]:
    """Yield the outcome of every item, in the calling thread."""
    for item in items:
        yield _attempt(item, work)


def in_threads(
    items: Sequence[_In],
    work: Callable[[_In], _Out],
    workers: int,
    timeout_s: float | None = None,
) -> Iterator[Outcome[_In, _Out]]:
    """Yield the outcome of every item as it comes, in any order.

    Args:
        items: What to work on; taken up in their order.
        work: Called in several threads at once.
        workers: Most items worked on at a time.
        timeout_s: Time an item may take; None: any.

    Yields:
        One outcome an item; a :class:`TooLongError` where the time was over.
    """
    waiting: queue.SimpleQueue[tuple[int, _In] | None] = queue.SimpleQueue()
    finished: queue.SimpleQueue[tuple[int, Outcome[_In, _Out]]] = queue.SimpleQueue()
    started: dict[int, float] = {}

    def loop() -> None:
        while (entry := waiting.get()) is not None:
            number, item = entry
            started[number] = time.monotonic()
            finished.put((number, _attempt(item, work)))
            if number in given_up:
                return  # another thread has taken this one's place

    given_up: set[int] = set()
    for entry in enumerate(items):
        waiting.put(entry)
    for _ in range(min(workers, len(items))):
        threading.Thread(target=loop, daemon=True).start()
    try:
        open_items = set(range(len(items)))
        while open_items:
            number, outcome = _next(finished, started, open_items, timeout_s)
            if number not in open_items:
                continue
            open_items.discard(number)
            if outcome is None:
                given_up.add(number)
                threading.Thread(target=loop, daemon=True).start()
                error = TooLongError(f"no reply within {timeout_s:g} s")
                outcome = Outcome(items[number], None, error, timeout_s or 0.0)
            yield outcome
    finally:
        # Also where the caller stops early: nothing more is begun.
        while not waiting.empty():
            try:
                waiting.get_nowait()
            except queue.Empty:
                break
        for _ in range(workers + len(given_up)):
            waiting.put(None)


def _next(
    finished: "queue.SimpleQueue[tuple[int, Outcome[_In, _Out]]]",
    started: dict[int, float],
    open_items: set[int],
    timeout_s: float | None,
) -> tuple[int, Outcome[_In, _Out] | None]:
    """Return the next outcome, or the number of an item whose time is over."""
    while True:
        if timeout_s is None:
            return finished.get()
        now = time.monotonic()
        running = {n: t for n, t in dict(started).items() if n in open_items}
        oldest = min(running, key=lambda n: running[n], default=None)
        left = timeout_s if oldest is None else running[oldest] + timeout_s - now
        try:
            # A result that is already there counts, however late we look.
            return finished.get(timeout=max(left, 0.001))
        except queue.Empty:
            if oldest is not None and left <= 0:
                return oldest, None


def _attempt(item: _In, work: Callable[[_In], _Out]) -> Outcome[_In, _Out]:
    start = time.monotonic()
    try:
        value = work(item)
    except Exception as error:  # noqa: BLE001 - a thread has no caller to raise to
        return Outcome(item, None, error, time.monotonic() - start)
    return Outcome(item, value, None, time.monotonic() - start)
