"""A server of fakes: files without a sandbox, an engine without a model."""

import base64
import hashlib
import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from PIL import Image

from rsvlm.app.server.admission import Admission
from rsvlm.app.server.app import create_app
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.file_table import StoredFile
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.service import Service
from rsvlm.assistant import Assistant
from rsvlm.engines.base import Capabilities
from rsvlm.engines.stub import StubEngine
from rsvlm.messages import Generation, Message
from rsvlm.progress import report
from rsvlm.raster import Raster


class Store:
    """Files in memory, opened in this process."""

    def __init__(self) -> None:
        self.files: dict[str, StoredFile] = {}
        self.data: dict[str, bytes] = {}

    def add(self, owner: str, name: str, data: bytes) -> StoredFile:
        digest = hashlib.sha256(owner.encode() + data).hexdigest()
        id = f"file-{digest[:12]}"
        self.data[id] = data
        stored = StoredFile(id, owner, name, len(data), 0, None, digest, "vision")
        self.files[id] = stored
        return stored

    def get(self, owner: str, id: str) -> StoredFile:
        found = self.files.get(id)
        if found is None or found.owner != owner:
            raise ApiError(404, "There is no such file.", code="file_not_found")
        return found

    def open(self, stored: StoredFile, sensor: str = "auto") -> Raster:
        return Raster.from_bytes(self.data[stored.id], stored.name, sensor)

    async def resolve(self, address: str, owner: str) -> StoredFile:
        if address.startswith("data:"):
            data = base64.b64decode(address.partition(",")[2])
            return self.add(owner, "image.png", data)
        return self.get(owner, address)


@dataclass
class SlowEngine(StubEngine):
    """An engine that writes until it is stopped, or for a number of steps."""

    steps: int = 1000
    pause: float = 0.01
    began: threading.Event = field(default_factory=threading.Event)
    ended: list[str] = field(default_factory=list)

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
    ) -> Generation:
        self.began.set()
        try:
            for step in range(self.steps):
                report("write", step, self.steps)
                time.sleep(self.pause)
        except Exception as error:
            self.ended.append(type(error).__name__)
            raise
        self.ended.append("done")
        return super().generate(
            messages, max_tokens=max_tokens, temperature=temperature, seed=seed,
            stop=stop, on_text=on_text,
        )  # fmt: skip


def stub(*replies: str, together: int = 8) -> StubEngine:
    """Return an engine that says these things."""
    return StubEngine(list(replies), capabilities=Capabilities(together=together))


def service_of(engine: StubEngine, limits: GateLimits | None = None) -> Service:
    """Return a service around an engine, with files in memory."""
    store = Store()
    return Service(
        {"tiny": Assistant(engine, least=0.0)},
        store,
        Admission(limits or GateLimits()),
        store.resolve,
    )


def app_of(engine: StubEngine, limits: GateLimits | None = None) -> FastAPI:
    """Return an application around an engine; its service is ``app.state.service``."""
    limits = limits or GateLimits()
    service = service_of(engine, limits)
    admission = service.admission
    assert isinstance(admission, Admission)
    app = create_app(service, admission, limits)
    app.state.service = service
    return app


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free port; yield its address."""
    config = uvicorn.Config(
        app, "127.0.0.1", 0, log_level="warning", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def png(red: int = 90, width: int = 32, height: int = 24) -> bytes:
    """Return a picture of one colour with a white corner."""
    pixels = np.full((height, width, 3), (red, 120, 60), np.uint8)
    pixels[: height // 2, : width // 2] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def data_uri(data: bytes) -> str:
    """Return a picture as it stands in a request."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def image_part(data: bytes) -> dict[str, Any]:
    """Return a part of a message."""
    return {"type": "image_url", "image_url": {"url": data_uri(data)}}


def user(text: str, *pictures: bytes) -> dict[str, Any]:
    """Return a message of a user."""
    content = [*map(image_part, pictures), {"type": "text", "text": text}]
    return {"role": "user", "content": content}


def body_of(text: str = "What is shown?", **fields: Any) -> dict[str, Any]:
    """Return a request about one picture."""
    return {"model": "tiny", "messages": [user(text, png())], **fields}
