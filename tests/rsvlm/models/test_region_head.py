"""The region head's maps and their peaks."""

import math

import pytest
import torch

from rsvlm.models.region_head import SIZE_UNIT, RegionHead, peaks


@pytest.fixture
def head() -> RegionHead:
    torch.manual_seed(0)
    return RegionHead(feature_dim=12, query_dim=8, width=16, embedding=8).eval()


@torch.no_grad()
def test_maps_have_two_and_four_cells_a_patch(head: RegionHead) -> None:
    maps = head(
        torch.randn(2, 12, 3, 5), torch.rand(2, 3, 12, 20), torch.randn(2, 4, 8)
    )
    assert maps.heat.shape == (2, 4, 6, 10)
    assert maps.size.shape == maps.offset.shape == (2, 2, 6, 10)
    assert maps.mask.shape == (2, 4, 12, 20)
    # At first almost every cell says no.
    assert maps.heat.sigmoid().mean() < 0.2


@torch.no_grad()
def test_a_description_does_not_change_another(head: RegionHead) -> None:
    features, colours = torch.randn(1, 12, 3, 3), torch.rand(1, 3, 12, 12)
    queries = torch.randn(1, 3, 8)
    together = head(features, colours, queries)
    alone = head(features, colours, queries[:, 1:2])
    assert torch.allclose(together.heat[:, 1:2], alone.heat, atol=1e-5)
    assert torch.allclose(together.mask[:, 1:2], alone.mask, atol=1e-5)
    assert not torch.allclose(together.heat[:, :1], alone.heat, atol=1e-3)


def test_a_peak_becomes_a_box() -> None:
    heat = torch.full((6, 8), -9.0)
    heat[2, 5], heat[2, 4], heat[4, 1] = 2.0, 1.0, 0.0  # the second is no maximum
    size, offset = torch.zeros(2, 6, 8), torch.full((2, 6, 8), 0.5)
    size[:, 2, 5] = torch.tensor([math.log(2), math.log(0.5)])
    best, other = peaks(heat, size, offset, stride=7, most=10)
    assert best.score == pytest.approx(1 / (1 + math.exp(-2)))
    # The centre is (5.5, 2.5) cells of 7 px, the size 64 x 16 px.
    assert best.box == pytest.approx((38.5 - 32, 17.5 - 8, 38.5 + 32, 17.5 + 8))
    half = SIZE_UNIT / 2
    assert other.box == pytest.approx(
        (10.5 - half, 31.5 - half, 10.5 + half, 31.5 + half)
    )
    assert len(peaks(heat, size, offset, 7, most=1)) == 1


def test_what_is_hardly_possible_is_no_peak() -> None:
    flat = torch.full((4, 4), -9.0)
    assert peaks(flat, torch.zeros(2, 4, 4), torch.zeros(2, 4, 4), 7, 10) == []
