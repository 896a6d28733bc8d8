"""Open rasters are lent again, and closed when nobody wants them."""

import threading
import time
from typing import Any

import pytest

from rsvlm.app.server.lending import OpenRasters
from rsvlm.errors import ImageError


class Fake:
    is_open = True

    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def opener(opened: list[Any]) -> Any:
    def make() -> Any:
        opened.append(Fake())
        return opened[-1]

    return make


def test_a_file_is_opened_once_for_several_questions() -> None:
    rasters, opened = OpenRasters(), list[Any]()
    for _ in range(3):
        with rasters.lend("a", opener(opened)) as raster:
            assert raster is opened[0]
    assert len(opened) == 1
    assert not opened[0].closed
    rasters.close()
    assert opened[0].closed == 1


def test_only_a_few_stay_open() -> None:
    rasters, opened = OpenRasters(most=2), list[Any]()
    for key in "abcd":
        with rasters.lend(key, opener(opened)):
            pass
    assert [fake.closed for fake in opened] == [1, 1, 0, 0]


def test_what_is_in_use_is_never_closed() -> None:
    rasters, opened = OpenRasters(most=1), list[Any]()
    with rasters.lend("a", opener(opened)), rasters.lend("b", opener(opened)):
        with rasters.lend("a", opener(opened)) as again:
            assert again is opened[0]
        rasters.close()
        assert [fake.closed for fake in opened] == [0, 0]
    assert [fake.closed for fake in opened] == [1, 1]


def test_a_decoder_that_failed_is_not_lent_again() -> None:
    rasters, opened = OpenRasters(), list[Any]()
    with pytest.raises(ImageError), rasters.lend("a", opener(opened)):
        raise ImageError("The image crashed the decoder.")
    with rasters.lend("a", opener(opened)) as raster:
        assert raster is opened[1]
    assert [fake.closed for fake in opened] == [1, 0]


def test_a_decoder_that_died_unnoticed_is_not_lent_again() -> None:
    rasters, opened = OpenRasters(), list[Any]()
    with rasters.lend("a", opener(opened)) as raster:
        opened[0].is_open = False
    with rasters.lend("a", opener(opened)) as raster:
        assert raster is opened[1]
    assert [fake.closed for fake in opened] == [1, 0]


def test_an_opener_that_fails_leaves_nothing_behind() -> None:
    rasters, opened = OpenRasters(), list[Any]()

    def fail() -> Any:
        raise ImageError("no image")

    with pytest.raises(ImageError), rasters.lend("a", fail):
        pass
    with rasters.lend("a", opener(opened)):
        assert len(opened) == 1


def test_idle_ones_are_closed_by_themselves() -> None:
    rasters, opened = OpenRasters(idle_seconds=0.05), list[Any]()
    with rasters.lend("a", opener(opened)):
        time.sleep(0.2)
        assert not opened[0].closed
    end = time.monotonic() + 10
    while not opened[0].closed and time.monotonic() < end:
        time.sleep(0.01)
    assert opened[0].closed == 1


def test_two_threads_do_not_open_a_file_twice() -> None:
    rasters, opened, slow = OpenRasters(), list[Any](), threading.Event()

    def make() -> Any:
        slow.wait(5)
        opened.append(Fake())
        return opened[-1]

    def use() -> None:
        with rasters.lend("a", make):
            pass

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    slow.set()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
