"""``GET /v1/models``: the models that answer, and what they can do."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from rsvlm.app.server.chat import served
from rsvlm.app.server.keys import owner as owner_of
from rsvlm.app.server.service import Service
from rsvlm.tasks import TASKS


def router(service: Service) -> APIRouter:
    """Return the routes of models."""
    routes = APIRouter(tags=["models"], dependencies=[Depends(owner_of)])
    since = int(time.time())

    @routes.get("/v1/models", summary="List the models")
    async def every() -> dict[str, Any]:
        listed = [described(service, name, since) for name in service.assistants]
        return {"object": "list", "data": listed}

    @routes.get("/v1/models/{name:path}", summary="Describe a model")
    async def one(name: Annotated[str, "name of the model"]) -> dict[str, Any]:
        return described(service, served(service, name), since)

    return routes


def described(service: Service, name: str, since: int) -> dict[str, Any]:
    """Return a model in OpenAI's form; the field ``rsvlm`` says what it can do.

    Args:
        service: What answers.
        name: Name of a served model.
        since: When it was loaded, Unix time in s.
    """
    assistant = service.assistants[name]
    engine = assistant.engine
    able = engine.capabilities
    return {
        "id": name,
        "object": "model",
        "created": since,
        "owned_by": "rsvlm",
        "rsvlm": {
            "name": engine.name,
            "engine": engine.kind,
            "revision": service.revisions[name],
            "tasks": list(TASKS),
            "sensors": sorted(able.sensors),
            "max_images": able.max_images,
            "zoom": ["auto", "none", *sorted(assistant.zooms)],
            "finds": list(assistant.finder.labels) if assistant.finder else [],
            "knowledge": assistant.retriever is not None,
            "embeddings": hasattr(assistant.scenes, "encode_text"),
        },
    }
