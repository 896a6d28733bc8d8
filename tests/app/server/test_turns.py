"""Turns on the one model."""

import threading
import time

from rsvlm.app.server.turns import Turns


def test_one_at_a_time_in_order_with_handing_over() -> None:
    turns, log = Turns(1), list[str]()
    inside, most = [0], [0]

    def work(name: str, steps: int) -> None:
        with turns.taken():
            for _ in range(steps):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.002)
                log.append(name)
                inside[0] -= 1
                turns.hand_over()

    long = threading.Thread(target=work, args=("long", 40))
    short = threading.Thread(target=work, args=("short", 3))
    long.start()
    time.sleep(0.01)
    short.start()
    long.join()
    short.join()
    assert most == [1]
    assert log.index("short") < 40
    # Three steps of the short one took about as many of the long one.
    last = len(log) - 1 - log[::-1].index("short")
    assert last - log.index("short") <= 6


def test_a_place_given_aside_is_used_by_others() -> None:
    turns = Turns(1)
    turns.take()
    turns.give()
    with turns.taken():
        turns.hand_over()  # nobody waits: it goes on at once
    done = threading.Event()

    def wait() -> None:
        with turns.taken():
            done.set()

    turns.take()
    thread = threading.Thread(target=wait)
    thread.start()
    assert not done.wait(0.02)
    turns.give()
    assert done.wait(5)
    thread.join()


def test_several_places() -> None:
    turns = Turns(2)
    with turns.taken(), turns.taken():
        pass


def test_work_in_the_background_waits_for_people_to_end() -> None:
    turns, log = Turns(1), list[str]()

    def work(name: str, steps: int, background: bool) -> None:
        with turns.taken(background):
            for _ in range(steps):
                time.sleep(0.002)
                log.append(name)
                turns.hand_over(background)

    batch = threading.Thread(target=work, args=("batch", 30, True))
    person = threading.Thread(target=work, args=("person", 10, False))
    batch.start()
    time.sleep(0.01)
    person.start()
    batch.join()
    person.join()
    first = log.index("person")
    assert log[first : first + 10] == ["person"] * 10
    assert log[-1] == "batch"
