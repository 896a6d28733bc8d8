"""A process killed in the middle of anything loses nothing that it acknowledged."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rsvlm.embedding import Vectors, unit
from rsvlm.retrieval.database import Database
from rsvlm.retrieval.vectors import VectorStore

D = 32

Worker = subprocess.Popen[str]

#: Imports once; then a child at a time adds, removes and rebuilds for ever, and says
#: what it is about to do and what is done.
WORKER = """
import os, random, sys
from collections.abc import Iterator
from pathlib import Path
import faiss
import numpy as np
from rsvlm.retrieval import vectors
from rsvlm.retrieval.database import Database
from rsvlm.retrieval.vectors import VectorStore

vectors.LEAST_ROWS, vectors.FEW_ROWS = 300, 50
# One write a line, which a pipe takes whole: a kill never leaves half a line.
say = lambda *words: os.write(1, (" ".join(map(str, words)) + chr(10)).encode())

def work(attempt):
    store = VectorStore(Database(Path(sys.argv[1]) / "index.sqlite"), 32)
    draw, mine, first = random.Random(attempt), [], 100_000 * attempt
    say("ready", os.getpid())
    while True:
        what = draw.choice(["add", "add", "add", "remove", "optimise", "rebuild"])
        if what == "add":
            ids = list(range(first, first + draw.randrange(1, 200)))
            first += len(ids)
            rows = np.stack([np.random.default_rng(i).standard_normal(32) for i in ids])
            rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("f4")
            say("try", *ids)
            store.add(ids, rows)
            mine += ids
            say("added", *ids)
        elif what == "remove" and mine:
            ids = draw.sample(mine, min(len(mine), 20))
            say("trying", *ids)
            store.remove(ids)
            mine = [i for i in mine if i not in ids]
            say("removed", *ids)
        elif what == "optimise":
            store.optimise()
        elif what == "rebuild":
            store.rebuild()

for attempt, _ in enumerate(sys.stdin):
    child = os.fork()
    if not child:
        work(attempt)
    os.waitpid(child, 0)
    say("killed")
"""

KILLS = 6


def row(number: int) -> Vectors:
    """The vector that belongs to a number."""
    return unit(np.random.default_rng(number).standard_normal(D))


def killed(worker: Worker, changes: int, after: float) -> list[list[str]]:
    """Let a child make changes, kill it soon after, and return what it said."""
    said, told = worker.stdout, worker.stdin
    assert said is not None
    assert told is not None
    told.write("go\n")
    told.flush()
    word, number = said.readline().split()
    assert word == "ready"
    lines: list[str] = []
    while changes:
        lines.append(said.readline())
        changes -= lines[-1].startswith(("added", "removed"))
    time.sleep(after)
    os.kill(int(number), signal.SIGKILL)
    lines += iter(said.readline, "killed\n")
    return [line.split() for line in lines]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """The process whose children work on the folder of the test."""
    pytest.importorskip("faiss")
    command = [sys.executable, "-c", WORKER, str(tmp_path)]
    one = {**os.environ, "OMP_NUM_THREADS": "1"}  # threads do not survive a fork
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, env=one
    ) as process:
        yield process
        process.kill()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_what_was_acknowledged_is_there_after_a_kill(
    tmp_path: Path, worker: Worker
) -> None:
    sure, gone, unknown = set[int](), set[int](), set[int]()
    draw = random.Random(0)
    for _ in range(KILLS):
        for word, *numbers in killed(
            worker, draw.randrange(2, 8), draw.uniform(0, 0.05)
        ):
            ids = set(map(int, numbers))
            if word in ("try", "trying"):
                unknown |= ids
                sure -= ids
            elif word == "added":
                unknown -= ids
                sure |= ids
            else:
                unknown -= ids
                gone |= ids
        store = VectorStore(Database(tmp_path / "index.sqlite"), D)
        assert store.verify() == []
        wanted = sorted(sure)
        if wanted:
            rows = np.stack([row(number) for number in wanted])
            np.testing.assert_allclose(store.get(wanted), rows, atol=1e-6)
            found = store.search(rows, 1)
            assert found.ids[:, 0].tolist() == wanted
        there = {pair[0] for pair in store.database.read("SELECT id FROM vectors_rows")}
        assert not there & gone
        assert there <= sure | unknown
        # What was not acknowledged is there as a whole, or not at all.
        half = there & unknown
        assert half in (set(), unknown)
        sure |= half
        gone |= unknown - half
        unknown = set()
        store.database.close()
    assert len(sure) > 100
