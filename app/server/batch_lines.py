"""Lines of batch files: requests that come in, results that go out.

Source:
    OpenAI's Batch API: ``{"custom_id", "method", "url", "body"}`` in,
    ``{"id", "custom_id", "response", "error"}`` out.
"""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rsvlm.app.server.batch_settings import BatchLimits
from rsvlm.app.server.batch_store import BatchFault, BatchLine
from rsvlm.app.server.errors import ApiError

#: The address that requests of a batch may name.
ENDPOINT = "/v1/chat/completions"
#: Faults of a file that are listed.
MOST_FAULTS = 20


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    custom_id: str = Field(min_length=1, max_length=512)
    method: Literal["POST"]
    url: Literal["/v1/chat/completions"]
    body: dict[str, Any]


class FaultyFileError(Exception):
    """Raised for a file that holds something else than requests."""

    def __init__(self, faults: list[BatchFault]) -> None:
        self.faults = tuple(faults[:MOST_FAULTS])
        super().__init__(f"{len(faults)} faults")


def read_lines(path: Path, limits: BatchLimits) -> Iterator[BatchLine]:
    """Yield the requests of a file; whoever takes them all knows that all are good.

    Raises:
        FaultyFileError: If a line is none, or an id stands twice; after the last line.
    """
    faults: list[BatchFault] = []
    lines_of: dict[str, int] = {}
    size = 0
    with path.open("rb") as file:
        number = 0
        while line := file.readline(limits.max_line_bytes + 1):
            number += 1
            if len(line) > limits.max_line_bytes:
                text = f"The line is longer than {limits.max_line_bytes} bytes."
                faults.append(BatchFault(code="too_long", message=text, line=number))
                break  # what follows is the rest of it
            if not line.strip():
                continue
            if len(lines_of) >= limits.max_requests:
                text = f"There are more than {limits.max_requests} requests."
                faults.append(BatchFault(code="too_many", message=text, line=number))
                break
            try:
                request = _Request.model_validate_json(line)
            except ValidationError as error:
                faults.append(_fault(error, number))
                if len(faults) > MOST_FAULTS:
                    break
                continue
            earlier = lines_of.setdefault(request.custom_id, number)
            if earlier != number:
                text = f"The custom_id stands in line {earlier} too."
                faults.append(
                    BatchFault(
                        code="duplicate_custom_id", message=text, line=number,
                        param="custom_id",
                    )
                )  # fmt: skip
            body = json.dumps(request.body).encode()
            size += len(body)
            if size > limits.max_bytes:
                text = (
                    f"The bodies up to here take more than {limits.max_bytes} bytes. "
                    "Make several batches of them, and upload images once: /v1/files."
                )
                faults.append(BatchFault(code="too_large", message=text, line=number))
                break
            yield BatchLine(number, request.custom_id, body)
    if not lines_of and not faults:
        faults.append(BatchFault(code="empty_file", message="There is no request."))
    if faults:
        raise FaultyFileError(faults)


def _fault(error: ValidationError, line: int) -> BatchFault:
    """Name the first field at fault; the value may be a picture: it is not shown."""
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    code = "invalid_json" if first["type"] == "json_invalid" else "invalid_request"
    text = f"{where}: {first['msg']}" if where else first["msg"]
    return BatchFault(code=code, message=text[:300], line=line, param=where or None)


def answered(custom_id: str, status: int, body: dict[str, Any]) -> str:
    """Return the line of a request that has an answer, good or bad."""
    id = uuid.uuid4().hex
    response = {"status_code": status, "request_id": f"req_{id}", "body": body}
    return _line(id, custom_id, response, None)


def refused(custom_id: str, error: ApiError) -> str:
    """Return the line of a request that was answered with an error."""
    return answered(custom_id, error.status, error.body())


def expired(custom_id: str) -> str:
    """Return the line of a request whose time was over before it was asked."""
    message = "The time of the batch was over before this request was answered."
    error = {"code": "batch_expired", "message": message}
    return _line(uuid.uuid4().hex, custom_id, None, error)


def full(custom_id: str, most: int) -> str:
    """Return the line of a request that was not asked: the results are too many."""
    message = (
        f"The results of the batch take {most} bytes, which is the limit, before this "
        "request was asked. Ask it in another batch."
    )
    error = {"code": "batch_too_large", "message": message}
    return _line(uuid.uuid4().hex, custom_id, None, error)


def _line(id: str, custom_id: str, response: dict[str, Any] | None, error: Any) -> str:
    record = {
        "id": f"batch_req_{id}",
        "custom_id": custom_id,
        "response": response,
        "error": error,
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))
