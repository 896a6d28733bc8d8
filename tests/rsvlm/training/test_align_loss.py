"""Contrastive loss with equal texts, and cached gradients."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from open_clip.loss import ClipLoss
from torch import Tensor, nn

from rsvlm.training.align_loss import MaskedClipLoss, cached_backward, soft_targets


def units(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return nn.functional.normalize(torch.randn(count, 8, generator=generator), dim=-1)


def test_distinct_keys_give_open_clips_loss() -> None:
    first, second, scale = units(6, 0), units(6, 1), torch.tensor(14.0)
    ours = MaskedClipLoss()(first, second, scale, torch.arange(6))
    assert torch.allclose(ours, ClipLoss()(first, second, scale), atol=1e-6)


def test_equal_texts_are_no_negatives() -> None:
    """A picture is drawn to every wording of its text, not pushed off all but one."""
    picture, texts = units(3, 2), units(3, 3)

    def pull(keys: list[int]) -> float:
        free = picture.clone().requires_grad_()
        loss = MaskedClipLoss()(free, texts, torch.tensor(10.0), torch.tensor(keys))
        loss.backward()
        assert free.grad is not None
        return -float(free.grad[0] @ texts[1])

    assert pull([5, 5, 9]) > pull([0, 1, 2]) + 0.1


def test_pictures_on_their_texts_cost_no_more_than_chance_between_equals() -> None:
    texts = units(3, 3)
    texts[1] = texts[0]
    keys = torch.tensor([5, 5, 9])
    best = MaskedClipLoss()(texts, texts, torch.tensor(100.0), keys)
    # Two of three rows are split between two equals: log 2 each, and no more.
    assert float(best) == pytest.approx(2 / 3 * math.log(2), abs=1e-3)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_targets_are_even_over_equals(keys: list[int]) -> None:
    shares = soft_targets(torch.tensor(keys), torch.tensor(keys))
    for row, key in zip(shares, keys, strict=True):
        wanted = [1 / keys.count(key) if other == key else 0.0 for other in keys]
        assert row.tolist() == pytest.approx(wanted)


class Towers(nn.Module):
    """Two linear encoders and a temperature."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(4)
        self.a, self.b = nn.Linear(5, 8), nn.Linear(6, 8)
        for parameter in self.parameters():
            parameter.data.normal_(0, 0.5, generator=generator)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.x = torch.randn(7, 5, generator=generator)
        self.y = torch.randn(7, 6, generator=generator)

    def chunks(self, size: int, rows: slice = slice(None)) -> dict[str, list[object]]:
        def vectors(layer: nn.Linear, part: Tensor) -> object:
            return lambda: nn.functional.normalize(layer(part), dim=-1)

        return {
            "a": [vectors(self.a, part) for part in torch.split(self.x[rows], size)],
            "b": [vectors(self.b, part) for part in torch.split(self.y[rows], size)],
        }

    def loss(self, found: dict[str, Tensor]) -> Tensor:
        keys = torch.tensor([0, 1, 1, 2, 3, 4, 4])
        loss: Tensor = MaskedClipLoss()(found["a"], found["b"], self.scale.exp(), keys)
        return loss

    def gradients(self) -> dict[str, Tensor]:
        return {
            n: p.grad.clone() for n, p in self.named_parameters() if p.grad is not None
        }


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("keep", [False, True])
def test_chunks_give_the_gradients_of_the_whole(size: int, keep: bool) -> None:
    whole = Towers()
    loss = whole.loss(
        {
            "a": nn.functional.normalize(whole.a(whole.x), dim=-1),
            "b": nn.functional.normalize(whole.b(whole.y), dim=-1),
        }
    )
    loss.backward()  # type: ignore[no-untyped-call]
    part = Towers()
    found = cached_backward(part.chunks(size), part.loss, keep=keep)  # type: ignore[arg-type]
    assert torch.allclose(found, loss.detach())
    for name, grad in whole.gradients().items():
        assert torch.allclose(part.gradients()[name], grad, atol=1e-6), name


def test_the_gradients_of_processes_add_up() -> None:
    whole = Towers()
    cached_backward(whole.chunks(7), whole.loss)  # type: ignore[arg-type]
    sums: dict[str, Tensor] = {}
    for rows in (slice(0, 4), slice(4, 7)):
        own = Towers()

        def gather(
            vectors: Tensor, own: Towers = own, rows: slice = rows
        ) -> tuple[Tensor, slice]:
            every = {
                name: torch.cat([chunk() for chunk in chunks]).detach()  # type: ignore[operator]
                for name, chunks in own.chunks(7).items()
            }
            name = "a" if torch.allclose(every["a"][rows], vectors) else "b"
            return every[name], rows

        cached_backward(own.chunks(2, rows), own.loss, gather)  # type: ignore[arg-type]
        for name, grad in own.gradients().items():
            sums[name] = sums.get(name, torch.zeros_like(grad)) + grad
    for name, grad in whole.gradients().items():
        count = 2 if name == "scale" else 1  # every process has all of that one
        assert torch.allclose(sums[name] / count, grad, atol=1e-6), name


def test_a_frozen_stream_costs_no_second_pass() -> None:
    towers = Towers()
    towers.b.requires_grad_(False)
    cached_backward(towers.chunks(2), towers.loss)  # type: ignore[arg-type]
    assert towers.a.weight.grad is not None
    assert towers.b.weight.grad is None
