"""The OpenAPI document, with what the server really answers when something is wrong."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_ERROR = {
    "type": "object",
    "description": "OpenAI's body of errors.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string", "description": "what to do next"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"], "description": "field at fault"},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_TOLD = {
    "description": "An error. 429 and 503 come with Retry-After.",
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}
    },
}


def describe(app: FastAPI) -> None:
    """Have an application describe its errors and keys as they are.

    FastAPI would promise a status 422 with a body of its own, which
    :func:`rsvlm.app.server.errors.install_errors` does not give.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            app.openapi_schema = _mended(document)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _mended(document: dict[str, Any]) -> dict[str, Any]:
    for methods in document["paths"].values():
        for route in methods.values():
            route["responses"].pop("422", None)
            route["responses"]["default"] = _TOLD
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["ErrorBody"] = _ERROR
    parts["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{}, {"key": []}]
    return document
