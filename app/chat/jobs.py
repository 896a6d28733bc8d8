"""Questions that are being answered, apart from the pages that wait for them.

A job goes on when its page is closed or loaded again, and whoever opens the
conversation sees how far it is. Stopping a job stops the work itself.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from rsvlm.answer import Answer
from rsvlm.app.chat.history import Asked, Exchange, History, Status
from rsvlm.app.chat.words import trouble
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.files import FileStore, StoredFile
from rsvlm.app.server.service import Question, Result, Service
from rsvlm.app.server.work import Draft, Event, Queued, Working
from rsvlm.errors import SettingsError, StoppedError
from rsvlm.focus import Focus
from rsvlm.followup import Turn
from rsvlm.geometry import HBB
from rsvlm.progress import Progress

#: Least seconds between two looks at a job: a page need not be drawn more often.
PAUSE = 0.15
#: Temperature of another try; the first one is greedy.
WARM = 0.7

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Job:
    """A question that is being answered.

    Attributes:
        owner: Whose files and history it uses.
        conversation: Id of the conversation.
        exchange: The question.
        replaces: The same question asked before, which goes when this one is answered.
        position: Questions that go first; None once it is worked on.
        progress: Last report of the work.
        draft: What the model has written so far; the answer may say something else.
        started: Time on the monotonic clock, seconds.
    """

    owner: str
    conversation: str
    exchange: Exchange
    replaces: Exchange | None = None
    position: int | None = None
    progress: Progress | None = None
    draft: str = ""
    started: float = field(default_factory=time.monotonic)
    done: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _task: "asyncio.Task[None] | None" = None

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self.started

    def heard(self, event: Event) -> None:
        """Take in an event of the service."""
        match event:
            case Queued(position):
                self.position = position
            case Working(progress):
                self.position, self.progress = None, progress
            case Draft(text):
                self.position = None
                self.draft += text
        self._changed.set()

    async def looks(self, *, beat: float = 1.0) -> AsyncIterator[None]:
        """Yield when there is something new to see, and every ``beat`` seconds."""
        while not self.done:
            yield
            self._changed.clear()
            if self.done:
                break
            await asyncio.sleep(PAUSE)
            try:
                await asyncio.wait_for(self._changed.wait(), beat)
            except TimeoutError:
                continue


class Desk:
    """All jobs of a server; a conversation has one at a time."""

    def __init__(self, service: Service, store: FileStore, history: History) -> None:
        """Join the parts; ``store`` holds the images."""
        self.service, self.store, self.history = service, store, history
        self._jobs: dict[str, Job] = {}
        self._starting: set[str] = set()

    def of(self, conversation: str | None) -> Job | None:
        """Return what is being answered in a conversation."""
        return self._jobs.get(conversation or "")

    async def start(
        self,
        owner: str,
        conversation: str,
        asked: Asked,
        *,
        replaces: Exchange | None = None,
    ) -> Job:
        """Begin to answer a question.

        Args:
            owner: Whose files, history and slots are used.
            conversation: Id of the conversation.
            asked: The question.
            replaces: The same question asked before, if it is asked again.

        Raises:
            SettingsError: If the conversation is gone, or is busy with a question.
        """
        if conversation in self._jobs or conversation in self._starting:
            raise SettingsError(
                "One question at a time: wait for the answer, or press Stop first."
            )
        self._starting.add(conversation)
        try:
            exchange = await asyncio.to_thread(
                self.history.ask, owner, conversation, asked
            )
        finally:
            self._starting.discard(conversation)
        job = Job(owner, conversation, exchange, replaces)
        self._jobs[conversation] = job
        job._task = asyncio.create_task(self._answer(job))
        await asyncio.sleep(0)  # a task that is cancelled before it begins never ends
        return job

    async def stop(self, conversation: str | None) -> None:
        """Stop what is being answered, and wait until it has stopped."""
        job = self.of(conversation)
        if job and job._task:
            job._task.cancel()
            await asyncio.wait([job._task])

    async def close(self) -> None:
        """Stop all jobs."""
        for conversation in list(self._jobs):
            await self.stop(conversation)

    async def _answer(self, job: Job) -> None:
        try:
            status, answer, said = await self._ended(job)
            await asyncio.to_thread(
                self.history.finish, job.exchange.id, status,
                answer=answer, said=said, seconds=job.seconds,
            )  # fmt: skip
            # A good answer stays until there is another.
            if job.replaces and (answer or job.replaces.answer is None):
                await asyncio.to_thread(
                    self.history.replace, job.owner, job.replaces.id, job.exchange.id
                )
        finally:
            self._jobs.pop(job.conversation, None)
            job.done = True
            job._changed.set()

    async def _ended(self, job: Job) -> tuple[Status, Answer | None, str]:
        """Return how a question ended; being stopped is one way."""
        try:
            result = await self._asked(job)
        except (asyncio.CancelledError, StoppedError):
            return "stopped", None, trouble(StoppedError())
        except Exception as error:  # noqa: BLE001 - told in the page, whatever it is
            _log.warning("a question failed: %s", type(error).__name__)
            return "failed", None, trouble(error)
        return "answered", result.answer, ""

    async def _asked(self, job: Job) -> Result:
        asked = job.exchange.asked
        files = []
        for id, name in zip(asked.files, asked.names, strict=True):
            try:
                files.append(await asyncio.to_thread(self.store.get, job.owner, id))
            except ApiError as error:
                raise SettingsError(
                    f"The image {name!r} is no longer kept. Upload it again."
                ) from error
        question = question_of(asked, tuple(files), self.turns(job))
        return await self.service.ask(question, owner=job.owner, on_event=job.heard)

    def turns(self, job: Job) -> tuple[Turn, ...]:
        """Return the questions and answers before, about the same images."""
        again = job.replaces.id if job.replaces else None
        before = self.history.exchanges(job.owner, job.conversation)
        return tuple(
            Turn.of(exchange.answer)
            for exchange in before
            if exchange.answer
            and exchange.asked.files == job.exchange.asked.files
            and exchange.id != again
        )


def question_of(
    asked: Asked, files: tuple[StoredFile, ...], turns: tuple[Turn, ...]
) -> Question:
    """Return what the service is asked."""
    question = Question(
        files,
        asked.text,
        task=asked.task,
        shape=asked.shape,
        zoom=asked.zoom,
        sensor=asked.sensor,
        knowledge=asked.knowledge,
        history=turns,
    )
    if asked.focus is not None:
        image, box = asked.focus
        question = replace(question, focus=(Focus(image, HBB(*box)),))
    if asked.seed is not None:
        question = replace(question, seed=asked.seed, temperature=WARM)
    return question
