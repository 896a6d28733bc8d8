"""Training by two processes, as on a machine with two GPUs."""

import json
import subprocess
import sys
from pathlib import Path

from rsvlm.training.run import Recipe


def train_in_two(stage: str, recipe: Recipe, data: Path, out: Path) -> Path:
    """Run ``rsvlm train`` in two processes; return the recipe file."""
    fields = recipe.model_dump(mode="json", exclude_defaults=True)
    tables = {k: v for k, v in fields.items() if isinstance(v, dict)}
    lines = [f"{k} = {json.dumps(v)}" for k, v in fields.items() if k not in tables]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{k} = {json.dumps(v)}" for k, v in table.items())]
    file = out.with_suffix(".toml")
    file.write_text("\n".join(lines))
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        "--nproc_per_node", "2", "-m", "rsvlm.app", "train", stage, str(file),
        "--data", str(data), "--out", str(out),
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return file
