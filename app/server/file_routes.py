"""The routes of files, in the form of OpenAI's Files API.

Uploads are for rasters too large for a data URI; their ids stand in chat requests where
an image URL would. Nobody sees the files of another key.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.file_samples import SAMPLE
from rsvlm.app.server.files import FileStore, StoredFile
from rsvlm.app.server.keys import owner
from rsvlm.app.server.uploading import Form
from rsvlm.decode import shown

#: What a client may upload files for: images but for ``batch``, which is JSONL.
PURPOSES = ("vision", "user_data", "assistants", "batch")
_SHORTEST = 60  # seconds that a client may ask a file to live
_PIECE = 2**18
_Order = Literal["asc", "desc"]
_Owner = Annotated[str, Depends(owner)]

_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": list(PURPOSES)},
                        "expires_after[anchor]": {"const": "created_at"},
                        "expires_after[seconds]": {
                            "type": "integer", "minimum": _SHORTEST,
                        },
                    },
                }
            }
        },
    }
}  # fmt: skip


class FileObject(BaseModel):
    """A file, as OpenAI describes one."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"

    @classmethod
    def of(cls, file: StoredFile) -> "FileObject":
        """Describe a stored file."""
        return cls(
            id=file.id,
            bytes=file.bytes,
            created_at=file.created,
            expires_at=file.expires,
            filename=file.name,
            purpose=file.purpose,
        )


class FilePage(BaseModel):
    """A part of a list of files."""

    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(BaseModel):
    """What became of a file."""

    id: str
    object: Literal["file"] = "file"
    deleted: bool = True


def router(
    store: FileStore, uploaded: Callable[[int], None] = lambda size: None
) -> APIRouter:
    """Return the routes.

    Args:
        store: Where files are kept.
        uploaded: Told of the bytes of each upload that was kept.
    """
    routes = APIRouter(prefix="/v1/files", tags=["files"])

    @routes.post("", openapi_extra=_FORM, summary="Upload a file")
    async def create(request: Request, owner: _Owner) -> FileObject:
        kept = await _receive(store, owner, request)
        uploaded(kept.bytes)
        return FileObject.of(kept)

    @routes.get("", summary="List your files; purpose=sample lists the sample scenes")
    def page(
        owner: _Owner,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
        after: Annotated[str | None, Query(max_length=100)] = None,
        order: _Order = "desc",
        purpose: Annotated[str | None, Query(max_length=100)] = None,
    ) -> FilePage:
        files = list(store.samples() if purpose == SAMPLE else store.list(owner))
        if order == "asc":
            files.reverse()
        return _page(files, limit, after, purpose)

    @routes.get("/{id}", summary="Describe a file")
    def retrieve(id: str, owner: _Owner) -> FileObject:
        return FileObject.of(store.get(owner, id))

    @routes.delete("/{id}", summary="Delete a file")
    def delete(id: str, owner: _Owner) -> FileDeleted:
        store.delete(owner, id)
        return FileDeleted(id=id)

    @routes.get(
        "/{id}/content",
        summary="Download a file",
        response_class=StreamingResponse,
        responses={200: {"content": {"application/octet-stream": {}}}},
    )
    def content(id: str, owner: _Owner) -> StreamingResponse:
        file = store.get(owner, id)
        return StreamingResponse(
            _pieces(store.path(file), file.id),
            # Never what the bytes claim to be: a browser must not run them.
            media_type="application/octet-stream",
            headers={
                "Content-Length": str(file.bytes),
                "Content-Disposition": f'attachment; filename="{file.id}"',
                "X-Content-Type-Options": "nosniff",
            },
        )

    return routes


async def _receive(store: FileStore, owner: str, request: Request) -> StoredFile:
    upload = await run_in_threadpool(store.incoming, owner)
    with upload:
        form = Form(upload.write)
        await form.read(request.headers.get("content-type", ""), request.stream())
        purpose = form.fields.get("purpose", "")
        if purpose not in PURPOSES:
            raise ApiError(
                400,
                f"The purpose {shown(purpose, 40)!r} is none of {', '.join(PURPOSES)}. "
                "Use vision for images.",
                code="invalid_value",
                param="purpose",
            )
        seconds = _lifetime(form.fields)
        name = form.file_name or ""
        return await store.turns.run(owner, store.keep, upload, name, purpose, seconds)


def _lifetime(fields: dict[str, str]) -> int | None:
    """Return the seconds that a client wants its file to live."""
    text = fields.get("expires_after[seconds]")
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 12 or int(text) < _SHORTEST:
        raise ApiError(
            400,
            f"expires_after[seconds] is {shown(text, 40)!r}. Give a whole number of "
            f"{_SHORTEST} or more.",
            code="invalid_value",
            param="expires_after",
        )
    return int(text)


def _page(
    files: list[StoredFile], limit: int, after: str | None, purpose: str | None
) -> FilePage:
    files = [file for file in files if purpose in (None, file.purpose)]
    if after is not None:
        ids = [file.id for file in files]
        files = files[ids.index(after) + 1 :] if after in ids else []
    part = [FileObject.of(file) for file in files[:limit]]
    return FilePage(
        data=part,
        first_id=part[0].id if part else None,
        last_id=part[-1].id if part else None,
        has_more=len(files) > limit,
    )


def _pieces(path: Path, id: str) -> Iterator[Any]:
    """Open a file now, and return its bytes piece by piece."""
    try:
        file = path.open("rb")
    except OSError:
        raise ApiError(404, f"The file {id} is gone.", code="file_not_found") from None

    def pieces() -> Iterator[bytes]:
        with file:
            while data := file.read(_PIECE):
                yield data

    return pieces()
