"""Asks the requests of batches: some at a time, owners in turn, errors tried again."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from rsvlm.app.server.batch_lines import answered, full, refused
from rsvlm.app.server.batch_settings import BatchLimits
from rsvlm.app.server.batch_store import BatchLine, BatchStore
from rsvlm.app.server.chat import complete
from rsvlm.app.server.errors import ApiError, report
from rsvlm.app.server.schemas import ChatRequest
from rsvlm.app.server.service import Service
from rsvlm.eval.run import pause

_T = TypeVar("_T")

#: First pause after the engine failed, s; it doubles.
ENGINE_PAUSE_S = 1.0


class BatchWork:
    """What all batches of a server share: the slots, and the pace."""

    def __init__(
        self, service: Service, store: BatchStore, limits: BatchLimits
    ) -> None:
        self._service, self._store, self._limits = service, store, limits
        slots = limits.max_running or 1
        self._slots = asyncio.Semaphore(slots)
        # Owners take turns at the slots, whatever number of batches each has.
        self._slots_of: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(slots)
        )
        self._next = 0.0

    async def ask_all(self, owner: str, id: str) -> None:
        """Ask what has no result, some at a time."""
        after, slots = 0, self._slots_of[owner]
        async with asyncio.TaskGroup() as group:
            while (line := await self._taken(slots, id, after)) is not None:
                after = line.line
                task = group.create_task(self._ask(owner, id, line))
                task.add_done_callback(lambda _: slots.release())

    async def _taken(
        self, slots: asyncio.Semaphore, id: str, after: int
    ) -> BatchLine | None:
        """Wait for a slot of the owner; keep it where there is a request for it."""
        await slots.acquire()
        line = None
        try:
            line = await asyncio.to_thread(self._store.next_open, id, after)
        finally:
            if line is None:
                slots.release()
        return line

    async def _ask(self, owner: str, id: str, line: BatchLine) -> None:
        async with self._slots:
            size = await asyncio.to_thread(self._store.result_bytes, id)
            if size < self._limits.max_bytes:
                await self._pace()
                text, failed = await self._result(owner, id, line)
            else:
                text, failed = full(line.custom_id, self._limits.max_bytes), True
        await _surely(self._store.finish, id, line.line, text, failed)

    async def _result(self, owner: str, id: str, line: BatchLine) -> tuple[str, bool]:
        """Return the line of a request, and whether it is an error."""
        attempt = 0
        while True:
            try:
                body = _body(line)
                reply = await complete(self._service, owner, body, background=True)
                return answered(line.custom_id, 200, reply), False
            except Exception as error:  # noqa: BLE001 - one request must not end all
                told = report(error, f"{id}:{line.line}")
            attempt += told.code != "stopping"  # then the next server asks it
            if told.retry_after is None or attempt >= self._limits.tries:
                return refused(line.custom_id, told), True
            await asyncio.sleep(pause(attempt, ENGINE_PAUSE_S))

    async def _pace(self) -> None:
        """Wait until the next request may begin."""
        if self._limits.requests_per_minute is None:
            return
        begin = max(self._next, time.monotonic())
        self._next = begin + 60 / self._limits.requests_per_minute
        await asyncio.sleep(begin - time.monotonic())


def _body(line: BatchLine) -> ChatRequest:
    """Read the body of a request as the route does.

    Raises:
        RequestValidationError: If a field is wrong.
        ApiError: If it asks for a stream, or for pictures, which have no bound.
    """
    try:
        body = ChatRequest.model_validate_json(line.body)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        raise RequestValidationError(
            [{**fault, "loc": ("body", *fault["loc"])} for fault in faults]
        ) from None
    if body.stream:
        message = "A batch has no streams. Leave stream out."
        raise ApiError(400, message, code="invalid_value", param="stream")
    if "overlay" in body.rsvlm.return_:
        message = (
            "A batch draws no pictures. Leave 'overlay' out of rsvlm.return: the answer "
            "has the regions."
        )
        raise ApiError(400, message, code="invalid_value", param="rsvlm.return")
    return body


async def _surely(function: Callable[..., _T], *given: Any) -> _T:
    """Do something in a thread to its end, even where the caller is cancelled."""
    task = asyncio.create_task(asyncio.to_thread(function, *given))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
