"""Questions to the assistant, for many clients at a time.

The one way from the server to :meth:`rsvlm.assistant.Assistant.ask`: the HTTP API, the
chat page and batches call :meth:`Service.ask`. It waits for a slot, does the work in a
thread, tells how far it is, and stops it when nobody waits for the answer any more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
)
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar, cast

import numpy as np

from rsvlm.answer import Answer
from rsvlm.app.server.file_table import StoredFile
from rsvlm.app.server.finishing import finished
from rsvlm.app.server.lending import OpenRasters
from rsvlm.app.server.memory import Memory
from rsvlm.app.server.pictures import overlay_png
from rsvlm.app.server.recorded import Sampling, recorded
from rsvlm.app.server.turns import Turns
from rsvlm.app.server.work import Draft, Event, Queued, Work, Working
from rsvlm.assistant import Assistant
from rsvlm.embedding import Embedder, Vectors
from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.findings import ShapeKind
from rsvlm.focus import Focus
from rsvlm.followup import Turn
from rsvlm.messages import Generation
from rsvlm.raster import Raster
from rsvlm.zoom import ZoomName

__all__ = [
    "Draft", "Event", "Question", "Queued", "Result", "Service", "Working",
]  # fmt: skip

_T = TypeVar("_T")

#: Address of a picture and owner -> its file.
Resolve = Callable[[str, str], Awaitable[StoredFile]]

#: Threads for work; how many questions run at a time is up to the admission.
THREADS = 64


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a client about files that it has uploaded.

    Attributes:
        images: Files in the order of the question; "image 1" is the first.
        text: What the user wrote.
        task: Name of a task, or ``"auto"``.
        shape: Kind of the regions.
        zoom: How closely to look.
        sensor: What the images were taken with, or ``"auto"``.
        knowledge: Whether to use the knowledge base.
        seed: Seed of the model.
        temperature: 0 is greedy.
        max_tokens: Most tokens of a reply of the model.
        stop: Texts that end a reply of the model.
        history: Questions and answers before this one, oldest first.
        focus: Places that the question is about.
        system: What the client tells the model beforehand; lifts no limit.
        overlay: Whether to draw the answer on each image.
    """

    images: tuple[StoredFile, ...]
    text: str
    task: str = "auto"
    shape: ShapeKind | None = None
    zoom: ZoomName = "auto"
    sensor: str = "auto"
    knowledge: bool = False
    seed: int | None = None
    temperature: float = 0.0
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    history: tuple[Turn, ...] = ()
    focus: tuple[Focus, ...] = ()
    system: str = ""
    overlay: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """An answer, and what it cost.

    Attributes:
        answer: The answer.
        generations: What the model wrote for it, in order; none where it was not asked.
        overlays: The answer drawn on each image, PNG files, where that was wanted.
    """

    answer: Answer
    generations: tuple[Generation, ...] = ()
    overlays: tuple[bytes, ...] = ()


class Files(Protocol):
    """What opens uploaded files; :class:`rsvlm.app.server.files.FileStore` does."""

    def get(self, owner: str, id: str) -> StoredFile:
        """Return a file that an owner may see."""
        ...

    def open(self, stored: StoredFile, sensor: str = "auto") -> Raster:
        """Open a file, decoded in a child process."""
        ...


class Slots(Protocol):
    """What gives slots; :class:`rsvlm.app.server.admission.Admission` does."""

    def slot(
        self,
        owner: str,
        on_queue: Callable[[int], None] | None = None,
        *,
        background: bool = False,
    ) -> AbstractAsyncContextManager[None]:
        """Wait for a slot, and hold it inside the block."""
        ...


class Service:
    """Assistants behind slots; everything that answers goes through here.

    Attributes:
        assistants: Name of a model -> its assistant; the first is the default.
        store: Uploaded files.
        revisions: Name of a model -> what tells one version of it from another.
        memory: The last answers.

    .. versionadded:: 0.2
    """

    def __init__(
        self,
        assistants: Mapping[str, Assistant],
        store: Files,
        admission: Slots,
        resolve: Resolve | None = None,
    ) -> None:
        """Join the parts.

        Args:
            assistants: Name of a model -> its assistant; the first is the default.
            store: Uploaded files.
            admission: What gives slots.
            resolve: Finds the file of an address in a message (data URI, id, URL) for
                an owner; by default an id of the store.

        Raises:
            SettingsError: If there is no model.
        """
        if not assistants:
            raise SettingsError("There is no model to serve. Name one with --model.")
        self.assistants = dict(assistants)
        # Asked for now: a server elsewhere has to be asked, which may take a while.
        self.revisions = {
            name: found.engine.revision for name, found in self.assistants.items()
        }
        self.store, self.admission = store, admission
        self.resolve = resolve or self._uploaded
        self.memory = Memory()
        self._rasters = OpenRasters()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ask")
        self._running: set[asyncio.Task[object]] = set()
        self._one, self._many = Turns(1), Turns(THREADS)

    def assistant(self, model: str | None = None) -> Assistant:
        """Return the assistant of a model, the first one by default.

        Raises:
            UnknownNameError: If no such model is served.
        """
        name = model or next(iter(self.assistants))
        if name not in self.assistants:
            raise UnknownNameError("model", name, self.assistants)
        return self.assistants[name]

    def embedder(self, model: str | None = None) -> Embedder:
        """Return what embeds pictures and texts.

        Raises:
            UnknownNameError: If no such model is served.
            SettingsError: If the model has no aligned encoders.
        """
        found = self.assistant(model).scenes
        if found is None or not hasattr(found, "encode_text"):
            raise SettingsError(
                "This model has no encoders that align pictures with texts, so it gives "
                "no embeddings. Serve a checkpoint that has them, such as tiny."
            )
        return cast(Embedder, found)

    async def ask(
        self,
        question: Question,
        *,
        owner: str,
        model: str | None = None,
        on_event: Callable[[Event], None] | None = None,
        background: bool = False,
    ) -> Result:
        """Answer a question.

        Cancelling the task that waits here stops the work; its slot is free again as
        soon as the work has stopped.

        Args:
            question: What is asked.
            owner: Who asks; slots are shared out between owners.
            model: Name of a model, the first one by default.
            on_event: Called in the event loop with what happens meanwhile.
            background: Whether everybody else goes first.

        Raises:
            UnknownNameError: If no such model is served, or there is no such task.
            SettingsError: If the question cannot be asked so.
            ImageError: If an image cannot be read.
            EngineError: If the model gives no answer.
            StoppedError: If the work was stopped.
            ApiError: If there is no slot to be had.
        """
        assistant = self.assistant(model)
        if not question.knowledge:
            assistant = replace(assistant, retriever=None)
        elif assistant.retriever is None:
            raise SettingsError(
                "This server has no knowledge base. Leave knowledge out, or start it "
                "with --knowledge DIR."
            )
        loop = asyncio.get_running_loop()
        work = Work(self._turns(assistant), loop, on_event, background)

        def answer() -> Result:
            with ExitStack() as stack:
                rasters = [
                    stack.enter_context(self._lent(stored, question.sensor))
                    for stored in question.images
                ]
                return _answered(assistant, rasters, question, work)

        return await self._run(owner, work, answer)

    async def embed(
        self,
        items: Sequence[str | StoredFile],
        *,
        owner: str,
        model: str | None = None,
        sensor: str = "auto",
    ) -> Vectors:
        """Return unit vectors of texts and images, shape (B, D); see :meth:`ask`."""
        embedder = self.embedder(model)
        work = Work(self._one, asyncio.get_running_loop())

        def vector(item: str | StoredFile) -> Vectors:
            if isinstance(item, str):
                with work.turn():
                    return embedder.encode_text([item])
            with self._lent(item, sensor) as raster:
                view = raster.preview(getattr(embedder, "side", 224))
            with work.turn():
                return embedder.encode_image([view])

        def embedded() -> Vectors:
            return np.concatenate([vector(item) for item in items])

        return await self._run(owner, work, embedded)

    async def close(self) -> None:
        """Stop what is still running, and wait until it has stopped."""
        for task in self._running:
            task.cancel()
        while self._running:
            await asyncio.wait(self._running)
        self._rasters.close()
        self._threads.shutdown(wait=False)

    async def _uploaded(self, address: str, owner: str) -> StoredFile:
        return await asyncio.to_thread(self.store.get, owner, address)

    def _lent(self, stored: StoredFile, sensor: str) -> AbstractContextManager[Raster]:
        """Return the open raster of a file, for a while."""
        key = (stored.owner, stored.id, sensor)
        return self._rasters.lend(key, partial(self.store.open, stored, sensor))

    def _turns(self, assistant: Assistant) -> Turns:
        here = assistant.finder is not None or assistant.scenes is not None
        return self._one if here or assistant.engine.kind == "local" else self._many

    async def _run(self, owner: str, work: Work, job: Callable[[], _T]) -> _T:
        """Do a job in a thread, in a task that outlives a caller who has gone."""
        task = asyncio.create_task(self._admitted(owner, work, job))
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise

    def _ended(self, task: "asyncio.Task[object]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has heard of it, or has gone

    async def _admitted(self, owner: str, work: Work, job: Callable[[], _T]) -> _T:
        async with self.admission.slot(owner, work.queued, background=work.background):
            loop = asyncio.get_running_loop()
            thread = loop.run_in_executor(self._threads, work.run, job)
            return await finished(thread, work.stop)  # the slot is in use until then


def _answered(
    assistant: Assistant, rasters: Sequence[Raster], question: Question, work: Work
) -> Result:
    """Ask, while it is this question's turn."""
    sampling = Sampling(
        question.temperature, question.max_tokens, question.stop, question.system
    )
    asked, said = recorded(assistant, sampling, work.elsewhere)
    with work.turn():
        answer = asked.ask(
            rasters,
            question.text,
            question.task,
            shape=question.shape,
            zoom=question.zoom,
            seed=question.seed,
            on_text=work.draft,
            history=question.history,
            focus=question.focus,
        )
    drawn = rasters if question.overlay else ()
    overlays = tuple(overlay_png(answer, r, i) for i, r in enumerate(drawn))
    return Result(answer, tuple(said), overlays)
