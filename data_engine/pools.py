"""Where the pieces of a build are done: here, in processes of this machine.

A pool takes pieces of work, which are picklable functions without arguments, and yields
what they return in any order. :mod:`rsvlm.data_engine.ray_pool` is one more.
"""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol

from rsvlm.errors import EngineError, RsvlmError

Job = Callable[[], Any]
#: Pieces that wait for a worker, a worker: enough to keep it busy, few to hold.
WAITING = 2
#: Work that is shorter is done before a process has started, seconds.
PATIENCE_S = 1.5


class Pool(Protocol):
    """Does pieces of work."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Any]:
        """Yield what the pieces return, as they are done.

        Pieces are taken up as there is room for them, so that an endless row of them
        takes no more memory than a short one.
        """
        ...


class Here:
    """Does one piece after the other, in this process."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Any]:
        """Yield what the pieces return, in order."""
        for job in jobs:
            yield job()


class Processes:
    """Does pieces in several processes."""

    def __init__(self, workers: int, patience_s: float = PATIENCE_S) -> None:
        """Choose how many.

        Args:
            workers: Number of processes.
            patience_s: Time that is worked here before a process is started.
        """
        self.workers = workers
        self._patience_s = patience_s

    def run(self, jobs: Iterable[Job]) -> Iterator[Any]:
        """Yield what the pieces return, as they are done.

        Raises:
            EngineError: If a process was killed.
        """
        rest = iter(jobs)
        end = time.monotonic() + self._patience_s
        while time.monotonic() < end:
            job = next(rest, None)
            if job is None:
                return
            yield job()
        others = set(multiprocessing.active_children())
        # Fresh processes: a fork would copy the locks of our threads as they are.
        pool = ProcessPoolExecutor(
            self.workers, multiprocessing.get_context("spawn"), _start
        )
        try:
            yield from _drained(pool, rest, WAITING * self.workers)
            pool.shutdown()
        except BrokenProcessPool:
            raise EngineError(
                "A process of the build was killed, perhaps for want of memory. Run the "
                "same command again to go on, with a smaller --workers."
            ) from None
        finally:
            # After Ctrl-C or an error: files are whole or not there, so nobody is waited
            # for.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()


def _drained(
    pool: ProcessPoolExecutor, jobs: Iterator[Job], most: int
) -> Iterator[Any]:
    waiting: set[Future[Any]] = set()
    for job in jobs:
        with _undisturbed():
            waiting.add(pool.submit(guarded, job))
        while len(waiting) >= most:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for one in done:
                yield unwrapped(one.result())
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for one in done:
            yield unwrapped(one.result())


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Hold Ctrl-C back: a process that is half started would die with a traceback.

    What is started meanwhile holds it back for good, which is what it should do.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    came: list[int] = []
    # The mask is for the children: with us, another thread may be the one that is told.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    before = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(came[0], None)


def guarded(job: Job) -> tuple[Any, type[RsvlmError] | None]:
    """Return what a piece returns, or the message and the class of its error.

    Errors of ours are made from their parts, so that they cannot be pickled as they are.
    """
    try:
        return job(), None
    except RsvlmError as error:
        return str(error), type(error)


def unwrapped(result: tuple[Any, type[RsvlmError] | None]) -> Any:
    """Return what :func:`guarded` was given, or raise its error."""
    value, kind = result
    if kind is None:
        return value
    error = kind.__new__(kind)
    error.args = (value,)
    raise error


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _start() -> None:
    """Prepare a process: Ctrl-C is its parent's affair, and it ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
