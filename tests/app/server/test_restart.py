"""The engine is killed under load: right answers or clean errors, nothing else."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rsvlm.app.server import batch_work
from rsvlm.app.server.admission import Admission
from rsvlm.app.server.app import create_app
from rsvlm.app.server.batch_settings import BatchLimits
from rsvlm.app.server.batches import Batches, router
from rsvlm.app.server.file_routes import router as file_router
from rsvlm.app.server.files import FileStore
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.service import Service
from rsvlm.assistant import Assistant
from rsvlm.engines.remote import RemoteEngine
from rsvlm.engines.remote_settings import read_settings
from tests.app.server.batching import jsonl, line
from tests.app.server.fakes import Store, body_of, serving

ENGINE = Path(__file__).with_name("engine_process.py")
CLIENTS, QUESTIONS = 16, 4


class EngineProcess:
    """The engine, which can be killed and started again on the same port."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    def start(self) -> None:
        words = [sys.executable, str(ENGINE), str(self.port)]
        self.process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None
            time.sleep(0.01)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def engine() -> Iterator[EngineProcess]:
    process = EngineProcess()
    yield process
    process.kill()


@contextmanager
def server_of(folder: Path, engine: EngineProcess, retries: int) -> Iterator[str]:
    gate = GateLimits(
        max_running=4, max_queue=6, requests_per_minute=100_000, burst=10_000
    )
    pictures, admission, files = Store(), Admission(gate), FileStore(folder / "files")
    model = f"http://127.0.0.1:{engine.port}/v1?dialect=rsvlm&retries={retries}#m"
    remote = RemoteEngine(read_settings(model))
    assistants = {"tiny": Assistant(remote, least=0.0)}
    service = Service(assistants, pictures, admission, pictures.resolve)
    limits = BatchLimits(tries=50).within(gate.max_running)
    batches = Batches(folder / "batches", service, files, limits)
    app = create_app(
        service, admission, gate,
        routers=(file_router(files), router(batches)), lifespans=(batches.running,),
    )  # fmt: skip
    with serving(app) as address:
        yield address
    remote.close()


def ask(client: httpx.Client, number: int) -> httpx.Response:
    body = body_of(f"What is {number}?", rsvlm={"task": "vqa"})
    return client.post("/v1/chat/completions", json=body)


def text_of(reply: httpx.Response) -> str:
    text: str = reply.json()["choices"][0]["message"]["content"]
    return text


@pytest.mark.parametrize("retries", [0, 12])
def test_only_right_answers_or_clean_errors(
    tmp_path: Path,
    engine: EngineProcess,
    retries: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch_work, "ENGINE_PAUSE_S", 0.05)
    statuses: Counter[int] = Counter()
    busy = threading.Event()
    with (
        server_of(tmp_path, engine, retries) as address,
        httpx.Client(base_url=address, timeout=60) as client,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        numbers = range(CLIENTS * QUESTIONS)
        right = {n: text_of(ask(client, n)) for n in numbers[::8]}
        upload = {"file": ("q.jsonl", jsonl(*[line(n) for n in numbers[::8]]))}
        file = client.post("/v1/files", files=upload, data={"purpose": "batch"})
        fields = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
        begun = client.post(
            "/v1/batches", json={"input_file_id": file.json()["id"], **fields}
        ).json()

        def persist(number: int) -> str:
            """Ask until there is an answer; every other reply must be a clean one."""
            while True:
                reply = ask(client, number)
                statuses[reply.status_code] += 1
                if statuses.total() > CLIENTS * 3:
                    busy.set()
                if reply.status_code == 200:
                    return text_of(reply)
                check_clean(reply)
                time.sleep(0.1)

        def restart() -> None:
            busy.wait(60)
            for _ in range(2):
                engine.kill()
                time.sleep(0.3)
                engine.start()
                time.sleep(0.3)

        restarted = pool.submit(restart)
        found = dict(zip(numbers, pool.map(persist, numbers), strict=True))
        restarted.result()
        assert {n: found[n] for n in right} == right
        assert len(set(found.values())) == len(found)  # nobody got another's answer
        assert set(statuses) <= {200, 429, 503}
        assert (statuses[503] > 0) == (retries == 0)
        check_batch(client, begun["id"], right)


def check_clean(reply: httpx.Response) -> None:
    """Hold an error to what clients can act on."""
    assert reply.status_code in (429, 503), reply.text
    assert int(reply.headers["retry-after"]) >= 1
    error = reply.json()["error"]
    assert error["code"] in ("queue_full", "engine_error")
    assert set(error) == {"message", "type", "param", "code"}
    assert "127.0.0.1" not in reply.text


def check_batch(client: httpx.Client, id: str, right: dict[int, str]) -> None:
    """Hold a batch that ran meanwhile to the same answers, all of them."""
    for _ in range(3000):
        batch: dict[str, Any] = client.get(f"/v1/batches/{id}").json()
        if batch["status"] == "completed":
            break
        time.sleep(0.02)
    assert batch["error_file_id"] is None
    lines = client.get(f"/v1/files/{batch['output_file_id']}/content").text
    records = [json.loads(text) for text in lines.splitlines()]
    assert {
        int(record["custom_id"][1:]): record["response"]["body"]["choices"][0][
            "message"
        ]["content"]
        for record in records
    } == right
    assert len(records) == len(right)
