"""Masks of boxes in a view, and the file of the head that draws them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rsvlm.errors import CheckpointError
from rsvlm.geometry import HBB, OBB, Mask, iou
from rsvlm.models.features import GROUND
from rsvlm.models.outline_head import SIDE, OutlineHead, cells_of, sampled
from rsvlm.models.outlines import (
    AT_ONCE,
    OUTLINE_FILE,
    _filled,
    load_outlines,
    outlined,
    save_outlines,
    without_specks,
)


class Bright(OutlineHead):
    """Outlines what is bright, without having learned anything."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.weight = nn.Parameter(torch.zeros(1))
        self.calls: list[int] = []

    def forward(
        self, features: Tensor, colours: Tensor, frames: Tensor, rows: Tensor,
        prompts: Tensor,
    ) -> Tensor:  # fmt: skip
        self.calls.append(len(frames))
        self.prompts = prompts
        size = colours.shape[3], colours.shape[2]
        seen = sampled(colours, cells_of(frames, size, SIDE), rows)
        return (seen.mean(1) - 0.5) * 8


def picture(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Return a dark view of 90 x 75 px with bright boxes."""
    pixels = np.zeros((75, 90, 3), np.uint8)
    for x0, y0, x1, y1 in boxes:
        pixels[y0:y1, x0:x1] = 255
    return pixels


@pytest.mark.parametrize(
    "box", [(20, 30, 44, 50), (0, 0, 16, 70), (80, 60, 90, 75), (41, 20, 44, 22)]
)
def test_logits_lie_on_the_pixels(box: tuple[int, int, int, int]) -> None:
    features = torch.zeros(1, 4, 6, 7)  # patches of 14 px: 84 rows, 98 columns
    # The box that is asked about is not exact.
    given = HBB(*box).scale(1, 1, 0.4, -0.3)
    ((values, x0, y0),) = outlined(Bright(), features, picture(box), [given], 14)
    mask = Mask.from_array((values > 0).numpy(), x0, y0)
    assert iou(mask, HBB(*box)) > 0.95
    assert min(x0, y0) >= 0
    assert x0 + values.shape[1] <= 90
    assert y0 + values.shape[0] <= 75


class Same(Bright):
    """Outlines where features and pixels are bright at once."""

    def forward(self, features: Tensor, colours: Tensor, *rest: Tensor) -> Tensor:
        frames, rows, _ = rest
        size = colours.shape[3], colours.shape[2]
        cells = cells_of(frames, size, SIDE)
        both = sampled(features[:, :1], cells, rows) * sampled(
            colours[:, :1], cells, rows
        )
        return (both.mean(1) - 0.5) * 8


def test_features_and_pixels_lie_on_each_other() -> None:
    """Also where the sides of the view are no multiples of a patch."""
    box = (56, 42, 70, 70)  # whole patches
    features = torch.zeros(1, 4, 6, 7)
    features[0, 0, 3:5, 4] = 1
    ((values, x0, y0),) = outlined(Same(), features, picture(box), [HBB(*box)], 14)
    mask = Mask.from_array((values > 0).numpy(), x0, y0)
    # Features are seen smoothly, so that some of the border is lost.
    assert iou(mask, HBB(*box)) > 0.5
    assert mask.hbb.center == pytest.approx((63, 56), abs=0.6)
    colours = _filled(picture(), features, 14)
    assert colours.shape == (1, 3, 84, 98)
    assert float(colours[..., 80:, :].mean()) == pytest.approx(
        np.mean(GROUND) / 255, abs=1e-3
    )


def test_many_boxes_are_outlined_in_parts() -> None:
    head, features = Bright(), torch.zeros(1, 4, 6, 7)
    boxes = [HBB(10 + n / 8, 10, 20 + n / 8, 20) for n in range(AT_ONCE + 3)]
    found = outlined(head, features, picture((0, 0, 90, 75)), boxes, 14)
    assert head.calls == [AT_ONCE, 3]
    assert len(found) == len(boxes)
    assert all((values > 0).all() for values, _, _ in found)
    assert outlined(head, features, picture(), [], 14) == []


def test_a_coarse_shape_is_told_and_a_box_is_not() -> None:
    head, features, pixels = Bright(), torch.zeros(1, 4, 6, 7), picture()
    box = HBB(20, 20, 60, 50)
    outlined(head, features, pixels, [box], 14, box)
    assert not head.prompts.any()
    outlined(head, features, pixels, [box], 14, OBB.from_center(40, 35, 20, 10, 0))
    assert set(head.prompts.flatten().tolist()) == {-1, 1}
    # A quarter of the box's sides each, in a frame that is 1.4 times as large.
    share = float((head.prompts > 0).float().mean())
    assert share == pytest.approx(20 * 10 / (56 * 42), abs=0.01)
    assert head.prompts[0, SIDE // 2, SIDE // 2] == 1


def test_specks_and_small_holes_go() -> None:
    mask = np.zeros((40, 60), bool)
    mask[5:35, 5:35] = True
    whole = mask.copy()
    mask[10:12, 10:14] = False  # a hole
    mask[0:3, 50:60] = True  # a bit of a neighbour
    assert np.array_equal(without_specks(mask), whole)
    whole[10:30, 45:58] = True  # a part: more than a tenth
    assert np.array_equal(without_specks(whole), whole)
    ys, xs = np.mgrid[0:40, 0:40] - 19.5
    disc = np.hypot(ys, xs) < 20  # reaches every edge: its corners are no holes
    assert np.array_equal(without_specks(disc), disc)
    assert np.array_equal(without_specks(disc[20:, 20:]), disc[20:, 20:])
    scattered = np.zeros((60, 60), bool)
    for y in range(0, 60, 15):
        for x in range(0, 60, 15):
            scattered[y : y + 7, x : x + 7] = True  # nothing would be left
    assert np.array_equal(without_specks(scattered), scattered)
    one = np.zeros((3, 3), bool)
    one[1, 1] = True
    for small in (one, np.zeros((3, 3), bool)):
        assert np.array_equal(without_specks(small), small)


def test_a_head_is_saved_and_loaded(tmp_path: Path) -> None:
    assert load_outlines(tmp_path, 12) is None
    torch.manual_seed(3)
    head = OutlineHead(12, 32)
    save_outlines(head, tmp_path)
    again = load_outlines(tmp_path, 12)
    assert again is not None
    for name, value in again.state_dict().items():
        assert torch.equal(value, head.state_dict()[name].bfloat16().float()), name
    with pytest.raises(CheckpointError, match=r"does not fit the region head.*Copy"):
        load_outlines(tmp_path, 16)
    (tmp_path / OUTLINE_FILE).write_bytes(b"x" * 99)
    with pytest.raises(CheckpointError, match="is damaged"):
        load_outlines(tmp_path, 12)
