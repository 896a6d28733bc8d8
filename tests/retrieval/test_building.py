"""Builds resume, follow changes, and lose nothing to a kill; damage is found."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rsvlm.retrieval.building import SourceOf, build, rebuild
from rsvlm.retrieval.dense import MANIFEST, DenseIndex
from rsvlm.retrieval.knowledge import KnowledgeBase
from rsvlm.retrieval.passages import Passage, point
from rsvlm.retrieval.store import FILE, KnowledgeError

Base = KnowledgeBase


def rows(count: int, word: str = "row") -> list[Passage]:
    return [
        Passage(
            f"Text of {word} {i}.", f"{word} {i}", "s", "MIT", place=point(i % 90, 1)
        )
        for i in range(count)
    ]


def quiet(line: str) -> None:
    pass


def test_equal_passages_are_kept_once(tmp_path: Path, encoder: Any) -> None:
    two = [SourceOf("a", "1", lambda: rows(5)), SourceOf("b", "1", lambda: rows(7))]
    assert build(tmp_path, two, encoder, quiet).passages == 7
    # A passage goes when the last source that has it goes.
    built = build(tmp_path, two[:1], encoder, quiet)
    assert (built.passages, built.removed) == (5, 2)


def test_what_has_not_changed_is_not_read_again(tmp_path: Path, encoder: Any) -> None:
    build(tmp_path, [SourceOf("a", "1", lambda: rows(5))], encoder, quiet)
    encoded = encoder.encoded

    def refuse() -> Iterable[Passage]:
        raise AssertionError("read again")

    built = build(tmp_path, [SourceOf("a", "1", refuse)], encoder, quiet)
    assert (built.added, built.removed, encoder.encoded) == (0, 0, encoded)
    changed = build(tmp_path, [SourceOf("a", "2", lambda: rows(6)[2:])], encoder, quiet)
    assert (changed.passages, changed.added, changed.removed) == (4, 1, 2)
    assert encoder.encoded == encoded + 1


def test_a_new_licence_replaces_the_old_one(tmp_path: Path, encoder: Any) -> None:
    build(tmp_path, [SourceOf("a", "1", lambda: rows(1))], encoder, quiet)
    free = [replace(rows(1)[0], licence="CC0-1.0")]
    build(tmp_path, [SourceOf("a", "2", lambda: free)], encoder, quiet)
    with Base.open(tmp_path) as base:
        assert [p.licence for p in base.get([1]).values()] == ["CC0-1.0"]


def test_an_interrupted_build_goes_on_where_it_stopped(
    tmp_path: Path, encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsvlm.retrieval.building.BATCH", 10)
    everything = rows(35)

    def broken() -> Iterable[Passage]:
        yield from everything[:25]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(tmp_path, [SourceOf("a", "1", broken)], encoder, quiet)
    lines: list[str] = []
    source = SourceOf("a", "1", lambda: everything)
    assert build(tmp_path, [source], encoder, lines.append).passages == 35
    assert lines[0] == "a: 30"  # 20 were committed, the next batch ends at 30
    with Base.open(tmp_path) as base:
        assert base.verify() == []


WRITER = """
    import sys
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    from conftest import HashEncoder
    from rsvlm.retrieval import building
    from rsvlm.retrieval.passages import Passage, point

    building.BATCH, building.ENCODED = 20, 20

    def rows():
        for i in range(100_000):
            yield Passage(f"Text of row {{i}}.", f"row {{i}}", "s", "MIT",
                          place=point(i % 90, 1))

    def say(line):
        print(line, flush=True)

    source = building.SourceOf("a", "1", rows)
    building.build(Path({folder!r}), [source], HashEncoder(), say)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_kill_9_loses_nothing_that_was_acknowledged(
    tmp_path: Path, encoder: Any
) -> None:
    script = textwrap.dedent(WRITER).format(
        tests=str(Path(__file__).parent), folder=str(tmp_path / "kb")
    )
    told = 0
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told = int(line.split()[-1])
            if told >= 200:
                break
        time.sleep(0.05)  # somewhere inside a batch
        os.kill(process.pid, signal.SIGKILL)
        told = max([told, *(int(line.split()[-1]) for line in process.stdout)])
    with Base.open(tmp_path / "kb") as base:
        kept = len(base)
        texts = {row[0] for row in base.rows("SELECT text FROM passages")}
        faults = base.verify()
    assert kept >= told
    assert {f"Text of row {i}." for i in range(told)} <= texts
    assert [fault for fault in faults if "source" not in fault] == [
        fault for fault in faults if fault.startswith("vectors")
    ]  # the tables are sound; the vectors were not made yet
    lines: list[str] = []
    source = SourceOf("a", "1", lambda: rows(kept + 5))
    built = build(tmp_path / "kb", [source], encoder, lines.append)
    assert built.added == 5
    with Base.open(tmp_path / "kb") as base:
        assert base.verify() == []


@pytest.fixture
def folder(make_base: Callable[[Iterable[Passage]], Base], tmp_path: Path) -> Path:
    make_base(rows(12)).close()
    return tmp_path / "kb"


def test_a_finished_base_is_one_file_on_a_read_only_disk(folder: Path) -> None:
    assert not (folder / f"{FILE}-wal").exists()
    with Base.open(folder) as base:
        base.meta  # noqa: B018
        assert not (folder / f"{FILE}-wal").exists()
        with pytest.raises(KnowledgeError, match=FILE):
            base.rows("DELETE FROM passages")


def test_damaged_vectors_are_refused_by_name_and_made_again(
    folder: Path, encoder: Any
) -> None:
    (block,) = folder.glob("vectors-*.f32")
    data = bytearray(block.read_bytes())
    data[100] ^= 1
    block.write_bytes(data)
    with Base.open(folder) as base:
        with pytest.raises(KnowledgeError, match=rf"{block.name} is damaged.*rebuild"):
            base.dense  # noqa: B018
        assert any(block.name in fault for fault in base.verify())
    before = encoder.encoded
    rebuild(folder, encoder, quiet)
    assert encoder.encoded == before  # from SQLite, not from the texts
    with Base.open(folder) as base:
        assert base.verify() == []
        assert len(base.dense.ids) == 12


def test_a_missing_manifest_is_told(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    with Base.open(folder) as base, pytest.raises(KnowledgeError, match="rebuild"):
        base.dense  # noqa: B018


def test_vectors_of_another_state_are_refused(folder: Path, encoder: Any) -> None:
    with Base.open(folder) as base:
        with pytest.raises(KnowledgeError, match="another state"):
            DenseIndex.open(folder, "other")
        assert len(base.dense.ids) == 12


def test_damaged_words_and_places_are_found_and_made_again(
    folder: Path, encoder: Any
) -> None:
    with sqlite3.connect(folder / FILE) as connection:
        connection.execute("DELETE FROM places WHERE id = 3")
        connection.execute(
            "INSERT INTO words (words, rowid, title, text) "
            "VALUES ('delete', 5, 'row 4', 'Text of row 4.')"
        )
    connection.close()
    with Base.open(folder) as base:
        faults = " ".join(base.verify())
    assert "words:" in faults
    assert "places: 1 passages are missing" in faults
    rebuild(folder, encoder, quiet)
    with Base.open(folder) as base:
        assert base.verify() == []


def test_a_changed_passage_is_found(folder: Path) -> None:
    with sqlite3.connect(folder / FILE) as connection:
        connection.execute("UPDATE passages SET text = 'forged' WHERE id = 2")
    connection.close()
    with Base.open(folder) as base:
        assert "passages: 1 do not match their hash" in base.verify()


def test_a_file_that_is_no_base_is_refused_by_name(folder: Path) -> None:
    (folder / FILE).write_bytes(b"not a database" * 100)
    with pytest.raises(KnowledgeError, match=FILE):
        Base.open(folder)


def test_another_version_is_refused(folder: Path) -> None:
    with sqlite3.connect(folder / FILE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(KnowledgeError, match="version 99"):
        Base.open(folder)


def test_no_base_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match="rsvlm knowledge build world --out"):
        Base.open(tmp_path)


def test_many_vectors_get_an_index(
    tmp_path: Path, encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr("rsvlm.retrieval.dense.LEAST_ROWS", 100)
    build(tmp_path, [SourceOf("a", "1", lambda: rows(300))], encoder, quiet)
    with Base.open(tmp_path) as base:
        assert base.dense.snapshot is not None
        ids, cosines = base.dense.search(
            encoder.encode(["row 7. Text of row 7."])[0], 3
        )
        assert 8 in ids
        assert cosines[0] == pytest.approx(1, abs=1e-3)
        base.close()
    (index,) = tmp_path.glob("vectors-*.faiss")
    index.write_bytes(index.read_bytes()[:-50])
    with Base.open(tmp_path) as base, pytest.raises(KnowledgeError, match=index.name):
        base.dense  # noqa: B018
