"""Records of an evaluation: ``rsvlm.prediction/1`` and ``rsvlm.score/1``.

One JSON object a line. A prediction holds what a model said and what was read from it;
a score holds what one protocol makes of it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rsvlm.errors import ParseError
from rsvlm.samples import MaskRle

Status = Literal["ok", "empty", "error", "timeout", "refused", "truncated"]
#: Statuses of a reply that can be scored; the others count as failures.
SCORED: frozenset[Status] = frozenset({"ok", "truncated"})


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Box(_Record):
    """A predicted box in raster pixels of the original image."""

    points: tuple[tuple[float, float], ...] = Field(
        description="two corners of a horizontal box, or the four of a turned one"
    )
    label: str = ""
    score: float = 1.0


class Usage(_Record):
    """Tokens that a reply cost."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class Prediction(_Record):
    """What a model answered to one sample."""

    schema_: Literal["rsvlm.prediction/1"] = Field("rsvlm.prediction/1", alias="schema")
    id: str
    raw: str = Field("", description="the model's own text")
    status: Status = "ok"
    error: str | None = None
    parsed: str | None = Field(
        None, description="the answer read from the text; None: nothing was read"
    )
    parser: str | None = None
    coord_space: str | None = Field(
        None, description="space that boxes of the text were read in"
    )
    boxes: tuple[Box, ...] = ()
    mask: MaskRle | None = None
    confidence: float | None = Field(None, ge=0, le=1)
    abstained: bool = False
    usage: Usage | None = None
    latency_s: float | None = None
    images_sent: tuple[dict[str, Any], ...] = ()
    request_sha256: str | None = None
    shard: str | None = None
    attempt: int = 1
    logprob: float | None = None
    trace: tuple[dict[str, Any], ...] = ()
    meta: dict[str, Any] = Field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """Whether there is a reply that can be scored."""
        return self.status in SCORED


class ScoreRow(_Record):
    """What one protocol makes of one prediction."""

    schema_: Literal["rsvlm.score/1"] = Field("rsvlm.score/1", alias="schema")
    id: str
    protocol: str
    score: float = Field(description="0 to 1; captions may be above")
    details: dict[str, Any] = Field(default_factory=dict)
    parse_ok: bool = True
    group: dict[str, str] = Field(default_factory=dict)
    cluster: str | None = Field(None, description="image; None where it is not known")


Kind = TypeVar("Kind", bound=_Record)


def read_records(path: Path, kind: type[Kind]) -> Iterator[Kind]:
    """Yield the records of a JSONL file.

    A last line that a kill has cut is left out; any other fault is an error.

    Raises:
        ParseError: If a line is not valid; names file, line and field.
    """
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    whole = text.endswith("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield kind.model_validate_json(line)
        except ValidationError as error:
            if number == len(lines) and not whole:
                return
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the line"
            raise ParseError(
                f"{path.name}, line {number}: {where}: {first['msg']}. "
                "Correct the line, or run the evaluation again."
            ) from None


Document = TypeVar("Document", bound=BaseModel)


def read_document(path: Path, kind: type[Document]) -> Document:
    """Read one of the JSON files that a run leaves behind.

    Raises:
        ParseError: If it is missing or not valid; names the field.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError:
        raise ParseError(
            f"{path} is missing. Give the folder of a run of rsvlm eval run."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ParseError(
            f"{path}: {where}: {first['msg']}. Run the evaluation again with --fresh."
        ) from None


def to_line(record: _Record) -> str:
    """Return a record as one line of JSON, without fields that hold their default."""
    fields = record.model_dump_json(by_alias=True, exclude_defaults=True)
    schema = record.model_dump(include={"schema_"})["schema_"]
    inner = fields[1:-1]
    return f'{{"schema":"{schema}"' + (f",{inner}" if inner else "") + "}"
