"""A server with batches around a deterministic engine, for tests."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
from fastapi import FastAPI

from rsvlm.app.server.admission import Admission
from rsvlm.app.server.app import create_app
from rsvlm.app.server.batch_settings import BatchLimits
from rsvlm.app.server.batches import Batches, router
from rsvlm.app.server.file_routes import router as file_router
from rsvlm.app.server.files import FileStore
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.service import Service
from rsvlm.assistant import Assistant
from tests.app.batches import Oracle
from tests.app.server.fakes import Store, png, serving, user

URL = "/v1/chat/completions"
Client = Any  # the package has no types here


def app_of(folder: Path, engine: Oracle, limits: BatchLimits | None = None) -> FastAPI:
    """Return an application whose files and batches lie in a folder."""
    pictures, gate = Store(), GateLimits(requests_per_minute=100_000, burst=10_000)
    files, admission = FileStore(folder / "files"), Admission(gate)
    assistants = {"tiny": Assistant(engine, least=0.0)}
    service = Service(assistants, pictures, admission, pictures.resolve)
    limits = (limits or BatchLimits()).within(gate.max_running)
    batches = Batches(folder / "batches", service, files, limits)
    app = create_app(
        service, admission, gate,
        routers=(file_router(files), router(batches)), lifespans=(batches.running,),
    )  # fmt: skip
    app.state.batches, app.state.files = batches, files
    return app


def line(number: int, text: str = "", **changes: Any) -> dict[str, Any]:
    """Return a request of a batch."""
    messages = [user(text or f"What is {number}?", png())]
    body = {"model": "tiny", "messages": messages, "rsvlm": {"task": "vqa"}}
    request = {"custom_id": f"r{number}", "method": "POST", "body": body}
    return {**request, "url": URL, **changes}


def jsonl(*lines: Any) -> bytes:
    """Return a file of lines."""
    return "".join(f"{json.dumps(one)}\n" for one in lines).encode()


@contextmanager
def client_of(
    folder: Path, engine: Oracle, limits: BatchLimits | None = None
) -> Iterator[Client]:
    """Serve from a folder, and yield a client."""
    with serving(app_of(folder, engine, limits)) as address, client_at(address) as one:
        yield one


def client_at(address: str) -> Client:
    """Return the official client of a server."""
    return openai.OpenAI(api_key="-", base_url=f"{address}/v1", max_retries=0)


def begin(client: Client, *lines: Any, **fields: Any) -> Any:
    """Upload requests, and begin a batch of them."""
    file = client.files.create(file=("q.jsonl", jsonl(*lines)), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=URL, completion_window="24h", **fields
    )


def wait(client: Client, id: str, until: Callable[[Any], bool] | None = None) -> Any:
    """Return a batch once it is as wanted, at its end by default."""
    ends = ("completed", "failed", "cancelled", "expired")
    for _ in range(3000):
        batch = client.batches.retrieve(id)
        if until(batch) if until else batch.status in ends:
            return batch
        time.sleep(0.01)
    raise AssertionError(f"still {batch}")


def content(client: Client, id: str | None) -> list[dict[str, Any]]:
    """Return the records of a file."""
    assert id is not None
    return [json.loads(text) for text in client.files.content(id).text.splitlines()]


def texts(records: list[dict[str, Any]]) -> dict[str, str]:
    """Return custom id -> words of the answer; each stands there once."""
    found = {
        record["custom_id"]: record["response"]["body"]["choices"][0]["message"][
            "content"
        ]
        for record in records
    }
    assert len(found) == len(records)
    return found


if __name__ == "__main__":
    # A server for tests that kill it: its folder, and where to write its address.
    with serving(app_of(Path(sys.argv[1]), Oracle(seconds=0.03))) as address:
        Path(sys.argv[2]).write_text(address)
        time.sleep(600)
