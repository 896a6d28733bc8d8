"""Windows, buckets and work ahead: the same batches, whoever makes them, and when."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import Dataset

from rsvlm.errors import SettingsError
from rsvlm.training.loader import WINDOW, Waited, Windows, ahead, loaded


def _taken(windows: Windows) -> list[int]:
    every = windows.from_step(1)
    return [p for window in every for p in windows.positions(window)]


@given(st.integers(1, 6), st.integers(1, 100), st.integers(0, 900), st.integers(0, 9))
def test_processes_take_every_position_once(
    ranks: int, steps: int, more: int, seed: int
) -> None:
    samples = steps * ranks + more
    parts = [Windows(samples, steps, (rank, ranks)) for rank in range(ranks)]
    taken = [p for part in parts for p in _taken(part)]
    assert sorted(taken) == list(range(samples))
    for window in parts[0].from_step(1):
        sizes = set()
        for part in parts:
            tokens = np.random.default_rng(seed).integers(9, 99, 2 * samples)
            own = part.positions(window)
            batches = part.batches(window, tokens[: len(own)].tolist(), seed)
            assert len(batches) == len(part.steps_of(window))  # none waits for another
            assert sorted(i for rows in batches for i in rows) == list(range(len(own)))
            sizes |= {len(rows) for rows in batches}
        assert min(sizes) >= 1
        assert max(sizes) - min(sizes) <= 2  # of windows and of processes


def test_steps_count_on_over_windows() -> None:
    windows = Windows(samples=700, steps=70)
    steps = [s for window in windows.from_step(1) for s in windows.steps_of(window)]
    assert steps == list(range(1, 71))
    assert windows.from_step(WINDOW) == range(3)
    assert windows.from_step(WINDOW + 1) == range(1, 3)
    assert not windows.from_step(71 + WINDOW)
    with pytest.raises(SettingsError, match="Raise 'batch'"):
        Windows(samples=69, steps=35, process=(0, 2))


def test_batches_hold_alike_lengths_in_random_order() -> None:
    windows = Windows(samples=8 * WINDOW, steps=WINDOW)
    tokens = np.random.default_rng(0).permutation(8 * WINDOW)
    batches = windows.batches(0, tokens.tolist(), seed=3)
    for rows in batches:
        assert np.ptp(tokens[rows]) == 7  # neighbours
    first = [int(tokens[rows].min()) for rows in batches]
    assert first != sorted(first)
    assert batches == windows.batches(0, tokens.tolist(), seed=3)
    assert batches != windows.batches(0, tokens.tolist(), seed=4)
    # All processes meet the long ones in the same step.
    pair = [Windows(16 * WINDOW, WINDOW, (rank, 2)) for rank in range(2)]
    one, two = (part.batches(0, tokens.tolist(), seed=3) for part in pair)
    assert one == two


def test_work_done_ahead_keeps_its_order_and_its_errors() -> None:
    def work(item: int) -> int:
        if item == 7:
            raise ValueError("seven")
        return item * item

    found = ahead(range(9), work)
    assert [next(found) for _ in range(7)] == [n * n for n in range(7)]
    with pytest.raises(ValueError, match="seven"):
        next(found)
    found = ahead(range(9), lambda item: item)
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]  # a run that is stopped


class Squares(Dataset[int]):
    def __init__(self) -> None:
        self.threads: set[str] = set()

    def __getitem__(self, index: int) -> int:
        self.threads.add(threading.current_thread().name)
        return index * index


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_thread_or_processes_load_the_same() -> None:
    items = Squares()
    for workers in (0, 2):
        assert list(loaded(items, range(3, 9), workers)) == [9, 16, 25, 36, 49, 64]
    assert threading.current_thread().name not in items.threads


def test_waiting_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("rsvlm.training.loader.time.perf_counter", lambda: now)

    def slow() -> Iterator[int]:
        nonlocal now
        yield 1
        now += 3.0
        yield 2

    items = Waited(slow())
    assert next(items) == 1
    assert items.share == 0
    now += 1.0  # work
    assert next(items) == 2
    assert items.share == 0.75
    now += 8.0
    assert items.share == 0.25
    assert list(items) == []
