"""Pictures to the inputs of the region head: patch features and colours on a grid."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rsvlm.models.encoder import NORMALISATION, encode, patch_size
from rsvlm.models.region_head import MASK_FACTOR

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

#: Mean colour of what encoders were trained on, which they see as nothing.
GROUND = (124, 116, 104)


def normalised(picture: NDArray[np.uint8], family: str, multiple: int = 14) -> Tensor:
    """Return a picture as the encoder wants it, filled up to whole patches.

    Args:
        picture: RGB, shape (H, W, 3).
        family: Encoder family, a key of ``NORMALISATION``.
        multiple: Patch size in px.

    Returns:
        Shape (1, 3, H', W'); what was added is the mean colour.
    """
    mean, std = NORMALISATION[family]
    height, width = picture.shape[:2]
    out = np.zeros(
        (3, -(-height // multiple) * multiple, -(-width // multiple) * multiple),
        np.float32,
    )
    scaled = picture.astype(np.float32) / 255
    scaled = (scaled - np.array(mean, np.float32)) / np.array(std, np.float32)
    out[:, :height, :width] = scaled.transpose(2, 0, 1)
    return torch.from_numpy(out)[None]


def as_seen(pictures: Tensor, family: str) -> tuple[Tensor, Tensor]:
    """Return pictures of whole patches in 0-1, and as an encoder wants them.

    Args:
        pictures: RGB uint8, shape (B, H, W, 3).
        family: Encoder family, a key of ``NORMALISATION``.

    Returns:
        Both of shape (B, 3, H, W), on the device of the pictures.
    """
    mean, std = (torch.tensor(v).to(pictures.device) for v in NORMALISATION[family])
    rgb = pictures.float() / 255
    return rgb.permute(0, 3, 1, 2), ((rgb - mean) / std).permute(0, 3, 1, 2)


@torch.no_grad()
def feature_grid(encoder: nn.Module, pixels: Tensor, layers: tuple[int, ...]) -> Tensor:
    """Return features as a grid.

    Args:
        encoder: Frozen encoder.
        pixels: Normalised, shape (B, 3, H, W).
        layers: Hidden states to take.

    Returns:
        Shape (B, D, H / patch, W / patch), in the encoder's type.
    """
    patch = patch_size(encoder)
    pixels = pixels.to(next(encoder.parameters()))  # type and device
    tokens = encode(encoder, pixels, layers)  # (B, N, D)
    height, width = pixels.shape[2] // patch, pixels.shape[3] // patch
    return tokens.transpose(1, 2).reshape(len(pixels), -1, height, width)


def colours_of(picture: NDArray[np.uint8], h: int, w: int, patch: int = 14) -> Tensor:
    """Return a view's colours at mask resolution, RGB in 0-1, shape (3, 4h, 4w).

    Args:
        picture: RGB uint8, shape (H, W, 3); filled up with black to whole patches.
        h: Rows of patches.
        w: Columns of patches.
        patch: Patch size in px.
    """
    full = np.zeros((h * patch, w * patch, 3), np.float32)
    full[: picture.shape[0], : picture.shape[1]] = picture / np.float32(255)
    tensor = torch.from_numpy(full).permute(2, 0, 1)[None]
    size = (MASK_FACTOR * h, MASK_FACTOR * w)
    return nn.functional.interpolate(tensor, size=size, mode="area")[0]


def cells_inside(
    outline: "BaseGeometry", cells: tuple[int, int], stride: float
) -> NDArray[np.bool_]:
    """Return which cells of a grid have their centre inside an outline.

    Args:
        outline: Of something with an extent, in view px.
        cells: Rows and columns (h, w) of the grid.
        stride: View px a cell.

    Returns:
        Shape (h, w); what is smaller than the cells has the one in its middle.
    """
    import shapely

    x0, y0, x1, y1 = (value / stride for value in outline.bounds)
    rows = slice(max(int(y0), 0), min(int(y1) + 1, cells[0]))
    columns = slice(max(int(x0), 0), min(int(x1) + 1, cells[1]))
    ys, xs = (np.mgrid[rows, columns] + 0.5) * stride
    inside = np.zeros(cells, bool)
    shapely.prepare(outline)
    inside[rows, columns] = shapely.contains_xy(outline, xs, ys)
    if not inside.any():
        row, column = int((y0 + y1) / 2), int((x0 + x1) / 2)
        inside[min(max(row, 0), cells[0] - 1), min(max(column, 0), cells[1] - 1)] = True
    return inside
