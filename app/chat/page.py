"""The chat page: Gradio Blocks around the viewer, mounted on the server.

Run it with ``rsvlm chat``. The page never decodes a file: uploads go to the file store,
pictures come from the viewer and from the downloads, answers from the service.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Response

from rsvlm.app.chat import parts
from rsvlm.app.chat.history import History
from rsvlm.app.chat.jobs import Desk
from rsvlm.app.chat.settings import ChatSettings
from rsvlm.app.server.files import FileStore
from rsvlm.app.server.service import Service

#: Where the page is.
PATH = "/chat"

#: What Gradio reads from the environment: it tells nobody, and draws up no statistics
#: of its events, which would cost more than the events.
_GRADIO = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": str(2**31),
    "GRADIO_ANALYTICS_MAX_EVENTS": "100",
}

TASKS = (
    ("Automatic", "auto"), ("Describe", "caption"), ("Answer in words", "vqa"),
    ("Name the kind", "classify"), ("Count", "count"), ("Find", "ground"),
    ("Find all objects", "detect"), ("Outline areas", "segment"),
    ("Compare images", "compare"),
)  # fmt: skip
SHAPES = (
    ("Automatic", "auto"), ("Boxes", "hbb"), ("Turned boxes", "obb"),
    ("Outlines", "polygon"), ("Exact areas", "mask"),
)  # fmt: skip
SENSORS = (
    ("Automatic", "auto"), ("Optical", "optical"), ("Multispectral", "multispectral"),
    ("Radar (SAR)", "sar"),
)  # fmt: skip
ZOOMS = (
    ("Automatic", "auto"), ("Whole image only", "none"), ("Search the tiles", "search"),
    ("Let the model choose", "chain"),
)  # fmt: skip

_HEADER = (
    '<header class="top"><h1>rsvlm</h1><p>Ask your satellite, aerial and radar images'
    '</p><button type="button" class="quiet" data-theme-switch '
    'aria-label="Switch between light and dark">&#9680;</button></header>'
    '<div id="say" class="unseen" role="status" aria-live="polite"></div>'
)
_VIEWER = '<div id="viewer" aria-label="Image viewer" role="region"></div>'
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" '
    'height="32" rx="7" fill="#1d4ed8"/><path d="M8 12V8h4m8 0h4v4m0 8v4h-4m-8 0H8v-4" '
    'fill="none" stroke="#fff" stroke-width="3"/><circle cx="16" cy="16" r="3.5" '
    'fill="#fde047"/></svg>'
)
_BRIDGE = "watch('value', () => rsvlmPage.show(props.value));" + (
    "rsvlmPage.show(props.value);"
)
_ACTIONS = "rsvlmPage.connect((data) => trigger('click', data));"


def build_page(handlers: Any, samples: tuple[str, ...], *, knowledge: bool) -> Any:
    """Return the page as Gradio Blocks.

    Args:
        handlers: What happens; :class:`~rsvlm.app.chat.handlers.Handlers`.
        samples: Ids of the sample scenes that can be picked.
        knowledge: Whether there is a knowledge base.
    """
    import gradio as gr

    from rsvlm.app.chat.showing import Tab

    def html(value: str, name: str) -> Any:
        return gr.HTML(value, js_on_load=None, apply_default_css=False, elem_id=name)

    with gr.Blocks(
        title="rsvlm", analytics_enabled=False, fill_width=True,
        delete_cache=(3600, 3600),
    ) as page:  # fmt: skip
        tab = gr.State(Tab())
        html(_HEADER, "top")
        with gr.Row(elem_id="columns"):
            with gr.Column(scale=3, min_width=320, elem_id="left"):
                html(parts.start(samples), "start")
                bar = html("", "bar")
                html(_VIEWER, "place")
                upload = gr.File(
                    label="Drop your own images here, or click: GeoTIFF of any size, "
                    "PNG, JPEG, JPEG 2000, WebP",
                    file_count="multiple", height=120, elem_id="upload",
                )  # fmt: skip
            with gr.Column(scale=2, min_width=320, elem_id="right"):
                menu = html("", "menu")
                with gr.Column(elem_id="talk"):
                    past = html("", "past")
                    now = html("", "now")
                hints = html("", "hints")
                with gr.Row(elem_id="asking"):
                    text = gr.Textbox(
                        label="Your question", lines=1, max_lines=5, scale=5,
                        placeholder="Ask a question about the image", max_length=2000,
                        container=False, elem_id="question",
                    )  # fmt: skip
                    ask = gr.Button("Ask", variant="primary", scale=1, elem_id="ask",
                                    min_width=90)  # fmt: skip
                    stop = gr.Button("Stop", variant="stop", scale=1, elem_id="stop",
                                     visible=False, min_width=90)  # fmt: skip
                with gr.Accordion("Options", open=False, elem_id="options"):
                    with gr.Row(elem_id="choosers"):
                        task = gr.Dropdown(TASKS, value="auto", label="Kind of answer")
                        shape = gr.Dropdown(SHAPES, value="auto", label="Mark as")
                        sensor = gr.Dropdown(SENSORS, value="auto", label="Sensor")
                        zoom = gr.Dropdown(ZOOMS, value="auto", label="Look closer")
                    known = gr.Checkbox(
                        value=knowledge, visible=knowledge,
                        label="Use the knowledge base and cite it",
                    )  # fmt: skip
        bridge = gr.HTML({}, html_template="", js_on_load=_BRIDGE, elem_id="bridge")
        action = gr.HTML("", js_on_load=_ACTIONS, elem_id="action")
        shown = [past, now, bar, hints, menu, bridge, text, ask, stop, tab]
        # The queue of the service is the one that counts; Gradio's holds nobody back.
        free = {"concurrency_limit": None, "show_progress": "hidden"}
        # Follow a question to its end, and must not keep others from being begun.
        many = free | {"trigger_mode": "multiple"}
        asked = [text, task, shape, sensor, zoom, known, tab]
        page.load(handlers.load, tab, shown, api_name=False, **free)
        gr.on(
            [ask.click, text.submit], handlers.ask, asked, shown, api_name="ask", **free
        )
        stop.click(handlers.stop, tab, None, api_name="stop", **free)
        upload.upload(
            handlers.upload, [upload, tab], shown, api_name="upload", **free
        ).then(lambda: None, None, upload, api_name=False, **free).then(
            handlers.follow, tab, shown, api_name=False, **many
        )
        action.click(_acting(handlers), tab, shown, api_name=False, **many)
    return page


def _icons() -> APIRouter:
    """Return what browsers ask a server for without being told to."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/favicon.ico")
    def icon() -> Response:
        return Response(_ICON, media_type="image/svg+xml")

    @routes.get("/manifest.json")
    def manifest() -> Response:
        text = json.dumps({"name": "rsvlm", "start_url": PATH, "display": "browser"})
        return Response(text, media_type="application/manifest+json")

    return routes


def _acting(handlers: Any) -> Callable[..., Any]:
    import gradio as gr

    async def act(
        event: gr.EventData, tab: Any, request: gr.Request
    ) -> AsyncIterator[Any]:
        data = event._data if isinstance(event._data, dict) else {}
        async for shown in handlers.act(data, tab, request):
            yield shown

    return act


def mount(
    app: FastAPI,
    service: Service,
    store: FileStore,
    settings: ChatSettings | None = None,
    *,
    folder: Path | None = None,
) -> FastAPI:
    """Add the page to a server, at :data:`PATH`, with its downloads and its cookie.

    Args:
        app: The server; its viewer must be there as well.
        service: Answers questions.
        store: Keeps the images.
        settings: What the page keeps.
        folder: Where the history is kept; None keeps it while the server runs.

    Returns:
        The server.

    Raises:
        MissingExtraError: If Gradio is not installed.
        SettingsError: If the history cannot be kept there.
    """
    from rsvlm.errors import MissingExtraError

    for name, value in _GRADIO.items():
        os.environ.setdefault(name, value)
    try:
        import gradio as gr
    except ImportError as error:
        raise MissingExtraError("gradio", "chat") from error
    from rsvlm.app.chat.downloads import router
    from rsvlm.app.chat.handlers import Handlers
    from rsvlm.app.chat.sessions import SessionCookie

    settings = settings or ChatSettings()
    scratch = tempfile.TemporaryDirectory(prefix="rsvlm-chat-")
    os.environ.setdefault("GRADIO_TEMP_DIR", str(Path(scratch.name) / "uploads"))
    history = History((folder or Path(scratch.name)) / "chat.sqlite")
    desk = Desk(service, store, history)
    handlers = Handlers(desk, store, history, settings)
    samples = tuple(item.id for item in store.samples())
    model = next(iter(service.assistants))
    knowledge = service.assistants[model].retriever is not None
    app.include_router(router(history, store, lambda: model))
    app.include_router(_icons())
    app.add_middleware(SessionCookie)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(scope: Any) -> AsyncIterator[Any]:
        async with inner(scope) as state:
            yield state
        await desk.close()
        history.close()
        scratch.cleanup()

    app.router.lifespan_context = lifespan
    here = files("rsvlm.app.chat") / "static"
    style = here.joinpath("page.css").read_text(encoding="utf-8")
    script = here.joinpath("page.js").read_text(encoding="utf-8")

    theme = gr.themes.Default(
        primary_hue="blue",
        neutral_hue="slate",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "Consolas", "monospace"],
    )

    async def mounted() -> FastAPI:
        page = build_page(handlers, samples, knowledge=knowledge)
        page.queue(max_size=512, default_concurrency_limit=None, api_open=False)
        result: FastAPI = gr.mount_gradio_app(
            app,
            page,
            PATH,
            footer_links=[],
            run_history=False,
            show_error=False,
            ssr_mode=False,
            enable_monitoring=False,
            mcp_server=False,
            pwa=False,
            allowed_paths=[],
            max_file_size=settings.max_upload_bytes,
            theme=theme,
            # Gradio rewrites the selectors of its own ``css``; this is left as it is.
            head=f"<style>{style}</style><script>{script}</script>",
        )
        # Only launch() sets it. Without it Gradio takes any path that a client names for
        # an upload, and copies the file to where it can be fetched.
        page.has_launched = True
        return result

    # Without a running loop Gradio makes one for each of its locks, and leaves it open.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, mounted()).result()
