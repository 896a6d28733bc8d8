"""Errors of the HTTP server: OpenAI's error body for all of them, and no secrets in any.

A client sees what it did wrong, or that it may try again. What went wrong in here is
logged under the id of the request, as places in our code: no path of this machine, no
key and no word of a question leaves in an answer or a log line.
"""

import logging
import re
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from rsvlm.errors import (
    EngineError,
    EngineRefusedError,
    ImageError,
    ParseError,
    RsvlmError,
    SettingsError,
    UnknownNameError,
)

_LOG = logging.getLogger("rsvlm.server")

#: Seconds after which a request that met a broken engine may be tried again.
ENGINE_RETRY = 5
#: What the client did wrong; the message says what.
_OF_THE_CLIENT = (ImageError, ParseError, SettingsError, UnknownNameError)
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
#: Characters of a message: it may quote what it was sent, which may be a picture.
_LONGEST = 1000
_WORDS = {
    404: "There is nothing at this address. The routes are listed at /openapi.json.",
    405: "This address does not take this method. See /openapi.json.",
}
#: An absolute path of two names or more; the address of a URL is none.
_PATH = re.compile(
    r"(?<![\w:/.-])(?:[A-Za-z]:[\\/]|/(?!v1/)|~/|\\\\)"  # our routes may be named
    r"(?:[^\s'\"`<>|:;,()\[\]\\/]+[\\/])+([^\s'\"`<>|:;,()\[\]\\/]*)"
)
#: The form of our own keys, and whatever follows the word of an authorization header.
_KEY = re.compile(r"rsvlm-[\w-]{16,}|(?i:\b(?:bearer|basic)\s+[\w+/=.~-]{8,})")


class ApiError(HTTPException):
    """An answer that says why there is none.

    It is an ``HTTPException`` because FastAPI turns any other error that appears while
    a body is read into a status of its own.

    Attributes:
        status: HTTP status.
        message: What was wrong, with the value, and what to do next.
        type: OpenAI's class of error.
        code: What programs may decide by.
        param: The field at fault.
        retry_after: Seconds after which the same request may succeed; None if it
            never will.

    .. versionadded:: 0.2
    """

    def __init__(
        self,
        status: int,
        message: str,
        type: str = "",
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.status, self.message, self.code = status, public(message), code
        self.param, self.retry_after = param, retry_after
        kind = "server_error" if status >= 500 else "invalid_request_error"
        self.type = type or _TYPES.get(status, kind)
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        if retry_after is None and (status >= 500 or status == 408):
            headers["x-should-retry"] = "false"  # the openai client retries 408 and 5xx
        super().__init__(status, self.message, headers)

    def body(self) -> dict[str, Any]:
        """Return OpenAI's error object."""
        fields = {"message": self.message, "type": self.type}
        return {"error": {**fields, "param": self.param, "code": self.code}}

    def response(self, extra: Mapping[str, str] | None = None) -> JSONResponse:
        """Return the whole answer.

        Args:
            extra: More headers.
        """
        headers = {**(self.headers or {}), **(extra or {})}
        return JSONResponse(self.body(), self.status, headers)


def public(message: str) -> str:
    """Return a message without the paths of this machine and without keys.

    >>> public("'/srv/files/ab12/port.tif' cannot be opened.")
    "'port.tif' cannot be opened."
    """
    message = _KEY.sub("[key]", " ".join(message[:_LONGEST].split()))
    return _PATH.sub(lambda match: match[1] or "[folder]", message)


def as_api_error(error: BaseException) -> ApiError:
    """Return what a client is told of an error.

    .. versionadded:: 0.2
    """
    if isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        return as_api_error(error.exceptions[0])
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ClientDisconnect):
        return ApiError(499, "The client went away.", code="gone")
    if isinstance(error, HTTPException):
        words = _WORDS.get(error.status_code, str(error.detail))
        named = ApiError(error.status_code, words, code=_code(error.status_code))
        named.headers = {**(named.headers or {}), **(error.headers or {})}
        return named
    if isinstance(error, RequestValidationError):
        return _invalid(error.errors(), skip=1)
    if isinstance(error, EngineRefusedError):
        message = "The model refused this request. Ask in another way."
        return ApiError(400, message, code="content_filter")
    if isinstance(error, EngineError):
        # The message may name the address of the engine: it is for the log.
        message = "The engine gave no answer. Send the same request again."
        return ApiError(503, message, code="engine_error", retry_after=ENGINE_RETRY)
    if isinstance(error, _OF_THE_CLIENT):
        return ApiError(400, str(error), code=_snake(type(error).__name__))
    if type(error).__name__ == "StoppedError" and isinstance(error, RsvlmError):
        return ApiError(499, "The request was stopped.", code="stopped")
    message = "The server failed to answer. Tell its operator the x-request-id."
    return ApiError(500, message, code="internal_error")


def _invalid(faults: Any, skip: int) -> ApiError:
    """Name the first field at fault; the value may be a picture, so it is not shown."""
    fault = faults[0] if faults else {"loc": (), "msg": "it cannot be read"}
    place = ".".join(str(part) for part in fault["loc"][skip:])
    reason = str(fault["msg"]).removeprefix("Value error, ").rstrip(".")[:300]
    where = f"The field {place!r} is wrong" if place else "The request is wrong"
    more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
    return ApiError(
        400, f"{where}: {reason}{more}. See /openapi.json.",
        code="invalid_value", param=place or None,
    )  # fmt: skip


def _code(status: int) -> str:
    known = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
    return known.get(status, f"status_{status}")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def places(error: BaseException) -> str:
    """Return where an error came from, as modules and lines without folders.

    The message of the error is left out: it may quote a path or a question.
    """
    parts = [type(error).__name__]
    trace = error.__traceback__
    frames = []
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "?")
        frames.append(f"{name}:{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " < ".join(parts + frames[::-1][:12])


def report(error: BaseException, request_id: str) -> ApiError:
    """Log an error that is not the client's, and return what the client is told."""
    answer = as_api_error(error)
    if answer.status >= 500 and not isinstance(error, ApiError):
        cause = error.__cause__ or error.__context__
        line = places(error) + (f" from {places(cause)}" if cause else "")
        _LOG.error("request=%s failed: %s", request_id, line)
    return answer


def install_errors(app: FastAPI) -> None:
    """Answer every error of an application in OpenAI's form.

    Errors that nobody expected are answered by the outermost middleware, see
    :func:`rsvlm.app.server.middleware.install_gate`: Starlette would raise them again
    after its answer, and the traceback would end up in the log.

    .. versionadded:: 0.2
    """

    async def answer(request: Request, error: Exception) -> JSONResponse:
        request_id = getattr(request.state, "request_id", "-")
        return report(error, request_id).response()

    for kind in (HTTPException, RequestValidationError, RsvlmError):
        app.add_exception_handler(kind, answer)
