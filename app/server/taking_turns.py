"""Each owner has a few images looked at, at a time, so that nobody takes all children."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

from rsvlm.app.server.finishing import finished

_T = TypeVar("_T")


class Turns:
    """Bounds what is done for one owner at a time; who waits holds no thread.

    .. versionadded:: 0.2
    """

    def __init__(self, most: int) -> None:
        """Start with nobody.

        Args:
            most: Turns of one owner at a time.
        """
        self.most = most
        self._owners: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[None]:
        """Wait for a turn, and give it back at the end."""
        free, users = self._owners.get(owner, (asyncio.Semaphore(self.most), 0))
        self._owners[owner] = (free, users + 1)
        try:
            async with free:
                yield
        finally:
            free, users = self._owners.pop(owner)
            if users > 1:
                self._owners[owner] = (free, users - 1)

    async def run(self, owner: str, function: Callable[..., _T], *args: Any) -> _T:
        """Run a function in a thread, when it is the owner's turn.

        The turn is taken until the thread has ended, also for a client that went away.
        """
        async with self.turn(owner):
            thread = asyncio.ensure_future(run_in_threadpool(function, *args))
            return await finished(thread)
