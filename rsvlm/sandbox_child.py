"""The child of a sandbox: it opens one file and answers questions about its pixels.

Its messages are a length of 4 bytes, little endian, and so many bytes of JSON: one
:class:`Opening`, then any number of :class:`Question` in, a :class:`Reply` out for
each. After a reply with a shape follow the bytes of the values, then, unless all pixels
hold data, one byte for each that says whether it does.
"""

import contextlib
import math
import resource
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from rsvlm.decode import shown
from rsvlm.errors import RsvlmError
from rsvlm.geometry import HBB
from rsvlm.header import Header, Pixels
from rsvlm.opening import Limits
from rsvlm.reader import Reader

#: Samples (pixels x bands) that any machine decodes in a second.
SAMPLES = 20_000_000


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """What a child may take.

    Attributes:
        memory_bytes: Memory beyond what it has when it starts.
        seconds: Time for one call, on the clock and of each of two processors; a call
            that decodes much gets a second more for each :data:`SAMPLES`.
        total_seconds: Processor time for all calls together.
        children: Most children at a time.

    .. versionadded:: 0.2
    """

    memory_bytes: int = 2**30
    seconds: float = 30.0
    total_seconds: int = 3600
    children: int = 16


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Opening(_Message):
    """Which file a child opens, and what it may take for it."""

    path: Path
    name: str
    limits: Limits
    own: ChildLimits


class Question(_Message):
    """What a child is asked for: a method of a reader and its arguments."""

    call: Literal["read", "overview", "pieces"]
    indexes: tuple[int, ...]
    is_classes: bool
    seconds: float
    window: tuple[float, float, float, float] = (0, 0, 0, 0)
    width: int = 0
    height: int = 0


class Reply(_Message):
    """What a child says: a header, the form of what follows, or an error."""

    header: Header | None = None
    shape: (
        tuple[
            Annotated[int, Field(ge=1, le=2**31)],
            Annotated[int, Field(ge=1, le=2**31)],
            Annotated[int, Field(ge=1, le=2**31)],
        ]
        | None
    ) = None
    type: Literal["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8"] = "u1"
    is_whole: bool = False
    error: str | None = None
    text: str = ""


def prepare() -> None:
    """Import what a child needs, and start nothing; children are forked afterwards."""
    import pyproj  # noqa: F401
    import rasterio.crs
    import rasterio.enums
    import rasterio.io
    import rasterio.windows  # noqa: F401


def serve(link: socket.socket) -> None:
    """Open a file, then answer questions until the link is closed."""
    with contextlib.suppress(OSError, EOFError):  # the caller is gone
        opening = Opening.model_validate_json(_received(link))
        own = opening.own
        _limit_memory(own.memory_bytes)
        _limit_time(own.seconds, own)
        opened: list[Reader] = []
        _answer(link, lambda: _opened(opened, opening), own)
        while opened:
            question = Question.model_validate_json(_received(link))
            _limit_time(question.seconds, own)
            _answer(link, lambda q=question: _read(opened[0], q), own)  # type: ignore[misc]


def _opened(opened: list[Reader], opening: Opening) -> tuple[bytes, ...]:
    opened.append(Reader.open(opening.path, opening.name, opening.limits))
    return (Reply(header=opened[0].header).model_dump_json().encode(),)


def _read(reader: Reader, question: Question) -> tuple[bytes | memoryview, ...]:
    reader.is_classes = question.is_classes
    values, valid = _pixels(reader, question)
    values, is_whole = np.ascontiguousarray(values), bool(valid.all())
    reply = Reply.model_validate(
        {"shape": values.shape, "type": values.dtype.str[1:], "is_whole": is_whole}
    )
    arrays = [values] if is_whole else [values, np.ascontiguousarray(valid)]
    parts = (array.reshape(-1).view(np.uint8).data for array in arrays)
    return (reply.model_dump_json().encode(), *parts)


def _pixels(reader: Reader, question: Question) -> Pixels:
    if question.call == "overview":
        return reader.overview(question.indexes)
    if question.call == "pieces":
        return reader.pieces(question.indexes)
    size = question.width, question.height
    return reader.read(HBB(*question.window), *size, question.indexes)


def _answer(
    link: socket.socket,
    work: Callable[[], tuple[bytes | memoryview, ...]],
    own: ChildLimits,
) -> None:
    """Send what the work returns, or how it failed."""
    try:
        message, *parts = work()
    except RsvlmError as error:
        message, parts = _failure(type(error).__name__, str(error)), []
    except MemoryError:
        text = f"The image needs more than {own.memory_bytes / 2**20:.0f} MiB to decode"
        message, parts = _failure("ImageError", f"{text}. Give a smaller one."), []
    except Exception as error:  # noqa: BLE001 - decoders raise what they like
        text = f"The image cannot be decoded ({type(error).__name__}: {shown(error)}). "
        message, parts = _failure("ImageError", f"{text}Convert it to GeoTIFF."), []
    link.sendall(len(message).to_bytes(4, "little") + message)
    for part in parts:
        link.sendall(part)


def _failure(kind: str, text: str) -> bytes:
    return Reply(error=kind, text=shown(text, 500)).model_dump_json().encode()


def _received(link: socket.socket) -> bytes:
    def exactly(count: int) -> bytes:
        data = link.recv(count, socket.MSG_WAITALL)
        if len(data) < count:
            raise EOFError
        return data

    return exactly(int.from_bytes(exactly(4), "little"))


def _limit_memory(memory_bytes: int) -> None:
    """Limit memory where the system can (Linux), and forbid to write files."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    statm = Path("/proc/self/statm")
    if statm.exists():
        taken = int(statm.read_text().split()[0]) * resource.getpagesize()
        most = taken + memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _limit_time(seconds: float, own: ChildLimits) -> None:
    """Limit the processor time of what comes next."""
    # GDAL decodes with two threads.
    soft = math.ceil(time.process_time() + 2 * seconds) + 1
    hard = own.total_seconds
    resource.setrlimit(resource.RLIMIT_CPU, (min(soft, hard), hard))
