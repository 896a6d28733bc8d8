"""What batches may take of the server."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field


class BatchLimits(BaseModel):
    """Limits of ``/v1/batches``; each has a safe default.

    .. versionadded:: 0.2
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_running: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="requests of batches worked on at a time; by default half of what "
        "the server takes, which leaves room for people",
    )
    requests_per_minute: int | None = Field(
        None, ge=1, description="requests that batches begin a minute, all together"
    )
    tries: int = Field(
        8, ge=1, le=100, description="tries of a request while the engine is not well"
    )
    max_requests: int = Field(50_000, ge=1, description="requests of a batch")
    max_line_bytes: int = Field(
        32 * 2**20, ge=1024, description="longest line of a file of requests"
    )
    max_bytes: int = Field(
        2**30,
        ge=1024,
        description="bytes of the bodies of a batch, and again of its results",
    )
    max_active: int = Field(
        8, ge=1, description="batches of one key that are not finished"
    )
    keep_days: float = Field(
        30, gt=0, description="how long a finished batch can be asked for"
    )

    def within(self, slots: int) -> Self:
        """Return the limits of a server that works on a number of questions at a time.

        >>> BatchLimits().within(32).max_running
        16
        """
        return self.model_copy(
            update={"max_running": self.max_running or max(1, slots // 2)}
        )
