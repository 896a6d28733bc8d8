"""What a page shows when several things happen in it at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("gradio")

from rsvlm.app.chat.handlers import ELSEWHERE, Handlers
from rsvlm.app.chat.history import History
from rsvlm.app.chat.jobs import Desk
from rsvlm.app.chat.settings import ChatSettings
from rsvlm.app.chat.showing import Shown, Tab
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.service import Question, Result
from tests.app.chat.test_history import answer
from tests.app.chat.test_jobs import Service
from tests.app.chat.visitor import Visitor

BOX = [1, 2, 3, 4]
FIELDS = ("auto", "auto", "auto", "auto", False)
#: Changes nothing in the page.
NOTHING = ({"__type__": "update"},) * 10


class Store:
    """Has every image that one asks for."""

    def get(self, owner: str, id: str) -> Any:
        if owner != "me":
            raise ApiError(404, f"There is no file {id!r}.")
        return SimpleNamespace(id=id, name=f"{id}.tif")

    def add(self, owner: str, name: str, stream: Any) -> Any:
        return SimpleNamespace(id="file-new")


class Page:
    """A page without a browser; answers come when a test lets them."""

    def __init__(self, history: History) -> None:
        self.gate = asyncio.Event()
        self.service = Service(self._work)
        self.history, store = history, Store()
        self.desk = Desk(self.service, store, history)  # type: ignore[arg-type]
        self.handlers = Handlers(self.desk, store, history, ChatSettings())  # type: ignore[arg-type]
        connection = SimpleNamespace(scope={"state": {"owner": "me"}})
        self.request: Any = SimpleNamespace(request=connection, session_hash="page")

    async def _work(self, question: Question, on_event: Any) -> Result:
        await self.gate.wait()
        return Result(answer(f"About {question.text}"))

    def conversation(self, *images: str) -> Tab:
        return Tab(self.history.start("me", images or ("file-1",)).id)

    def ask(self, text: str, tab: Tab) -> AsyncIterator[Shown]:
        return self.handlers.ask(text, *FIELDS, tab, self.request)

    def act(self, tab: Tab, **data: Any) -> AsyncIterator[Shown]:
        return self.handlers.act(data, tab, self.request)


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Callable[[Page], Awaitable[None]]], None]:
    """Plays a story on a page."""

    def playing(story: Callable[[Page], Awaitable[None]]) -> None:
        async def told() -> None:
            with History(tmp_path / "chat.sqlite") as history:
                page = Page(history)
                async with asyncio.timeout(5):
                    await story(page)
                page.gate.set()
                await page.desk.close()

        asyncio.run(told())

    return playing


async def rest(shown: AsyncIterator[Shown]) -> list[Shown]:
    return [one async for one in shown]


Play = Callable[[Callable[[Page], Awaitable[None]]], None]


def test_an_answer_does_not_lead_back_to_the_conversation_that_was_left(
    play: Play,
) -> None:
    async def story(page: Page) -> None:
        one, other = page.conversation(), page.conversation("file-2")
        asking = page.ask("Where?", one)
        await anext(asking)
        assert "Where?" in (await anext(asking))[1]
        ((*_, tab),) = await rest(page.act(one, act="open", id=other.conversation))
        assert tab == other
        assert await rest(asking) == [NOTHING]  # though it is not answered yet
        (first,) = await rest(page.act(other, act="open", id="gone"))
        assert first[-1].conversation is None
        page.gate.set()

    play(story)


def test_another_page_is_not_disturbed_and_no_page_is_kept(play: Play) -> None:
    async def story(page: Page) -> None:
        tab = page.conversation()
        asking = page.ask("Where?", tab)
        await anext(asking)
        second = SimpleNamespace(request=page.request.request, session_hash="second")
        await rest(page.handlers.act({"act": "new"}, tab, second))
        page.gate.set()
        assert "About Where?" in (await rest(asking))[-1][0]
        assert len(page.handlers._latest) == 0

    play(story)


def test_a_box_that_is_drawn_while_a_question_runs_is_for_the_next(play: Play) -> None:
    async def story(page: Page) -> None:
        asking = page.ask("Where?", page.conversation())
        tab = (await anext(asking))[-1]
        drawing = page.act(tab, act="focus", image=0, box=BOX, images=["file-1"])
        shown = await anext(drawing)
        assert shown[-1].focus == (0, (1, 2, 3, 4))
        assert shown[6] == {"__type__": "update"}  # what is half typed stays
        page.gate.set()
        assert await rest(asking) == [NOTHING]
        last = (await rest(drawing))[-1]
        assert "About Where?" in last[0]
        assert last[-1].focus == (0, (1, 2, 3, 4))
        assert last[6] == {"__type__": "update"}

    play(story)


@pytest.mark.parametrize("images", [["file-2"], None, []])
def test_a_box_on_images_of_before_is_not_taken(play: Play, images: Any) -> None:
    async def story(page: Page) -> None:
        tab = page.conversation()
        data = {"act": "focus", "image": 0, "box": BOX, "images": images}
        (shown,) = await rest(page.handlers.act(data, tab, page.request))
        assert shown[-1].focus is None
        assert ELSEWHERE in shown[3]

    play(story)


def test_images_that_come_to_others_take_the_box_away(
    play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    path = tmp_path / "new.tif"
    path.write_bytes(b"x")

    async def story(page: Page) -> None:
        asking = page.ask("Where?", page.conversation())
        await anext(asking)
        tab = page.conversation()
        drawing = page.act(tab, act="focus", image=0, box=BOX, images=["file-1"])
        tab = (await anext(drawing))[-1]
        shown = await page.handlers.upload([], tab, page.request)
        assert shown[-1].focus is not None  # nothing has come
        shown = await page.handlers.upload([str(path)], tab, page.request)
        assert shown[5]["images"] == ["file-1", "file-new"]
        assert shown[-1].focus is None
        assert await rest(asking) == [NOTHING]
        following = page.handlers.follow(shown[-1], page.request)
        assert (await rest(following))[-1][-1] == shown[-1]

    play(story)


def test_an_answer_is_there_while_another_is_worked_on(play: Play) -> None:
    async def story(page: Page) -> None:
        page.gate.set()
        (*_, first) = await rest(page.ask("Where?", page.conversation()))
        (old,) = page.history.exchanges("me", first[-1].conversation)
        page.gate.clear()
        trying = page.act(first[-1], act="again", id=old.id)
        shown = await anext(trying)
        assert f"turn-{old.id}" in shown[0]
        assert "Where?" in shown[1]
        page.gate.set()
        last = (await rest(trying))[-1]
        assert f"turn-{old.id}" not in last[0]
        assert last[0].count("<article") == 1
        assert page.service.asked[1][0].seed == 1

    play(story)


def test_the_page_takes_one_action_while_another_goes_on(
    visit: Callable[[], Visitor],
) -> None:
    config = visit().client.get("/chat/config").json()
    names = {item["id"]: item["props"].get("elem_id") for item in config["components"]}
    modes = [
        item["trigger_mode"]
        for item in config["dependencies"]
        if [names.get(id) for id, _ in item["targets"]] == ["action"]
    ]
    assert modes == ["multiple"]
