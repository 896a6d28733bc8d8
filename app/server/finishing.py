"""Waiting for a thread whose caller may go away in the meantime."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

_T = TypeVar("_T")


async def finished(
    future: "asyncio.Future[_T]", on_cancel: Callable[[], None] = lambda: None
) -> _T:
    """Return the result of a thread; a cancel is passed on when the thread has ended.

    What the thread uses (a slot, a turn, a file) stays taken until then, however often
    its caller is cancelled.

    Args:
        future: Stands for the thread.
        on_cancel: Called when the caller is cancelled, to have the thread stop.
    """
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        on_cancel()
        while not future.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([future])
        if not future.cancelled():
            future.exception()  # that it was stopped is no news
        raise
