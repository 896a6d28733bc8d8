"""Batches of the server, through the official client, over kills and restarts."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from rsvlm.app.server import batch_work, chat
from rsvlm.app.server.batch_settings import BatchLimits
from rsvlm.app.server.batch_store import BatchStore
from tests.app.batches import Oracle
from tests.app.server.batching import (
    URL,
    app_of,
    begin,
    client_at,
    client_of,
    content,
    jsonl,
    line,
    texts,
    wait,
)  # fmt: skip
from tests.app.server.fakes import body_of, serving

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_work, "ENGINE_PAUSE_S", 0.01)


def test_the_official_client_gets_its_answers(tmp_path: Path) -> None:
    bad = [
        line(2, body={"messages": []}),
        line(3, body={**body_of(), "stream": True}),
        line(4, body={**body_of(), "model": "other"}),
    ]
    with client_of(tmp_path, Oracle()) as client:
        begun = begin(client, line(0), line(1), *bad, metadata={"for": "a test"})
        assert (begun.object, begun.status, begun.endpoint) == (
            "batch", "validating", URL,
        )  # fmt: skip
        batch = wait(client, begun.id)
        assert (batch.status, batch.metadata) == ("completed", {"for": "a test"})
        assert batch.request_counts.model_dump() == {
            "total": 5, "completed": 2, "failed": 3,
        }  # fmt: skip
        output = content(client, batch.output_file_id)
        assert [record["custom_id"] for record in output] == ["r0", "r1"]
        reply = output[0]["response"]
        assert (reply["status_code"], output[0]["error"]) == (200, None)
        assert reply["body"]["object"] == "chat.completion"
        assert reply["body"]["rsvlm"]["schema"] == "rsvlm.answer/1"
        errors = content(client, batch.error_file_id)
        told = [(e["custom_id"], e["response"]["status_code"]) for e in errors]
        assert told == [("r2", 400), ("r3", 400), ("r4", 404)]
        assert errors[0]["response"]["body"]["error"]["param"] == "messages"
        assert errors[1]["response"]["body"]["error"]["param"] == "stream"
        file = client.files.retrieve(batch.output_file_id)
        assert file.purpose == "batch_output"
        assert [b.id for b in client.batches.list()] == [batch.id]


def test_lists_go_page_by_page(tmp_path: Path) -> None:
    with client_of(tmp_path, Oracle()) as client:
        ids = [begin(client, line(n)).id for n in range(5)]
        page = client.batches.list(limit=2)
        assert ([b.id for b in page.data], page.has_more) == (ids[:2:-1], True)
        assert [b.id for b in client.batches.list(limit=2)] == ids[::-1]
        with pytest.raises(openai.NotFoundError):
            client.batches.list(after="batch_none")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", (None, "empty_file")),
        (b"\n{no json\n", (2, "invalid_json")),
        (jsonl(line(1), line(1)), (2, "duplicate_custom_id")),
        (jsonl(line(1, url="/v1/other")), (1, "invalid_request")),
        (jsonl(line(1), line(2, method="GET")), (2, "invalid_request")),
        (jsonl(line(1), line(2), line(3), line(4)), (4, "too_many")),
        (jsonl(line(1)) + b" " * 20_000, (2, "too_long")),
    ],
)
def test_faults_of_a_file_are_named_and_nothing_is_asked(
    tmp_path: Path, data: bytes, told: tuple[int | None, str]
) -> None:
    engine = Oracle()
    limits = BatchLimits(max_requests=3, max_line_bytes=16_384)
    with client_of(tmp_path, engine, limits) as client:
        file = client.files.create(file=("q.jsonl", data), purpose="batch")
        begun = client.batches.create(
            input_file_id=file.id, endpoint=URL, completion_window="24h"
        )
        batch = wait(client, begun.id)
        assert batch.status == "failed"
        first = batch.errors.data[0]
        assert (first.line, first.code) == told
        assert (batch.output_file_id, engine.asked) == (None, [])


def test_an_engine_that_fails_now_and_then_loses_nothing(tmp_path: Path) -> None:
    def moody(text: str, tries: int) -> bool:
        return tries < len(text) % 4

    lines = [line(n, f"What is {'x' * n}?") for n in range(12)]
    with client_of(tmp_path, Oracle(fails=moody)) as client:
        batch = wait(client, begin(client, *lines).id)
        assert (batch.status, batch.error_file_id) == ("completed", None)
        found = texts(content(client, batch.output_file_id))
    with client_of(tmp_path / "other", Oracle()) as client:
        calm = wait(client, begin(client, *lines).id)
        assert texts(content(client, calm.output_file_id)) == found


def test_an_error_is_kept_as_one_after_the_last_try(tmp_path: Path) -> None:
    engine = Oracle(fails=lambda text, tries: "bad" in text)
    with client_of(tmp_path, engine, BatchLimits(tries=3)) as client:
        batch = wait(client, begin(client, line(0), line(1, "bad?")).id)
        assert list(texts(content(client, batch.output_file_id))) == ["r0"]
        (error,) = content(client, batch.error_file_id)
        assert error["response"]["status_code"] == 503
        assert error["response"]["body"]["error"]["code"] == "engine_error"
    assert sum("bad" in text for text in engine.asked) == 3


def test_a_batch_goes_on_after_a_clean_restart(tmp_path: Path) -> None:
    lines = [line(n) for n in range(20)]
    first, second = Oracle(seconds=0.02), Oracle()
    with client_of(tmp_path, first) as client:
        id = begin(client, *lines).id
        wait(client, id, lambda batch: batch.request_counts.completed >= 4)
    done = len(first.asked)
    with client_of(tmp_path, second) as client:
        batch = wait(client, id)
        assert batch.request_counts.completed == 20
        assert len(texts(content(client, batch.output_file_id))) == 20
    assert 4 <= done < 20
    assert len(second.asked) <= 20 - done + 1  # one may have been under way


def test_a_killed_server_loses_and_doubles_no_line(tmp_path: Path) -> None:
    lines = [line(n) for n in range(60)]
    address = tmp_path / "address"
    words = [sys.executable, "-m", "tests.app.server.batching"]
    process = subprocess.Popen([*words, str(tmp_path), str(address)], cwd=ROOT)
    try:
        while not (address.exists() and address.read_text()):
            assert process.poll() is None
            time.sleep(0.01)
        with client_at(address.read_text()) as client:
            id = begin(client, *lines).id
            wait(client, id, lambda batch: batch.request_counts.completed >= 9)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    engine = Oracle()
    with client_of(tmp_path, engine) as client:
        batch = wait(client, id)
        found = texts(content(client, batch.output_file_id))
    assert len(found) == 60 > len(engine.asked)
    assert batch.request_counts.model_dump() == {
        "total": 60, "completed": 60, "failed": 0,
    }  # fmt: skip
    with client_of(tmp_path / "other", Oracle()) as client:
        calm = wait(client, begin(client, *lines).id)
        assert texts(content(client, calm.output_file_id)) == found


def test_a_request_that_somebody_else_stopped_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsvlm.app.server.batch_jobs.TROUBLE_S", 0.05)
    stopped = list[str]()

    async def complete(service: Any, owner: str, body: Any, **given: Any) -> Any:
        text = body.messages[-1].text
        if "2" in text and not stopped:
            stopped.append(text)
            raise asyncio.CancelledError
        return await chat.complete(service, owner, body, **given)

    monkeypatch.setattr(batch_work, "complete", complete)
    with client_of(tmp_path, Oracle()) as client:
        batch = wait(client, begin(client, *[line(n) for n in range(4)]).id)
        assert len(texts(content(client, batch.output_file_id))) == 4
    assert stopped


def test_a_full_disk_only_delays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsvlm.app.server.batch_jobs.TROUBLE_S", 0.05)
    finish, failed = BatchStore.finish, list[int]()

    def full(store: BatchStore, id: str, line: int, *more: Any, **given: Any) -> None:
        if not failed:
            failed.append(line)
            raise sqlite3.OperationalError("database or disk is full")
        finish(store, id, line, *more, **given)

    monkeypatch.setattr(BatchStore, "finish", full)
    with client_of(tmp_path, Oracle()) as client:
        batch = wait(client, begin(client, *[line(n) for n in range(4)]).id)
        assert len(texts(content(client, batch.output_file_id))) == 4
    assert failed


def test_a_cancelled_batch_keeps_what_is_answered(tmp_path: Path) -> None:
    engine = Oracle(seconds=0.02)
    with client_of(tmp_path, engine) as client:
        id = begin(client, *[line(n) for n in range(200)]).id
        wait(client, id, lambda batch: batch.request_counts.completed >= 3)
        assert client.batches.cancel(id).status in ("cancelling", "cancelled")
        batch = wait(client, id)
        assert batch.status == "cancelled"
        output = content(client, batch.output_file_id)
        assert 3 <= len(output) == batch.request_counts.completed < 200
        asked = len(engine.asked)
        with pytest.raises(openai.ConflictError, match="is cancelled"):
            client.batches.cancel(id)
        time.sleep(0.1)
        assert len(engine.asked) == asked


def test_what_is_not_asked_in_time_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsvlm.app.server.batch_jobs.WINDOW_S", 1)
    with client_of(tmp_path, Oracle(seconds=0.1)) as client:
        batch = wait(client, begin(client, *[line(n) for n in range(100)]).id)
        assert (batch.status, batch.request_counts.total) == ("expired", 100)
        done = batch.request_counts.completed
        errors = content(client, batch.error_file_id)
        assert done + len(errors) == 100
        if done:
            assert len(content(client, batch.output_file_id)) == done
        assert {e["error"]["code"] for e in errors} == {"batch_expired"}


def test_people_go_first(tmp_path: Path) -> None:
    engine, people = Oracle(seconds=0.1), 6
    with client_of(tmp_path, engine) as client, ThreadPoolExecutor(people) as pool:
        id = begin(client, *[line(n) for n in range(100)]).id
        wait(client, id, lambda batch: batch.request_counts.completed >= 1)

        def ask_on(person: int) -> None:
            for number in range(8):
                body = body_of(f"Person {person} {number}?")
                options = {"rsvlm": {"task": "vqa"}}
                client.chat.completions.create(**body, extra_body=options)

        list(pool.map(ask_on, range(people)))
        client.batches.cancel(id)
    is_person = ["Person" in text for text in engine.asked]
    first = is_person.index(True)
    last = len(is_person) - is_person[::-1].index(True)
    # The one that was under way, and those at the ends, when no person waits. In order
    # of arrival a request of the batch would follow every six questions: eight.
    assert is_person[first:last].count(False) <= 4


def test_limits_hold(tmp_path: Path) -> None:
    with client_of(
        tmp_path,
        Oracle(seconds=0.05),
        BatchLimits(max_active=2, requests_per_minute=1),
    ) as client:
        ids = [begin(client, line(0), line(1), line(2)).id for _ in range(2)]
        with pytest.raises(openai.RateLimitError) as caught:
            begin(client, line(0))
        assert caught.value.response.headers["retry-after"] == "60"
        time.sleep(0.5)
        done = [client.batches.retrieve(id).request_counts.completed for id in ids]
        assert sum(done) <= 1
        for id in ids:
            client.batches.cancel(id)


def test_wrong_files_and_strangers_get_nothing(tmp_path: Path) -> None:
    app = app_of(tmp_path, Oracle())
    with serving(app) as address, client_at(address) as client:
        with pytest.raises(openai.NotFoundError):
            client.batches.create(
                input_file_id="file-0", endpoint=URL, completion_window="24h"
            )
        begun = begin(client, line(0))
        batch = wait(client, begun.id)
        with pytest.raises(openai.BadRequestError, match="purpose 'batch'"):
            client.batches.create(
                input_file_id=str(batch.output_file_id), endpoint=URL,
                completion_window="24h",
            )  # fmt: skip
        with pytest.raises(openai.BadRequestError):
            client.batches.create(
                input_file_id=batch.input_file_id, endpoint="/v1/embeddings",
                completion_window="24h",
            )  # fmt: skip
        for call in (client.batches.retrieve, client.batches.cancel):
            with pytest.raises(openai.NotFoundError):
                call("batch_none")
        with pytest.raises(Exception, match="no batch"):
            app.state.batches.get("stranger", begun.id)


def test_of_two_results_the_first_counts(tmp_path: Path) -> None:
    from rsvlm.app.server.batch_store import Batch, BatchLine

    store = BatchStore(tmp_path / "b.sqlite")
    batch = Batch(
        id="b", endpoint=URL, input_file_id="f", completion_window="24h",
        created_at=0, expires_at=1,
    )  # fmt: skip
    store.create("me", batch)
    assert store.fill("b", [BatchLine(n, f"r{n}", b"{}") for n in (3, 7)]) == 2
    assert store.fill("b", [BatchLine(n, f"r{n}", b"{}") for n in (3, 7)]) == 2
    store.finish("b", 3, "first", failed=False)
    store.finish("b", 3, "second", failed=True)
    found = store.get("b", "me")
    assert found is not None
    assert (found.request_counts.completed, found.request_counts.failed) == (1, 0)
    assert list(store.results("b", failed=False)) == ["first"]
    after = store.next_open("b", 0)
    assert after is not None
    assert after.line == 7
    assert store.get("b", "stranger") is None
    store.close()
