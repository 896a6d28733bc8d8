"""What the region head should say about a picture: heatmaps, sizes, masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rsvlm.models.features import cells_inside
from rsvlm.models.region_head import SIZE_UNIT
from rsvlm.training.augment import Item

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

#: Heat on a fragment of an object: no centre, and a find there costs next to nothing.
FRAGMENT = 0.95


@dataclass(frozen=True)
class RegionTargets:
    """Targets of one picture.

    Attributes:
        heat: Gaussians around centres, 1 at a centre, shape (K, h, w).
        size: log(size / 32 px), shape (2, h, w).
        offset: Centre minus cell corner, in cells, shape (2, h, w).
        weight: How much a cell's size and offset count, shape (h, w).
        mask: 1 inside an object, shape (K, h', w').
        outlined: 0 where an object of the label has a box alone, so that the mask is
            not known, shape (K, h', w').
    """

    heat: Tensor
    size: Tensor
    offset: Tensor
    weight: Tensor
    mask: Tensor
    outlined: Tensor


def region_targets(
    items: Sequence[Item],
    labels: Sequence[str],
    cells: tuple[int, int],
    stride: float,
    mask_cells: tuple[int, int],
) -> RegionTargets:
    """Draw the targets of one picture.

    Args:
        items: Objects and fragments of them, in view px.
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
    outlined = np.ones_like(mask)
    fine = stride * rows / mask_cells[0]
    ys, xs = np.mgrid[0:rows, 0:columns]
    for item in items:
        x0, y0, x1, y1 = item.hbb
        if item.label in labels:
            k = labels.index(item.label)
            inside = cells_inside(outline_of(item), mask_cells, fine)
            if item.outlined:
                mask[k] = np.maximum(mask[k], inside)
            else:
                outlined[k][inside] = 0
            if not item.whole:
                part = tuple(
                    slice(max(int(low / stride), 0), int(high / stride) + 1)
                    for low, high in ((y0, y1), (x0, x1))
                )
                heat[k][part] = np.maximum(heat[k][part], FRAGMENT)
        if not item.whole:
            continue
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
        near = (bell > 0.5) & (bell > weight)
        weight = np.where(near, bell, weight).astype(np.float32)
        for axis, (extent, centre, grid) in enumerate(
            ((width, cx, xs), (height, cy, ys))
        ):
            size[axis][near] = np.log(extent / SIZE_UNIT)
            offset[axis][near] = (centre - grid)[near]
    arrays = heat, size, offset, weight, mask, outlined
    return RegionTargets(*map(torch.from_numpy, arrays))


def outline_of(item: Item) -> "BaseGeometry":
    """Return an object's rings as one shape, in view px; its box where they fail."""
    import shapely

    rings = [shapely.make_valid(shapely.Polygon(r)) for r in item.rings if len(r) >= 3]
    return shapely.union_all(rings) if rings else shapely.box(*item.hbb)
