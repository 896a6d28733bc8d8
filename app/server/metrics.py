"""Figures of the server for Prometheus, and the probes of whoever supervises it."""

from collections.abc import Callable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from rsvlm.app.server.admission import Admission
from rsvlm.app.server.errors import ApiError

_SECONDS = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900)
#: Statuses with which a request is turned away before any work is done for it.
_REFUSED = frozenset({401, 403, 408, 413, 421, 429})
_STARTING_RETRY = 5  # seconds


class Metrics:
    """Counts what the server does; one registry an application.

    .. versionadded:: 0.2
    """

    def __init__(self) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "rsvlm_requests", "Requests by route and status",
            ("method", "route", "status"), registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "rsvlm_request_seconds", "Time from a request to the end of its answer",
            ("route",), buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._refused = Counter(
            "rsvlm_refused_requests", "Requests turned away at the gate",
            ("status",), registry=self.registry,
        )  # fmt: skip
        self._tokens = Counter(
            "rsvlm_tokens", "Tokens that models read and wrote",
            ("kind",), registry=self.registry,
        )  # fmt: skip
        self._uploads = Counter(
            "rsvlm_uploads", "Files that were uploaded", registry=self.registry
        )
        self._upload_bytes = Counter(
            "rsvlm_upload_bytes", "Bytes of files that were uploaded",
            registry=self.registry,
        )  # fmt: skip

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: HTTP method; one of a few.
            route: Pattern of the route, never an address.
            status: HTTP status of the answer, 499 if the client went away.
            seconds: Time until its end.
        """
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        if status in _REFUSED:
            self._refused.labels(str(status)).inc()

    def tokens(self, prompt: int, completion: int) -> None:
        """Count tokens of one answer."""
        self._tokens.labels("prompt").inc(prompt)
        self._tokens.labels("completion").inc(completion)

    def upload(self, size: int) -> None:
        """Count an uploaded file of so many bytes."""
        self._uploads.inc()
        self._upload_bytes.inc(size)

    def watch(self, admission: Admission) -> None:
        """Show the queue."""
        for name, words, value in (
            (
                "rsvlm_running",
                "Questions that are worked on",
                lambda: admission.running,
            ),
            ("rsvlm_queued", "Questions that wait", lambda: admission.queued),
        ):
            Gauge(name, words, registry=self.registry).set_function(value)
        self.registry.register(_Turned(admission))


class _Turned(Collector):
    """Questions that the queue turned away."""

    def __init__(self, admission: Admission) -> None:
        self.admission = admission

    def collect(self) -> list[CounterMetricFamily]:
        """Return the counter as it stands."""
        words = "Questions that the queue turned away"
        family = CounterMetricFamily(
            "rsvlm_refused_questions", words, labels=["reason"]
        )
        for reason, count in self.admission.refused.items():
            family.add_metric([reason], count)
        return [family]


def probes(
    admission: Admission, metrics: Metrics, ready: Callable[[], bool]
) -> APIRouter:
    """Return the routes ``/health``, ``/ready`` and ``/metrics``.

    Args:
        admission: Its queue is shown; the server is not ready while it drains.
        metrics: What is shown.
        ready: Whether the engine can answer.

    .. versionadded:: 0.2
    """
    metrics.watch(admission)
    router = APIRouter(tags=["operation"])

    @router.get("/health")
    async def health() -> dict[str, str]:
        """Say that the process lives."""
        return {"status": "ok"}

    @router.get("/ready")
    async def readiness() -> JSONResponse:
        """Say whether to send questions here; 503 if not."""
        if admission.draining:
            message, code = "The server is stopping.", "stopping"
        elif not ready():
            message, code = "The engine is not ready.", "starting"
        else:
            return JSONResponse({"status": "ready"})
        error = ApiError(503, message, code=code, retry_after=_STARTING_RETRY)
        return error.response()

    @router.get("/metrics")
    async def figures() -> Response:
        """Return figures in Prometheus' text format."""
        text = generate_latest(metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return router
