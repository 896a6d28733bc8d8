"""OutlineHead: the outline of what lies in a box, whatever it is.

A region head says where objects are; its masks are those of a description and as coarse
as the encoder's features. This head looks at one box at a time, at a resolution that
follows the box, and sees the pixels beside the features: thin wings and narrow gaps.
It does not know what is in the box, so that a person or another model may draw it.
"""

import torch
from torch import Tensor, nn

from rsvlm.geometry import HBB

#: Cells of a frame's side.
SIDE = 64
#: What a frame shows beyond each edge of the box, relative to the box: boxes are not
#: exact, and the ground beside an object tells what belongs to it.
MARGIN = 0.2
#: Pixels are also seen this many times coarser, where a frame is large.
COARSER = 4


def frame_of(box: HBB) -> HBB:
    """Return what the head looks at to outline a box.

    >>> frame_of(HBB(10, 10, 20, 30))
    HBB(x0=8.0, y0=6.0, x1=22.0, y1=34.0)
    """
    dx, dy = MARGIN * max(box.width, 1.0), MARGIN * max(box.height, 1.0)
    return HBB(box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy)


def _block(inputs: int, outputs: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation),
        nn.GroupNorm(8, outputs),
        nn.GELU(),
    )


class OutlineHead(nn.Module):
    """Features, pixels and a frame in, the mask of the object in the frame out.

    Source:
        A mask in the frame of each box: Mask R-CNN, https://arxiv.org/abs/1703.06870.
        A coarse mask as part of the prompt: SAM, https://arxiv.org/abs/2304.02643.

    .. versionadded:: 0.1
    """

    def __init__(self, feature_dim: int = 1152, width: int = 64) -> None:
        """Build the layers.

        Args:
            feature_dim: Width D of the encoder's features.
            width: Channels of the layers at a quarter of the cells.
        """
        super().__init__()
        fine = width // 2
        self.see = nn.Sequential(
            nn.Conv2d(feature_dim, width, 1), nn.GroupNorm(8, width), nn.GELU()
        )
        # Beside features: where in the frame, and the prompt.
        self.context = nn.Sequential(
            _block(width + 3, width),
            _block(width, width, 2),
            _block(width, width, 4),
            _block(width, width),
            nn.Conv2d(width, fine, 1),
        )
        self.edges = nn.Sequential(_block(6, fine), _block(fine, fine))
        self.draw = nn.Sequential(
            _block(2 * fine + 3, fine), _block(fine, fine), nn.Conv2d(fine, 1, 1)
        )

    def forward(
        self,
        features: Tensor,
        colours: Tensor,
        frames: Tensor,
        rows: Tensor,
        prompts: Tensor,
    ) -> Tensor:
        """Outline the objects in N frames.

        Args:
            features: Patch features of B views, shape (B, D, h, w).
            colours: The views, RGB in 0-1, shape (B, 3, H, W); H and W are those of the
                patches together.
            frames: x0, y0, x1, y1 in view px, shape (N, 4).
            rows: Which view each frame is of, ascending, shape (N,).
            prompts: What is known of each object before, shape (N, SIDE, SIDE): 1
                inside, -1 outside, 0 unknown.

        Returns:
            Logits of "belongs to the object" in each frame's cells, shape
            (N, SIDE, SIDE).
        """
        if not len(frames):
            return colours.new_zeros(0, SIDE, SIDE)
        size = colours.shape[3], colours.shape[2]
        half = cells_of(frames, size, SIDE // 2)
        whole = cells_of(frames, size, SIDE)
        place = _places(SIDE, frames).expand(len(frames), -1, -1, -1)
        known = torch.cat([place, prompts[:, None].to(place)], 1)
        seen = sampled(self.see(features), half, rows)
        low = torch.cat([seen, nn.functional.avg_pool2d(known, 2).to(seen)], 1)
        low = self.context(low)
        low = nn.functional.interpolate(low, scale_factor=2.0, mode="bilinear")
        coarse = nn.functional.avg_pool2d(colours, COARSER, ceil_mode=True)
        # Its last cells may reach beyond the view.
        reach = COARSER * coarse.shape[3], COARSER * coarse.shape[2]
        wide = cells_of(frames, reach, SIDE)
        pixels = [sampled(colours, whole, rows), sampled(coarse, wide, rows)]
        edges = self.edges(
            torch.cat(pixels, 1) - 0.45
        )  # about the mean of all pictures
        out: Tensor = self.draw(torch.cat([low, edges, known.to(edges)], 1))[:, 0]
        return out


def cells_of(frames: Tensor, size: tuple[int, int], side: int) -> Tensor:
    """Return where the cells of frames lie in their views, (N, side, side, 2) in -1..1.

    Args:
        frames: Shape (N, 4), px.
        size: Width and height of the views, px.
        side: Cells of a side.
    """
    steps = (torch.arange(side, device=frames.device) + 0.5) / side
    width, height = size
    xs = frames[:, :1] + (frames[:, 2:3] - frames[:, :1]) * steps  # (N, side)
    ys = frames[:, 1:2] + (frames[:, 3:] - frames[:, 1:2]) * steps
    xs, ys = xs / width * 2 - 1, ys / height * 2 - 1
    grid_x = xs[:, None, :].expand(-1, side, -1)
    grid_y = ys[:, :, None].expand(-1, -1, side)
    return torch.stack([grid_x, grid_y], -1)


def _places(side: int, like: Tensor) -> Tensor:
    """Return the place of each cell in its frame, shape (1, 2, side, side) in -1..1."""
    steps = (torch.arange(side, device=like.device) + 0.5) / side * 2 - 1
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"))[None].float()


def sampled(maps: Tensor, cells: Tensor, rows: Tensor) -> Tensor:
    """Return maps (B, C, h, w) at the cells of frames, shape (N, C, side, side)."""
    parts = []
    for row in range(len(maps)):
        own = cells[rows == row]
        if not len(own):
            continue
        count, side = own.shape[:2]
        flat = own.reshape(1, count * side, side, 2).float()
        # In bfloat16 a place on a view would be known to 1 or 2 px.
        part = nn.functional.grid_sample(
            maps[row : row + 1].float(), flat, padding_mode="border",
            align_corners=False,
        )  # fmt: skip
        parts.append(part[0].reshape(-1, count, side, side).transpose(0, 1))
    return torch.cat(parts)
