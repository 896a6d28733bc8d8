"""``POST /v1/embeddings``: texts and images as unit vectors of one space.

The inner product of two vectors says how well they fit, whether they come from words,
an optical or a radar image.
"""

import asyncio
import base64
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, field_validator

from rsvlm.app.server.chat import served, unless_gone
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.keys import owner as owner_of
from rsvlm.app.server.schemas import FilePart, ImagePart, Text, TextPart
from rsvlm.app.server.service import Service
from rsvlm.embedding import Vectors, unit

#: Most texts and images of a request.
MOST_INPUTS = 256

Part = Annotated[TextPart | ImagePart | FilePart, Field(discriminator="type")]


class EmbeddingOptions(BaseModel):
    """The field ``rsvlm`` of a request for embeddings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sensor: Literal["auto", "optical", "sar", "multispectral"] = Field(
        "auto", description="what the images were taken with"
    )


class EmbeddingRequest(BaseModel):
    """Body of ``POST /v1/embeddings``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str | None = Field(None, max_length=256)
    input: (
        Text
        | Part
        | Annotated[
            tuple[Text | Part, ...], Field(min_length=1, max_length=MOST_INPUTS)
        ]
    ) = Field(description="texts and parts of type image_url; one vector each")
    dimensions: int | None = Field(
        None, ge=1, description="length of a vector; at most that of the model"
    )
    encoding_format: Literal["float", "base64"] = "float"
    rsvlm: EmbeddingOptions = EmbeddingOptions()

    @field_validator("input", mode="before")
    @classmethod
    def _no_tokens(cls, value: Any) -> Any:
        first = value[0] if isinstance(value, list) and value else None
        if isinstance(first, (int, list)):
            raise ValueError(  # noqa: TRY004 - what pydantic takes for a fault
                "tokens of another model mean nothing here; send texts (in LangChain: "
                "OpenAIEmbeddings(check_embedding_ctx_length=False))"
            )
        return value

    @property
    def items(self) -> tuple[str | TextPart | ImagePart | FilePart, ...]:
        """The texts and images, in order."""
        return self.input if isinstance(self.input, tuple) else (self.input,)


def router(service: Service) -> APIRouter:
    """Return the route of embeddings."""
    routes = APIRouter(tags=["embeddings"])

    @routes.post("/v1/embeddings", summary="Embed texts and images")
    async def create(
        request: Request,
        body: EmbeddingRequest,
        owner: Annotated[str, Depends(owner_of)],
    ) -> dict[str, Any]:
        return await unless_gone(request, embedded(service, owner, body))

    return routes


async def embedded(
    service: Service, owner: str, body: EmbeddingRequest
) -> dict[str, Any]:
    """Return OpenAI's list of embeddings.

    Raises:
        ApiError: If the vectors cannot be had so.
        RsvlmError: If an image cannot be read, or the model embeds nothing.
    """
    model = served(service, body.model)
    width = service.embedder(model).width
    if body.dimensions is not None and body.dimensions > width:
        raise ApiError(
            400,
            f"dimensions={body.dimensions} is more than the {width} that the model has. "
            "Leave it out, or ask for fewer.",
            param="dimensions",
        )

    async def found(item: Any) -> Any:
        if isinstance(item, ImagePart | FilePart):
            return await service.resolve(item.address, owner)
        return item.text if isinstance(item, TextPart) else item

    items = await asyncio.gather(*map(found, body.items))
    vectors = await service.embed(
        items, owner=owner, model=model, sensor=body.rsvlm.sensor
    )
    if body.dimensions is not None:
        vectors = unit(vectors[:, : body.dimensions])
    as_text = body.encoding_format == "base64"
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _base64(vector) if as_text else vector.tolist(),
        }
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": 0, "total_tokens": 0}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def _base64(vector: Vectors) -> str:
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()
