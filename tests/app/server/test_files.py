"""Files are kept, apart by owner, counted, and still there after a kill."""

import hashlib
import io
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.file_settings import FileLimits
from rsvlm.app.server.files import FileStore, StoredFile, plain_name
from rsvlm.errors import ImageError, UnknownNameError
from rsvlm.sandbox import Sandbox, SandboxBusyError
from tests.app.server.hostile import png


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.close()


@pytest.fixture
def store(tmp_path: Path, sandbox: Sandbox) -> Iterator[FileStore]:
    limits = FileLimits(owner_bytes=2000, owner_files=5)
    store = FileStore(tmp_path / "files", limits, sandbox)
    yield store
    store.close()


def image(shade: int, size: int = 0) -> bytes:
    """Return a PNG of so many bytes, unlike those of other shades."""
    data = png(extra=b"") + bytes([shade])
    return data + bytes(max(0, size - len(data)))


def add(store: FileStore, owner: str, data: bytes, purpose: str = "vision") -> str:
    return store.add(owner, "a.png", io.BytesIO(data), purpose).id


def refused(store: FileStore, owner: str, data: bytes) -> ApiError:
    with pytest.raises(ApiError) as caught:
        add(store, owner, data)
    return caught.value


def bytes_on_disk(store: FileStore) -> int:
    return sum(path.stat().st_size for path in store._kept.glob("*/*"))


def test_a_file_is_kept(store: FileStore) -> None:
    before = int(time.time())
    stored = store.add("ann", "maps/port\n1.png", io.BytesIO(image(1)))
    assert stored == StoredFile(
        id=stored.id,
        owner="ann",
        name="port 1.png",
        bytes=len(image(1)),
        created=stored.created,
        expires=stored.created + 7 * 86_400,
        sha256=hashlib.sha256(image(1)).hexdigest(),
        purpose="vision",
    )
    assert before <= stored.created <= time.time()
    assert len(stored.id) == len("file-") + 32
    assert store.get("ann", stored.id) == stored
    assert store.list("ann") == (stored,)
    assert store.path(stored).read_bytes() == image(1)
    assert store.path(stored).stat().st_mode & 0o077 == 0
    with store.open(stored) as raster:
        assert (raster.width, raster.name, raster.path) == (
            8,
            "port 1.png",
            "port 1.png",
        )
        assert raster.sha256 == stored.sha256
    with pytest.raises(UnknownNameError, match="Unknown sensor 'radar'"):
        store.open(stored, "radar")


def test_files_of_others_are_not_there(store: FileStore) -> None:
    id = add(store, "ann", image(1))
    for owner in ("bob", "", "Ann", "ann%", "ann' OR '1'='1"):
        for look in (store.get, store.delete):
            with pytest.raises(ApiError) as caught:
                look(owner, id)
            assert caught.value.status == 404
        assert store.list(owner) == ()
    with pytest.raises(ApiError) as missing:
        store.get("ann", "file-" + "0" * 32)
    with pytest.raises(ApiError) as foreign:
        store.get("bob", id)
    assert missing.value.message.replace("0" * 32, id[5:]) == foreign.value.message
    assert store.get("ann", id).id == id


@pytest.mark.parametrize(
    "id", ["", "../../etc/passwd", "file-" + "9" * 999, "sample-x"]
)
def test_ids_are_only_looked_up(store: FileStore, id: str) -> None:
    with pytest.raises(ApiError) as caught:
        store.get("ann", id)
    assert caught.value.status == 404
    assert len(caught.value.message) < 200


def test_the_same_bytes_of_an_owner_are_stored_once(store: FileStore) -> None:
    data = image(1, 900)
    first, second = add(store, "ann", data), add(store, "ann", data)
    third = add(store, "bob", data)
    assert len({first, second, third}) == 3
    assert bytes_on_disk(store) == 1800
    assert add(store, "ann", data)  # counts once, so the quota of 2,000 holds it
    store.delete("ann", first)
    assert store.path(store.get("ann", second)).read_bytes() == data
    store.delete("ann", second)
    store.delete("ann", store.list("ann")[0].id)
    assert bytes_on_disk(store) == 900
    assert store.path(store.get("bob", third)).exists()


def test_quotas(store: FileStore) -> None:
    add(store, "ann", image(1, 1500))
    error = refused(store, "ann", image(2, 600))
    assert (error.status, error.code) == (413, "storage_quota_exceeded")
    assert "1.95 KiB" in error.message
    add(store, "bob", image(2, 600))
    for shade in range(3, 7):
        add(store, "ann", image(shade))
    assert refused(store, "ann", image(8)).code == "storage_quota_exceeded"
    store.delete("ann", store.list("ann")[0].id)
    add(store, "ann", image(8))
    # What the server writes itself is never refused.
    add(store, "ann", b"x" * 5000, "batch_output")
    assert not list(store._arriving.iterdir())


def test_uploads_at_once_share_the_quota(store: FileStore) -> None:
    with store.incoming("ann") as one, store.incoming("ann") as two:
        one.write(bytes(1200))
        with pytest.raises(ApiError, match="may store"):
            two.write(bytes(1200))
        two.write(bytes(700))
    add(store, "ann", image(1, 1900))  # both are gone


def test_a_file_may_be_too_large(tmp_path: Path) -> None:
    store = FileStore(tmp_path, FileLimits(file_bytes=1000))
    with store.incoming("ann") as upload:
        upload.write(bytes(1000))
        with pytest.raises(ApiError) as caught:
            upload.write(b"x")
    assert (caught.value.status, caught.value.code) == (413, "file_too_large")
    store.close()


def test_limits_reach_the_decoder(tmp_path: Path) -> None:
    store = FileStore(tmp_path, FileLimits(whole_pixels=63))
    with pytest.raises(ImageError, match="8 x 8 pixels in a format"):
        add(store, "ann", png())
    assert not list(store._arriving.iterdir())
    store.close()


def test_files_expire(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    id, now = add(store, "ann", image(1)), time.time()
    passing = store.add_passing("ann", "image", image(2), "inline")
    assert passing.expires == pytest.approx(now + 3600, abs=2)
    monkeypatch.setattr(time, "time", lambda: now + 3000)
    again = store.add_passing("ann", "image", image(2), "inline")
    assert again.id == passing.id  # kept once, and longer
    monkeypatch.setattr(time, "time", lambda: now + 4000)
    assert store.get("ann", passing.id) == again
    store.expire()
    assert bytes_on_disk(store) == len(image(1)) + len(image(2))
    monkeypatch.setattr(time, "time", lambda: now + 7000)
    with pytest.raises(ApiError):
        store.get("ann", passing.id)
    assert store.get("ann", id).id == id
    monkeypatch.setattr(time, "time", lambda: now + 8 * 86_400)
    assert store.list("ann") == ()
    store.expire()
    assert bytes_on_disk(store) == 0


def test_what_passes_makes_room(store: FileStore) -> None:
    kept = add(store, "ann", image(1, 500))
    passing = [
        store.add_passing("ann", "image", image(shade, 600), "inline").id
        for shade in (2, 3)
    ]
    assert [file.id for file in store.list("ann")] == [kept]
    store.add_passing("ann", "image", image(2, 600), "inline")
    new = add(store, "ann", image(4, 800))  # 500 + 600 + 600 + 800 is too much
    assert {file.id for file in store.list("ann")} == {kept, new}
    left = [id for id in passing if store._table.find("ann", id, time.time())]
    assert len(left) == 1
    assert bytes_on_disk(store) == 500 + 600 + 800
    # Shape and all: the same pixels in another form are another file.
    assert refused(store, "ann", image(5, 1900)).code == "storage_quota_exceeded"


def test_text_is_no_image(store: FileStore) -> None:
    stored = store.add("ann", "a.jsonl", io.BytesIO(b"{}\n"), "batch")
    assert store.path(stored).read_bytes() == b"{}\n"
    with pytest.raises(ApiError, match="is no image"):
        store.open(stored)


def test_too_many_open_images(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise SandboxBusyError("2 images are open.")

    stored = store.add("ann", "a.png", io.BytesIO(png()))
    monkeypatch.setattr(store.sandbox, "open", full)
    for look in (lambda: store.open(stored), lambda: add(store, "ann", image(1))):
        with pytest.raises(ApiError) as caught:
            look()
        assert (caught.value.status, caught.value.retry_after) == (503, 5)
        assert caught.value.code == "too_many_open_images"


def test_files_of_many_threads(store: FileStore) -> None:
    def work(n: int) -> None:
        owner = f"owner {n % 3}"
        id = add(store, owner, image(n % 2))
        assert store.get(owner, id).bytes == len(image(0))
        store.delete(owner, id)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(12)))
    assert bytes_on_disk(store) == 0
    assert not list(store._arriving.iterdir())


_WRITER = """
import io, sys
from pathlib import Path
from rsvlm.app.server.files import FileStore
store = FileStore(Path(sys.argv[1]))
n = 0
while True:
    n += 1
    data = b"%d," % n * 2000
    print(store.add("ann", "a", io.BytesIO(data), "batch").id, n, flush=True)
    if n % 3 == 0:
        store.delete("ann", store.list("ann")[1].id)
        print("deleted", flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    for _ in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(20)]
        timer = threading.Timer(0.05, writer.send_signal, [signal.SIGKILL])
        timer.start()
        lines += writer.stdout.readlines()
        writer.wait()
        writer.stdout.close()
        assert writer.returncode == -signal.SIGKILL
        (tmp_path / "kept" / "x").mkdir(exist_ok=True)
        (tmp_path / "kept" / "x" / "orphan").write_bytes(b"never told of")
        store = FileStore(tmp_path)
        kept = {file.id: file for file in store.list("ann")}
        told = [line.split() for line in lines if line.startswith("file-")]
        gone = sum(line.startswith("deleted") for line in lines)
        there = [(id, n) for id, n in told if id in kept]
        assert len(told) - gone - 1 <= len(there) <= len(told) - gone
        for file in kept.values():
            data = store.path(file).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file.sha256
        sizes = {file.sha256: file.bytes for file in kept.values()}
        assert bytes_on_disk(store) == sum(sizes.values())
        store.close()
        with sqlite3.connect(tmp_path / "files.sqlite") as table:
            assert table.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        table.close()


def test_a_commit_is_on_the_disk(store: FileStore) -> None:
    pragmas = [
        store._table._run(f"PRAGMA {name}")[0][0]
        for name in ("journal_mode", "synchronous")
    ]
    assert pragmas == ["wal", 2]  # 2 is FULL: a power cut loses nothing either


def test_what_never_arrived_is_removed(tmp_path: Path) -> None:
    (tmp_path / "arriving").mkdir()
    for name, age in (("old", 100_000), ("new", 10)):
        path = tmp_path / "arriving" / name
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    FileStore(tmp_path).close()
    assert [path.name for path in (tmp_path / "arriving").iterdir()] == ["new"]


def test_a_full_disk_is_told(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        error = refused(store, "ann", image(1))
    assert (error.status, error.retry_after) == (503, 60)
    assert add(store, "ann", image(1))


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("../../etc/passwd", "passwd"),
        (r"C:\maps\a.tif", "a.tif"),
        ("", "image"),
        ("..", "image"),
        ("a\x00b\x1b[31m.tif", "a?b?[31m.tif"),
        ("x" * 500, "x" * 117 + "..."),
    ],
)
def test_names_are_plain(name: str, plain: str) -> None:
    assert plain_name(name) in (plain, plain.strip("."))
