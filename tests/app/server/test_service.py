"""The service: what reaches the assistant, what comes back, how it stops."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from rsvlm.app.server.file_table import StoredFile
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.service import Draft, Event, Question, Queued, Service, Working
from rsvlm.assistant import Assistant
from rsvlm.engines.base import Capabilities
from rsvlm.errors import SettingsError, StoppedError, UnknownNameError
from rsvlm.zooming_chain import ChainZoom
from tests.app.server.fakes import SlowEngine, Store, png, service_of, stub

_T = TypeVar("_T")


def picture(service: Service) -> StoredFile:
    assert isinstance(service.store, Store)
    return service.store.add("me", "farm.png", png())


def run(work: Coroutine[Any, Any, _T]) -> _T:
    return asyncio.run(work)


def test_a_question_is_answered_and_told_of() -> None:
    service = service_of(stub("A farm."))
    events: list[Event] = []
    question = Question((picture(service),), "What is shown?", overlay=True)
    result = run(service.ask(question, owner="me", on_event=events.append))
    assert result.answer.text == "A farm."
    assert [g.text for g in result.generations] == ["A farm."]
    assert result.overlays[0].startswith(b"\x89PNG")
    assert Draft("A farm.") in events
    assert any(isinstance(e, Working) and e.progress.stage == "look" for e in events)


def test_what_a_client_sets_reaches_the_engine() -> None:
    seen: list[Any] = []

    class Engine(SlowEngine):
        def generate(self, messages: Any, **fields: Any) -> Any:
            seen.append(fields)
            return super().generate(messages, **fields)

    service = service_of(Engine(["A farm."], steps=0))
    question = Question(
        (picture(service),), "Describe.", temperature=0.7, max_tokens=3, stop=("x",),
        seed=5,
    )  # fmt: skip
    run(service.ask(question, owner="me"))
    (fields,) = seen
    assert (fields["temperature"], fields["seed"]) == (0.7, 5)
    assert (fields["max_tokens"], fields["stop"]) == (3, ("x",))
    run(
        service.ask(
            Question(question.images, "Describe.", max_tokens=10**6), owner="me"
        )
    )
    assert seen[-1]["max_tokens"] <= 1024  # the task's own limit stays


def test_a_zoom_by_the_model_is_counted_but_not_steered() -> None:
    engine = stub("A farm.")
    engine.capabilities = Capabilities(together=4)
    assistant = Assistant(engine, least=0.0, zooms={"chain": ChainZoom(engine)})
    service = service_of(engine)
    service.assistants["tiny"] = assistant
    question = Question((picture(service),), "What?", zoom="chain", max_tokens=1)
    result = run(service.ask(question, owner="me"))
    assert result.generations[0].text == "A farm."


def test_unknown_models_and_missing_parts_are_named() -> None:
    service = service_of(stub("A farm."))
    question = Question((picture(service),), "What?")
    with pytest.raises(UnknownNameError):
        run(service.ask(question, owner="me", model="x"))
    with pytest.raises(SettingsError, match="no knowledge base"):
        run(service.ask(Question(question.images, "?", knowledge=True), owner="me"))
    with pytest.raises(SettingsError, match="no encoders"):
        run(service.embed(["a"], owner="me"))
    with pytest.raises(SettingsError, match="no model"):
        Service({}, service.store, service.admission)


def test_cancelling_stops_the_work_and_frees_the_slot() -> None:
    engine = SlowEngine(["A farm."])
    service = service_of(engine, GateLimits(max_running=1))
    question = Question((picture(service),), "What?")

    async def scene() -> None:
        task = asyncio.create_task(service.ask(question, owner="me"))
        await asyncio.to_thread(engine.began.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        engine.steps = 1
        await service.ask(question, owner="me")  # the slot is free again

    run(scene())
    assert engine.ended == ["StoppedError", "done"]


def test_closing_stops_what_is_running() -> None:
    engine = SlowEngine(["A farm."])
    service = service_of(engine)
    question = Question((picture(service),), "What?")

    async def scene() -> None:
        task = asyncio.create_task(service.ask(question, owner="me"))
        await asyncio.to_thread(engine.began.wait, 10)
        await service.close()
        with pytest.raises((asyncio.CancelledError, StoppedError)):
            await task

    run(scene())
    assert engine.ended == ["StoppedError"]


def test_an_engine_elsewhere_is_asked_by_many_at_a_time() -> None:
    barrier = threading.Barrier(2, timeout=10)

    class Engine(SlowEngine):
        def generate(self, messages: Any, **fields: Any) -> Any:
            barrier.wait()  # broken unless two are here at a time
            return super().generate(messages, **fields)

    service = service_of(Engine(["A farm."], steps=0, kind="remote"))
    service._many = service._one  # as with a finder here: the turn is given aside
    question = Question((picture(service),), "What?")

    async def scene() -> list[Any]:
        calls = (service.ask(question, owner="me") for _ in range(2))
        return await asyncio.gather(*calls)

    assert [r.answer.text for r in run(scene())] == ["A farm."] * 2


def test_a_stop_does_not_wait_for_an_engine_elsewhere() -> None:
    began, end = threading.Event(), threading.Event()

    class Engine(SlowEngine):
        def generate(self, messages: Any, **fields: Any) -> Any:
            began.set()
            assert end.wait(30)  # an engine that restarts says nothing for minutes
            return super().generate(messages, **fields)

    service = service_of(Engine(["A farm."], steps=0, kind="remote"))
    question = Question((picture(service),), "What?")

    async def scene() -> None:
        task = asyncio.create_task(service.ask(question, owner="me"))
        await asyncio.to_thread(began.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await service.close()

    run(asyncio.wait_for(scene(), 10))
    end.set()


def test_those_who_wait_are_told_their_place() -> None:
    engine = SlowEngine(["A farm."], steps=20)
    service = service_of(engine, GateLimits(max_running=1))
    question = Question((picture(service),), "What?")
    events: list[Event] = []

    async def scene() -> None:
        first = asyncio.create_task(service.ask(question, owner="me"))
        await asyncio.to_thread(engine.began.wait, 10)
        await service.ask(question, owner="me", on_event=events.append)
        await first

    run(scene())
    assert events[0] == Queued(0)
