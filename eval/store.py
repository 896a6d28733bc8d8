"""Append-only file of predictions: what is in it is never asked again.

Every prediction is one line, written and flushed by itself, so that a kill loses at
most the line it cuts. A later line of the same id replaces an earlier one: that is how
a failure is asked again.
"""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from rsvlm.eval.records import Prediction, Status, read_records, to_line

#: Statuses that a resumed run asks again: nothing was learnt about the model.
RETRIED: frozenset[Status] = frozenset({"error", "timeout", "empty"})


class PredictionStore:
    """The predictions of one benchmark, open for writing."""

    def __init__(self, path: Path) -> None:
        """Open a file, continuing an earlier one.

        Raises:
            ParseError: If a whole line of it is no prediction.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            _drop_cut_line(path)
        self._known = read_predictions(path)
        self._file: IO[str] = path.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def known(self) -> Mapping[str, Prediction]:
        """Id -> its latest prediction."""
        return self._known

    def is_done(self, id: str) -> bool:
        """Whether a sample needs no (further) question."""
        found = self._known.get(id)
        return found is not None and found.status not in RETRIED

    def attempts(self, id: str) -> int:
        """Return how many times a sample was asked."""
        found = self._known.get(id)
        return found.attempt if found else 0

    def add(self, prediction: Prediction) -> None:
        """Append a prediction; it is on its way to the disk when this returns."""
        self._file.write(to_line(prediction) + "\n")
        self._file.flush()
        self._known[prediction.id] = prediction


def read_predictions(path: Path) -> dict[str, Prediction]:
    """Return id -> latest prediction; nothing where there is no file.

    Raises:
        ParseError: If a line is not valid; names file, line and field.
    """
    if not path.is_file():
        return {}
    return {record.id: record for record in read_records(path, Prediction)}


def _drop_cut_line(path: Path) -> None:
    """Remove a last line without its end, which a new line would run into."""
    with path.open("rb+") as file:
        size = file.seek(0, 2)
        position = size
        while position > 0:
            start = max(position - 65536, 0)
            file.seek(start)
            newline = file.read(position - start).rfind(b"\n")
            if newline >= 0:
                position = start + newline + 1
                break
            position = start
        if position < size:
            file.truncate(position)
