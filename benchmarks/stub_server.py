"""The whole server with an engine that only waits: for api_load.py and api_fuzz.py.

Run: ``python benchmarks/stub_server.py --data FOLDER --delay-ms 50``. The first line of
its output is its address. The engine answers with the number that the question holds,
so that a lost, a doubled and a mixed-up answer can be told.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rsvlm.app.server.settings import ServerSettings
from rsvlm.app.serving import build_server
from rsvlm.assistant import Assistant
from rsvlm.engines.base import Capabilities
from rsvlm.errors import EngineError
from rsvlm.messages import Generation, Message

_NUMBER = re.compile(r"number (\d+)")


@dataclass
class WaitingEngine:
    """Answers after a fixed time; fails in the first moments of every minute.

    Attributes:
        seconds: How long an answer takes.
        away: Seconds of each minute in which it is being restarted.
    """

    seconds: float
    away: float = 0.0
    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(together=8, sensors=frozenset({"optical"}))
    )
    name: str = "stub"
    kind: str = "stub"
    revision: str = "0"

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
        """Return the number of the question."""
        if time.time() % 60 < self.away:
            raise EngineError("The engine is being restarted. Wait for it.")
        time.sleep(self.seconds)
        found = _NUMBER.findall(str(messages[-1]))
        text = f"The answer is {found[-1] if found else 'unknown'}."
        if on_text is not None:
            on_text(text)
        return Generation(text, "stop", 10, 5)


@contextmanager
def started(*options: str) -> Iterator[tuple[str, int]]:
    """Start this server in a process of its own; yield its address and process id."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--data", folder, *options]
        path = Path(folder, "log")
        with (
            path.open("w") as log,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True
            ) as process,
        ):
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise SystemExit(path.read_text())
            try:
                yield address, process.pid
            finally:
                process.terminate()
                if process.wait(60):
                    sys.stderr.write(path.read_text()[-4000:])


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=50.0)
    parser.add_argument("--away-s", type=float, default=0.0, help="of each minute")
    parser.add_argument("--max-running", type=int, default=8)
    parser.add_argument("--max-queue", type=int, default=64)
    parser.add_argument("--requests-per-minute", type=int, default=1_000_000)
    given = parser.parse_args()
    engine = WaitingEngine(given.delay_ms / 1000, given.away_s)
    gate = {
        "max_running": given.max_running,
        "max_queue": given.max_queue,
        "requests_per_minute": given.requests_per_minute,
        "burst": given.requests_per_minute,
        "body_seconds": 3.0,
    }
    keys = given.data / "keys.json"
    settings = ServerSettings.model_validate(
        {"port": given.port, "data": given.data, "gate": gate, "keys": keys}
    )
    server = build_server(settings, {"stub": Assistant(engine, least=0.0)})

    def announce() -> None:
        while not server.started:
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        print(f"http://127.0.0.1:{port}", flush=True)

    threading.Thread(target=announce, daemon=True).start()
    server.run()


if __name__ == "__main__":
    main()
