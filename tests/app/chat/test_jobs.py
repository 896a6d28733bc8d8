import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from rsvlm.app.chat.history import Asked, History
from rsvlm.app.chat.jobs import WARM, Desk, Job, question_of
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.file_table import StoredFile
from rsvlm.app.server.service import Question, Result
from rsvlm.app.server.work import Draft, Queued, Working
from rsvlm.errors import EngineError, SettingsError
from rsvlm.geometry import HBB
from rsvlm.progress import Progress
from tests.app.chat.test_history import answer

FILE = StoredFile(
    id="file-1", owner="me", name="a.tif", bytes=1, created=0, expires=1, sha256="x",
    purpose="vision",
)  # fmt: skip


class Store:
    def get(self, owner: str, id: str) -> StoredFile:
        if (owner, id) != ("me", "file-1"):
            raise ApiError(404, f"There is no file {id!r}.")
        return FILE


class Service:
    """Does what a test wants done."""

    def __init__(self, work: Callable[[Question, Any], Awaitable[Result]]) -> None:
        self.work = work
        self.asked: list[tuple[Question, str]] = []

    async def ask(
        self, question: Question, *, owner: str, on_event: Callable[[Any], None]
    ) -> Result:
        self.asked.append((question, owner))
        return await self.work(question, on_event)


async def at_once(question: Question, on_event: Any) -> Result:
    return Result(answer(f"About {question.text}"))


async def never(question: Question, on_event: Any) -> Result:
    on_event(Queued(2))
    on_event(Working(Progress("search", 1, 4)))
    on_event(Draft("Some "))
    on_event(Draft("words"))
    await asyncio.sleep(3600)
    raise AssertionError


def run(
    tmp_path: Path,
    work: Callable[[Question, Any], Awaitable[Result]],
    story: Callable[[Desk, History, str], Awaitable[None]],
) -> Service:
    service = Service(work)

    async def told() -> None:
        with History(tmp_path / "chat.sqlite") as history:
            desk = Desk(service, Store(), history)  # type: ignore[arg-type]
            await story(desk, history, history.start("me", ["file-1"]).id)
            await desk.close()

    asyncio.run(told())
    return service


def asked(text: str = "Where?", **fields: Any) -> Asked:
    return Asked(**({"text": text, "files": ("file-1",), "names": ("a.tif",)} | fields))


async def ended(job: Job) -> None:
    async for _ in job.looks(beat=0.05):
        pass


def test_answers_are_kept_and_told_to_the_questions_after_them(tmp_path: Path) -> None:
    async def story(desk: Desk, history: History, id: str) -> None:
        for text in ("One?", "Two?"):
            await ended(await desk.start("me", id, asked(text)))
        found = history.exchanges("me", id)
        assert [item.answer.text for item in found if item.answer] == [
            "About One?", "About Two?",
        ]  # fmt: skip
        assert [item.status for item in found] == ["answered", "answered"]

    service = run(tmp_path, at_once, story)
    (_, owner), (second, _) = service.asked
    assert owner == "me"
    assert [turn.text for turn in second.history] == ["About One?"]
    assert second.images == (FILE,)


def test_answers_about_other_images_are_not_told(tmp_path: Path) -> None:
    async def story(desk: Desk, history: History, id: str) -> None:
        await ended(await desk.start("me", id, asked("One?")))
        pair = {"files": ("file-1", "file-1"), "names": ("a", "b")}
        await ended(await desk.start("me", id, asked("Two?", **pair)))

    assert run(tmp_path, at_once, story).asked[1][0].history == ()


def test_an_answer_stays_until_there_is_another(tmp_path: Path) -> None:
    replies: list[Exception | None] = [None, EngineError("down"), None]

    async def work(question: Question, on_event: Any) -> Result:
        if error := replies.pop(0):
            raise error
        return await at_once(question, on_event)

    async def story(desk: Desk, history: History, id: str) -> None:
        await ended(await desk.start("me", id, asked()))
        (old,) = history.exchanges("me", id)
        again = asked(seed=1)
        await ended(await desk.start("me", id, again, replaces=old))
        kept, failed = history.exchanges("me", id)
        assert (kept, failed.status) == (old, "failed")
        job = await desk.start("me", id, again, replaces=old)
        assert old in history.exchanges("me", id)
        await ended(job)
        assert [item.id for item in history.exchanges("me", id)] == [
            job.exchange.id, failed.id,
        ]  # fmt: skip

    service = run(tmp_path, work, story)
    assert [question.history for question, _ in service.asked] == [(), (), ()]


def test_a_failure_that_is_asked_again_makes_room_for_the_next(tmp_path: Path) -> None:
    async def fails(question: Question, on_event: Any) -> Result:
        raise EngineError("down")

    async def story(desk: Desk, history: History, id: str) -> None:
        await ended(await desk.start("me", id, asked()))
        (old,) = history.exchanges("me", id)
        job = await desk.start("me", id, asked(), replaces=old)
        await ended(job)
        assert [item.id for item in history.exchanges("me", id)] == [job.exchange.id]

    run(tmp_path, fails, story)


def test_a_stopped_question_is_told_so_and_makes_room(tmp_path: Path) -> None:
    async def story(desk: Desk, history: History, id: str) -> None:
        job = await desk.start("me", id, asked())
        await asyncio.sleep(0.05)
        assert (job.position, job.draft) == (None, "Some words")
        assert job.progress == Progress("search", 1, 4)
        with pytest.raises(SettingsError, match="One question at a time"):
            await desk.start("me", id, asked())
        await desk.stop(id)
        assert desk.of(id) is None
        assert job.done
        assert history.exchanges("me", id)[0].status == "stopped"

    run(tmp_path, never, story)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (EngineError("http://10.0.0.1 is down"), "does not answer at the moment"),
        (RuntimeError("/secret"), "went wrong on our side"),
        (ApiError(429, "full", retry_after=7), "try again in about 7 s"),
        (SettingsError("There is no such band."), "There is no such band."),
    ],
)
def test_failures_are_kept_in_plain_words(
    tmp_path: Path, error: Exception, words: str
) -> None:
    async def fails(question: Question, on_event: Any) -> Result:
        raise error

    async def story(desk: Desk, history: History, id: str) -> None:
        await ended(await desk.start("me", id, asked()))
        (found,) = history.exchanges("me", id)
        assert found.status == "failed"
        assert words in found.said
        assert "10.0.0.1" not in found.said
        assert "secret" not in found.said

    run(tmp_path, fails, story)


def test_an_image_that_is_gone_is_named(tmp_path: Path) -> None:
    async def story(desk: Desk, history: History, id: str) -> None:
        gone = asked(files=("file-9",), names=("old.tif",))
        await ended(await desk.start("me", id, gone))
        (found,) = history.exchanges("me", id)
        assert found.said == "The image 'old.tif' is no longer kept. Upload it again."

    assert run(tmp_path, at_once, story).asked == []


def test_closing_stops_what_runs(tmp_path: Path) -> None:
    async def story(desk: Desk, history: History, id: str) -> None:
        job = await desk.start("me", id, asked())
        await desk.close()
        assert job.done

    run(tmp_path, never, story)


def test_another_try_is_warm_and_a_drawn_place_is_the_focus() -> None:
    first = question_of(asked(), (FILE,), ())
    assert (first.seed, first.temperature, first.focus) == (None, 0.0, ())
    again = question_of(asked(seed=2, focus=(0, (1, 2, 3, 4))), (FILE,), ())
    assert (again.seed, again.temperature) == (2, WARM)
    assert again.focus[0].box == HBB(1, 2, 3, 4)
