"""What a thread uses stays taken until the thread has ended."""

import asyncio
import threading

import pytest

from rsvlm.app.server.finishing import finished
from rsvlm.app.server.taking_turns import Turns


def test_a_cancel_is_passed_on_when_the_thread_has_ended() -> None:
    end, stopped = threading.Event(), list[str]()

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        thread = loop.run_in_executor(None, end.wait, 20)
        task = asyncio.create_task(finished(thread, lambda: stopped.append("told")))
        for _ in range(3):  # whoever gives up may be told so again
            await asyncio.sleep(0.02)
            task.cancel()
        await asyncio.sleep(0.02)
        assert not task.done()
        end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert thread.done()

    asyncio.run(scene())
    assert stopped == ["told"]


def test_errors_and_results_come_through() -> None:
    def fail() -> None:
        raise ValueError("no")

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        assert await finished(loop.run_in_executor(None, len, "four")) == 4
        with pytest.raises(ValueError, match="no"):
            await finished(loop.run_in_executor(None, fail))

    asyncio.run(scene())


def test_a_turn_is_taken_until_its_thread_has_ended() -> None:
    end, began = threading.Event(), list[int]()

    def work(number: int) -> None:
        began.append(number)
        assert end.wait(20)

    async def scene() -> None:
        turns = Turns(2)
        tasks = [asyncio.create_task(turns.run("ann", work, i)) for i in range(8)]
        await asyncio.sleep(0.1)
        for task in tasks:  # hung up, all of them
            task.cancel()
        await asyncio.sleep(0.1)
        later = asyncio.create_task(turns.run("ann", work, 8))
        await asyncio.sleep(0.1)
        assert len(began) == 2
        end.set()
        await later
        await asyncio.gather(*tasks, return_exceptions=True)
        assert turns._owners == {}

    asyncio.run(scene())
    assert max(began) == 8
    assert len(began) == 3
