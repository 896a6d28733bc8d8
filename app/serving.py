"""From settings to a server: the only place that joins the parts of ``rsvlm serve``.

``rsvlm chat`` and the tests start the same server.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec

from fastapi import FastAPI, Request

from rsvlm.app.server.admission import Admission
from rsvlm.app.server.app import create_app
from rsvlm.app.server.batches import Batches
from rsvlm.app.server.batches import router as batch_routes
from rsvlm.app.server.file_routes import router as file_routes
from rsvlm.app.server.file_settings import FileLimits
from rsvlm.app.server.files import FileStore
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.images import Images
from rsvlm.app.server.keys import KeyFile, default_key_file, owner, required_keys
from rsvlm.app.server.metrics import Metrics
from rsvlm.app.server.running import Server
from rsvlm.app.server.service import Service
from rsvlm.app.server.settings import ServerSettings
from rsvlm.app.serving_models import Models, open_models
from rsvlm.app.viewer.routes import router as viewer_routes
from rsvlm.assistant import Assistant

#: Bytes of a form around the bytes of a file.
_FORM = 2**16
#: Seconds between two looks for files whose time is over.
_EXPIRY = 60.0


def build_server(
    settings: ServerSettings,
    assistants: Mapping[str, Assistant] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Server:
    """Return a server; ``run()`` starts it, and SIGTERM ends it.

    Args:
        settings: How it runs.
        assistants: Name of a model -> what answers; by default that of the settings.
        say: Called with a line on each step that takes long.

    Raises:
        SettingsError: If it would be open to others without keys, or a setting cannot
            be used.
        RsvlmError: If the model cannot be loaded.
    """
    limits = settings.limits
    keys = required_keys(settings.host, settings.keys or default_key_file())
    models = Models(assistants) if assistants else open_models(settings, say)
    try:
        return _server(settings, limits, keys, models)
    except BaseException:
        models.stop()
        raise


def _enough(files: FileLimits, limits: GateLimits) -> FileLimits:
    """Return limits with as many open images as questions at a time may need.

    Two a question, and as many as by default for uploads, views and idle ones.
    """
    if "children" in files.model_fields_set:
        return files
    need = 2 * limits.max_running + files.children
    return files.model_copy(update={"children": need})


def _server(
    settings: ServerSettings, limits: GateLimits, keys: KeyFile | None, models: Models
) -> Server:
    store = FileStore(settings.data / "files", _enough(settings.files, limits))
    admission, metrics = Admission(limits), Metrics()
    service = Service(models.assistants, store, admission, Images(store).resolve)
    batches = Batches(
        settings.data / "batches", service, store,
        settings.batches.within(limits.max_running),
    )  # fmt: skip
    has_page = settings.page and find_spec("gradio") is not None
    upload = settings.files.file_bytes + _FORM
    body_limits = {"/v1/files": upload}
    mounts: tuple[Callable[[FastAPI], object], ...] = ()
    seen_by: Callable[[Request], str | None] = owner
    if has_page:
        from rsvlm.app.chat.page import PATH, mount
        from rsvlm.app.chat.sessions import session_owner

        body_limits[f"{PATH}/gradio_api/upload"] = settings.chat.max_upload_bytes
        seen_by = session_owner
        mounts = (
            lambda app: mount(
                app, service, store, settings.chat, folder=settings.data
            ),
        )  # fmt: skip

    @asynccontextmanager
    async def kept() -> AsyncIterator[None]:
        """Keep files as long as they may be, and the store until the end."""
        task = asyncio.create_task(_expire(store))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await service.close()  # what it runs reads files and asks the model
            await asyncio.to_thread(store.close)
            await asyncio.to_thread(models.stop)

    app = create_app(
        service,
        admission,
        limits,
        keys=keys,
        metrics=metrics,
        ready=models.ready,
        routers=(
            file_routes(store, metrics.upload),
            batch_routes(batches),
            viewer_routes(store, seen_by),
        ),
        lifespans=(kept, batches.running),
        mounts=mounts,
        home="/chat" if has_page else "/docs",
        body_limits=body_limits,
    )
    return Server(app, admission, settings.host, settings.port)


async def _expire(store: FileStore) -> None:
    while True:
        await asyncio.sleep(_EXPIRY)
        await asyncio.to_thread(store.expire)
