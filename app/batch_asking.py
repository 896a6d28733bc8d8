"""Asks the questions of a batch: each becomes an answer or an error, none stops the rest.

Questions of the same images stand together, so that a raster is opened once and the
pictures that a model encoded serve all of them.
"""

import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rsvlm.app.batch_records import BatchQuestion, BatchResult, Failure
from rsvlm.app.samples import image_path
from rsvlm.app.server.recorded import Sampling, recorded
from rsvlm.app.server.turns import Turns
from rsvlm.assistant import Assistant
from rsvlm.errors import RsvlmError
from rsvlm.knowing import Knowledge
from rsvlm.messages import Generation
from rsvlm.ranges import Web, is_address
from rsvlm.raster import Raster

#: Rasters that stay open although no question is asked about them just now.
KEPT_RASTERS = 4
_ANY = 2**16


def grouped(questions: Sequence[BatchQuestion]) -> list[BatchQuestion]:
    """Return the questions with those of the same images side by side.

    Images come in the order in which they were first asked about, the questions of one
    in their own order.
    """
    first: dict[tuple[str, ...], int] = {}
    for number, question in enumerate(questions):
        first.setdefault(question.images[:1], number)
        first.setdefault(question.images, number)
    return sorted(questions, key=lambda q: (first[q.images[:1]], first[q.images]))


class Pace:
    """Lets a number of questions begin each second, and no more."""

    def __init__(self, rate: float | None) -> None:
        """Set the pace.

        Args:
            rate: Questions a second; None: any number.
        """
        self._step_s = 1 / rate if rate else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Wait until the next question may begin."""
        with self._lock:
            begin = max(self._next, time.monotonic())
            self._next = begin + self._step_s
        time.sleep(max(begin - time.monotonic(), 0.0))


@dataclass
class _Entry:
    users: int = 0
    raster: Raster | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class OpenRasters:
    """Rasters that the questions of several threads share, each opened once."""

    def __init__(self, kept: int = KEPT_RASTERS, web: Web | None = None) -> None:
        self._kept, self._web = kept, web
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def borrow(self, path: str, sensor: str) -> Iterator[Raster]:
        """Give an opened raster; it stays open as long as anyone has it.

        Raises:
            ImageError: If it cannot be opened.
        """
        with self._lock:
            entry = self._entries.setdefault((path, sensor), _Entry())
            self._entries.move_to_end((path, sensor))
            entry.users += 1
        try:
            with entry.lock:
                if entry.raster is None:
                    entry.raster = Raster.open(path, sensor, web=self._web)
            yield entry.raster
        finally:
            with self._lock:
                entry.users -= 1
            self._close_idle(self._kept)

    def close(self) -> None:
        """Close what nobody uses."""
        self._close_idle(0)

    def _close_idle(self, kept: int) -> None:
        with self._lock:
            idle = [key for key, entry in self._entries.items() if not entry.users]
            dropped = [self._entries.pop(k) for k in idle[: max(len(idle) - kept, 0)]]
        for entry in dropped:
            if entry.raster is not None:
                entry.raster.close()


class BatchAsker:
    """Asks an assistant; several threads may do so at once if its engine can."""

    def __init__(
        self,
        assistant: Assistant,
        base: Path,
        pace: Pace | None = None,
        hosts: Collection[str] = (),
    ) -> None:
        """Prepare.

        Args:
            assistant: Who is asked; its own knowledge serves questions that name none.
            base: Folder that paths of questions start from.
            pace: When a question may begin.
            hosts: Hosts that images may be read from.
        """
        self._assistant = assistant
        self._base = base
        self._pace = pace or Pace(None)
        self._rasters = OpenRasters(web=Web.of(hosts))
        # Parts of a model in this process compute for one question at a time.
        here = assistant.finder is not None or assistant.scenes is not None
        self._turns = Turns(1 if here else _ANY)
        self._retrievers: dict[str, Knowledge] = {}
        self._lock = threading.Lock()

    def ask(self, question: BatchQuestion) -> BatchResult:
        """Return what became of a question; nothing but an interrupt is raised."""
        self._pace.wait()
        try:
            with ExitStack() as stack:
                rasters = [
                    stack.enter_context(
                        self._rasters.borrow(self._resolve(name), question.sensor)
                    )
                    for name in question.images
                ]
                asked, _ = recorded(
                    self._informed(question.knowledge), Sampling(), self._elsewhere
                )
                with self._turns.taken():
                    answer = asked.ask(
                        rasters, question.question, question.task, shape=question.shape
                    )
        except RsvlmError as error:
            said = " ".join(str(error).split())
            failure = Failure(type=type(error).__name__, message=said)
            return BatchResult(id=question.id, status="error", error=failure)
        except Exception as error:  # noqa: BLE001 - one bad file must not end the batch
            return BatchResult(id=question.id, status="error", error=_bug(error))
        # As the user wrote them: the same on every machine.
        images = tuple(
            image.model_copy(update={"path": question.images[image.id]})
            for image in answer.images
        )
        answer = answer.model_copy(update={"images": images})
        return BatchResult(id=question.id, status="ok", answer=answer)

    def close(self) -> None:
        """Close the rasters."""
        self._rasters.close()

    def _elsewhere(self, call: Callable[[], Generation]) -> Generation:
        """Ask a server; others compute meanwhile."""
        self._turns.give()
        try:
            return call()
        finally:
            self._turns.take()

    def _resolve(self, name: str) -> str:
        if is_address(name):
            return name
        path = self._base / name
        if path.exists():
            return str(path)
        found = image_path(name)
        return str(path) if found == name else found

    def _informed(self, knowledge: str | None) -> Assistant:
        """Return the assistant with the knowledge that a question names."""
        if knowledge is None:
            return self._assistant
        if knowledge == "none":
            return replace(self._assistant, retriever=None)
        with self._lock:
            if knowledge not in self._retrievers:
                opened = _opened(self._base / knowledge, self._assistant)
                self._retrievers[knowledge] = opened
        return replace(self._assistant, retriever=self._retrievers[knowledge])


def _opened(folder: Path, assistant: Assistant) -> Knowledge:
    """Open a knowledge base with the encoders that an assistant has."""
    from rsvlm.retrieval.wiring import open_retriever

    if assistant.scenes is None:
        return open_retriever(folder)
    from rsvlm.models.aligned import AlignedEncoder

    scenes = assistant.scenes
    shared = scenes if isinstance(scenes, AlignedEncoder) else None
    return open_retriever(folder, embedder=shared)


def _bug(error: Exception) -> Failure:
    """Return what is kept of an error that is ours."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(frame.filename).name}:{frame.lineno}"
    said = " ".join(str(error).split())
    return Failure(
        type=type(error).__name__,
        message=f"{said} (in {where}; this is a bug of rsvlm, please report it)",
    )
