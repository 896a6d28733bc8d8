"""How far a question has come, told to whoever listens, who may stop it.

The work tells its progress with :func:`report`, wherever it is; the caller hears of it
inside :func:`listening`, and stops the work by raising
:class:`~rsvlm.errors.StoppedError` in the listener. So a server gives back the slot of
a client that went away, a page draws a bar, and no function in between passes anything
on. The listener belongs to the context (one thread or task) that set it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

#: What is being done; the steps of :meth:`rsvlm.assistant.Assistant.ask`.
Stage = Literal[
    "look", "recall", "zoom", "search", "land cover", "outline", "write", "place"
]


@dataclass(frozen=True, slots=True)
class Progress:
    """One report.

    Attributes:
        stage: What is being done.
        done: Parts that are done: windows searched, tokens written.
        total: Parts in all, most tokens for ``"write"``; 0 where they are not known.

    .. versionadded:: 0.1
    """

    stage: Stage
    done: int = 0
    total: int = 0


Listener = Callable[[Progress], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def report(stage: Stage, done: int = 0, total: int = 0) -> None:
    """Tell the listener of this context, if there is one.

    Raises:
        StoppedError: If the listener wants the work to stop.
    """
    listener = _listener.get()
    if listener is not None:
        listener(Progress(stage, done, total))


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hear of the progress of what runs inside.

    Args:
        listener: Called in the thread of the work, often: it must be quick. What it
            raises stops the work.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
