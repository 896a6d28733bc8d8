"""What the region head should say about a picture: heatmaps, sizes, masks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rasterio.features import rasterize
from torch import Tensor

from rsvlm.models.region_head import SIZE_UNIT
from rsvlm.training.augment import Item


@dataclass(frozen=True)
class RegionTargets:
    """Targets of one picture.

    Attributes:
        heat: Gaussians around centres, 1 at a centre, shape (K, h, w).
        size: log(size / 32 px), shape (2, h, w).
        offset: Centre minus cell corner, in cells, shape (2, h, w).
        weight: How much a cell's size and offset count, shape (h, w).
        mask: 1 inside an object, shape (K, h', w').
    """

    heat: Tensor
    size: Tensor
    offset: Tensor
    weight: Tensor
    mask: Tensor


def region_targets(
    items: Sequence[Item],
    labels: Sequence[str],
    cells: tuple[int, int],
    stride: float,
    mask_cells: tuple[int, int],
) -> RegionTargets:
    """Draw the targets of one picture.

    Args:
        items: Objects, in view px.
        labels: The K labels, in the order of the queries.
        cells: Rows and columns of the heatmap.
        stride: View px a heatmap cell.
        mask_cells: Rows and columns of the mask.

    Returns:
        The targets.

    Source:
        Gaussians: CenterNet, https://arxiv.org/abs/1904.07850.
    """
    rows, columns = cells
    heat = np.zeros((len(labels), rows, columns), np.float32)
    size = np.zeros((2, rows, columns), np.float32)
    offset = np.zeros((2, rows, columns), np.float32)
    weight = np.zeros((rows, columns), np.float32)
    mask = np.zeros((len(labels), *mask_cells), np.float32)
    fine = stride * rows / mask_cells[0]
    ys, xs = np.mgrid[0:rows, 0:columns]
    for item in items:
        x0, y0, x1, y1 = item.hbb
        cx, cy = (x0 + x1) / 2 / stride, (y0 + y1) / 2 / stride
        column, row = int(min(cx, columns - 1)), int(min(cy, rows - 1))
        width, height = max(x1 - x0, 1.0), max(y1 - y0, 1.0)
        sx = max(width / stride / 6, 0.6)
        sy = max(height / stride / 6, 0.6)
        bell = np.exp(
            -((xs - column) ** 2 / (2 * sx**2) + (ys - row) ** 2 / (2 * sy**2))
        )
        if item.label in labels:
            k = labels.index(item.label)
            heat[k] = np.maximum(heat[k], bell)
            heat[k, row, column] = 1.0
            mask[k] = np.maximum(mask[k], _inside(item, fine, mask_cells))
        near = (bell > 0.5) & (bell > weight)
        weight = np.where(near, bell, weight).astype(np.float32)
        for axis, (extent, centre, grid) in enumerate(
            ((width, cx, xs), (height, cy, ys))
        ):
            size[axis][near] = np.log(extent / SIZE_UNIT)
            offset[axis][near] = (centre - grid)[near]
    return RegionTargets(*map(torch.from_numpy, (heat, size, offset, weight, mask)))


def _inside(item: Item, fine: float, cells: tuple[int, int]) -> NDArray[np.uint8]:
    """Return 1 where a cell's centre is inside an object, shape ``cells``.

    An object smaller than the cells gets the one in its middle.
    """
    shapes = [
        {"type": "Polygon", "coordinates": [np.vstack([ring, ring[:1]]) / fine]}
        for ring in item.rings
        if len(ring) >= 3
    ]
    mask: NDArray[np.uint8] = np.zeros(cells, np.uint8)
    if shapes:
        mask = rasterize(shapes, cells, dtype="uint8")
    if not mask.any():
        x0, y0, x1, y1 = item.hbb
        row, column = int((y0 + y1) / 2 / fine), int((x0 + x1) / 2 / fine)
        mask[min(row, cells[0] - 1), min(column, cells[1] - 1)] = 1
    return mask
