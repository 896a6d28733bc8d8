"""Builds that are shared, broken off, and gone on with: the same bytes."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rsvlm.data_engine import collecting, spool
from rsvlm.data_engine.build import build
from rsvlm.data_engine.pools import Here, Job, Pool, Processes
from rsvlm.data_engine.sources import synth
from rsvlm.errors import SettingsError
from tests.conftest import Tree

ROOT = Path(__file__).parents[2]
#: A recipe with a source in parts, one with pairs, and filters that leave some out.
RECIPE = """
sources = ["synthetic", "synthetic_pairs", "synth"]
[filters]
near = 0.9
"""


def _bytes(out: Path) -> dict[str, bytes]:
    """Return every file but ``run.json``, which tells the time."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


@pytest.fixture
def recipe(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> str:
    """Path of a recipe of a few images, in chunks of a few images."""
    scenes = {"val": (0, 1), "train": (80, 3), "test": (0, 0)}
    monkeypatch.setattr(synth, "SCENES", scenes)
    monkeypatch.setattr(collecting, "CHUNK", 5)
    return str(tree.text("my.toml", RECIPE))


def _facts(out: Path) -> dict[str, Any]:
    run: dict[str, Any] = json.loads((out / "run.json").read_text())
    # Code and revision may change while a developer runs the tests.
    for key in ("start", "end", "code", "revision"):
        del run[key]
    return run


def test_processes_give_the_bytes_of_one(recipe: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    build(recipe, tmp_path, one)
    build(recipe, tmp_path, two, pool=Processes(2, patience_s=0))
    assert _bytes(one) == _bytes(two)
    assert _facts(one) == _facts(two)
    assert _facts(one)["filters"]["duplicate"]  # the filters had something to do
    assert not (one / spool.WORK).exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_gives_the_bytes_of_one(recipe: str, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from rsvlm.data_engine.ray_pool import RayPool

    one, many = tmp_path / "one", tmp_path / "many"
    build(recipe, tmp_path, one)
    build(recipe, tmp_path, many, pool=RayPool("local", 2))
    assert _bytes(one) == _bytes(many)
    assert _facts(one) == _facts(many)


class _Backwards:
    """Does the pieces in another order."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Any]:
        for job in reversed(list(jobs)):
            yield job()


def test_the_order_in_which_pieces_are_done_does_not_matter(
    recipe: str, tmp_path: Path
) -> None:
    build(recipe, tmp_path, tmp_path / "a")
    build(recipe, tmp_path, tmp_path / "b", pool=_Backwards())
    assert _bytes(tmp_path / "a") == _bytes(tmp_path / "b")


# It kills itself where the n-th file would come into being.
_KILLED = """
import os, signal, sys
from pathlib import Path
from rsvlm.data_engine import collecting, spool
from rsvlm.data_engine.build import build

collecting.CHUNK = 5
left, replace = int(sys.argv[2]), os.replace

def counted(source, target):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)

os.replace = counted
build(sys.argv[1], Path(), Path(sys.argv[3]))
print(left)
"""


def _killed(recipe: str, at: int, out: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", _KILLED, recipe, str(at), str(out)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_killed_build_goes_on_without_loss_or_repeats(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "CHUNK", 5)
    text = 'sources = ["synthetic", "synthetic_pairs"]\n[filters]\nnear = 0.9\n'
    recipe = str(tree.text("my.toml", text))
    whole = tmp_path / "whole"
    done = _killed(recipe, 10_000, whole)
    files = 10_000 - int(done.stdout)
    assert files > 100
    for at in (1, 20, files // 2, files - 20, files - 2, files):
        out = tmp_path / f"killed-{at}"
        assert _killed(recipe, at, out).returncode == -signal.SIGKILL
        assert not (out / "run.json").exists()
        build(recipe, Path(), out)
        assert _bytes(out) == _bytes(whole), at
        assert _facts(out) == _facts(whole)


def test_what_is_done_is_not_done_again(recipe: str, tmp_path: Path) -> None:
    out = tmp_path / "out"

    class Ends:
        """Ends after some pieces, as a full disk would."""

        def __init__(self, count: int) -> None:
            self.left, self.done = count, 0

        def run(self, jobs: Iterable[Job]) -> Iterator[Any]:
            for job in jobs:
                if not self.left:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                self.left -= 1
                self.done += 1
                yield job()

    with pytest.raises(
        SettingsError, match=r"full.*make room and run the same command"
    ):
        build(recipe, tmp_path, out, pool=Ends(7))
    rest = Ends(10_000)
    build(recipe, tmp_path, out, pool=rest)
    every = Ends(10_000)
    build(recipe, tmp_path, tmp_path / "other", pool=every)
    assert rest.done == every.done - 7
    lines: list[str] = []
    build(recipe, tmp_path, out, progress=lines.append, pool=Ends(0))
    assert lines[-1].endswith("already built from the same, nothing to do")
    assert _bytes(out) == _bytes(tmp_path / "other")


def test_a_full_disk_leaves_no_half_file(
    recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, left = Path.write_bytes, 30

    def limited(path: Path, data: bytes) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            write(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    out = tmp_path / "out"
    monkeypatch.setattr(Path, "write_bytes", limited)
    with pytest.raises(SettingsError, match=r"The disk that holds .* is full"):
        build(recipe, tmp_path, out)
    monkeypatch.undo()
    assert not [path for path in out.rglob("*") if path.name.endswith(".part")]
    assert list(out.glob("images/synthetic/*.png"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "another seed"),
        ({"limit": 2}, "another --limit"),
        ({"recipe": "smoke"}, "another recipe"),
    ],
)
@pytest.mark.parametrize("is_finished", [True, False])
def test_another_build_is_not_mixed_in(
    recipe: str, tmp_path: Path, change: dict[str, Any], named: str, is_finished: bool
) -> None:
    out = tmp_path / "out"
    pool: Pool = Here() if is_finished else _Never()
    if is_finished:
        build(recipe, tmp_path, out, pool=pool)
    else:
        with pytest.raises(KeyboardInterrupt):
            build(recipe, tmp_path, out, pool=pool)
    before = _bytes(out)
    given: dict[str, Any] = {"recipe": recipe, "data": tmp_path, "out": out} | change
    with pytest.raises(SettingsError, match=f"with {named}.* Name another folder"):
        build(**given)
    assert _bytes(out) == before


class _Never:
    """Is broken off before anything is done."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Any]:
        raise KeyboardInterrupt
        yield


def test_a_folder_with_images_of_nobody_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "images" / "mine.png"
    mine.parent.mkdir()
    mine.write_bytes(b"x")
    with pytest.raises(SettingsError, match="holds 'images', of which no run"):
        build("smoke", tmp_path, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_two_builds_do_not_share_a_folder(recipe: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with (
        spool.held(out),
        pytest.raises(SettingsError, match="Another process builds"),
    ):
        build(recipe, tmp_path, out)
    build(recipe, tmp_path, out)
    assert (out / "run.json").is_file()


@pytest.mark.parametrize("make", [Here, lambda: Processes(2, patience_s=0)])
def test_a_fault_is_told_wherever_it_is_found(
    tree: Tree, make: Callable[[], Pool]
) -> None:
    tree.text("my.toml", '[[sources]]\nkind = "synthetic_pairs"\ntile = 64\n')
    with pytest.raises(SettingsError, match="'tile' does not fit the source"):
        build(str(tree.root / "my.toml"), tree.root, tree.root / "out", pool=make())
