"""What one client may take of the server, and all of them together."""

from pydantic import BaseModel, ConfigDict, Field


class GateLimits(BaseModel):
    """Limits at the door of the server; each has a safe default.

    .. versionadded:: 0.2
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_running: int = Field(
        2, ge=1, le=1024, description="questions that are worked on at a time"
    )
    max_running_per_owner: int | None = Field(
        None, ge=1, le=1024, description="of them, questions of one key; by default all"
    )
    max_queue: int = Field(
        64, ge=0, le=100_000, description="questions that may wait; beyond it: 429"
    )
    requests_per_minute: int = Field(
        600, ge=1, description="requests of one key to /v1 over a while"
    )
    burst: int = Field(
        100, ge=1, description="requests of one key to /v1 at once, after a pause"
    )
    answer_seconds: float = Field(
        900.0, gt=0, description="longest that one question may be worked on"
    )
    start_seconds: float = Field(
        1800.0, gt=0, description="longest until an answer starts, waiting included"
    )
    max_body_bytes: int = Field(
        32 * 2**20, ge=1024, description="largest body of a request but for uploads"
    )
    max_held_bytes: int = Field(
        512 * 2**20, ge=1024, description="bodies of all requests, but for uploads"
    )
    body_seconds: float = Field(
        20.0, gt=0, description="patience with a client that sends its body slowly"
    )
    body_bytes_per_second: int = Field(
        16 * 2**10, ge=1, description="slowest sending that is waited for"
    )
    hosts: tuple[str, ...] = Field(
        (), description="names of this server beside localhost and IP addresses"
    )
    origins: tuple[str, ...] = Field(
        (), description="web pages that may call the API, as https://host[:port]"
    )
    grace_seconds: float = Field(
        30.0, ge=0, description="how long running work may go on after SIGTERM"
    )
