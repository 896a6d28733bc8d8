"""What happens when somebody uploads, asks, stops, points or goes back.

Every handler takes the :class:`Tab` that it is called from and returns what the page
shows then. Who asks is read from the cookie, never from the page.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import gradio as gr
from gradio.utils import get_upload_folder

from rsvlm.app.chat.history import Asked, Conversation, History
from rsvlm.app.chat.jobs import Desk
from rsvlm.app.chat.sessions import session_owner
from rsvlm.app.chat.settings import ChatSettings
from rsvlm.app.chat.showing import Place, Showing, Shown, Tab
from rsvlm.app.chat.words import trouble
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.files import FileStore
from rsvlm.errors import RsvlmError, SettingsError

NO_COOKIE = (
    "This page keeps your images and answers apart from those of others by a cookie, "
    "which your browser did not send. Allow cookies for this address, and load the page "
    "again."
)
ELSEWHERE = "Draw on the images that are asked about."


class _Mark:
    """Stands for the event that has last drawn the whole of a page."""


class Handlers:
    """The page's side of things; one for all visitors."""

    def __init__(
        self, desk: Desk, store: FileStore, history: History, settings: ChatSettings
    ) -> None:
        """Join the parts."""
        self.desk, self.store, self.history = desk, store, history
        self.settings = settings
        self.showing = Showing(desk, store, history)
        self._expired = time.monotonic()
        # By owner and page; what ended or went with its page is no longer there.
        self._latest: WeakValueDictionary[tuple[str, str | None], _Mark] = (
            WeakValueDictionary()
        )

    # who and what

    def owner(self, request: gr.Request) -> str:
        """Return whose files and history a request may see.

        Raises:
            SettingsError: If the browser sends no cookie.
        """
        owner = session_owner(request.request) if request.request else None
        if owner is None:
            raise SettingsError(NO_COOKIE)
        return owner

    def _conversation(self, owner: str, tab: Tab) -> Conversation | None:
        return self.history.conversation(owner, tab.conversation or "")

    def _mark(self, owner: str, request: gr.Request) -> _Mark:
        """Have the events before this one no longer draw the page."""
        mark = self._latest[owner, request.session_hash] = _Mark()
        return mark

    # events

    async def load(self, tab: Tab, request: gr.Request) -> AsyncIterator[Shown]:
        """Show the last conversation; go on showing what is still being answered."""
        try:
            owner = self.owner(request)
        except SettingsError as error:
            yield self.showing.bare(replace(tab, notice=str(error)))
            return
        self._expire()
        latest = self.history.conversations(owner)[:1]
        tab = Tab(latest[0].id if latest else None)
        async for shown in self._follow(owner, tab, request, question=""):
            yield shown

    async def upload(
        self, paths: list[str] | None, tab: Tab, request: gr.Request
    ) -> Shown:
        """Move uploaded files into the store, and show them.

        :meth:`follow` comes next: what follows a question now draws no more.
        """
        # ``None`` is what a program sends that uses the page without a browser.
        tab, troubles, added = replace(tab or Tab(), notice=""), [], []
        try:
            owner = self.owner(request)
        except SettingsError as error:
            return self.showing.bare(replace(tab, notice=str(error)))
        for path in map(Path, paths or []):
            try:
                added.append(await asyncio.to_thread(self._keep, owner, path))
            except (RsvlmError, ApiError, OSError) as error:
                troubles.append(f"{path.name[:80]}: {trouble(error)}")
        found = self._conversation(owner, tab)
        held = [
            i for i in (found.images if found else ()) if not i.startswith("sample-")
        ]
        images = [*held, *(i for i in dict.fromkeys(added) if i not in held)]
        if len(images) > self.settings.max_images:
            troubles.append(
                f"One question takes {self.settings.max_images} images at most: the "
                "first ones are kept. Remove some to add others."
            )
            images = images[: self.settings.max_images]
        if added:
            tab = replace(self._with_images(owner, tab, images), focus=None)
        self._mark(owner, request)
        return self.showing.tab(owner, replace(tab, notice=" ".join(troubles)))

    async def follow(self, tab: Tab, request: gr.Request) -> AsyncIterator[Shown]:
        """Show a tab as it is, and go on showing what is being answered in it."""
        with suppress(SettingsError):  # has been told
            async for shown in self._follow(self.owner(request), tab, request):
                yield shown

    def _keep(self, owner: str, path: Path) -> str:
        """Move a file that Gradio has taken in to the store."""
        if not path.resolve().is_relative_to(Path(get_upload_folder()).resolve()):
            raise SettingsError("Only files that were uploaded can be added.")
        try:
            with path.open("rb") as stream:
                return self.store.add(owner, path.name, stream).id
        finally:
            with suppress(OSError):
                path.unlink()

    async def ask(
        self,
        text: str,
        task: str,
        shape: str,
        sensor: str,
        zoom: str,
        knowledge: bool,
        tab: Tab,
        request: gr.Request,
    ) -> AsyncIterator[Shown]:
        """Ask a question, and show how it gets on."""
        fields = {
            "task": task, "sensor": sensor, "zoom": zoom, "knowledge": knowledge,
            "shape": None if shape == "auto" else shape,
        }  # fmt: skip
        async for shown in self._ask(text, fields, tab, request):
            yield shown

    async def _ask(
        self, text: str, fields: dict[str, Any], tab: Tab, request: gr.Request
    ) -> AsyncIterator[Shown]:
        tab = replace(tab or Tab(), notice="")
        try:
            owner = self.owner(request)
        except SettingsError as error:
            yield self.showing.bare(replace(tab, notice=str(error)))
            return
        try:
            asked = self._asked(owner, text, fields, tab)
            await self.desk.start(owner, str(tab.conversation), asked)
        except RsvlmError as error:
            yield self.showing.tab(
                owner, replace(tab, notice=str(error)), question=text
            )
            return
        tab = replace(tab, focus=None)
        async for shown in self._follow(owner, tab, request, question=""):
            yield shown

    def _asked(self, owner: str, text: str, fields: dict[str, Any], tab: Tab) -> Asked:
        found = self._conversation(owner, tab)
        if found is None or not found.images:
            raise SettingsError(
                "First choose an image: a sample scene, or one of your own."
            )
        if not text.strip():
            raise SettingsError("Write a question first, or take one of the examples.")
        names = tuple(self.showing.name(owner, id) for id in found.images)
        return Asked(
            text=text.strip(),
            files=found.images,
            names=names,
            focus=tab.focus,
            **fields,
        )

    async def stop(self, tab: Tab, request: gr.Request) -> None:
        """Stop the work; whoever follows it sees that it has stopped."""
        owner = self.owner(request)
        if self._conversation(owner, tab):
            await self.desk.stop(tab.conversation)

    async def act(
        self, data: dict[str, Any], tab: Tab, request: gr.Request
    ) -> AsyncIterator[Shown]:
        """Do what a button inside the HTML of the page asks for."""
        tab = replace(tab, notice="")
        try:
            owner = self.owner(request)
        except SettingsError as error:
            yield self.showing.bare(replace(tab, notice=str(error)))
            return
        kind, id = str(data.get("act")), str(data.get("id", ""))
        match kind:
            case "sample" | "remove":
                held = self._conversation(owner, tab)
                images = [i for i in (held.images if held else ()) if i != id]
                tab = replace(tab, focus=None)
                try:
                    wanted = [id] if kind == "sample" else images
                    tab = self._with_images(owner, tab, wanted)
                except ApiError as error:
                    tab = replace(tab, notice=trouble(error))
            case "focus":
                tab = self._pointed(owner, data, tab)
            case "new":
                tab = Tab()
            case "open":
                tab = Tab(id)
                async for shown in self._follow(owner, tab, request, question=""):
                    yield shown
                return
            case "forget":
                await self.desk.stop(
                    id if self.history.conversation(owner, id) else None
                )
                self.history.forget(owner, id)
                tab = Tab() if tab.conversation == id else tab
            case "again":
                tab = await self._again(owner, id, tab)
        async for shown in self._follow(owner, tab, request):
            yield shown

    def _pointed(self, owner: str, data: dict[str, Any], tab: Tab) -> Tab:
        """Take a place that was drawn, unless it was drawn on other images."""
        place, held = _place(data), self._conversation(owner, tab)
        if place and data.get("images") != list(held.images if held else ()):
            return replace(tab, focus=None, notice=ELSEWHERE)
        return replace(tab, focus=place)

    async def _again(self, owner: str, id: str, tab: Tab) -> Tab:
        """Ask a question anew: with another seed where there is an answer already."""
        before = self.history.exchange(owner, id)
        if before is not None and self.desk.of(tab.conversation) is None:
            asked = before.asked
            if before.status == "answered":
                asked = asked.model_copy(update={"seed": (asked.seed or 0) + 1})
            try:
                await self.desk.start(
                    owner, str(tab.conversation), asked, replaces=before
                )
            except RsvlmError as error:
                return replace(tab, notice=str(error))
        return tab

    # what is shown

    async def _follow(
        self, owner: str, tab: Tab, request: gr.Request, *, question: str | None = None
    ) -> AsyncIterator[Shown]:
        """Show a tab, and what is being answered in it until it is done.

        It ends as soon as another event shows something else in the page.

        Args:
            owner: Whose tab it is.
            tab: The tab.
            request: Tells the page.
            question: What stands in the box for questions at first; None leaves it.
        """
        mark, page = self._mark(owner, request), (owner, request.session_hash)
        job = self.desk.of(tab.conversation)
        yield self.showing.tab(owner, tab, question=question)
        if job is None or job.owner != owner:
            return
        async for _ in job.looks():
            if self._latest.get(page) is not mark:
                break
            yield self.showing.working(job)
        if self._latest.get(page) is mark:
            yield self.showing.tab(owner, tab, say=self.showing.outcome(owner, job))
        else:
            yield (gr.skip(),) * 10  # Gradio shows the last one once more at the end

    def _with_images(self, owner: str, tab: Tab, images: list[str]) -> Tab:
        """Show other images: in this conversation, or in a new one."""
        for id in images:
            self.store.get(owner, id)  # whoever sends an id must be allowed to see it
        if self._conversation(owner, tab) is None:
            return replace(tab, conversation=self.history.start(owner, images).id)
        self.history.show(owner, str(tab.conversation), images)
        return tab

    def _expire(self) -> None:
        """Delete what is too old, at most once an hour."""
        if time.monotonic() - self._expired > 3600:
            self._expired = time.monotonic()
            self.history.expire(time.time() - 86_400 * self.settings.history_days)


def _place(data: dict[str, Any]) -> Place | None:
    """Read a place that the viewer sent; None if it was cleared or is none."""
    box, image = data.get("box"), data.get("image")
    if not isinstance(box, list) or not isinstance(image, int) or len(box) != 4:
        return None
    if not all(isinstance(value, int | float) for value in box):
        return None
    x0, y0, x1, y1 = (float(value) for value in box)
    if not (0 <= image < 64 and x0 < x1 and y0 < y1 and max(map(abs, box)) < 1e9):
        return None
    return image, (x0, y0, x1, y1)
