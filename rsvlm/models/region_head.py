"""RegionHead: a description and image features in, objects and masks out.

The language model decides what is meant; this head decides where, how many and how
large. A description's embedding becomes a query; its dot product with the embedding
of every place is the heatmap of object centres, and of a finer grid the mask. Sizes
do not depend on the description.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rsvlm.geometry import HBB, Region, nms

#: Feature cells are this many times finer than patches.
CENTRE_FACTOR = 2
#: Mask cells are this many times finer than patches.
MASK_FACTOR = 4
#: Sizes are predicted as log(size / SIZE_UNIT), in view px.
SIZE_UNIT = 32.0
#: IoU above which two boxes of one description are the same object.
OVERLAP = 0.45


@dataclass(frozen=True)
class RegionMaps:
    """What the head says about a batch of views.

    Attributes:
        heat: Logits of object centres, shape (B, K, 2h, 2w).
        size: log(width / 32 px), log(height / 32 px), shape (B, 2, 2h, 2w).
        offset: Centre minus cell corner, in cells, shape (B, 2, 2h, 2w).
        mask: Logits of "inside such an object", shape (B, K, 4h, 4w).
    """

    heat: Tensor
    size: Tensor
    offset: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Looked:
    """What a head says about views before anything is asked.

    Attributes:
        fine: Features at the resolution of centres, shape (B, 128, 2h, 2w).
        places: Embeddings that descriptions are compared with, shape (B, E, 2h, 2w).
        size: See :class:`RegionMaps`.
        offset: See :class:`RegionMaps`.
    """

    fine: Tensor
    places: Tensor
    size: Tensor
    offset: Tensor


def _block(inputs: int, outputs: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2),
        nn.GroupNorm(8, outputs),
        nn.GELU(),
    )


class RegionHead(nn.Module):
    """Centre heatmap, size and mask, conditioned on a description's embedding.

    Source:
        Centres: CenterNet, https://arxiv.org/abs/1904.07850.
        Description as a query of the mask: SegEarth-R1,
        https://arxiv.org/abs/2504.09644.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        feature_dim: int = 1152,
        query_dim: int = 384,
        width: int = 192,
        embedding: int = 96,
    ) -> None:
        """Build the layers.

        Args:
            feature_dim: Width D of the encoder's features.
            query_dim: Width of a description's embedding.
            width: Channels of the trunk.
            embedding: Width of the space in which places and queries meet.
        """
        super().__init__()
        fine, finest = 128, 32
        self.trunk = nn.Sequential(
            _block(feature_dim, width, 1), _block(width, width), _block(width, width)
        )
        self.up = nn.Sequential(
            nn.ConvTranspose2d(width, fine, 2, stride=2),
            nn.GroupNorm(8, fine),
            nn.GELU(),
        )
        self.centre = nn.Sequential(_block(fine, fine), nn.Conv2d(fine, embedding, 1))
        self.box = nn.Sequential(_block(fine, fine), nn.Conv2d(fine, 4, 1))
        self.mask_up = nn.Sequential(
            nn.ConvTranspose2d(fine, finest, 2, stride=2), nn.GELU()
        )
        self.mask = nn.Sequential(  # three more channels: the view's own colours
            _block(finest + 3, finest),
            _block(finest, finest),
            nn.Conv2d(finest, finest, 1),
        )
        self.query = nn.Sequential(
            nn.Linear(query_dim, query_dim), nn.GELU(), nn.Linear(query_dim, embedding)
        )
        self.mask_query = nn.Linear(query_dim, finest)
        self.bias = nn.Linear(query_dim, 2)
        # Centres are rare: start where almost every cell says no.
        nn.init.zeros_(self.bias.weight)
        nn.init.constant_(self.bias.bias, -3.0)

    def look(self, features: Tensor) -> Looked:
        """Compute what does not depend on a description, once for all questions.

        Args:
            features: Patch features, shape (B, D, h, w).
        """
        fine = self.up(self.trunk(features))  # (B, 128, 2h, 2w)
        size, offset = self.box(fine).split(2, dim=1)
        return Looked(fine, self.centre(fine), size, offset)

    def heat(self, looked: Looked, queries: Tensor) -> Tensor:
        """Return the logits of the centres that K descriptions name, (B, K, 2h, 2w).

        Args:
            looked: Of the views.
            queries: Unit vectors of the descriptions, shape (B, K, query_dim).
        """
        query = self.query(queries)  # (B, K, E)
        bias: Tensor = self.bias(queries)[..., :1, None]  # (B, K, 1, 1)
        scale: float = query.shape[-1] ** -0.5
        found: Tensor = torch.einsum("bke,behw->bkhw", query, looked.places)
        return found * scale + bias

    def masks(self, looked: Looked, colours: Tensor, queries: Tensor) -> Tensor:
        """Return the coarse mask logits of K descriptions, shape (B, K, 4h, 4w).

        Args:
            looked: Of the views.
            colours: The views at mask resolution, RGB in 0-1, shape (B, 3, 4h, 4w).
            queries: Unit vectors of the descriptions, shape (B, K, query_dim).
        """
        inner = self.mask(torch.cat([self.mask_up(looked.fine), colours], 1))
        bias: Tensor = self.bias(queries)[..., 1:, None]
        query = self.mask_query(queries)
        return torch.einsum("bke,behw->bkhw", query, inner) + bias

    def forward(self, features: Tensor, colours: Tensor, queries: Tensor) -> RegionMaps:
        """Compute the maps of K descriptions.

        Args:
            features: Patch features, shape (B, D, h, w).
            colours: The view at mask resolution, RGB in 0-1, shape (B, 3, 4h, 4w).
            queries: Unit vectors of the descriptions, shape (B, K, query_dim).

        Returns:
            Maps of every description.
        """
        looked = self.look(features)
        heat, mask = self.heat(looked, queries), self.masks(looked, colours, queries)
        return RegionMaps(heat, looked.size, looked.offset, mask)


@dataclass(frozen=True)
class Found:
    """One object: its box in view px, its score, and its mask logits.

    Attributes:
        box: x0, y0, x1, y1 in view px.
        score: Sigmoid of the centre's logit, in 0-1.
    """

    box: tuple[float, float, float, float]
    score: float


def peaks(
    heat: Tensor, size: Tensor, offset: Tensor, stride: float, most: int
) -> list[Found]:
    """Return local maxima of one heatmap as boxes.

    Args:
        heat: Logits, shape (h, w).
        size: log sizes, shape (2, h, w).
        offset: Offsets in cells, shape (2, h, w).
        stride: View px a cell.
        most: Largest number of boxes.

    Returns:
        Boxes, best first.
    """
    score = heat.float().sigmoid()
    top = nn.functional.max_pool2d(score[None, None], 3, stride=1, padding=1)[0, 0]
    flat = torch.where(score == top, score, torch.zeros_like(score)).flatten()
    values, places = flat.topk(min(most, len(flat)))
    keep = values > 0.02
    values, places = values[keep], places[keep]
    y, x = places // heat.shape[1], places % heat.shape[1]
    centre = torch.stack([x, y]).float() + offset.float()[:, y, x]
    half = size.float()[:, y, x].clamp(-4, 5).exp() * SIZE_UNIT / 2
    corners = torch.cat([centre * stride - half, centre * stride + half]).T
    return [
        Found((box[0], box[1], box[2], box[3]), value)
        for box, value in zip(corners.tolist(), values.tolist(), strict=True)
    ]


def distinct(
    boxes: Sequence[Found], label: str, width: int, height: int
) -> list[Region]:
    """Return candidates of a label without doubles, best first, by raw score.

    Args:
        boxes: In px of the view.
        label: What they were found for.
        width: Columns of the view, px.
        height: Rows of the view, px.
    """
    inside = ((HBB(*item.box).clip(width, height), item.score) for item in boxes)
    seen = [Region(box, label, score) for box, score in inside if box and box.area >= 1]
    return nms(seen, OVERLAP)
