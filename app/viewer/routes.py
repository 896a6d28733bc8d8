"""The routes below /viewer: the page, facts of images, tiles and pictures.

An image is a file of the store that its owner may see. Pictures are cached by the
browser and asked for again by a tag, which is made of the hash of the file, the place
and the style.
"""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import astuple
from functools import partial
from importlib.resources import files
from typing import Annotated, Any, Protocol, TypeVar

import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from rsvlm import assets
from rsvlm.app.server.errors import ApiError
from rsvlm.app.viewer.copies import NotReadyError
from rsvlm.app.viewer.facts import facts
from rsvlm.app.viewer.pictures import Pictures, encode
from rsvlm.app.viewer.pyramid import Pyramid
from rsvlm.app.viewer.styles import Style
from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB
from rsvlm.raster import Raster

_T = TypeVar("_T")

#: Changes whenever the same style is drawn otherwise.
DRAWN = "1"
#: Pictures drawn at the same time; more wait, and are dropped if nobody waits for them.
WORKERS = 4
#: Seconds that a picture waits for the copy of a raster without overviews.
PATIENCE = 25.0
#: Longest side of a picture that is not a tile.
LONGEST = 4096
LIBRARY = "openseadragon"
KINDS = ("jpg", "png")
TYPES = {"css": "text/css", "js": "text/javascript"}


class StoredFile(Protocol):
    """What the viewer needs of a stored file."""

    @property
    def id(self) -> str:
        """Its name in addresses."""

    @property
    def sha256(self) -> str:
        """Hash of its bytes."""


_File = TypeVar("_File", bound=StoredFile)


class Store(Protocol[_File]):
    """Keeps files of owners."""

    def get(self, owner: str, id: str) -> _File:
        """Return a file that the owner may see."""

    def open(self, stored: _File, sensor: str = "auto") -> Raster:
        """Open it as an image."""


def _tagged(request: Request, tag: str) -> Response | None:
    """Return "not changed" where the browser holds what is tagged so."""
    known = request.headers.get("if-none-match", "")
    if f'"{tag}"' in known:
        return Response(status_code=304, headers=_headers(tag))
    return None


def _headers(tag: str, seconds: int = 3600) -> dict[str, str]:
    age = f"private, max-age={seconds}" if seconds else "no-cache"
    return {"ETag": f'"{tag}"', "Cache-Control": age, "Vary": "Cookie, Authorization"}


def _style(
    rendering: Annotated[str, Query(max_length=40)] = "",
    bands: Annotated[str, Query(max_length=20)] = "",
    stretch: Annotated[str, Query(max_length=40)] = "2-98",
    gamma: float = 1.0,
) -> Style:
    return Style.parse(rendering, bands, stretch, gamma)


_Style = Annotated[Style, Depends(_style)]


def _numbers(box: str) -> HBB:
    """Read x0,y0,x1,y1 in raster pixels."""
    try:
        x0, y0, x1, y1 = (float(part) for part in box.split(","))
        found = HBB(x0, y0, x1, y1)
    except ValueError:
        found = HBB(0, 0, 0, 0)
    if not 0 < found.area < 1e15 or max(map(abs, (found.x0, found.y0))) > 1e9:
        raise SettingsError(
            f"The box {box[:60]!r} is not x0,y0,x1,y1 in pixels of the image."
        )
    return found


def router(store: Store[Any], owner_of: Callable[[Request], str | None]) -> APIRouter:
    """Return the routes of the viewer.

    Args:
        store: Where images are.
        owner_of: Says who asks; None for somebody who sees what all may see.
    """
    pictures = Pictures()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        pictures.close()

    routes = APIRouter(prefix="/viewer", include_in_schema=False, lifespan=lifespan)
    turns = asyncio.Semaphore(WORKERS)

    async def work(request: Request, function: Callable[[], _T]) -> _T:
        """Run a function in a thread, unless nobody waits for it any more."""
        end = time.monotonic() + PATIENCE
        while True:
            async with turns:
                if await request.is_disconnected():
                    raise ApiError(499, "Nobody waits for this picture any more.")
                try:
                    return await anyio.to_thread.run_sync(function)
                except NotReadyError as error:
                    if time.monotonic() > end:
                        raise ApiError(503, str(error), retry_after=3) from error
            await asyncio.sleep(0.25)  # others have their turns meanwhile

    async def find(request: Request, id: str) -> Any:
        owner = owner_of(request) or ""
        return await anyio.to_thread.run_sync(store.get, owner, id)

    def key(stored: StoredFile, sensor: str) -> str:
        return f"{stored.sha256}/{stored.id}/{sensor}"

    async def picture(
        request: Request,
        stored: StoredFile,
        sensor: str,
        style: Style,
        kind: str,
        place: Callable[[Raster], tuple[HBB, int, int]],
        where: tuple[object, ...],
    ) -> Response:
        if kind not in KINDS:
            raise ApiError(404, f"Pictures are jpg or png, not {kind[:20]!r}.")
        what = repr((DRAWN, stored.sha256, sensor, astuple(style), kind, where))
        tag = hashlib.sha256(what.encode()).hexdigest()[:32]
        if unchanged := _tagged(request, tag):
            return unchanged

        def drawn() -> tuple[bytes, str]:
            at = key(stored, sensor)
            opener = partial(store.open, stored, sensor)
            return encode(*pictures.draw(at, opener, style, place), kind)

        found = pictures.tiles.get(tag)
        if found is None:
            found = pictures.tiles.put(tag, await work(request, drawn))
        return Response(found[0], media_type=found[1], headers=_headers(tag))

    @routes.get("/images/{id}")
    async def describe(request: Request, id: str, sensor: str = "auto") -> Response:
        """Return the facts of an image."""
        stored = await find(request, id)

        def described() -> dict[str, Any]:
            opener = partial(store.open, stored, sensor)
            with pictures.raster(key(stored, sensor), opener) as raster:
                return facts(stored.id, stored.sha256, raster)

        return JSONResponse(
            await work(request, described),
            headers={"Cache-Control": "private, no-cache"},
        )

    @routes.get("/images/{id}/tiles/{level}/{column}_{row}.{kind}")
    async def tile(
        request: Request, id: str, level: int, column: int, row: int, kind: str,
        style: _Style, sensor: str = "auto",
    ) -> Response:  # fmt: skip
        """Return a tile of an image."""
        stored = await find(request, id)

        def place(raster: Raster) -> tuple[HBB, int, int]:
            try:
                return Pyramid(raster.width, raster.height).tile(level, column, row)
            except SettingsError as error:
                raise ApiError(404, str(error)) from error

        where = ("tile", level, column, row)
        return await picture(request, stored, sensor, style, kind, place, where)

    @routes.get("/images/{id}/picture.{kind}")
    async def part(
        request: Request, id: str, kind: str, box: str, width: int, height: int,
        style: _Style, sensor: str = "auto",
    ) -> Response:  # fmt: skip
        """Return any part of an image at any size: what the page without library shows."""
        window = _numbers(box)
        if not (0 < width <= LONGEST and 0 < height <= LONGEST):
            raise SettingsError(
                f"A picture of {width} x {height} pixels is not within 1 to {LONGEST}."
            )
        stored = await find(request, id)
        where = ("part", box, width, height)
        size = (window, width, height)
        return await picture(
            request, stored, sensor, style, kind, lambda _: size, where
        )

    _pages(routes)
    return routes


def _pages(routes: APIRouter) -> None:
    """Add the page and the files that it loads."""
    folder = files("rsvlm.app.viewer") / "static"

    @routes.get("")
    def with_slash(request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{request.url.path}/{query}")

    @routes.get("/")
    def page() -> Response:
        """Return the page; it finds its images in its own address."""
        text = folder.joinpath("viewer.html").read_text(encoding="utf-8")
        script = f'<script src="static/{LIBRARY}.js"></script>'
        text = text.replace("{{library}}", script if assets.cached(LIBRARY) else "")
        return HTMLResponse(text, headers={"Cache-Control": "no-cache"})

    @routes.get("/static/{name}")
    def static(request: Request, name: str) -> Response:
        """Return a script or a style sheet of ours, or the library."""
        stem, _, kind = name.rpartition(".")
        if name == f"{LIBRARY}.js" and (found := assets.cached(LIBRARY)):
            data = (found / assets.get(LIBRARY).main).read_bytes()
        elif kind in TYPES and stem.isalpha() and folder.joinpath(name).is_file():
            data = folder.joinpath(name).read_bytes()
        else:
            raise ApiError(404, "The viewer has no such file.")
        tag = hashlib.sha256(data).hexdigest()[:32]
        return _tagged(request, tag) or Response(
            data, media_type=TYPES[kind], headers=_headers(tag, 0)
        )
