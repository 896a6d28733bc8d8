import threading
import time

import pytest

from rsvlm.eval.workers import Outcome, TooLongError, in_threads, one_by_one


def half(number: int) -> float:
    if number == 3:
        raise ValueError("three")
    return number / 2


def told(outcomes: list[Outcome[int, float]]) -> dict[int, float | str | None]:
    return {o.item: o.value if o.error is None else str(o.error) for o in outcomes}


def test_an_error_stays_with_its_item() -> None:
    expected = {0: 0.0, 1: 0.5, 2: 1.0, 3: "three", 4: 2.0}
    assert told(list(one_by_one(range(5), half))) == expected
    for workers in (1, 2, 9):
        assert told(list(in_threads(range(5), half, workers))) == expected


def test_no_more_at_once_than_allowed() -> None:
    running, most = 0, 0
    guard = threading.Lock()

    def work(item: int) -> None:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with guard:
            running -= 1

    assert len(list(in_threads(range(20), work, 3))) == 20
    assert most <= 3


def test_what_hangs_is_given_up_and_the_rest_goes_on() -> None:
    release = threading.Event()

    def work(item: int) -> int:
        if item in (0, 2):
            release.wait(30)
        return item

    outcomes = list(in_threads(range(6), work, workers=2, timeout_s=0.2))
    release.set()
    late = {o.item for o in outcomes if isinstance(o.error, TooLongError)}
    assert late == {0, 2}
    assert {o.item: o.value for o in outcomes if o.error is None} == {
        1: 1, 3: 3, 4: 4, 5: 5,
    }  # fmt: skip
    assert len(outcomes) == 6  # a late reply is not a second outcome


def test_who_stops_early_begins_nothing_more() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.02)
        return item

    for _ in in_threads(range(100), work, workers=2):
        break
    time.sleep(0.1)
    assert len(begun) < 20


def test_nothing_to_do_is_done_at_once() -> None:
    assert list(in_threads([], half, 4, timeout_s=1.0)) == []


def test_an_interrupt_is_not_swallowed() -> None:
    def work(item: int) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(one_by_one([1], work))
