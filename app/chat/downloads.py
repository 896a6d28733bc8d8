"""What can be taken away, served to the session that asked and to nobody else."""

import json
import tempfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from numpy.typing import NDArray
from starlette.background import BackgroundTask

from rsvlm.answer import Answer
from rsvlm.app.chat import snippets
from rsvlm.app.chat.cards import FILES
from rsvlm.app.chat.exports import export
from rsvlm.app.chat.history import Exchange, History
from rsvlm.app.chat.sessions import session_owner
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.files import FileStore
from rsvlm.app.server.pictures import overlay_png
from rsvlm.errors import RsvlmError
from rsvlm.raster import Raster

#: Longest side of a heat map, pixels.
SIDE = 900
#: Longest side of the small picture of an image, pixels, and how many are kept.
SMALL, MOST_SMALL = 320, 256


class Downloads:
    """Makes the files of answers."""

    def __init__(self, history: History, store: FileStore) -> None:
        """Join the parts."""
        self.history, self.store = history, store

    def exchange(self, request: Request, id: str) -> tuple[str, Exchange, Answer]:
        """Return the owner, the question and its answer.

        Raises:
            ApiError: If the session has no such answer.
        """
        owner = session_owner(request) or ""
        found = self.history.exchange(owner, id) if owner else None
        if found is None or found.answer is None:
            raise ApiError(404, "There is no such answer in this browser's history.")
        return owner, found, found.answer

    def raster(self, owner: str, exchange: Exchange, image: int) -> Raster:
        """Open an image of a question.

        Raises:
            ApiError: If it is no longer kept, or there is none of that number.
        """
        asked = exchange.asked
        if not 0 <= image < len(asked.files):
            raise ApiError(404, f"This answer has no image {image + 1}.")
        return self.store.open(self.store.get(owner, asked.files[image]), asked.sensor)

    def overlay(self, owner: str, exchange: Exchange, image: int) -> bytes | None:
        """Return the picture of an image with its answer; None if it is not kept."""
        answer = exchange.answer
        with suppress(ApiError, RsvlmError):
            if answer is not None:
                with self.raster(owner, exchange, image) as raster:
                    return overlay_png(answer, raster, image)
        return None


def router(
    history: History, store: FileStore, model_of: Callable[[], str]
) -> APIRouter:
    """Return the routes below ``/chat-files``.

    Args:
        history: Questions and answers.
        store: Images.
        model_of: Returns the name of the model, for programs that ask the same.
    """
    files, routes = (
        Downloads(history, store),
        APIRouter(prefix=FILES, include_in_schema=False),
    )
    small_pictures: dict[str, bytes] = {}  # by the hash of the file

    @routes.get("/{id}/answer.json")
    def answer_json(id: str, request: Request) -> Response:
        """The whole answer."""
        _, exchange, answer = files.exchange(request, id)
        return _file(
            answer.to_json() + "\n", "application/json", exchange, "answer.json"
        )

    @routes.get("/{id}/regions.geojson")
    def regions(id: str, request: Request) -> Response:
        """The regions on the Earth, RFC 7946."""
        _, exchange, answer = files.exchange(request, id)
        text = json.dumps(answer.to_geojson(), allow_nan=False, ensure_ascii=False)
        return _file(text + "\n", "application/geo+json", exchange, "regions.geojson")

    @routes.get("/{id}/mask-{image}.tif")
    def mask(id: str, image: int, request: Request) -> Response:
        """The regions as a GeoTIFF on the grid of their image."""
        from rsvlm.outputs import write_mask

        owner, exchange, answer = files.exchange(request, id)
        folder = tempfile.TemporaryDirectory(prefix="rsvlm-mask-")
        try:
            path = Path(folder.name) / "mask.tif"
            with files.raster(owner, exchange, image) as raster:
                write_mask(path, answer, raster, image=image)
        except BaseException:
            folder.cleanup()
            raise
        return FileResponse(
            path,
            media_type="image/tiff",
            filename=_name(exchange, f"mask-{image + 1}.tif"),
            background=BackgroundTask(folder.cleanup),
        )

    @routes.get("/{id}/overlay-{image}.png")
    def overlay(id: str, image: int, request: Request) -> Response:
        """The image with the regions drawn on it."""
        owner, exchange, answer = files.exchange(request, id)
        with files.raster(owner, exchange, image) as raster:
            png = overlay_png(answer, raster, image)
        return _file(png, "image/png", exchange, f"picture-{image + 1}.png")

    @routes.get("/{id}/heatmap-{image}.png")
    def heatmap(id: str, image: int, request: Request) -> Response:
        """The image, coloured by how well its parts fit the question."""
        owner, exchange, answer = files.exchange(request, id)
        with files.raster(owner, exchange, image) as raster:
            png = _heatmap(answer, raster, image)
        return Response(png, media_type="image/png")

    @routes.get("/image/{id}/small.png")
    def small(id: str, request: Request) -> Response:
        """A small picture of an image, to tell it from others."""
        owner = session_owner(request) or ""
        stored = store.get(owner, id)
        png = small_pictures.get(stored.sha256)
        if png is None:
            with store.open(stored) as raster:
                png = _png(raster.preview(max_side=SMALL).pixels)
            if len(small_pictures) >= MOST_SMALL:
                small_pictures.pop(next(iter(small_pictures)), None)
            small_pictures[stored.sha256] = png
        age = {"cache-control": "private, max-age=86400"}
        return Response(png, media_type="image/png", headers=age)

    @routes.get("/{id}/snippets.html")
    def code(id: str, request: Request) -> Response:
        """The same question as curl and Python."""
        owner, exchange, _ = files.exchange(request, id)
        before = [
            item
            for item in history.exchanges(owner, history.conversation_of(id))
            if item.number < exchange.number
            and item.asked.files == exchange.asked.files
        ]
        address = str(request.base_url).rstrip("/")
        keyed = getattr(request.state, "owner", "local") != "local"
        model = model_of()
        text = snippets.page(
            snippets.curl(exchange, before, address, model, keyed=keyed),
            snippets.python(exchange, before, address, model, keyed=keyed),
        )
        return Response(text, media_type="text/html; charset=utf-8")

    @routes.get("/conversation/{id}.html")
    def conversation(id: str, request: Request) -> Response:
        """A conversation as one file."""
        owner = session_owner(request) or ""
        found = history.conversation(owner, id) if owner else None
        exchanges = history.exchanges(owner, id) if found else []
        if found is None or not exchanges:
            raise ApiError(404, "There is no such conversation in this browser.")
        text = export(
            found.title, exchanges, lambda item, n: files.overlay(owner, item, n)
        )
        return Response(
            text,
            media_type="text/html; charset=utf-8",
            headers={
                "content-disposition": f'attachment; filename="rsvlm-{id[:8]}.html"'
            },
        )

    return routes


def _heatmap(answer: Answer, raster: Raster, image: int) -> bytes:
    from rsvlm.heatmap import draw_zoom

    view = raster.preview(max_side=SIDE, image=image)
    return _png(draw_zoom(view.pixels, answer.trace, view.window, image))


def _png(pixels: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=3)
    return file.getvalue()


def _name(exchange: Exchange, kind: str) -> str:
    """Return a file name with the image's in it."""
    stem = Path(snippets.file_name(exchange.asked.names[0])).stem
    return f"{stem}-{exchange.number}-{kind}"


def _file(body: str | bytes, kind: str, exchange: Exchange, name: str) -> Response:
    return Response(
        body,
        media_type=kind,
        headers={
            "content-disposition": f'attachment; filename="{_name(exchange, name)}"'
        },
    )
