"""Many pictures give what one forward gives, whatever stands around the call."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rsvlm.models import encoder as module
from rsvlm.models.encoder import encode, encode_pictures, frozen_encoder


@pytest.fixture
def encoder(encoder_folder: Path) -> nn.Module:
    return frozen_encoder(str(encoder_folder)).float()


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pictures of each forward, as they come."""
    seen: list[int] = []

    def noted(encoder: nn.Module, pixels: Tensor, layers: tuple[int, ...]) -> Tensor:
        seen.append(len(pixels))
        return encode(encoder, pixels, layers)

    monkeypatch.setattr(module, "encode", noted)
    return seen


@pytest.mark.parametrize("count", [1, 8, 19])
def test_micro_batches_give_what_one_forward_gives(
    encoder: nn.Module, sizes: list[int], count: int
) -> None:
    pixels = torch.randn(count, 3, 28, 42, generator=torch.manual_seed(0))
    with torch.no_grad():
        expected = encode(encoder, pixels, (2, 4))
    got = encode_pictures(encoder, pixels, (2, 4))
    assert got.shape == (count, 6, 64)
    assert torch.allclose(got, expected, atol=1e-4)
    assert max(sizes) <= 8
    assert sum(sizes) == count


def test_gradients_are_not_kept_but_features_may_be_trained_on(
    encoder: nn.Module,
) -> None:
    encoder.requires_grad_(True)
    got = encode_pictures(encoder, torch.randn(1, 3, 28, 28), (4,))
    assert not got.requires_grad
    weight = torch.ones(64 // 2, requires_grad=True)
    torch.autograd.backward(
        (got * weight).sum()
    )  # tensors of inference mode would refuse
    assert weight.grad is not None


def test_autocast_around_the_call_changes_nothing(encoder: nn.Module) -> None:
    pixels = torch.randn(2, 3, 28, 28, generator=torch.manual_seed(0))
    plain = encode_pictures(encoder, pixels, (4,))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(encode_pictures(encoder, pixels, (4,)), plain)


def test_the_type_of_the_weights_decides(encoder: nn.Module) -> None:
    encoder.to(torch.bfloat16)
    got = encode_pictures(encoder, torch.randn(1, 3, 28, 28), (4,))
    assert got.dtype == torch.bfloat16
