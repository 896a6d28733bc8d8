"""Outlines: the masks of boxes in a view, by an outline head, and its file."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rsvlm.errors import CheckpointError
from rsvlm.geometry import HBB, Shape
from rsvlm.models.checkpoint import load_tensors, save_tensors
from rsvlm.models.features import GROUND, cells_inside
from rsvlm.models.outline_head import SIDE, OutlineHead, frame_of
from rsvlm.models.precision import fast_dtype

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

#: Mask logits of pixels of a view, and the column and row at which they begin.
Drawn = tuple[Tensor, int, int]
#: Name of the weights in a checkpoint folder, beside those of the region head.
OUTLINE_FILE = "outlines.safetensors"
#: Share of a mask's area below which a part or a hole of it is none.
SPECK = 0.1
#: Boxes that are outlined at once: some 100 MB.
AT_ONCE = 64


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
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} does not fit the region head beside it: "
            f"{' '.join(str(error).split())[:200]}. Copy the folder again."
        ) from error
    return head.float().eval()


def save_outlines(head: OutlineHead, folder: Path) -> None:
    """Write ``outlines.safetensors`` in bfloat16."""
    halves = {k: v.detach().to(torch.bfloat16) for k, v in head.state_dict().items()}
    save_tensors(halves, folder / OUTLINE_FILE)


@torch.no_grad()
def outlined(
    head: OutlineHead,
    features: Tensor,
    pixels: NDArray[np.uint8],
    boxes: Sequence[HBB],
    patch: int,
    coarse: Shape | None = None,
) -> list[Drawn]:
    """Return the mask logits of the pixels around each box, and their first pixel.

    Args:
        head: The outline head.
        features: Patch features of the view, shape (1, D, h, w).
        pixels: The view, RGB, shape (H, W, 3).
        boxes: In px of the view.
        patch: Side of a patch of the encoder, px.
        coarse: What is known of the object in the only box before; a box says nothing.

    Returns:
        For each box logits of shape (rows, columns), and the column and row in the view
        at which they begin.
    """
    device = next(head.parameters()).device
    height, width = pixels.shape[:2]
    frames = [frame_of(box) for box in boxes]
    known = np.zeros((len(boxes), SIDE, SIDE), np.float32)
    if coarse is not None and not isinstance(coarse, HBB):
        known[:] = np.where(cells_in(coarse.to_shapely(), frames[0]), 1, -1)
    out = []
    colours = _filled(pixels, features, patch).to(device)
    for start in range(0, len(boxes), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        corners = [[f.x0, f.y0, f.x1, f.y1] for f in frames[part]]
        fast = fast_dtype() is torch.bfloat16
        with torch.autocast(device.type, torch.bfloat16, enabled=fast):
            logits = head(
                features.to(device).float(),
                colours,
                torch.tensor(corners, device=device),
                torch.zeros(len(corners), dtype=torch.long, device=device),
                torch.from_numpy(known[part]).to(device),
            )
        for frame, cells in zip(frames[part], logits.float().cpu(), strict=True):
            out.append(at_pixels(cells, frame, frame, width, height))
    return out


def without_specks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask without parts and holes below a tenth of its area.

    They are bits of neighbours in the frame, and gaps that nobody would draw. A mask of
    small parts alone stays as it is.
    """
    from rasterio.features import sieve

    least = round(SPECK * int(mask.sum()))
    if least < 2:
        return mask
    # Ground that the edge of the array cuts off is no hole: a ring joins it.
    ring = 1 + least // (2 * sum(mask.shape))
    wide = np.pad(mask.astype(np.uint8), ring)
    kept = sieve(wide, least, connectivity=4)[ring:-ring, ring:-ring] > 0
    return np.asarray(kept, bool) if kept.any() else mask


def _filled(pixels: NDArray[np.uint8], features: Tensor, patch: int) -> Tensor:
    """Return a view in 0-1 up to whole patches, shape (1, 3, H', W')."""
    rows, columns = features.shape[2:]
    full = np.empty((rows * patch, columns * patch, 3), np.float32)
    full[:] = np.array(GROUND, np.float32) / 255  # as in training, and as encoded
    full[: pixels.shape[0], : pixels.shape[1]] = pixels / np.float32(255)
    return torch.from_numpy(full).permute(2, 0, 1)[None]


def cells_in(shape: "BaseGeometry", frame: HBB) -> NDArray[np.bool_]:
    """Return which cells of a frame lie in a shape, shape (SIDE, SIDE).

    Args:
        shape: In px of the view.
        frame: See :func:`~rsvlm.models.outline_head.frame_of`.
    """
    import shapely

    low = np.array([frame.x0, frame.y0])
    scale = SIDE / np.array([frame.width, frame.height])
    placed = shapely.transform(shape, lambda points: (points - low) * scale)
    return cells_inside(placed, (SIDE, SIDE), 1.0)


def at_pixels(logits: Tensor, frame: HBB, part: HBB, width: int, height: int) -> Drawn:
    """Return mask logits at the pixels of a part of a view, and where they begin.

    Args:
        logits: In the cells of the frame, shape (h, w).
        frame: What they cover, px of the view.
        part: What is wanted, px of the view; what lies outside the view is left out.
        width: Columns of the view, px.
        height: Rows of the view, px.
    """
    x0, y0 = max(math.floor(part.x0), 0), max(math.floor(part.y0), 0)
    x1, y1 = min(math.ceil(part.x1), width), min(math.ceil(part.y1), height)
    xs = (torch.arange(x0, x1) + 0.5 - frame.x0) / frame.width * 2 - 1
    ys = (torch.arange(y0, y1) + 0.5 - frame.y0) / frame.height * 2 - 1
    grid = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1)[None]
    values = nn.functional.grid_sample(
        logits[None, None], grid.float(), padding_mode="border", align_corners=False
    )
    return values[0, 0], x0, y0
