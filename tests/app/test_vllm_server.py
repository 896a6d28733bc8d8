"""The supervisor of vLLM, with a stand-in that starts in no time.

The real server is in tests/app/test_vllm_serve.py (marker ``serve``).
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from rsvlm.app import vllm_server
from rsvlm.app.build import build_assistant
from rsvlm.app.vllm_server import VllmServer
from rsvlm.app.vllm_settings import VllmSettings, command, environment
from rsvlm.errors import CheckpointError, EngineError, SettingsError

#: Takes the place of Python in the command line, and of vLLM.
STAND_IN = """#!{python} -I
import http.server, json, os, subprocess, sys, threading, time
FOLDER = {folder!r}
args = dict(zip(sys.argv, sys.argv[1:]))
open(FOLDER + "/starts", "a").write(json.dumps([os.getpid(), sys.argv, os.environ["VLLM_API_KEY"]]) + "\\n")
mode = open(FOLDER + "/mode").read()
worker = subprocess.Popen(["sleep", "600"])
open(FOLDER + "/worker", "w").write(str(worker.pid))
if mode == "fails":
    print("Loading the model")
    print("ValueError: no room for the cache")
    print("RuntimeError: Engine core initialization failed. See root cause above.")
    sys.exit(3)
if mode == "refuses":
    print("rsvlm-vllm: vLLM is not installed here. Run: pip install x")
    sys.exit(78)
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *a): pass
    def do_GET(self):
        mode = open(FOLDER + "/mode").read()
        if mode == "hangs": time.sleep(600)
        key = self.headers.get("Authorization") == "Bearer " + os.environ["VLLM_API_KEY"]
        body = json.dumps({{"data": [{{"id": args["--served-model-name"]}}]}}).encode()
        good = mode != "slow" and (key or self.path == "/health")
        self.send_response(200 if good else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(args["--port"])), Handler).serve_forever()
"""


class StandIn:
    """The stand-in's executable, and what it was told and did."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "python"
        self.python.write_text(
            STAND_IN.format(python=sys.executable, folder=str(folder))
        )
        self.python.chmod(0o755)
        self.mode("works")
        (folder / "starts").touch()

    def mode(self, name: str) -> None:
        (self.folder / "mode").write_text(name)

    @property
    def starts(self) -> list[tuple[int, list[str], str]]:
        lines = (self.folder / "starts").read_text().splitlines()
        return [tuple(json.loads(line)) for line in lines]

    @property
    def worker(self) -> int:
        return int((self.folder / "worker").read_text())


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    folder = tmp_path / "stand-in"
    folder.mkdir()
    return StandIn(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What looks like an exported folder."""
    out = tmp_path / "exported"
    out.mkdir()
    fields = {"name": "rsvlm-x", "revision": "1", "dtype": "float32", "files": {}}
    (out / "export.json").write_text(json.dumps(fields))
    return out


@pytest.fixture
def serve(
    stand_in: StandIn, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., VllmServer]]:
    """Makes servers, which are stopped in the end."""
    monkeypatch.setattr(vllm_server, "BACK_OFF", (0.01, 0.05))
    monkeypatch.setattr(vllm_server, "EVERY", 0.05)
    monkeypatch.setattr(vllm_server, "MISSES", 2)
    monkeypatch.setattr(vllm_server, "LOOK", 0.5)
    made: list[VllmServer] = []

    def make(**options: object) -> VllmServer:
        options = {"python": str(stand_in.python), "dtype": "float32"} | options
        settings = VllmSettings.model_validate(options)
        server = VllmServer(folder, settings, tmp_path / "log" / "vllm.log")
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_it_starts_is_asked_and_stops_with_its_workers(
    serve: Callable[..., VllmServer], stand_in: StandIn
) -> None:
    with serve() as server:
        assert server.ready
        ((pid, _, key),) = stand_in.starts
        assert key == server.key
        request = urllib.request.Request(
            f"{server.url}/models", headers={"Authorization": f"Bearer {key}"}
        )
        with urllib.request.urlopen(request) as reply:
            assert json.load(reply)["data"][0]["id"] == server.name == "rsvlm-x"
        assert alive(pid)
        assert alive(stand_in.worker)
    assert not server.ready
    assert not alive(pid)
    until(lambda: not alive(stand_in.worker))


@pytest.mark.parametrize("how", ["killed", "hangs"])
def test_a_server_that_ends_or_hangs_is_started_again(
    serve: Callable[..., VllmServer], stand_in: StandIn, how: str
) -> None:
    with serve() as server:
        address, worker = server.address, stand_in.worker
        if how == "killed":
            os.kill(stand_in.starts[0][0], signal.SIGKILL)
        else:
            stand_in.mode("hangs")
            until(lambda: not server.ready)
            stand_in.mode("works")
        until(lambda: server.restarted == 1 and server.ready)
        first, second = stand_in.starts
        # Whoever asks again finds it: same port, same key, same name.
        assert first[1:] == second[1:]
        assert server.address == address
        assert not alive(worker)
        assert server.wait(1)


def test_a_server_that_fails_again_and_again_is_given_up(
    serve: Callable[..., VllmServer], stand_in: StandIn
) -> None:
    with serve(restarts=2) as server:
        stand_in.mode("fails")
        os.kill(stand_in.starts[0][0], signal.SIGKILL)
        until(lambda: server.failure is not None)
        assert len(stand_in.starts) == 3
        with pytest.raises(EngineError, match="no room for the cache"):
            server.wait(5)
        assert not server.ready


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("fails", "status 3: ValueError: no room for the cache. Its log is"),
        ("refuses", "^vLLM is not installed here. Run: pip install x$"),
        ("slow", "not ready within 0.5 s"),
    ],
)
def test_the_reason_of_a_failed_start_is_in_the_message(
    serve: Callable[..., VllmServer], stand_in: StandIn, mode: str, words: str
) -> None:
    stand_in.mode(mode)
    with pytest.raises(EngineError, match=words):
        serve(ready_seconds=0.5 if mode == "slow" else 60).start()
    until(lambda: not alive(stand_in.worker))


def test_what_is_not_there_cannot_be_started(
    serve: Callable[..., VllmServer], tmp_path: Path
) -> None:
    with pytest.raises(EngineError, match="cannot be started with /none/python"):
        serve(python="/none/python").start()
    with pytest.raises(CheckpointError, match="was not written by rsvlm export"):
        VllmServer(tmp_path)


def test_stopping_while_it_is_started_again(
    serve: Callable[..., VllmServer], stand_in: StandIn
) -> None:
    with serve():
        stand_in.mode("slow")  # never ready again
        os.kill(stand_in.starts[0][0], signal.SIGKILL)
        until(lambda: len(stand_in.starts) == 2)
        begun = time.monotonic()
    assert time.monotonic() - begun < 10
    assert not alive(stand_in.starts[1][0])


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import subprocess, time; from rsvlm.app import vllm_child as c; import threading;"
        "print(subprocess.Popen(['sleep', '600']).pid, flush=True);"
        "threading.Thread(target=c._end_with_parent).start(); time.sleep(600)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        start_new_session=True, text=True,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    grandchild = int(child.stdout.readline())
    child.stdin.close()  # what happens when we die
    assert child.wait(20) == -signal.SIGKILL
    until(lambda: not alive(grandchild))
    child.stdout.close()


def test_the_server_is_closed_to_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RSVLM_API_KEY", "OPENAI_API_KEY", "VLLM_SERVER_DEV_MODE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("VLLM_CPU_OMP_THREADS_BIND", "0-3")
    settings = VllmSettings(
        tensor_parallel=2, arguments=("--gpu-memory-utilization=0.5",)
    )
    words = command(settings, folder, "rsvlm-x", 1, "bfloat16")
    pairs = dict(itertools.pairwise(words))
    assert pairs["--host"] == "127.0.0.1"
    assert pairs["--allowed-media-domains"] == "none.invalid"
    assert pairs["--tensor-parallel-size"] == "2"
    assert words[-1] == "--gpu-memory-utilization=0.5"
    assert "secret" not in " ".join(words)
    variables = environment(settings, "secret")
    assert variables["VLLM_API_KEY"] == "secret"
    assert variables["VLLM_MEDIA_URL_ALLOW_REDIRECTS"] == "0"
    assert variables["VLLM_CPU_OMP_THREADS_BIND"] == "0-3"  # the user's choice stays
    assert not variables.keys() & {
        "RSVLM_API_KEY",
        "OPENAI_API_KEY",
        "VLLM_SERVER_DEV_MODE",
    }


@pytest.mark.parametrize(
    "flag",
    ["--trust-remote-code", "--host=0.0.0.0", "--api_key=x", "--trust-request-mm",
     "--allowed-local-media-path=/"],
)  # fmt: skip
def test_flags_that_open_it_are_refused(flag: str) -> None:
    with pytest.raises(ValidationError, match="would open the server"):
        VllmSettings(arguments=(flag,))


def test_adapters(folder: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    def adapter(name: str, rank: int, layer: str) -> Path:
        out = tmp_path / name
        out.mkdir()
        (out / "adapter_config.json").write_text(json.dumps({"r": rank}))
        save_file({f"base_model.model.model.{layer}.lora_A.weight": torch.zeros(1)},
                  out / "adapter_model.safetensors")  # fmt: skip
        return out

    words = "language_model.layers.0.self_attn.q_proj"
    good = {"a": adapter("a", 4, words), "b": adapter("b", 20, words)}
    found = command(VllmSettings(adapters=good), folder, "x", 1, "float32")
    assert found[found.index("--max-lora-rank") + 1] == "32"
    assert found[-2:] == [f"a={good['a']}", f"b={good['b']}"]
    for bad, message in (
        ({"c": adapter("c", 4, "optical_projector.reduce")}, "more than the language"),
        ({"d": adapter("d", 1000, words)}, "rank 1000"),
        ({"e": tmp_path / "none"}, "cannot be read"),
    ):
        with pytest.raises(SettingsError, match=message):
            command(VllmSettings(adapters=bad), folder, "x", 1, "float32")


def test_an_engine_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no engine 'vlm'"):
        build_assistant("tiny", engine="vlm")
    with pytest.raises(SettingsError, match="served already"):
        build_assistant("http://h/v1#x", engine="http://h/v1#x")
