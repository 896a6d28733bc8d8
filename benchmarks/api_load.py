"""Load the server with good, bad and hostile requests from many clients.

Run: ``python benchmarks/api_load.py --seconds 600 --clients 64`` (starts
benchmarks/stub_server.py; ``--away-s 5`` takes its engine away for 5 s of each minute), or
``--url http://127.0.0.1:8000`` for a server that runs. ``--overhead`` measures instead
what the server adds to an engine of a fixed time.

Prints statuses by kind of request, answers that were lost (never given, though the client
came back as it was told), doubled or mixed up, times, the times of ``/health`` as another
process sees them, and the memory of the server and its children. Exit status 1 if an
answer was lost or mixed up, or the server failed (500, 502, 504, a broken connection).
"""

import argparse
import asyncio
import base64
import json
import multiprocessing
import random
import statistics
import sys
import time
from collections import Counter, defaultdict
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import psutil
from api_requests import BAD, HOSTILE, Reply, call, file_body, picture, question
from stub_server import started

#: Statuses with which a server may send a client away for a while.
_LATER = (429, 503)
#: The same inside a stream that has begun.
_LATER_CODES = ("engine_error", "stopping", "queue_full")
_TRIES = 40


class Load:
    """What the clients did and saw.

    Attributes:
        statuses: Kind of request -> how often each status came.
        seconds: Times of good answers, tries included.
        faults: A line for each answer that was lost or wrong, and each failure.
    """

    def __init__(self, url: str, seconds: float) -> None:
        """Prepare a load.

        Args:
            url: Of the server.
            seconds: How long to send.
        """
        self.host, self.port = (
            str(urlsplit(url).hostname),
            int(urlsplit(url).port or 80),
        )
        self.end = time.monotonic() + seconds
        self.statuses: dict[str, Counter[str]] = defaultdict(Counter)
        self.seconds: list[float] = []
        self.faults: list[str] = []
        self.sent = self.answered = 0
        self._number = 0

    async def run(self, clients: int) -> None:
        """Run the clients."""
        await asyncio.gather(*(self._client(n) for n in range(clients)))

    async def _client(self, seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < self.end:
            kind = chance.random()
            if kind < 0.5:
                await self._ask(chance, stream=False)
            elif kind < 0.6:
                await self._ask(chance, stream=True)
            elif kind < 0.65:
                await self._ask_about_a_file(chance)
            else:
                table = BAD if kind < 0.85 else HOSTILE
                name = chance.choice(list(table))
                allowed, request = table[name](chance)
                await self._send(name, allowed, request)
            await asyncio.sleep(chance.random() * 0.2)

    async def _send(
        self, name: str, allowed: tuple[int, ...], request: dict[str, Any]
    ) -> None:
        reply = await self._try(name, **request)
        if reply is not None and reply.status not in (*allowed, *_LATER):
            self.faults.append(f"{name}: {reply.status} {reply.body[:200]!r}")

    def _count(self, name: str, reply: Reply) -> None:
        later = reply.status in _LATER or reply.code() in _LATER_CODES
        code = f" {reply.code()}" if later else ""
        self.statuses[name][f"{reply.status or 'closed'}{code}"] += 1

    async def _ask(
        self, chance: random.Random, stream: bool, image: str | None = None
    ) -> None:
        self._number += 1
        number, name = self._number, "good, streamed" if stream else "good"
        body = question(number, image or picture(chance), stream)
        start = time.monotonic()
        self.sent += 1
        for _ in range(_TRIES):
            reply = await self._try(name, method="POST", path="/v1/chat/completions",
                                    body=body)  # fmt: skip
            if reply is not None and not (
                reply.status in _LATER or reply.code() in _LATER_CODES
            ):
                break
            wait = float(reply.headers.get("retry-after", 1)) if reply else 1.0
            await asyncio.sleep(wait * chance.uniform(1.0, 1.3))
        else:
            self.faults.append(f"{name}: lost after {_TRIES} tries")
            return
        texts = reply.texts()
        if reply.status != 200 or texts != [f"The answer is {number}."]:
            self.faults.append(
                f"{name} {number}: {reply.status} {texts} {reply.body[:200]!r}"
            )
            return
        self.answered += 1
        self.seconds.append(time.monotonic() - start)

    async def _try(self, name: str, **request: Any) -> Reply | None:
        try:
            reply = await call(self.host, self.port, **request)
        except (OSError, TimeoutError, ValueError) as error:
            self.faults.append(f"{name}: {error!r}")
            return None
        self._count(name, reply)
        return reply

    async def _ask_about_a_file(self, chance: random.Random) -> None:
        body, kind = file_body(chance)
        headers = {"Content-Type": kind}
        reply = await self._try("upload", method="POST", path="/v1/files", body=body,
                                headers=headers)  # fmt: skip
        if reply is None or reply.status != 200:
            return
        file = reply.json()["id"]
        await self._ask(chance, stream=False, image=file)
        await self._try("delete", method="DELETE", path=f"/v1/files/{file}")


def probe(host: str, port: int, seconds: float, times: Any) -> None:
    """Time ``/health`` from a process of its own."""
    end, found = time.monotonic() + seconds, []
    while time.monotonic() < end:
        start = time.perf_counter()
        connection = HTTPConnection(host, port, timeout=30)
        connection.request("GET", "/health")
        status = connection.getresponse().status
        connection.close()
        found.append(time.perf_counter() - start if status == 200 else 30.0)
        time.sleep(0.05)
    times.put(found)


async def watch(process: psutil.Process, end: float) -> list[float]:
    """Return the memory of a process and its children, MiB, once a second."""
    sizes = []
    while time.monotonic() < end:
        family = [process, *process.children(recursive=True)]
        total = 0
        for member in family:
            try:
                total += member.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        sizes.append(total / 2**20)
        await asyncio.sleep(1)
    return sizes


def percentile(values: list[float], share: float) -> str:
    """Return a quantile in ms as text."""
    if not values:
        return "-"
    ordered = sorted(values)
    return f"{1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]:.0f} ms"


async def load(url: str, pid: int | None, seconds: float, clients: int) -> int:
    """Load a server and print what came of it; return the exit status."""
    run = Load(url, seconds)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    prober = context.Process(target=probe, args=(run.host, run.port, seconds, queue))
    prober.start()
    tasks = [asyncio.create_task(run.run(clients))]
    if pid is not None:
        tasks.append(asyncio.create_task(watch(psutil.Process(pid), run.end)))
    *_, sizes = [await task for task in tasks]
    health = await asyncio.to_thread(queue.get, True, 60)
    prober.join()
    print(f"{clients} clients, {seconds:.0f} s")
    for name, counts in sorted(run.statuses.items()):
        print(f"  {name:24} {dict(sorted(counts.items()))}")
    print(f"questions {run.sent}, answered {run.answered}, faults {len(run.faults)}")
    print(
        f"answers: p50 {percentile(run.seconds, 0.5)}, p99 {percentile(run.seconds, 0.99)}"
    )
    print(f"/health: p50 {percentile(health, 0.5)}, p99 {percentile(health, 0.99)}, "
          f"{len(health)} times")  # fmt: skip
    if pid is not None and len(sizes) > 9:
        tenth = max(1, len(sizes) // 10)
        parts = [
            sizes[tenth : 2 * tenth],
            sizes[len(sizes) // 2 :][:tenth],
            sizes[-tenth:],
        ]
        means = [f"{statistics.mean(part):.0f}" for part in parts]
        print(f"memory with children, MiB: {', '.join(means)} (start, middle, end)")
    for fault in run.faults[:30]:
        print(" ", fault)
    return int(bool(run.faults))


def overhead(seconds: float, questions: int = 30) -> None:
    """Print what the server adds to an engine that takes so many seconds."""
    from stub_server import WaitingEngine

    from rsvlm.assistant import Assistant
    from rsvlm.raster import Raster

    data = base64.b64decode(picture(random.Random(0)).partition(",")[2])
    assistant = Assistant(WaitingEngine(seconds), least=0.0)
    direct, served = [], []
    with Raster.from_bytes(data, "a.png") as raster:
        for number in range(questions):
            start = time.perf_counter()
            assistant.ask([raster], f"What is number {number}?", "vqa")
            direct.append(time.perf_counter() - start)
    with started("--delay-ms", str(seconds * 1000)) as (url, _):
        place = urlsplit(url)
        connection = HTTPConnection(str(place.hostname), place.port)
        body, kind = file_body(random.Random(0))
        connection.request("POST", "/v1/files", body, {"Content-Type": kind})
        file = json.loads(connection.getresponse().read())["id"]
        for number in range(questions):
            start = time.perf_counter()
            body = question(number, file, False)
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/chat/completions", body, headers)
            assert connection.getresponse().read()
            served.append(time.perf_counter() - start)
    one, two = statistics.median(direct), statistics.median(served)
    print(f"engine {seconds * 1000:.0f} ms: Assistant.ask {one * 1000:.1f} ms, over HTTP "
          f"{two * 1000:.1f} ms, overhead {100 * (two / one - 1):.1f} %")  # fmt: skip


def main() -> None:
    """Load, or measure the overhead."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", help="a server that runs (then no memory is shown)")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--delay-ms", default="50", help="of the engine")
    parser.add_argument("--away-s", default="0", help="seconds a minute without engine")
    parser.add_argument("--overhead", action="store_true")
    asked = parser.parse_args()
    if asked.overhead:
        for seconds in (0.2, 1.0):
            overhead(seconds)
        return
    with ExitStack() as stack:
        url, pid = asked.url, None
        if url is None:
            options = ("--delay-ms", asked.delay_ms, "--away-s", asked.away_s)
            url, pid = stack.enter_context(started(*options))
        status = asyncio.run(load(url, pid, asked.seconds, asked.clients))
    sys.exit(status)


if __name__ == "__main__":
    main()
