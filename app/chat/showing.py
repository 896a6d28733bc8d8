"""What a browser tab shows, put together for the outputs of the page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from rsvlm.app.chat import cards, parts
from rsvlm.app.chat.history import Exchange, History
from rsvlm.app.chat.jobs import Desk, Job
from rsvlm.app.chat.words import stage_words, sureness
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.files import FileStore

#: A box in raster pixels, with the index of its image.
Place = tuple[int, tuple[float, float, float, float]]
#: What the handlers return, in the order of the outputs of the page.
Shown = tuple[Any, ...]


@dataclass(frozen=True)
class Tab:
    """What a browser tab shows.

    Attributes:
        conversation: Id of the conversation; None before the first image.
        focus: Place that was drawn and that the next question is about.
        notice: What has to be said once, such as why an upload failed.
    """

    conversation: str | None = None
    focus: Place | None = None
    notice: str = ""


class Showing:
    """Draws tabs from history, files and running jobs."""

    def __init__(self, desk: Desk, store: FileStore, history: History) -> None:
        """Join the parts."""
        self.desk, self.store, self.history = desk, store, history

    def outcome(self, owner: str, job: Job) -> str:
        """Return how a question ended, in words for a screen reader."""
        exchange = self.history.exchange(owner, job.exchange.id)
        if exchange is None:
            return ""
        if exchange.answer is None:
            return exchange.said
        return f"Answer: {exchange.answer.text} {sureness(exchange.answer)}."

    def working(self, job: Job) -> Shown:
        """Return what changes while a question is being answered."""
        say = stage_words(job.progress, job.position).split(":")[0]
        skip = gr.skip()
        bridge = {"say": say, "keep": True}
        return (skip, cards.live(job), skip, skip, skip, bridge, skip, skip, skip, skip)

    def tab(
        self, owner: str, tab: Tab, *, question: str | None = None, say: str = ""
    ) -> Shown:
        """Return everything that a tab shows.

        Args:
            owner: Whose history it is.
            tab: The tab.
            question: What stands in the box for questions; None leaves it.
            say: What a screen reader is to say.
        """
        found = self.history.conversation(owner, tab.conversation or "")
        if found is None:
            tab = replace(tab, conversation=None)
        exchanges = self.history.exchanges(owner, found.id) if found else []
        job = self.desk.of(tab.conversation)
        images = found.images if found else ()
        names = {id: self.name(owner, id) for id in images}
        answered = [item for item in exchanges if item.answer]
        turn = _latest(answered, images)
        bridge = {
            "images": list(images),
            "turn": turn,
            "say": tab.notice or say,
            "focus": tab.focus is not None,
        }
        return (
            cards.conversation(exchanges),
            cards.live(job),
            parts.bar(names),
            parts.hints(images, tab.focus, tab.notice, busy=job is not None,
                        asked=[item.asked.text for item in exchanges],
                        found=bool(exchanges and exchanges[-1].answer
                                   and exchanges[-1].answer.regions)),
            parts.menu(self.history.conversations(owner), tab.conversation,
                       bool(exchanges)),
            bridge,
            gr.skip() if question is None else question,
            gr.update(visible=job is None),
            gr.update(visible=job is not None),
            tab,
        )  # fmt: skip

    def bare(self, tab: Tab) -> Shown:
        """Return what somebody sees of whom nothing is known."""
        bridge: dict[str, Any] = {"images": [], "turn": None, "say": tab.notice}
        hints = parts.hints((), None, tab.notice, busy=False, asked=())
        skip = gr.skip()
        return ("", "", parts.bar({}), hints, "", bridge, skip, skip, skip, tab)

    def name(self, owner: str, id: str) -> str:
        """Return the name of an image."""
        try:
            return self.store.get(owner, id).name
        except ApiError:  # deleted, or too old
            return "an image that is no longer kept"


def _latest(answered: Sequence[Exchange], images: tuple[str, ...]) -> str | None:
    """Return the last answer about the images that are shown."""
    return next(
        (item.id for item in reversed(answered) if item.asked.files == images), None
    )
