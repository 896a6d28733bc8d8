"""One piece of work in a thread: what it tells the event loop, and how it is stopped."""

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from rsvlm.app.server.turns import Turns
from rsvlm.errors import StoppedError
from rsvlm.progress import Progress, listening

_T = TypeVar("_T")

#: Least seconds between two reports of the same stage.
PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class Queued:
    """The question waits for a slot.

    Attributes:
        position: Questions that are served before it.
    """

    position: int


@dataclass(frozen=True, slots=True)
class Working:
    """The question is being worked on."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class Draft:
    """A piece of what the model is writing; the answer may say something else."""

    text: str


Event = Queued | Working | Draft


class Work:
    """Runs a function in a thread that can be stopped from the event loop."""

    def __init__(
        self,
        turns: Turns,
        loop: asyncio.AbstractEventLoop,
        on_event: Callable[[Event], None] | None = None,
        background: bool = False,
    ) -> None:
        """Prepare.

        Args:
            turns: Places to compute in.
            loop: The event loop.
            on_event: Called in the loop.
            background: Whether everybody else goes first.
        """
        self.background = background
        self._turns, self._loop, self._on_event = turns, loop, on_event
        self._stopped = threading.Event()
        self._has_turn = False
        self._told: tuple[str, float] = ("", 0.0)

    def queued(self, position: int) -> None:
        """Tell that the work waits for a slot; called in the event loop."""
        if self._on_event is not None:
            self._on_event(Queued(position))

    def draft(self, text: str) -> None:
        """Tell what the model is writing; called in the thread.

        Raises:
            StoppedError: If the work is to stop.
        """
        self._check()
        self._tell(Draft(text))

    def stop(self) -> None:
        """Have the work stop at its next step."""
        self._stopped.set()

    def run(self, job: Callable[[], _T]) -> _T:
        """Do the job in this thread.

        Raises:
            StoppedError: If the work was to stop.
        """
        self._check()
        with listening(self._heard):
            return job()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Compute, when it is this work's turn, inside the block."""
        with self._turns.taken(self.background):
            self._has_turn = True
            try:
                self._check()
                yield
            finally:
                self._has_turn = False

    def elsewhere(self, call: Callable[[], _T]) -> _T:
        """Return what an engine elsewhere answers; others get the turn meanwhile.

        Who wants the work to stop does not wait for that engine: the call goes on in a
        thread of its own until it hears of it.

        Raises:
            StoppedError: If the work is to stop.
        """
        answer: Future[_T] = Future()

        def ask() -> None:
            try:
                answer.set_result(call())
            except BaseException as error:  # noqa: BLE001 - it is raised below
                answer.set_exception(error)

        context = contextvars.copy_context()
        self._has_turn = False
        self._turns.give()
        try:
            threading.Thread(target=context.run, args=(ask,), daemon=True).start()
            while not wait([answer], timeout=PAUSE).done:
                self._check()
            return answer.result()
        finally:
            self._turns.take(self.background)
            self._has_turn = True

    def _heard(self, progress: Progress) -> None:
        self._check()
        if self._has_turn:
            self._turns.hand_over(self.background)
            self._check()
        stage, since = self._told
        now = time.monotonic()
        ended = progress.total and progress.done == progress.total
        if progress.stage != stage or ended or now - since >= PAUSE:
            self._told = (progress.stage, now)
            self._tell(Working(progress))

    def _check(self) -> None:
        if self._stopped.is_set():
            raise StoppedError

    def _tell(self, event: Event) -> None:
        if self._on_event is None:
            return
        try:
            self._loop.call_soon_threadsafe(self._on_event, event)
        except RuntimeError:  # the loop is closed
            raise StoppedError from None
