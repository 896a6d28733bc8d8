"""The outline head sees the places of a frame, and each frame alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.geometry import HBB
from rsvlm.models.outline_head import (
    MARGIN,
    SIDE,
    OutlineHead,
    cells_of,
    frame_of,
    sampled,
)


@pytest.fixture
def head() -> OutlineHead:
    torch.manual_seed(0)
    return OutlineHead(12, 16).eval()


@torch.no_grad()
def test_a_frame_does_not_change_another(head: OutlineHead) -> None:
    features, colours = torch.randn(2, 12, 4, 5), torch.rand(2, 3, 56, 70)
    frames = torch.tensor([[2.0, 3, 30, 40], [10, 5, 60, 50], [-4, -8, 20, 20]])
    rows, prompts = torch.tensor([0, 0, 1]), torch.zeros(3, SIDE, SIDE)
    prompts[1, :20] = 1
    together = head(features, colours, frames, rows, prompts)
    assert together.shape == (3, SIDE, SIDE)
    alone = head(features, colours, frames[1:2], rows[1:2], prompts[1:2])
    assert torch.allclose(together[1:2], alone, atol=1e-5)
    other = head(features[1:], colours[1:], frames[2:], rows[:1], prompts[2:])
    assert torch.allclose(together[2:], other, atol=1e-5)
    unknown = head(features, colours, frames[1:2], rows[1:2], prompts[:1])
    assert not torch.allclose(unknown, alone, atol=1e-3)
    assert head(features, colours, frames[:0], rows[:0], prompts[:0]).shape == (
        0, SIDE, SIDE,
    )  # fmt: skip


@given(st.floats(-20, 60), st.floats(-20, 40), st.floats(1, 60), st.floats(1, 60))
def testcells_of_see_their_places(
    x: float, y: float, width: float, height: float
) -> None:
    """A picture whose colours are its coordinates tells where each cell looked."""
    ys, xs = torch.meshgrid(torch.arange(56.0), torch.arange(70.0), indexing="ij")
    picture = torch.stack([xs, ys])[None] + 0.5  # centres of pixels
    frames = torch.tensor([[x, y, x + width, y + height]])
    seen = sampled(picture, cells_of(frames, (70, 56), 8), torch.tensor([0]))[0]
    steps = (torch.arange(8) + 0.5) / 8
    want_x = (x + width * steps).clamp(0.5, 69.5).expand(8, 8)
    want_y = (y + height * steps).clamp(0.5, 55.5)[:, None].expand(8, 8)
    assert torch.allclose(seen, torch.stack([want_x, want_y]), atol=1e-3)


@given(st.floats(0, 99), st.floats(0, 99), st.floats(0.1, 99), st.floats(0.1, 99))
def test_a_frame_shows_the_ground_beside_a_box(
    x: float, y: float, width: float, height: float
) -> None:
    box = HBB(x, y, x + width, y + height)
    frame = frame_of(box)
    assert frame.center == pytest.approx(box.center)
    assert frame.width >= (1 + 2 * MARGIN) * box.width - 1e-6
    assert frame.height >= box.height + 2 * MARGIN - 1e-6


@torch.no_grad()
@pytest.mark.parametrize("columns", [35, 36])
def test_coarse_pixels_lie_on_fine_ones(columns: int) -> None:
    """Also where the side of the view, 490 px, is no multiple of the coarse cells."""
    head = OutlineHead(12, 16).eval()
    seen: list[torch.Tensor] = []
    head.edges.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    colours = torch.arange(14.0 * columns).expand(1, 3, 42, -1) / 500
    frames = torch.tensor([[400.0, 10, 470, 30]])
    head(torch.zeros(1, 12, 3, columns), colours, frames, torch.tensor([0]),
         torch.zeros(1, SIDE, SIDE))  # fmt: skip
    fine, coarse = seen[0][0, 0], seen[0][0, 3]
    assert torch.allclose(fine, coarse, atol=0.3 / 500)
