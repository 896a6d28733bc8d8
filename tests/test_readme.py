"""Every command and every example of the README runs."""

import re
import runpy
import shlex
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from rsvlm.app.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.split("  #")[0].strip()
    for language, block in BLOCKS
    if language == "sh"
    for line in block.replace("\\\n", " ").splitlines()
    if line.strip() and not line.startswith("#")
]
#: Commands that take hours or need the research data sets: their options are checked.
LONG = ("rsvlm train", "rsvlm data build tiny", "rsvlm eval")


def test_the_first_screen_has_the_first_answer() -> None:
    first = "\n".join(README.splitlines()[:45])
    assert "make demo" in first
    assert "rsvlm ask" in first


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_make_targets_exist(command: str) -> None:
    target = command.split()[1]
    done = subprocess.run(
        ["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith(LONG)])
def test_long_commands_are_spelled_right(command: str) -> None:
    words = shlex.split(command)[1:]
    group = [word for word in words[:2] if not word.startswith("-")]
    result = CliRunner().invoke(main, [*group, "--help"])
    assert result.exit_code == 0
    for option in (word for word in words if word.startswith("--")):
        assert option in result.output


@pytest.mark.model
@pytest.mark.parametrize(
    "command",
    [c for c in COMMANDS if c.startswith("rsvlm") and not c.startswith(LONG)],
)
def test_commands_run(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, shlex.split(command)[1:], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.model
def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for language, block in BLOCKS:
        if language == "python":
            script = tmp_path / "example.py"
            script.write_text(block, encoding="utf-8")
            runpy.run_path(str(script))
    assert capsys.readouterr().out.strip()


def test_every_command_is_covered() -> None:
    known = ("make", "rsvlm", "git", "cd", "pip", ".ci/run", "python benchmarks/")
    assert COMMANDS
    assert [c for c in COMMANDS if not c.startswith(known)] == []
