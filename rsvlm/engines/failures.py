"""What became of a request that failed: an error to show, and whether to try again."""

import email.utils
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rsvlm.engines.remote_settings import KEY_VARIABLE
from rsvlm.engines.wire import BrokenReplyError, clean
from rsvlm.errors import EngineEmptyError, EngineError, EngineTimeoutError

#: A server that asks to wait longer than this, in seconds, is not waited for.
LONGEST_WAIT = 60.0
#: Statuses that another try may not meet: timeouts, conflicts, too early, overload.
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed try.

    Attributes:
        error: What is shown when no try is left.
        again: Whether another try may do better.
        wait: Seconds that the server asks to wait, where it does.
    """

    error: EngineError
    again: bool = False
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """Whom a failure is about, in words for a message.

    Attributes:
        url: Address without settings.
        model: Name of the model.
        timeout: Seconds that a try may take.
        key: What must not be shown.
    """

    url: str
    model: str
    timeout: float
    key: str = ""

    def failure(self, error: Exception) -> Failure | None:
        """Judge an exception; None where it is none of a request.

        Args:
            error: What the client, or the reading of its reply, raised.
        """
        import openai

        kinds = _transport_kinds(error)
        if isinstance(error, openai.APITimeoutError) or "TimeoutException" in kinds:
            return Failure(self.too_late(), again=True)
        if isinstance(error, openai.APIStatusError):
            return self._refused(error)
        if isinstance(error, openai.APIConnectionError) or "HTTPError" in kinds:
            why = self._said(error.__cause__ or error)
            return Failure(
                EngineError(
                    f"The server {self.url} cannot be reached, or broke off ({why}). "
                    "Check that it runs and that the address is right."
                ),
                again=True,
            )
        if isinstance(error, openai.APIError):  # an error inside a stream
            passing = not str(error.code or "").startswith("4")
            return Failure(
                EngineError(
                    f"The server {self.url} broke off with an error: "
                    f"{self._said(error)}. Look into its log."
                ),
                again=passing,
            )
        if isinstance(
            error, (BrokenReplyError, json.JSONDecodeError, UnicodeDecodeError)
        ):
            return Failure(
                EngineError(
                    f"The reply of {self.url} is not that of an OpenAI-compatible "
                    f"server ({self._said(error)}). Check the address: it mostly ends "
                    "with /v1."
                ),
                again=True,
            )
        if isinstance(error, EngineError):
            again = isinstance(error, (EngineTimeoutError, EngineEmptyError))
            return Failure(error, again=again)
        return None

    def too_late(self) -> EngineTimeoutError:
        """Return the error of a reply that did not come in time."""
        return EngineTimeoutError(
            f"The model {self.model} did not answer within {self.timeout:g} s. Give it "
            "more time with URL?timeout=SECONDS#MODEL, or ask fewer questions at once."
        )

    def _refused(self, error: Any) -> Failure:
        status, said = error.status_code, self._said(error)
        wait = waiting_time(error.response.headers)
        if status in (401, 403):
            text = (
                f"The server {self.url} does not accept the key (status {status}: "
                f"{said}). Set the variable {KEY_VARIABLE} to one that it accepts."
            )
        elif status == 404:
            text = (
                f"The server {self.url} has no model {self.model!r}, or its address is "
                f"another one (status 404: {said}). Look at {self.url}/models; the "
                "address mostly ends with /v1."
            )
        elif status == 413:
            text = (
                f"The request is too large for the server {self.url} (status 413: "
                f"{said}). Send a smaller picture: URL?max_side=PIXELS#MODEL."
            )
        elif 300 <= status < 400:
            to = error.response.headers.get("location", "")
            text = (
                f"The server {self.url} has moved to {clean(to)[:200]!r} (status "
                f"{status}). Give that address if you trust it."
            )
        elif status == 429 or status >= 500:
            text = (
                f"The server {self.url} is overloaded or failing (status {status}: "
                f"{said}). Try again later, or ask fewer questions at once."
            )
        else:
            text = (
                f"The server {self.url} refuses the request (status {status}: {said}). "
                "Correct the setting that it names."
            )
        return Failure(EngineError(text), _passing(error, status, wait), wait)

    def _said(self, error: BaseException) -> str:
        """Return what an error says, in one short line and without the key."""
        body = getattr(error, "body", None)
        text = body.get("message") if isinstance(body, dict) else None
        text = text if isinstance(text, str) and text.strip() else str(error)
        if len(self.key) > 4:
            text = text.replace(self.key, "***")
        line = " ".join(clean(text).split()).rstrip(".")
        return line[:300] or type(error).__name__


def _transport_kinds(error: Exception) -> set[str]:
    """Return the classes of an error of the HTTP library under the client.

    The client names failures of a request by itself, but before version 3 it lets
    those in mid-stream pass; which library it uses depends on its version as well.
    """
    kinds = type(error).__mro__
    return {k.__name__ for k in kinds if k.__module__.split(".")[0].startswith("httpx")}


def _passing(error: Any, status: int, wait: float | None) -> bool:
    if wait is not None and wait > LONGEST_WAIT:
        return False
    told = error.response.headers.get("x-should-retry", "").lower()
    if told in ("true", "false"):
        return bool(told == "true")
    return status in PASSING and error.code != "insufficient_quota"


def waiting_time(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait, None where it does not.

    >>> waiting_time({"retry-after": "2"}), waiting_time({"retry-after-ms": "1500"})
    (2.0, 1.5)
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) / unit
        except ValueError:
            date = email.utils.parsedate_tz(value)
            if date is None:
                continue
            seconds = email.utils.mktime_tz(date) - time.time()
        if math.isfinite(seconds):
            return max(seconds, 0.0)
    return None
