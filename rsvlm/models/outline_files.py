"""The file of an outline head: ``outlines.safetensors``, beside its region head."""

from pathlib import Path

import torch

from rsvlm.errors import CheckpointError
from rsvlm.models.checkpoint import load_tensors, save_tensors
from rsvlm.models.outline_head import OutlineHead

#: Name of the weights in a checkpoint folder.
OUTLINE_FILE = "outlines.safetensors"


def load_outlines(folder: Path, feature_dim: int) -> OutlineHead | None:
    """Return the outline head of a checkpoint folder; None where it has none.

    Args:
        folder: Checkpoint folder.
        feature_dim: Width of the features that the region head reads.

    Raises:
        CheckpointError: If the file is damaged or does not fit the features.
    """
    path = folder / OUTLINE_FILE
    if not path.is_file():
        return None
    tensors = load_tensors(path)
    try:
        head = OutlineHead(feature_dim, len(tensors["see.0.bias"]))
        head.load_state_dict(tensors)
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not fit the region head beside it: "
            f"{' '.join(str(error).split())[:200]}. Copy the folder again."
        ) from error
    return head.float().eval()


def save_outlines(head: OutlineHead, folder: Path) -> None:
    """Write ``outlines.safetensors`` in bfloat16."""
    state = head.state_dict().items()
    save_tensors(
        {k: v.detach().to(torch.bfloat16) for k, v in state}, folder / OUTLINE_FILE
    )
