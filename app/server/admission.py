"""Who is worked for next: a bounded queue that is fair between owners.

An owner (a key, a session of the chat page) who sends a flood waits behind its own
questions only: a free slot goes to the owner with the fewest running questions, and
when the queue is full the longest line loses its newest question. All of it happens on
the event loop, so there are no locks.
"""

import asyncio
import itertools
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.gate_settings import GateLimits

OnQueue = Callable[[int], None]

_LONGEST_RETRY = 60  # seconds; openai clients ignore what is longer
_RESTART_RETRY = 5  # seconds in which a server that stops is there again
_LAST_SECONDS = 5.0  # that work which was told to stop may take for it


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


@dataclass(eq=False)
class _Waiter:
    """A question that waits. Its future is done once it may start, or may not."""

    owner: str
    background: bool
    number: int
    on_queue: OnQueue | None
    turn: asyncio.Future[None] = field(default_factory=_future)
    told: int = -1  # the position that it was told last


class Admission:
    """Hands out slots for work.

    Attributes:
        limits: What it enforces.
        draining: Whether the server stops: nothing is let in any more.
        refused: How often a question was turned away, by reason.

    .. versionadded:: 0.2
    """

    def __init__(self, limits: GateLimits) -> None:
        """Start with all slots free."""
        self.limits = limits
        self.draining = False
        self.refused: Counter[str] = Counter()
        self._running: Counter[str] = Counter()  # by owner
        self._served: dict[str, int] = {}  # owners that wait or run: their last start
        self._waiting: list[_Waiter] = []
        self._deadlines: set[asyncio.Timeout] = set()
        self._numbers = itertools.count(1)
        self._seconds = 2.0  # a running mean of how long a question takes
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def queued(self) -> int:
        """Questions that wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Questions that are worked on."""
        return self._running.total()

    @asynccontextmanager
    async def slot(
        self, owner: str, on_queue: OnQueue | None = None, *, background: bool = False
    ) -> AsyncIterator[None]:
        """Hold a slot while the body runs; wait for one first.

        A task that is cancelled gives up its place, whether it waits or works.

        Args:
            owner: Who asks.
            on_queue: Called with the number of questions that come first: once it
                waits, and whenever the number changes.
            background: Whether it waits for as long as it takes behind all questions
                that people wait for, and takes no room in the queue.

        Raises:
            ApiError: With 429 if the queue is full, with 503 if the server stops, with
                504 if the body takes longer than ``answer_seconds`` and somebody waits
                for it: work in the background waits for people inside its slot too.
        """
        await self._enter(owner, on_queue, background)
        loop = asyncio.get_running_loop()
        start = loop.time()
        deadline = asyncio.timeout(None if background else self.limits.answer_seconds)
        try:
            async with deadline:
                self._deadlines.add(deadline)
                yield
        except TimeoutError:
            if not deadline.expired():
                raise  # one of the body's own
            raise self._out_of_time() from None
        finally:
            self._deadlines.discard(deadline)
            if not background:  # that waits for people inside its slot
                self._seconds += 0.2 * (loop.time() - start - self._seconds)
            self._leave(owner)

    async def drain(self, grace_seconds: float) -> None:
        """Let nothing in, turn away what waits, and end when all work has ended.

        Args:
            grace_seconds: How long running work may go on; then it is cancelled and
                answered 503.
        """
        self.draining = True
        for waiter in self._waiting:
            if not waiter.turn.done():
                self.refused["stopping"] += 1
                waiter.turn.set_exception(_stopping())
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._idle.wait()
        now = asyncio.get_running_loop().time()
        for deadline in tuple(self._deadlines):
            if not deadline.expired():
                deadline.reschedule(now)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                await self._idle.wait()

    def retry_after(self) -> int:
        """Return the seconds after which the queue should have room.

        They are drawn at random around the expected time, so that clients that were
        refused together do not come back together.
        """
        rounds = 1 + self.queued / self.limits.max_running
        wait = rounds * self._seconds * random.uniform(0.5, 1.5)
        return max(1, min(_LONGEST_RETRY, math.ceil(wait)))

    async def _enter(
        self, owner: str, on_queue: OnQueue | None, background: bool
    ) -> None:
        if self.draining:
            self.refused["stopping"] += 1
            raise _stopping()
        waiter = _Waiter(owner, background, next(self._numbers), on_queue)
        self._waiting.append(waiter)
        self._served.setdefault(owner, 0)
        self._start_next()
        self._make_room()
        self._tell()
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter not in self._waiting:
                # Its turn came in the moment in which it gave up: pass it on.
                self._leave(owner)
            raise
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                self._forget(owner)
                self._tell()
                if not waiter.turn.cancelled():
                    waiter.turn.exception()  # taken, or asyncio would log it

    def _leave(self, owner: str) -> None:
        self._running[owner] -= 1
        self._forget(owner)
        self._start_next()
        self._tell()
        if not self.running:
            self._idle.set()

    def _forget(self, owner: str) -> None:
        """Close the books of an owner who neither waits nor runs."""
        if self._running[owner] <= 0:
            del self._running[owner]
            if all(waiter.owner != owner for waiter in self._waiting):
                self._served.pop(owner, None)

    def _start_next(self) -> None:
        """Give free slots away."""
        most = self.limits.max_running_per_owner or self.limits.max_running
        for waiter in self._order():
            if self.running >= self.limits.max_running:
                return
            if self._running[waiter.owner] < most:
                self._waiting.remove(waiter)
                self._running[waiter.owner] += 1
                self._served[waiter.owner] = next(self._numbers)
                self._idle.clear()
                waiter.turn.set_result(None)

    def _order(self) -> list[_Waiter]:
        """Return who waits, next first: turn about, beginning with who has least."""
        place = Counter(self._running)
        keys: dict[_Waiter, tuple[bool, int, int, int]] = {}
        for waiter in self._waiting:
            if not waiter.turn.done():  # it gave up, and has not noticed yet
                rank = place[waiter.owner], self._served[waiter.owner], waiter.number
                keys[waiter] = (waiter.background, *rank)
                place[waiter.owner] += 1
        return sorted(keys, key=keys.__getitem__)

    def _make_room(self) -> None:
        """Turn away the newest question of the longest line if too many wait."""
        people = [w for w in self._order() if not w.background]
        if len(people) <= self.limits.max_queue:
            return
        lines = Counter(waiter.owner for waiter in people)
        loser = max(people, key=lambda waiter: (lines[waiter.owner], waiter.number))
        self.refused["queue"] += 1
        seconds = self.retry_after()
        loser.turn.set_exception(
            ApiError(
                429,
                f"{self.running} questions are worked on and {len(people) - 1} wait, "
                f"which is the limit. Send the same request again in {seconds} s.",
                code="queue_full",
                retry_after=seconds,
            )
        )

    def _tell(self) -> None:
        """Tell who waits how many come first, where that has changed."""
        for position, waiter in enumerate(self._order()):
            if waiter.on_queue is not None and position != waiter.told:
                waiter.told = position
                waiter.on_queue(position)

    def _out_of_time(self) -> ApiError:
        if self.draining:
            return _stopping()
        self.refused["deadline"] += 1
        return ApiError(
            504,
            f"The answer took longer than {self.limits.answer_seconds:g} s and was "
            "stopped. Ask about a part of the image, or with zoom none.",
            code="deadline",
        )


def _stopping() -> ApiError:
    message = "The server is stopping. Send the same request again in a moment."
    return ApiError(503, message, code="stopping", retry_after=_RESTART_RETRY)


class Rates:
    """Counts requests of each owner: a bucket of tokens that refills steadily.

    .. versionadded:: 0.2
    """

    def __init__(self, limits: GateLimits) -> None:
        """Start with full buckets."""
        self.burst = limits.burst
        self.per_second = limits.requests_per_minute / 60
        self._buckets: dict[str, tuple[float, float]] = {}  # tokens, and when

    def take(self, owner: str, now: float) -> None:
        """Take one token.

        Args:
            owner: Whose.
            now: Seconds of a clock that does not jump.

        Raises:
            ApiError: With 429 if none is left.
        """
        tokens, then = self._buckets.get(owner, (float(self.burst), now))
        tokens = min(self.burst, tokens + (now - then) * self.per_second)
        if tokens < 1:
            self._buckets[owner] = tokens, now
            seconds = math.ceil((1 - tokens) / self.per_second)
            raise ApiError(
                429,
                f"More than {self.per_second * 60:g} requests a minute. "
                f"Send the same request again in {seconds} s.",
                code="rate_limit_exceeded",
                retry_after=seconds,
            )
        self._buckets[owner] = tokens - 1, now
