"""What batches may take: bytes, threads, turns at their file, and no second output."""

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rsvlm.app.server import batch_jobs, batch_lines
from rsvlm.app.server.batch_jobs import Batches
from rsvlm.app.server.batch_settings import BatchLimits
from rsvlm.app.server.batch_store import Batch, BatchLine, BatchStore
from rsvlm.app.server.errors import ApiError
from tests.app.batches import Oracle
from tests.app.server.batching import (
    URL,
    app_of,
    begin,
    client_of,
    content,
    jsonl,
    line,
    texts,
    wait,
)  # fmt: skip
from tests.app.server.fakes import body_of

MIB = 2**20


def body_bytes(*lines: dict[str, Any]) -> int:
    return sum(len(json.dumps(one["body"])) for one in lines)


def test_requests_that_come_together_are_held_to_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = BatchStore.create

    def slow(store: BatchStore, owner: str, batch: Batch) -> None:
        time.sleep(0.05)
        create(store, owner, batch)

    monkeypatch.setattr(BatchStore, "create", slow)
    app = app_of(tmp_path, Oracle(seconds=0.05), BatchLimits(max_active=3))
    batches: Batches = app.state.batches
    source = tmp_path / "q.jsonl"
    source.write_bytes(jsonl(*[line(n) for n in range(20)]))
    with source.open("rb") as stream:
        file = app.state.files.add("me", "q.jsonl", stream, purpose="batch")

    async def test() -> list[Batch | BaseException]:
        async with batches.running():
            calls = [batches.create("me", file.id, URL, None) for _ in range(12)]
            return await asyncio.gather(*calls, return_exceptions=True)

    made = asyncio.run(test())
    refused = [one for one in made if isinstance(one, ApiError)]
    assert [one.code for one in refused] == ["too_many_batches"] * 9


def test_bodies_beyond_the_limit_are_not_kept(tmp_path: Path) -> None:
    lines = [line(n) for n in range(9)]
    engine, limits = Oracle(), BatchLimits(max_bytes=body_bytes(*lines[:6]))
    with client_of(tmp_path, engine, limits) as client:
        batch = wait(client, begin(client, *lines).id)
        assert (batch.status, engine.asked) == ("failed", [])
        (fault,) = batch.errors.data
        assert (fault.line, fault.code) == (7, "too_large")
        assert f"more than {limits.max_bytes} bytes" in fault.message
        assert wait(client, begin(client, *lines[:6]).id).status == "completed"


def test_results_beyond_the_limit_are_not_asked_for(tmp_path: Path) -> None:
    options = {"task": "vqa", "return": ["trace"]}
    lines = [line(n, body=body_of(f"{n}?", rsvlm=options)) for n in range(40)]
    engine = Oracle()
    limits = BatchLimits(max_bytes=body_bytes(*lines), max_running=2)
    with client_of(tmp_path, engine, limits) as client:
        batch = wait(client, begin(client, *lines).id)
        assert batch.status == "completed"
        output = client.files.content(batch.output_file_id).text
        size = len(output.encode())
        done = len(texts(content(client, batch.output_file_id)))
        assert limits.max_bytes <= size < limits.max_bytes + 3 * size / done
        errors = content(client, batch.error_file_id)
    assert done == len(engine.asked) == 40 - len(errors) < 40
    assert {error["error"]["code"] for error in errors} == {"batch_too_large"}
    assert str(limits.max_bytes) in errors[0]["error"]["message"]


def test_a_batch_draws_no_pictures(tmp_path: Path) -> None:
    body = body_of(rsvlm={"task": "vqa", "return": ["trace", "overlay"]})
    engine = Oracle()
    with client_of(tmp_path, engine) as client:
        batch = wait(client, begin(client, line(0, body=body)).id)
        (record,) = content(client, batch.error_file_id)
    assert record["response"]["status_code"] == 400
    error = record["response"]["body"]["error"]
    assert (error["code"], error["param"]) == ("invalid_value", "rsvlm.return")
    assert "'overlay'" in error["message"]
    assert not engine.asked


def test_files_that_are_read_keep_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, read = threading.Event(), batch_lines.read_lines

    def slow(path: Path, limits: BatchLimits) -> Iterator[BatchLine]:
        go_on.wait(30)
        yield from read(path, limits)

    monkeypatch.setattr(batch_jobs, "read_lines", slow)
    count = 33  # asyncio has at most 32 threads
    limits = BatchLimits(max_active=count)
    with client_of(tmp_path, Oracle(), limits) as client:
        try:
            first = begin(client, line(0))
            for _ in range(count - 1):
                client.batches.create(
                    input_file_id=first.input_file_id, endpoint=URL,
                    completion_window="24h",
                )  # fmt: skip
            options = {"rsvlm": {"task": "vqa"}}
            person = client.with_options(timeout=5)
            reply = person.chat.completions.create(**body_of(), extra_body=options)
            assert reply.choices[0].message.content
        finally:
            go_on.set()
        assert wait(client, first.id).status == "completed"


def test_long_rows_are_kept_and_dropped_a_few_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    store, other = BatchStore(path), sqlite3.connect(path)
    batch = Batch(
        id="b", endpoint=URL, input_file_id="f", completion_window="24h",
        created_at=0, expires_at=1,
    )  # fmt: skip
    store.create("me", batch)

    def rows() -> int:
        return int(other.execute("SELECT count(*) FROM requests").fetchone()[0])

    kept = list[int]()

    def lines() -> Iterator[BatchLine]:
        for number in range(1, 6):
            kept.append(rows())
            yield BatchLine(number, f"r{number}", bytes(3 * MIB))

    assert store.fill("b", lines()) == 5
    assert kept == [0, 0, 2, 2, 4]
    words = [str(number) * 3 * MIB for number in range(1, 6)]
    for number, text in enumerate(words, 1):
        store.finish("b", number, text, failed=False)
    assert store.result_bytes("b") == 15 * MIB
    assert list(store.results("b", failed=False)) == words
    store.clear("b")
    assert rows() == 0
    other.close()
    store.close()


def test_a_folder_of_an_earlier_version_opens(tmp_path: Path) -> None:
    path = tmp_path / "b.sqlite"
    BatchStore(path).close()
    with sqlite3.connect(path) as old:
        old.execute("ALTER TABLE batches DROP COLUMN result_bytes")
    old.close()
    store = BatchStore(path)
    assert store.result_bytes("none") == 0
    store.close()


def test_a_kill_behind_the_output_makes_no_second_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_jobs, "TROUBLE_S", 0.05)
    save, lost = BatchStore.save, list[str | None]()

    def cut(store: BatchStore, batch: Batch) -> None:
        if batch.output_file_id is not None and not lost:
            lost.append(batch.output_file_id)
            raise sqlite3.OperationalError("cut off")
        save(store, batch)

    monkeypatch.setattr(BatchStore, "save", cut)
    with client_of(tmp_path, Oracle()) as client:
        batch = wait(client, begin(client, line(0), line(1)).id)
        files = [file.id for file in client.files.list(purpose="batch_output")]
        assert files == lost == [batch.output_file_id]
        assert len(content(client, batch.output_file_id)) == 2
