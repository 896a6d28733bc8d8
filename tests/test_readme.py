"""Every command and every example of the README runs."""

import json
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
#: Commands that take hours, go on for ever or need the research data sets: their options
#: are checked.
LONG = (
    "rsvlm train", "rsvlm data build", "rsvlm eval", "rsvlm knowledge build",
    "rsvlm serve", "rsvlm chat",
)  # fmt: skip


def _write_scenes(folder: Path) -> None:
    """Write small images of one place under the names that the examples use."""
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    rng = np.random.default_rng(0)
    side = 300
    land = rng.integers(80, 160, (4, side, side)).astype(np.uint8)
    radar = rng.gamma(4, 20, (1, side, side)).clip(1, 255).astype(np.uint8)
    pond = land.copy()
    pond[0:3, 100:180, 90:200], pond[3, 100:180, 90:200] = 60, 5
    names = {1: ("VH",), 3: ("red", "green", "blue")}
    for name, pixels, size in (
        ("s2", land[:3], 10), ("s1", radar, 10), ("naip_2009", land, 5),
        ("naip_2020", pond, 5), ("port", land[:3], 1), ("field", land[:3], 1),
        ("la_s2", land[:3], 10), ("scenes/s1", radar, 10),
    ):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True)
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", width=side, height=side,
            count=len(pixels), dtype="uint8", crs="EPSG:32614",
            transform=from_origin(500000, 5200000, size, size),
        ) as file:  # fmt: skip
            file.write(pixels)
            file.descriptions = names.get(len(pixels), ("red", "green", "blue", "nir"))
    question = {"id": "1", "images": ["port.tif"], "question": "Is there a ship?"}
    (folder / "questions.jsonl").write_text(json.dumps(question) + "\n")


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


def _prepare(command: str) -> None:
    """Make what a command takes from the one before it, smaller."""
    if "--knowledge kb" in command:
        _run("knowledge build smoke --out kb")
    if "index search archive" in command:
        _run("index build scenes --out archive")


def _run(command: str) -> None:
    result = CliRunner().invoke(main, shlex.split(command), catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.model
@pytest.mark.parametrize(
    "command",
    [c for c in COMMANDS if c.startswith("rsvlm") and not c.startswith(LONG)],
)
def test_commands_run(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _write_scenes(tmp_path)
    _prepare(command)
    _run(command.removeprefix("rsvlm "))


@pytest.mark.model
def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for language, block in BLOCKS:
        # What asks a server is run by tests/app/server/test_docs.py.
        if language == "python" and "http://" not in block:
            script = tmp_path / "example.py"
            script.write_text(block, encoding="utf-8")
            runpy.run_path(str(script))
    assert capsys.readouterr().out.strip()


def test_every_command_is_covered() -> None:
    known = ("make", "rsvlm", "git", "cd", "pip", ".ci/run", "python benchmarks/")
    assert COMMANDS
    assert [c for c in COMMANDS if not c.startswith(known)] == []
