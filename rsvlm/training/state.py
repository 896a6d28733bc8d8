"""Saving and continuing a run: weights and AdamW moments, without pickle.

Everything random in a run is drawn from its seed and the step's number, so the step
is all that must be remembered beside the tensors.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from rsvlm.errors import CheckpointError
from rsvlm.models.checkpoint import load_tensors
from rsvlm.training.run import STATE_FILE


def save_state(
    folder: Path,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
    progress: Mapping[str, Any],
) -> None:
    """Write weights, moments and progress; a kill in between keeps the last state.

    Args:
        folder: Folder of the run.
        parameters: The trained parameters by name.
        optimizer: AdamW over them.
        progress: JSON-able values, such as the step.
    """
    tensors: dict[str, Tensor] = {}
    for name, parameter in parameters.items():
        tensors[f"weight/{name}"] = parameter.detach()
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}/{name}"] = torch.as_tensor(value)
    draft = folder / f".state.{os.getpid()}"
    metadata = {"progress": json.dumps(dict(progress))}
    whole = {name: t.detach().contiguous().cpu() for name, t in tensors.items()}
    save_file(whole, draft, metadata=metadata)
    os.replace(draft, folder / STATE_FILE)


def load_state(
    folder: Path,
    parameters: Mapping[str, nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> dict[str, Any]:
    """Read what :func:`save_state` wrote; {} where there is nothing to continue.

    Raises:
        CheckpointError: If the file is damaged or of another model.
    """
    from safetensors import safe_open

    path = folder / STATE_FILE
    if not path.is_file():
        return {}
    tensors = load_tensors(path)
    with safe_open(path, "pt") as file:
        progress: dict[str, Any] = json.loads(file.metadata()["progress"])
    moments: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        kind, name = key.split("/", 1)
        moments.setdefault(name, {})[kind] = value
    with torch.no_grad():
        for name, parameter in parameters.items():
            saved = moments.get(name, {})
            weight = saved.pop("weight", None)
            if weight is None or weight.shape != parameter.shape:
                raise CheckpointError(
                    f"{path} does not fit the model: {name!r} differs. "
                    "Name another folder with --out."
                )
            parameter.copy_(weight)
            if saved:
                optimizer.state[parameter] = {
                    # AdamW wants the number of steps on the CPU.
                    kind: value if kind == "step" else value.to(parameter.device)
                    for kind, value in saved.items()
                }
    return progress


def learning_rate(step: int, steps: int, peak: float, warmup: int) -> float:
    """Return the rate of a step: linear rise, then a cosine down to 2 % of the peak.

    >>> learning_rate(5, 100, 1.0, 10), round(learning_rate(100, 100, 1.0, 10), 3)
    (0.5, 0.02)
    """
    if step < warmup:
        return peak * step / warmup
    share = (step - warmup) / max(steps - warmup, 1)
    return peak * (0.02 + 0.98 * (1 + math.cos(math.pi * min(share, 1.0))) / 2)
