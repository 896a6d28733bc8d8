"""Routes of ``/v1/batches``: many requests in one file, answered in the background.

They follow OpenAI's Batch API, so that ``client.batches`` of its official client works:
upload a JSONL file with the purpose ``batch``, create a batch, fetch its output file.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from rsvlm.app.server.batch_jobs import Batches
from rsvlm.app.server.batch_store import Batch
from rsvlm.app.server.keys import owner

__all__ = ["Batches", "router"]

Owner = Annotated[str, Depends(owner)]


class BatchRequest(BaseModel):
    """Body of ``POST /v1/batches``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    input_file_id: str = Field(max_length=256)
    endpoint: Literal["/v1/chat/completions"]
    completion_window: Literal["24h"]
    metadata: (
        dict[
            Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]
        ]
        | None
    ) = Field(None, max_length=16)


class BatchList(BaseModel):
    """Batches, newest first."""

    object: Literal["list"] = "list"
    data: tuple[Batch, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


def router(batches: Batches) -> APIRouter:
    """Return the routes.

    .. versionadded:: 0.2
    """
    routes = APIRouter(prefix="/v1/batches", tags=["batches"])

    @routes.post("")
    async def create(body: BatchRequest, owner: Owner) -> Batch:
        """Begin a batch of requests."""
        return await batches.create(
            owner, body.input_file_id, body.endpoint, body.metadata
        )

    @routes.get("")
    async def listed(
        owner: Owner,
        after: Annotated[str | None, Query(max_length=256)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> BatchList:
        """List batches, newest first."""
        found = batches.newest(owner, after, limit + 1)
        shown = tuple(found[:limit])
        ends: dict[str, Any] = {"first_id": None, "last_id": None}
        if shown:
            ends = {"first_id": shown[0].id, "last_id": shown[-1].id}
        return BatchList(data=shown, has_more=len(found) > limit, **ends)

    @routes.get("/{id}")
    async def get(id: str, owner: Owner) -> Batch:
        """Say how far a batch is."""
        return batches.get(owner, id)

    @routes.post("/{id}/cancel")
    async def cancel(id: str, owner: Owner) -> Batch:
        """Stop a batch; what is answered is kept."""
        return await batches.cancel(owner, id)

    return routes
