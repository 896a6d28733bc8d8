"""Files of strangers, decoded in child processes that may crash, hang or eat memory.

A :class:`Sandbox` opens a file in a child of its own, forked in milliseconds from a
small process that has imported the decoders. The child runs the ordinary
:class:`~rsvlm.reader.Reader` within limits of memory and time, see
:mod:`rsvlm.sandbox_child`. It is not trusted: what comes back is JSON whose fields are
checked, and the bytes of arrays whose shape the caller asked for. A child that dies or
is late costs its file one :class:`~rsvlm.errors.ImageError`, and nobody else anything.
"""

import math
import signal
import socket
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from rsvlm.decode import shown
from rsvlm.errors import ImageError, RsvlmError, SettingsError
from rsvlm.geometry import HBB
from rsvlm.header import Pixels
from rsvlm.opening import Limits
from rsvlm.reader import OVERVIEW, PIECE, PIECES
from rsvlm.sandbox_child import SAMPLES, ChildLimits, Opening, Question, Reply
from rsvlm.sandbox_forker import Forker

_T = TypeVar("_T")

#: Samples of one view that a reader decodes at most, by the default limits.
_DECODED = Limits().read_samples
#: Most bytes of one reply, values not counted.
_MOST = 4 * 2**20


class SandboxBusyError(RsvlmError):
    """Raised when as many files are open as may be, and none is closed in time."""


class Sandbox:
    """Opens files in child processes.

    .. versionadded:: 0.2
    """

    def __init__(self, limits: ChildLimits | None = None) -> None:
        """Start the process that children are forked from.

        Args:
            limits: What a child may take.

        Raises:
            SettingsError: If this system cannot fork.
        """
        self.limits = limits or ChildLimits()
        self._free = threading.BoundedSemaphore(self.limits.children)
        self._lock = threading.Lock()
        self._forker = Forker()

    def open(self, path: Path, name: str, limits: Limits) -> "SandboxedReader":
        """Open an image file in a child.

        Args:
            path: A path from :func:`rsvlm.opening.regular_file`.
            name: What to call the file in errors.
            limits: What the image may ask for.

        Returns:
            Its reader; close it, or the child stays.

        Raises:
            ImageError: If the file cannot be opened, is refused, or takes the child
                too much.
            SandboxBusyError: If too many files are open.
        """
        if not self._free.acquire(timeout=self.limits.seconds):
            raise SandboxBusyError(
                f"{self.limits.children} images are open, as many as may be. Try again "
                "in a few seconds."
            )
        child = None
        try:
            child = self._start()
            opening = Opening(
                path=path.resolve(), name=name, limits=limits, own=self.limits
            )
            return SandboxedReader(child, opening, self._free.release)
        except BaseException:
            if child is not None:
                child.end()
            self._free.release()
            raise

    def close(self) -> None:
        """End the process that children are forked from; those of open files go on."""
        self._forker.close()

    def _start(self) -> "_Child":
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            try:
                process = self._forker.fork(theirs)
            except OSError:  # somebody killed it
                self._forker.close()
                self._forker = Forker()
                process = self._forker.fork(theirs)
            return _Child(ours, self._forker, process, self.limits)


class _Child:
    """A child process and the link to it, which may break at any time."""

    def __init__(
        self, link: socket.socket, forker: Forker, process: int, limits: ChildLimits
    ) -> None:
        self.process, self.limits, self.is_alive = process, limits, True
        self._link, self._forker = link, forker
        self._seconds = self._until = 0.0

    def ask(self, message: Opening | Question, seconds: float) -> None:
        """Send a message; the time for its answer starts."""
        data = message.model_dump_json().encode()
        self._seconds, self._until = seconds, time.monotonic() + seconds
        self._link.settimeout(seconds)
        data = len(data).to_bytes(4, "little") + data
        self._guarded(lambda: self._link.sendall(data))

    def reply(self) -> Reply:
        """Return what it says, or raise what it says that went wrong."""
        try:
            reply = Reply.model_validate_json(self._guarded(self._message))
        except ValidationError:
            raise self.refused("sent what makes no sense") from None
        if reply.error is not None:
            kind = SettingsError if reply.error == "SettingsError" else ImageError
            raise kind(shown(reply.text, 500))
        return reply

    def fill(self, array: NDArray[Any]) -> None:
        """Receive the bytes of an array, straight into its memory."""
        view = array.reshape(-1).view(np.uint8).data
        self._guarded(lambda: self._receive(view))

    def refused(self, what: str) -> ImageError:
        """End it, and return the error that says what it did."""
        self.end()
        return ImageError(
            f"The image {what}. Convert it to a plain GeoTIFF or PNG, and try again."
        )

    def _message(self) -> bytearray:
        length = bytearray(4)
        self._receive(memoryview(length))
        message = bytearray(min(int.from_bytes(length, "little"), _MOST))
        self._receive(memoryview(message))
        return message

    def _receive(self, view: "memoryview[int]") -> None:
        while len(view):
            left = self._until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._link.settimeout(left)
            count = self._link.recv_into(view)
            if not count:
                raise EOFError
            view = view[count:]

    def _guarded(self, function: Callable[[], _T]) -> _T:
        """Run a function that uses the link; the end of the child is an ImageError."""
        try:
            return function()
        except TimeoutError:
            what = f"took longer than {self._seconds:.3g} s"
        except (EOFError, OSError):
            what = _ending(self.end(), self._seconds)
        raise self.refused(what)

    def end(self) -> int | None:
        """End the process, and return its exit code; further calls do nothing."""
        if not self.is_alive:
            return None
        self.is_alive = False
        self._link.close()
        return self._forker.end(self.process)


def _ending(code: int | None, seconds: float) -> str:
    if code == -getattr(signal, "SIGXCPU", 24):
        return f"took longer than {seconds:.3g} s"
    if code is None or code >= 0:
        return f"ended the decoder (status {code})"
    return f"crashed the decoder ({signal.Signals(-code).name})"


def _end(child: _Child, closed: Callable[[], None]) -> None:
    child.end()
    closed()


class SandboxedReader:
    """Reads windows of an image that a child process has open.

    It is a :class:`~rsvlm.header.PixelReader`. Once its child has died, it reads no
    more.

    Attributes:
        header: What the file says.
        is_classes: Whether values are numbers of colours or classes, never averaged.

    .. versionadded:: 0.2
    """

    def __init__(
        self, child: _Child, opening: Opening, closed: Callable[[], None]
    ) -> None:
        """Open a file.

        Args:
            child: A child that has opened none.
            opening: The file.
            closed: Called once, when the reader is closed or forgotten.
        """
        self.name = opening.name
        self._child, self._lock = child, threading.Lock()
        self._is_closed = False
        child.ask(opening, child.limits.seconds)
        header = child.reply().header
        if header is None:
            raise child.refused("sent no header")
        self.header = header
        self.is_classes = header.has_table
        self._end = weakref.finalize(self, _end, child, closed)

    @property
    def is_open(self) -> bool:
        """Whether it can read: its child lives."""
        return self._child.is_alive and not self._is_closed

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._is_closed = True
            self._end()

    def read(
        self, window: HBB, width: int, height: int, indexes: Sequence[int]
    ) -> Pixels:
        """Read a window at a size; see :meth:`rsvlm.raster.Raster.read`."""
        question = Question(
            call="read",
            indexes=tuple(indexes),
            is_classes=self.is_classes,
            seconds=self._seconds(window, max(width, 1), max(height, 1), len(indexes)),
            window=(window.x0, window.y0, window.x1, window.y1),
            width=width,
            height=height,
        )
        return self._asked(question, lambda size: size == (height, width))

    def overview(self, indexes: Sequence[int]) -> Pixels:
        """Read the whole image at low resolution."""
        most = max(OVERVIEW, PIECE * PIECES)
        question = self._look("overview", indexes)
        return self._asked(question, lambda size: max(size) <= most)

    def pieces(self, indexes: Sequence[int]) -> Pixels:
        """Read native pieces spread over the image, put beside each other."""
        question = self._look("pieces", indexes)
        return self._asked(question, lambda size: max(size) <= PIECE * PIECES)

    def _look(
        self, call: Literal["overview", "pieces"], indexes: Sequence[int]
    ) -> Question:
        whole = HBB(0, 0, self.header.width, self.header.height)
        return Question(
            call=call,
            indexes=tuple(indexes),
            is_classes=self.is_classes,
            seconds=self._seconds(whole, OVERVIEW, OVERVIEW, len(indexes)),
        )

    def _seconds(self, window: HBB, width: int, height: int, bands: int) -> float:
        """Return how long a view may take, by what it must decode at most."""
        shrink = min(window.width / width, window.height / height)
        level = max((f for f in self.header.factors if f <= shrink), default=1)
        samples = window.area / level**2 * (bands + 4)  # some for nodata and alpha
        return self._child.limits.seconds + min(samples, _DECODED) / SAMPLES

    def _asked(
        self, question: Question, fits: Callable[[tuple[int, int]], bool]
    ) -> Pixels:
        """Return the answer to a question, if its size (H, W) is one that fits."""
        with self._lock:
            if self._is_closed:
                raise SettingsError(f"{shown(self.name)} is closed. Open it again.")
            if not self._child.is_alive:
                raise self._child.refused("ended the decoder before")
            self._child.ask(question, question.seconds)
            reply = self._child.reply()
            count, height, width = reply.shape or (0, 0, 0)
            values_bytes = math.prod((count, height, width)) * int(reply.type[1:])
            if (
                count != len(question.indexes)
                or not fits((height, width))
                or values_bytes > self._child.limits.memory_bytes
            ):
                raise self._child.refused("sent what nobody asked for")
            values = np.empty((count, height, width), dtype=reply.type)
            self._child.fill(values)
            if reply.is_whole:
                return values, np.ones((height, width), dtype=bool)
            flags = np.empty((height, width), dtype=np.uint8)
            self._child.fill(flags)
        return values, flags != 0
