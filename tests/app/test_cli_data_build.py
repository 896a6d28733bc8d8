"""``rsvlm data build``, as a user calls it: many cores, Ctrl-C, another build's folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rsvlm.app.cli import main
from rsvlm.data_engine.recipes import RECIPES

ROOT = Path(__file__).parents[2]


def _build(*words: str) -> Result:
    return CliRunner().invoke(main, ["data", "build", *words])


def test_one_core_and_several_give_the_same(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    result = _build("smoke", "--out", str(one), "--limit", "4", "--workers", "1")
    assert (result.exit_code, result.stdout) == (0, f"{one}\n")
    assert "synthetic train: 4 images" in result.stderr
    result = _build("smoke", "--out", str(two), "--limit", "4", "--workers", "2")
    assert result.exit_code == 0
    for split in ("train", "val", "test"):
        assert (one / f"{split}.jsonl").read_bytes() == (
            two / f"{split}.jsonl"
        ).read_bytes()
    again = _build("smoke", "--out", str(two), "--limit", "4")
    assert "nothing to do" in again.stderr
    other = _build("smoke", "--out", str(two), "--seed", "1")
    assert other.exit_code == 1
    assert "another seed" in other.stderr
    assert len(other.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--limit", "0"], 2, "--limit"),
        (["--workers", "0"], 2, "--workers"),
        (["--rewriter", "not-a-url"], 1, "not the address of a server"),
    ],
)
def test_wrong_options_are_refused(
    tmp_path: Path, words: list[str], status: int, said: str
) -> None:
    result = _build("smoke", "--out", str(tmp_path / "out"), *words)
    assert result.exit_code == status
    assert said in result.output
    assert not (tmp_path / "out").exists()


def test_a_rewriter_that_is_away_ends_with_status_3(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    out = tmp_path / "out"
    # Nobody listens on the port that is kept for "discard".
    server = "http://127.0.0.1:9/v1?retries=0#m"
    result = _build("smoke", "--out", str(out), "--limit", "4", "--rewriter", server)
    assert result.exit_code == 3
    assert result.stdout == f"{out}\n"
    assert "texts stay as they were" in result.stderr
    assert (out / "run.json").is_file()


def test_the_help_names_every_recipe() -> None:
    text = _build("--help").stdout
    assert all(name in text for name in RECIPES)


# A shell in the background hands an ignored Ctrl-C down to its children.
_MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from rsvlm.app.cli import main
main()
"""


def _children(process: int) -> list[int]:
    """Return the processes that a process has started; empty where nobody tells."""
    path = Path(f"/proc/{process}/task/{process}/children")
    return list(map(int, path.read_text().split())) if path.is_file() else []


def _runs(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _wait_until(what: object, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_broken_off_leaves_nobody_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    recipe, out = tmp_path / "my.toml", tmp_path / "out"
    recipe.write_text('sources = ["synth"]')
    words = [
        sys.executable,
        "-c",
        _MAIN,
        "data",
        "build",
        str(recipe),
        "--out",
        str(out),
    ]
    process = subprocess.Popen(
        [*words, "--workers", "2"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    # Pieces of several processes are there: names of chunks after the first.
    _wait_until(lambda: (out / ".build").is_dir() and len(_children(process.pid)) >= 2)
    children = _children(process.pid)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=90)
    if number == signal.SIGINT:
        assert process.returncode == 1
        assert "Run the same command again to go on." in said
        assert "Traceback" not in said
    _wait_until(lambda: not any(map(_runs, children)))
    assert not (out / "run.json").exists()
    assert (out / ".build" / "build.json").is_file()
