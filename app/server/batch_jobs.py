"""Batches that run in the background: behind people, and over restarts of everything.

A batch runs as one task that reads its file, asks its requests through the same function
as the route of chat completions, and puts the results into files. Wherever the server
ends, the next one goes on from what :mod:`rsvlm.app.server.batch_store` holds. While the
engine is not well a request is tried again; an error is kept as one, never as an answer.
"""

import asyncio
import os
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

from rsvlm.app.server.batch_lines import (
    FaultyFileError,
    expired,
    read_lines,
)
from rsvlm.app.server.batch_settings import BatchLimits
from rsvlm.app.server.batch_store import (
    Batch,
    BatchFault,
    BatchFaults,
    BatchStore,
    Counts,
)
from rsvlm.app.server.batch_work import BatchWork
from rsvlm.app.server.errors import ApiError, report
from rsvlm.app.server.files import StoredFile
from rsvlm.app.server.service import Service
from rsvlm.errors import RsvlmError

_T = TypeVar("_T")

#: Time in which a batch is worked on, s.
WINDOW_S = 24 * 3600
#: Pause after something of ours failed, such as a full disk, s.
TROUBLE_S = 30.0


class Files(Protocol):
    """What keeps files; :class:`rsvlm.app.server.files.FileStore` does."""

    def get(self, owner: str, id: str) -> StoredFile:
        """Return a file of an owner."""
        ...

    def path(self, stored: StoredFile) -> Path:
        """Return where its bytes lie."""
        ...

    def add(
        self, owner: str, name: str, stream: IO[bytes], purpose: str = ...
    ) -> StoredFile:
        """Keep a file."""
        ...

    def list(self, owner: str) -> tuple[StoredFile, ...]:
        """Return the files of an owner."""
        ...


class Batches:
    """All batches of a server.

    .. versionadded:: 0.2
    """

    def __init__(
        self,
        folder: Path,
        service: Service,
        files: Files,
        limits: BatchLimits | None = None,
    ) -> None:
        """Open the batches of a folder; nothing runs before :meth:`start`.

        Args:
            folder: Where they are kept.
            service: Answers requests.
            files: Uploaded files.
            limits: What batches may take.
        """
        self.limits = limits or BatchLimits()
        self._folder, self._files = folder, files
        self._store = BatchStore(folder / "batches.sqlite")
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        # Long work on files: in the threads that all share, answers would wait for it.
        self._threads = ThreadPoolExecutor(2, "batches")
        self._work = BatchWork(service, self._store, self.limits)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work on batches inside the block."""
        await self.start()
        try:
            yield
        finally:
            await self.stop()

    async def start(self) -> None:
        """Go on with what is not finished."""
        oldest = int(time.time() - self.limits.keep_days * 86400)
        await asyncio.to_thread(self._store.forget, oldest)
        for owner, batch in await asyncio.to_thread(self._store.active):
            self._run(owner, batch.id)

    async def stop(self) -> None:
        """Stop where everything is; the next :meth:`start` goes on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._store.close()  # what a thread still does with it fails, which ends it
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    async def create(
        self, owner: str, file_id: str, endpoint: str, metadata: dict[str, str] | None
    ) -> Batch:
        """Begin a batch.

        Raises:
            ApiError: If there is no such file, it is no file of requests, or too many
                batches are not finished.
        """
        stored = self._files.get(owner, file_id)
        if stored.purpose != "batch":
            raise ApiError(
                400,
                f"{file_id} was uploaded as {stored.purpose!r}. Upload a JSONL file of "
                "requests with the purpose 'batch'.",
                code="invalid_purpose",
                param="input_file_id",
            )
        if len(self._store.active(owner)) >= self.limits.max_active:
            raise ApiError(
                429,
                f"{self.limits.max_active} batches are not finished, which is the "
                "limit. Wait for one, or cancel one.",
                code="too_many_batches",
                retry_after=60,
            )
        now = int(time.time())
        batch = Batch(
            id=f"batch_{uuid.uuid4().hex}",
            endpoint=endpoint,
            input_file_id=file_id,
            completion_window="24h",
            created_at=now,
            expires_at=now + WINDOW_S,
            metadata=metadata,
        )
        # Nothing may come between the look at the limit and this.
        self._store.create(owner, batch)
        self._run(owner, batch.id)
        return batch

    def get(self, owner: str, id: str) -> Batch:
        """Return a batch of an owner.

        Raises:
            ApiError: If there is none.
        """
        found = self._store.get(id, owner)
        if found is None:
            raise ApiError(404, f"There is no batch {id!r}.", code="not_found")
        return found

    def newest(self, owner: str, after: str | None, limit: int) -> list[Batch]:
        """Return batches of an owner, newest first."""
        if after is not None:
            self.get(owner, after)
        return self._store.newest(owner, after, limit)

    async def cancel(self, owner: str, id: str) -> Batch:
        """Stop a batch; what is answered is kept.

        Raises:
            ApiError: If there is none, or it is finished.
        """
        batch = self.get(owner, id)
        if batch.status == "cancelling":
            return batch
        if batch.status not in ("validating", "in_progress"):
            raise ApiError(
                409, f"The batch {id} is {batch.status}; it cannot be cancelled.",
                code="batch_finished",
            )  # fmt: skip
        batch = self._save(batch, status="cancelling", cancelling_at=_now())
        if id in self._asking:
            self._asking[id].cancel()
        return batch

    def _run(self, owner: str, id: str) -> None:
        task = asyncio.create_task(self._driven(owner, id), name=id)
        self._tasks[id] = task
        task.add_done_callback(lambda _: self._tasks.pop(id, None))

    async def _driven(self, owner: str, id: str) -> None:
        """Bring a batch to its end, whatever happens to the disk meanwhile."""
        while True:
            try:
                if await self._drive(owner, id):
                    return
            except Exception as error:  # noqa: BLE001 - logged; tried again
                report(error, id)
            await asyncio.sleep(TROUBLE_S)

    async def _drive(self, owner: str, id: str) -> bool:
        """Do what is left of a batch; return whether that was all."""
        batch = self._known(id)
        if batch.status == "validating":
            await self._validate(owner, batch)
            batch = self._known(id)
        if batch.status == "in_progress":
            await self._work_on(owner, batch)
            batch = self._known(id)
            if batch.status == "in_progress" and time.time() < batch.expires_at:
                if self._store.next_open(id, 0) is not None:
                    return False  # somebody else stopped requests
                self._save(batch, status="finalizing", finalizing_at=_now())
        if self._known(id).status != "failed":
            await self._write_files(owner, id)
        await self._apart(self._store.clear, id)
        return True

    async def _work_on(self, owner: str, batch: Batch) -> None:
        """Ask until all is done, the batch is cancelled, or its time is over."""
        work = asyncio.create_task(self._work.ask_all(owner, batch.id))
        self._asking[batch.id] = work
        try:
            await asyncio.wait({work}, timeout=max(batch.expires_at - time.time(), 0))
        finally:
            del self._asking[batch.id]
            work.cancel()
            await asyncio.wait({work})
        if not work.cancelled():
            work.result()

    async def _validate(self, owner: str, batch: Batch) -> None:
        """Read the file; note its faults, or that the batch is in progress."""
        try:
            stored = self._files.get(owner, batch.input_file_id)
            lines = read_lines(self._files.path(stored), self.limits)
            total = await self._apart(self._store.fill, batch.id, lines)
        except FaultyFileError as error:
            faults = BatchFaults(data=error.faults)
        except (ApiError, RsvlmError, OSError):
            fault = BatchFault(
                code="no_file", message="The file is there no more. Upload it again."
            )
            faults = BatchFaults(data=(fault,))
        else:
            if self._known(batch.id).status == "validating":
                counts = Counts(total=total)
                self._save(
                    batch, status="in_progress", in_progress_at=_now(),
                    request_counts=counts,
                )  # fmt: skip
            return
        self._save(batch, status="failed", failed_at=_now(), errors=faults)

    async def _write_files(self, owner: str, id: str) -> None:
        """Put results into files of the owner, and end the batch."""
        if self._known(id).status == "in_progress":  # its time is over
            await self._apart(self._give_up, id)
        for failed, field in ((False, "output_file_id"), (True, "error_file_id")):
            if getattr(self._known(id), field) is None:
                name = f"{id}_{'errors' if failed else 'output'}.jsonl"
                lines = self._store.results(id, failed)
                made = await self._apart(self._write, owner, name, lines)
                self._save(self._known(id), **{field: made})
        batch = self._known(id)
        if batch.status == "in_progress":
            self._save(batch, status="expired", expired_at=_now())
        elif batch.status == "cancelling":
            self._save(batch, status="cancelled", cancelled_at=_now())
        else:
            self._save(batch, status="completed", completed_at=_now())

    def _give_up(self, id: str) -> None:
        after = 0
        while (line := self._store.next_open(id, after)) is not None:
            after = line.line
            self._store.finish(id, line.line, expired(line.custom_id), failed=True)

    def _write(self, owner: str, name: str, lines: Iterator[str]) -> str | None:
        """Make a file of lines and return its id; None where there is no line."""
        for stored in self._files.list(owner):
            if (stored.purpose, stored.name) == ("batch_output", name):
                return stored.id  # a kill came before the batch was told of it
        handle, path = tempfile.mkstemp(dir=self._folder)
        try:
            with open(handle, "w+b") as file:
                file.writelines(line.encode() + b"\n" for line in lines)
                if not file.tell():
                    return None
                file.seek(0)
                return self._files.add(owner, name, file, purpose="batch_output").id
        finally:
            with suppress(FileNotFoundError):
                os.unlink(path)

    async def _apart(self, function: Callable[..., _T], *given: Any) -> _T:
        """Do long work in a thread of the batches."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *given)

    def _known(self, id: str) -> Batch:
        found = self._store.get(id)
        assert found is not None
        return found

    def _save(self, batch: Batch, **changes: Any) -> Batch:
        # In the event loop, so that nothing comes between a look and a change.
        changed = batch.model_copy(update=changes)
        self._store.save(changed)
        return changed


def _now() -> int:
    return int(time.time())
