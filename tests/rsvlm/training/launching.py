"""Training by processes of its own: two, as on a machine with two GPUs, or one to kill."""

import json
import subprocess
import sys
import time
from pathlib import Path

from rsvlm.training.run import Recipe


def _command(stage: str, recipe: Recipe, data: Path, out: Path) -> list[str]:
    """Return the arguments of ``rsvlm train``; the recipe becomes a file."""
    fields = recipe.model_dump(mode="json", exclude_defaults=True)
    tables = {k: v for k, v in fields.items() if isinstance(v, dict)}
    lines = [f"{k} = {json.dumps(v)}" for k, v in fields.items() if k not in tables]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{k} = {json.dumps(v)}" for k, v in table.items())]
    file = out.with_suffix(".toml")
    file.write_text("\n".join(lines))
    return [
        "-m", "rsvlm.app", "train", stage, str(file), "--data", str(data),
        "--out", str(out),
    ]  # fmt: skip


def train_in_two(stage: str, recipe: Recipe, data: Path, out: Path) -> None:
    """Run ``rsvlm train`` in two processes."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        "--nproc_per_node", "2", *_command(stage, recipe, data, out),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr[-2000:]


def train_until_killed(stage: str, recipe: Recipe, data: Path, out: Path) -> None:
    """Run ``rsvlm train`` until it has written a state, then kill it anywhere."""
    command = [sys.executable, *_command(stage, recipe, data, out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
        limit = time.monotonic() + 500
        while not (out / "state.safetensors").is_file():
            assert run.poll() is None, run.stderr.read()[-2000:] if run.stderr else ""
            assert time.monotonic() < limit, "no state was written"
            time.sleep(0.05)
        run.kill()
