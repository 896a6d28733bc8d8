"""Every hostile and odd file of the tests: what a server answers, how fast, its memory.

Run: python -m benchmarks.hostile_files [--all]

Prints a table of the files that were answered otherwise than they should be, and of the
slowest; ``--all`` prints every file. Exit status 1 if an answer is wrong, a file took
longer than the limit, memory grew by 100 MiB, or a file made the server contact
anything.
"""

import argparse
import io
import os
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from rsvlm.app.server.errors import as_api_error
from rsvlm.app.server.files import FileStore
from tests.app.server import hostile

#: Most MiB that the memory of this process may grow.
GROWTH = 100


@dataclass(frozen=True)
class Row:
    """What became of a file."""

    name: str
    bytes: int
    expected: int
    status: int
    ms: float
    words: str


def resident_mib() -> float:
    """Return the memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def tried(store: FileStore, name: str, data: bytes, expected: int) -> Row:
    """Upload a file, and look at it if it is kept."""
    start = time.perf_counter()
    try:
        stored = store.add("mallory", name, io.BytesIO(data))
        with store.open(stored) as raster:
            raster.preview(256)
            status, words = 200, " ".join(raster.warnings)
        store.delete("mallory", stored.id)
    except Exception as error:  # noqa: BLE001 - whatever it is, a client is told
        answer = as_api_error(error)
        status, words = answer.status, answer.message
    ms = (time.perf_counter() - start) * 1e3
    return Row(name, len(data), expected, status, ms, words)


def shown(rows: list[Row]) -> None:
    """Print a table."""
    print("| file | bytes | status | ms | words |\n|---|---:|---:|---:|---|")
    for row in rows:
        words = row.words.replace("|", "/")[:90]
        print(f"| {row.name} | {row.bytes:,} | {row.status} | {row.ms:.0f} | {words} |")


def main() -> None:
    """Try every file, and print what stands out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="print every file")
    args = parser.parse_args()
    hits: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        def count() -> None:
            while True:
                hits.append(listener.accept())

        threading.Thread(target=count, daemon=True).start()
        with tempfile.TemporaryDirectory() as folder:
            secret = Path(folder) / "secret.txt"
            secret.write_text("PASSWORD")
            files = [
                (name, make(), expected)
                for expected, makers in (
                    (400, hostile.refused(address, str(secret))),
                    (200, hostile.kept()),
                )
                for name, make in makers.items()
            ]
            store = FileStore(Path(folder) / "files")
            tried(store, "warm", hostile.png(), 200)
            before = resident_mib()
            rows = [tried(store, *file) for file in files]
            growth = resident_mib() - before
            limit = store.limits.call_seconds
            store.close()
        wrong = [row for row in rows if row.status != row.expected]
        slow = sorted(rows, key=lambda row: -row.ms)
        shown(rows if args.all else [*wrong, *slow[:10]])
        median = slow[len(slow) // 2].ms
        refused = sum(row.status == 400 for row in rows)
        print(
            f"{len(rows)} files, {refused} refused, {len(wrong)} answered wrongly; "
            f"median {median:.0f} ms, longest {slow[0].ms / 1e3:.1f} s; memory grew by "
            f"{growth:.0f} MiB; {len(hits)} connections"
        )
    failed = wrong or hits or growth > GROWTH or slow[0].ms > limit * 1e3
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
