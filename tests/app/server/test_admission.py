"""The queue: bounded, fair, drained, and no slot is ever lost."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress

import pytest

from rsvlm.app.server.admission import Admission, Rates
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.gate_settings import GateLimits


def run(test: Coroutine[None, None, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await test

    asyncio.run(limited())


class Work:
    """Questions that end when they are told to."""

    def __init__(self, **limits: float) -> None:
        self.admission = Admission(GateLimits.model_validate(limits))
        self.started: list[str] = []
        self.gate = asyncio.Semaphore(0)

    async def ask(self, owner: str, background: bool = False) -> str:
        async with self.admission.slot(owner, background=background):
            self.started.append(owner)
            await self.gate.acquire()
        return owner

    def send(self, owner: str, background: bool = False) -> asyncio.Task[str]:
        return asyncio.create_task(self.ask(owner, background))

    async def end(self, count: int = 1) -> None:
        for _ in range(count):
            self.gate.release()
        await settle()

    def is_empty(self) -> bool:
        return (self.admission.running, self.admission.queued) == (0, 0)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def error_of(task: asyncio.Task[str]) -> ApiError:
    error = task.exception()
    assert isinstance(error, ApiError)
    return error


def test_a_flood_waits_behind_itself() -> None:
    async def test() -> None:
        work = Work(max_running=1)
        tasks = [work.send("flood") for _ in range(5)]
        await settle()
        tasks += [work.send("calm"), work.send("calm"), work.send("third")]
        await settle()
        await work.end(8)
        assert work.started == [
            "flood", "calm", "third", "flood", "calm", "flood", "flood", "flood",
        ]  # fmt: skip
        assert Counter(await asyncio.gather(*tasks)) == Counter(work.started)
        assert work.is_empty()

    run(test())


def test_one_owner_never_has_more_slots_than_its_limit() -> None:
    async def test() -> None:
        work = Work(max_running=3, max_running_per_owner=1)
        tasks = [work.send("a"), work.send("a"), work.send("a"), work.send("b")]
        await settle()
        assert work.started == ["a", "b"]  # a slot stays free
        await work.end(4)
        await asyncio.gather(*tasks)

    run(test())


def test_a_full_queue_answers_429_and_when_to_come_back() -> None:
    async def test() -> None:
        work = Work(max_running=1, max_queue=2)
        tasks = [work.send("a") for _ in range(4)]
        await settle()
        error = error_of(tasks[3])
        assert (error.status, error.code) == (429, "queue_full")
        assert error.retry_after is not None
        assert 1 <= error.retry_after <= 60
        assert error.headers == {"Retry-After": str(error.retry_after)}
        assert work.admission.refused["queue"] == 1
        await work.end(3)
        assert [task.result() for task in tasks[:3]] == ["a"] * 3

    run(test())


def test_a_full_queue_of_one_owner_makes_room_for_another() -> None:
    async def test() -> None:
        work = Work(max_running=1, max_queue=2)
        flood = [work.send("flood") for _ in range(3)]
        await settle()
        calm = work.send("calm")
        await settle()
        assert error_of(flood[2]).status == 429
        assert not calm.done()
        await work.end(3)
        assert work.started == ["flood", "calm", "flood"]
        assert calm.result() == "calm"

    run(test())


def test_background_work_yields_and_is_never_refused() -> None:
    async def test() -> None:
        work = Work(max_running=1, max_queue=1)
        tasks = [work.send("batch", background=True) for _ in range(4)]
        await settle()
        tasks.append(work.send("person"))
        await settle()
        await work.end(5)
        assert work.started == ["batch", "person", "batch", "batch", "batch"]
        assert not work.admission.refused

    run(test())


def test_who_waits_is_told_its_position() -> None:
    async def test() -> None:
        work = Work(max_running=1)
        told: list[int] = []

        async def ask() -> None:
            async with work.admission.slot("b", told.append):
                pass

        tasks = [work.send("a"), work.send("b"), work.send("c")]
        await settle()
        late = asyncio.create_task(ask())
        await settle()
        await work.end(3)
        await late
        assert told == [2, 1, 0]  # behind b and c; a's slot, b's, c's

        await asyncio.gather(*tasks)

    run(test())


def test_a_client_that_goes_away_frees_its_slot_and_its_place() -> None:
    async def test() -> None:
        work = Work(max_running=1)
        working, waiting, last = work.send("a"), work.send("b"), work.send("c")
        await settle()
        waiting.cancel()
        working.cancel()  # c is not started for b, which has not noticed yet
        await settle()
        assert work.started == ["a", "c"]
        await work.end()
        assert last.result() == "c"
        assert work.is_empty()

    run(test())


def test_a_turn_that_comes_with_the_cancellation_is_passed_on() -> None:
    async def test() -> None:
        work = Work(max_running=1)
        first, second, third = work.send("a"), work.send("b"), work.send("c")
        await settle()
        work.gate.release()
        while work.admission.queued == 2:  # until b's turn has come, not one step on
            await asyncio.sleep(0)
        second.cancel()
        await settle()
        assert second.cancelled()
        assert work.started == ["a", "c"]
        await work.end()
        assert (first.result(), third.result()) == ("a", "c")
        assert work.is_empty()

    run(test())


def test_work_that_takes_too_long_is_stopped() -> None:
    async def test() -> None:
        work = Work(answer_seconds=0.02)
        with pytest.raises(ApiError, match=r"longer than 0\.02 s") as caught:
            await work.ask("a")
        assert (caught.value.status, caught.value.retry_after) == (504, None)
        assert work.is_empty()

    run(test())


def test_a_timeout_of_the_work_itself_is_no_deadline() -> None:
    async def test() -> None:
        admission = Admission(GateLimits())
        with pytest.raises(TimeoutError):
            async with admission.slot("a"):
                raise TimeoutError

    run(test())


def test_drain_lets_running_work_end_and_turns_the_rest_away() -> None:
    async def test() -> None:
        work = Work(max_running=1)
        running, queued = work.send("a"), work.send("b")
        await settle()
        drain = asyncio.create_task(work.admission.drain(5))
        await settle()
        assert work.admission.draining
        late = work.send("c")
        await settle()
        for task in (queued, late):
            error = error_of(task)
            assert (error.status, error.retry_after) == (503, 5)
        assert not drain.done()
        await work.end()
        assert running.result() == "a"
        await drain
        assert work.is_empty()

    run(test())


def test_drain_stops_work_after_the_grace_time() -> None:
    async def test() -> None:
        work = Work()
        running = work.send("a")
        await settle()
        await work.admission.drain(0.01)
        await settle()
        assert (error_of(running).status, error_of(running).code) == (503, "stopping")
        assert work.is_empty()

    run(test())


def test_background_work_has_no_deadline_and_drain_stops_it() -> None:
    async def test() -> None:
        work = Work(answer_seconds=0.02)
        first = work.send("batch", background=True)
        await asyncio.sleep(0.1)
        assert not first.done()
        await work.end()
        assert first.result() == "batch"
        second = work.send("batch", background=True)
        await settle()
        await work.admission.drain(0.01)
        await settle()
        assert error_of(second).code == "stopping"
        assert not work.admission.refused
        assert work.is_empty()

    run(test())


@pytest.mark.parametrize("seed", range(5))
def test_no_slot_is_lost_and_no_limit_is_broken(seed: int) -> None:
    chance = random.Random(seed)

    async def test() -> None:
        admission = Admission(
            GateLimits(max_running=3, max_running_per_owner=2, max_queue=10)
        )
        running: Counter[str] = Counter()
        answers: list[int] = []

        async def ask(owner: str, number: int) -> None:
            await asyncio.sleep(chance.random() * 0.02)
            async with admission.slot(owner, background=chance.random() < 0.1):
                running[owner] += 1
                assert running.total() <= 3
                assert running[owner] <= 2
                try:
                    await asyncio.sleep(chance.random() * 0.003)
                    if chance.random() < 0.1:
                        raise ValueError
                    answers.append(number)
                finally:
                    running[owner] -= 1

        tasks = [asyncio.create_task(ask(chance.choice("abc"), n)) for n in range(200)]
        for task in chance.sample(tasks, 40):
            await asyncio.sleep(0.0005)
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert (admission.running, admission.queued) == (0, 0)
        assert sorted(answers) == [n for n, end in enumerate(ended) if end is None]
        refused = sum(isinstance(end, ApiError) for end in ended)
        assert refused <= admission.refused.total()  # some gave up at that moment
        assert answers
        with suppress(ApiError, ValueError):
            await ask("a", 0)  # still hands out slots

    run(test())


def test_a_bucket_holds_the_burst_and_refills() -> None:
    rates = Rates(GateLimits(requests_per_minute=30, burst=2))
    rates.take("a", 0.0)
    rates.take("a", 0.0)
    with pytest.raises(ApiError, match="30 requests a minute") as caught:
        rates.take("a", 0.5)
    assert (caught.value.status, caught.value.retry_after) == (429, 2)
    assert caught.value.code == "rate_limit_exceeded"
    rates.take("b", 0.5)  # another owner has its own
    rates.take("a", 2.0)
    with pytest.raises(ApiError):
        rates.take("a", 2.5)
    for _ in range(2):
        rates.take("a", 1000.0)  # never more than the burst
    with pytest.raises(ApiError):
        rates.take("a", 1000.0)


def test_the_advice_when_to_come_back_counts_the_questions_of_people_only() -> None:
    async def test() -> None:
        admission = Admission(GateLimits())
        before = admission._seconds
        async with admission.slot("a", background=True):
            await asyncio.sleep(0.01)
        assert admission._seconds == before
        async with admission.slot("a"):
            pass
        assert admission._seconds < before

    run(test())
