"""The application: every route of the server, behind the gate."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.responses import RedirectResponse

from rsvlm import __version__
from rsvlm.app.server import chat, docs_page, embeddings, models
from rsvlm.app.server.admission import Admission
from rsvlm.app.server.document import describe
from rsvlm.app.server.errors import install_errors
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.keys import KeyFile
from rsvlm.app.server.metrics import Metrics, probes
from rsvlm.app.server.middleware import install_gate
from rsvlm.app.server.service import Service

_ABOUT = (
    "Ask questions about satellite, aerial and radar images. The API is that of OpenAI; "
    "what rsvlm adds stands in the field rsvlm of requests and responses."
)


def create_app(
    service: Service,
    admission: Admission,
    limits: GateLimits,
    *,
    keys: KeyFile | None = None,
    metrics: Metrics | None = None,
    ready: Callable[[], bool] = lambda: True,
    routers: tuple[APIRouter, ...] = (),
    lifespans: tuple[Callable[[], AbstractAsyncContextManager[None]], ...] = (),
    mounts: tuple[Callable[[FastAPI], object], ...] = (),
    home: str = "/docs",
    body_limits: dict[str, int] | None = None,
) -> FastAPI:
    """Return the application.

    Args:
        service: What answers.
        admission: Its slots.
        limits: Limits of the gate.
        keys: Who may use it; None where nobody else reaches it.
        metrics: Where the work is counted.
        ready: Whether the engine can answer.
        routers: More routes: files, batches, viewer.
        lifespans: What runs while the server does.
        mounts: What adds itself to the application, such as the chat page.
        home: Where ``/`` leads.
        body_limits: Path -> most bytes of a body that is kept in a file as it comes.

    .. versionadded:: 0.2
    """
    metrics = metrics or Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(service.close)
            for enter in lifespans:
                await stack.enter_async_context(enter())
            yield

    app = FastAPI(
        title="rsvlm",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
    )
    describe(app)
    install_errors(app)
    app.include_router(chat.router(service, metrics.tokens))
    app.include_router(models.router(service))
    app.include_router(embeddings.router(service))
    for router in routers:
        app.include_router(router)
    app.include_router(probes(admission, metrics, ready))
    app.include_router(docs_page.router(app))

    @app.get("/", include_in_schema=False)
    async def root() -> RedirectResponse:
        return RedirectResponse(home)

    for mount in mounts:
        mount(app)
    install_gate(app, limits, keys=keys, metrics=metrics, body_limits=body_limits)
    return app
