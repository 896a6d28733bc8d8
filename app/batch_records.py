"""Records of ``rsvlm batch``: questions in, answers out, one JSON object a line.

The file of answers is append-only. Every line is written by itself the moment it is
done, so that a kill loses at most the line it cuts, whose question is asked again.
"""

import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    ValidationError,
    field_validator,
    model_validator,
)

from rsvlm.answer import Answer
from rsvlm.errors import ParseError, SettingsError, UnknownNameError
from rsvlm.findings import ShapeKind

#: Id of a question; ``1`` and ``"1"`` count as the same.
Id = StrictStr | StrictInt
#: Faulty lines that are named at a time.
MOST_FAULTS = 5
#: Time between two calls that force lines to the disk, s. A kill loses no line that was
#: written; a power cut may lose those of this time.
SYNC_EVERY_S = 1.0
#: An id, as :meth:`BatchResult.to_line` writes it.
_ID = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+')


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BatchQuestion(_Record):
    """One question of a batch.

    .. versionadded:: 0.2
    """

    id: Id
    images: tuple[str, ...] = Field(
        min_length=1, description="paths, sample scenes, or addresses on allowed hosts"
    )
    question: str
    task: str = "auto"
    shape: ShapeKind | None = None
    sensor: Literal["auto", "optical", "sar", "multispectral"] = "auto"
    knowledge: str | None = Field(
        None, min_length=1, description='DIR or "none"; None: as the whole batch'
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, fields: Any) -> Any:
        """Take a null for a field that is absent: tables are written so."""
        if not isinstance(fields, dict):
            return fields
        return {name: value for name, value in fields.items() if value is not None}

    @field_validator("question")
    @classmethod
    def _says_something(cls, question: str) -> str:
        if not question.strip():
            raise ValueError("the question is empty")
        return question

    @field_validator("images")
    @classmethod
    def _are_named(cls, images: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() and "\0" not in name for name in images):
            raise ValueError("an image has no name")
        return images

    @field_validator("task")
    @classmethod
    def _is_known(cls, task: str) -> str:
        from rsvlm.tasks import get_task

        if task != "auto":
            try:
                get_task(task)
            except UnknownNameError as error:
                raise ValueError(str(error)) from None
        return task


class Failure(_Record):
    """Why there is no answer."""

    type: str = Field(description="kind of the error, such as ImageError")
    message: str


class BatchResult(_Record):
    """What became of one question: an answer or an error, never both."""

    id: Id
    status: Literal["ok", "error"]
    answer: Answer | None = None
    error: Failure | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.answer is not None, self.error is not None) != (
            self.status == "ok", self.status == "error",
        ):  # fmt: skip
            raise ValueError("status, answer and error do not belong together")
        return self

    def to_line(self) -> str:
        """Return the record as one line of JSON."""
        return self.model_dump_json(by_alias=True)


def read_questions(path: Path) -> list[BatchQuestion]:
    """Read a file of questions, all of it before any is asked.

    Args:
        path: JSONL file; empty lines are skipped.

    Raises:
        ParseError: If a line is no question or an id stands twice; names the lines.
        SettingsError: If there is no such file, or no question in it.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise SettingsError(
            f"{str(path)!r} cannot be read: {error.strerror}. Give a JSONL file with a "
            'line such as {"id": "1", "images": ["port.tif"], "question": "..."} each.'
        ) from None
    found: list[BatchQuestion] = []
    faults: list[str] = []
    lines_of: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            question = BatchQuestion.model_validate_json(line)
        except ValidationError as error:
            faults.append(f"line {number}: {_fault(error)}")
            continue
        earlier = lines_of.setdefault(str(question.id), number)
        if earlier != number:
            faults.append(
                f"line {number}: the id {question.id!r} stands in line {earlier} too"
            )
        found.append(question)
    if faults:
        more = len(faults) - MOST_FAULTS
        rest = f"; and {more} more" if more > 0 else ""
        raise ParseError(
            f"{path.name} cannot be asked: {'; '.join(faults[:MOST_FAULTS])}{rest}. "
            "Correct these lines; nothing was asked."
        )
    if not found:
        raise SettingsError(f"{str(path)!r} holds no question. Write one a line.")
    return found


def _fault(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("str", "int"))
    if first["type"] == "extra_forbidden":
        known = BatchQuestion.model_fields
        return str(UnknownNameError("field", where, known)).removesuffix(".")
    said = first["msg"].removeprefix("Value error, ").removesuffix(".")
    return f"{where}: {said}" if where else said


def _was_cut(line: bytes) -> bool:
    """Return whether a line can be the beginning of a record that a kill cut.

    Whatever else stands at the end of a file is not ours to remove: the file may be
    another one, whose name was given by mistake.
    """
    text = line.rstrip(b"\0")  # a power cut may leave zeros
    begin, then = b'{"id":', b',"status":"'
    rest = text[len(begin) :]
    if not rest:
        return begin.startswith(text) or not text.strip()
    if not text.startswith(begin):
        return False
    found = _ID.match(rest)
    if found is None:
        return rest.startswith(b'"') or rest == b"-"
    after = rest[found.end() :]
    if not (after.startswith(then) or then.startswith(after)):
        return False
    try:
        json.loads(line)
    except ValueError:
        return True
    return False  # a whole record of somebody else


class AnswerFile:
    """The answers of a batch, open for writing."""

    def __init__(self, path: Path) -> None:
        """Open a file, continuing an earlier one; a line that a kill cut is repaired.

        Raises:
            ParseError: If a line of it is no answer, nor the beginning of one.
        """
        self.path = path
        self._status: dict[str, str] = {}
        self._asked: dict[str, tuple[str, tuple[str, ...]]] = {}
        if path.is_file():
            self._read()
        self._file = path.open("ab")
        self._synced = time.monotonic()

    def _read(self) -> None:
        whole = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                cut = not line.endswith(b"\n")
                try:
                    self._know(BatchResult.model_validate_json(line))
                except ValidationError:
                    if cut and _was_cut(line):
                        break
                    if line.strip():
                        raise ParseError(
                            f"{self.path.name}, line {number} is no answer of rsvlm "
                            "batch. Take the line out, or name another file with --out."
                        ) from None
                whole += len(line) + cut
        if whole < self.path.stat().st_size:
            os.truncate(self.path, whole)
        elif whole > self.path.stat().st_size:  # only the end of the line is missing
            with self.path.open("ab") as file:
                file.write(b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def status(self, id: Id) -> str | None:
        """Return what became of a question; None where it was not asked."""
        return self._status.get(str(id))

    def check(self, questions: Sequence[BatchQuestion]) -> None:
        """Refuse to go on where an id now means another question.

        Raises:
            SettingsError: If an answer belongs to another question of the same id.
        """
        for question in questions:
            now = (question.question, question.images)
            text, images = self._asked.get(str(question.id), now)
            if (text, images) != now:
                raise SettingsError(
                    f"{self.path.name} holds the answer to another question of the id "
                    f"{question.id!r}: {text!r} about {', '.join(images)}. Name "
                    "another file with --out, or give the new question an id of its "
                    "own."
                )

    def add(self, result: BatchResult) -> None:
        """Append a result; it survives a kill of this process when this returns."""
        self._file.write(result.to_line().encode() + b"\n")
        self._file.flush()
        if time.monotonic() > self._synced + SYNC_EVERY_S:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()
        self._know(result)

    def _know(self, result: BatchResult) -> None:
        self._status[str(result.id)] = result.status
        if result.answer is not None:
            images = tuple(image.path for image in result.answer.images)
            self._asked[str(result.id)] = (result.answer.question, images)
