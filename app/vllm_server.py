"""Starts a vLLM server, watches it, starts it again, stops it.

``with VllmServer(folder) as server: build_assistant("tiny", engine=server.address,
key=server.key)``. A server that ends, or no longer answers, is started again on the same
port with the same key, so that requests which are tried again find it. vLLM with a GPU
may live in an environment of its own: ``VllmSettings(python=...)``.
"""

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Self

from rsvlm import assets
from rsvlm.app.vllm_child import MARK
from rsvlm.app.vllm_settings import VllmSettings, command, environment
from rsvlm.errors import EngineError, RsvlmError
from rsvlm.models.export import read_manifest

#: Lines of the log that are kept for messages.
KEPT_LINES = 400
#: Log files of earlier servers that are kept.
KEPT_LOGS = 8
#: Bytes of a log file after which it starts anew.
MOST_LOG = 8_000_000
#: Seconds between looks at the server, and misses in a row that mean it hangs.
EVERY, MISSES = 5.0, 6
#: Seconds that a look takes at most; a busy server is slow.
LOOK = 15.0
#: Seconds before the first restart; they double, up to the second number.
BACK_OFF = (1.0, 30.0)
#: Seconds of running after which earlier failures are forgotten.
SETTLED = 300.0
#: Seconds that a server gets to end by itself.
GRACE = 15.0
#: How a client should ask: over a restart, which takes a minute, and a full queue.
ASKING = "dialect=rsvlm&retries=12&timeout=300&remembers=true&concurrency=64"

_ERROR = re.compile(
    r"\b(\w*(?:Error|Exception|Killed)): (.+)|(unrecognized arguments.*)"
)
_HOLLOW = ("Engine core initialization failed", "WorkerProc initialization failed")


class VllmServer:
    """A vLLM server in processes of its own.

    .. versionadded:: 0.2
    """

    def __init__(
        self,
        folder: Path,
        settings: VllmSettings | None = None,
        log: Path | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Prepare to serve an exported folder; :meth:`start` does so.

        Args:
            folder: Folder of ``rsvlm export``.
            settings: How vLLM is run.
            log: File for what it prints; by default one in the cache.
            say: Called with a line on starts and restarts.

        Raises:
            CheckpointError: If the folder is none of ``rsvlm export``.
        """
        self.folder, self.settings = folder.resolve(), settings or VllmSettings()
        self.name = read_manifest(folder).name
        self.key = secrets.token_urlsafe(32)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.log = log or _log_file(self.port)
        self.restarted = 0
        self.failure: EngineError | None = None
        self._say, self._lines = say, deque[str](maxlen=KEPT_LINES)
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        self._reader: threading.Thread | None = None
        self._stopping, self._ready = threading.Event(), threading.Event()

    @property
    def address(self) -> str:
        """What ``--model`` and ``--engine`` take; the key goes besides."""
        most = f"max_images={self.settings.max_images}"
        return f"{self.url}?{ASKING}&{most}#{self.name}"

    @property
    def ready(self) -> bool:
        """Whether the server answers."""
        return self._ready.is_set()

    def adapter(self, name: str) -> str:
        """Return the address of a LoRA adapter."""
        return f"{self.address.partition('#')[0]}#{name}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            EngineError: If it ends before, or takes too long; the end of its log is in
                the message.
            SettingsError: If an adapter cannot be served.
        """
        self._spawn()
        try:
            self._await_ready()
        except BaseException:
            self.stop()
            raise
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def wait(self, timeout: float) -> bool:
        """Wait until the server answers, and say whether it does.

        Raises:
            EngineError: If it was given up.
        """
        end = time.monotonic() + timeout
        while not self._ready.wait(0.2):
            if self.failure is not None:
                raise self.failure
            if time.monotonic() > end:
                return False
        return True

    def stop(self) -> None:
        """End the server and every process that it started; may be called twice."""
        self._stopping.set()
        self._ready.clear()
        self._end(GRACE)
        if (
            self._watcher is not None
            and self._watcher is not threading.current_thread()
        ):
            self._watcher.join()
        self._end(0)  # should the watcher have been starting it

    def _spawn(self) -> None:
        from rsvlm.models.precision import fast_dtype

        dtype = self.settings.dtype or str(fast_dtype()).removeprefix("torch.")
        words = command(self.settings, self.folder, self.name, self.port, dtype)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._lines.clear()
        try:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,  # ends with us, and the server with it
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment(self.settings, self.key),
                cwd=self.log.parent,
                start_new_session=True,  # one group: what it starts ends with it
            )
        except OSError as error:
            raise EngineError(
                f"vLLM cannot be started with {self.settings.python}: {error}. Give the "
                "Python of an environment that holds vLLM."
            ) from error
        self._reader = threading.Thread(
            target=self._read, args=(self._process,), daemon=True
        )
        self._reader.start()

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None  # it was asked for
        with self.log.open("ab") as file, process.stdout as lines:
            for line in lines:
                if file.tell() > MOST_LOG:
                    file.truncate(0)
                file.write(line)
                file.flush()
                self._lines.append(line.decode(errors="replace").rstrip())

    def _await_ready(self) -> None:
        assert self._process is not None
        end = time.monotonic() + self.settings.ready_seconds
        while not self._answers():
            if self._process.poll() is not None:
                raise self._ended()
            if time.monotonic() > end:
                raise EngineError(
                    f"The vLLM server was not ready within "
                    f"{self.settings.ready_seconds:g} s: {self._tail()}. Its log is "
                    f"{self.log}; give it more time with ready_seconds."
                )
            if self._stopping.wait(0.25):
                raise EngineError("The vLLM server was stopped while it started.")
        self._ready.set()
        self._say(f"vLLM is ready at {self.url}")

    def _answers(self) -> bool:
        """Say whether our server, and no other on the port, answers with the model."""
        request = urllib.request.Request(
            f"{self.url}/models", headers={"Authorization": f"Bearer {self.key}"}
        )
        health = f"http://127.0.0.1:{self.port}/health"
        try:
            with _OPENER.open(request, timeout=LOOK) as reply:
                served = {entry["id"] for entry in json.load(reply)["data"]}
            with _OPENER.open(health, timeout=LOOK):
                return self.name in served
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _watch(self) -> None:
        """Start the server again whenever it ends, until told to stop."""
        failed, since = 0, time.monotonic()
        while self._lives():
            self._ready.clear()
            why = (
                "ended"
                if self._process and self._process.poll() is not None
                else "hangs"
            )
            self._say(f"The vLLM server {why} ({self._tail()}); starting it again")
            self._end(0)
            if time.monotonic() - since > SETTLED:
                failed = 0
            while True:
                if failed >= self.settings.restarts:
                    self.failure = self._ended()
                    self._say(str(self.failure))
                    return
                pause = min(BACK_OFF[0] * 2.0**failed, BACK_OFF[1])
                failed += 1
                if self._stopping.wait(pause):
                    return
                try:
                    self._spawn()
                    self._await_ready()
                except (RsvlmError, OSError) as error:
                    self._end(0)
                    if self._stopping.is_set():
                        return
                    self._say(str(error))
                    continue
                self.restarted += 1
                since = time.monotonic()
                break

    def _lives(self) -> bool:
        """Wait until the server ends or hangs; False if we are to stop."""
        misses, looked = 0, time.monotonic()
        while not self._stopping.wait(0.1):
            if self._process is None or self._process.poll() is not None:
                return not self._stopping.is_set()
            if time.monotonic() - looked < EVERY:
                continue
            misses = 0 if self._answers() else misses + 1
            looked = time.monotonic()
            if misses >= MISSES:
                return True
        return False

    def _end(self, grace: float) -> None:
        process = self._process
        if process is None:
            return
        if grace and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # workers too
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        if self._reader is not None:
            self._reader.join(5)

    def _ended(self) -> EngineError:
        status = self._process.poll() if self._process is not None else None
        self._end(0)  # and with its workers the log, whose last lines say why
        for line in self._lines:
            if line.startswith(MARK):
                return EngineError(line.removeprefix(MARK))
        return EngineError(
            f"The vLLM server ended with status {status}: {self._tail()}. Its log is "
            f"{self.log}."
        )

    def _tail(self) -> str:
        """Return what the log says of an error, or its last line."""
        lines = [
            line for line in list(self._lines) if line.strip()
        ]  # it grows meanwhile
        for line in reversed(lines):
            found = _ERROR.search(line)
            if found and not any(words in line for words in _HOLLOW):
                return found[0][:400].rstrip(".")
        return lines[-1][:400].rstrip(".") if lines else "it printed nothing"


def _log_file(port: int) -> Path:
    """Return a file of the cache; the oldest of earlier servers are removed."""
    folder = assets.cache_folder() / "vllm"
    known = sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
    for path in known[:-KEPT_LOGS]:
        path.unlink(missing_ok=True)
    return folder / f"{port}.log"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


#: No proxy of the environment comes between us and our own machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
