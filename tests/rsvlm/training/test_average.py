"""Means of weights: their arithmetic, and taking the place of the weights."""

import pytest
import torch
from torch import nn

from rsvlm.training.average import Average


def test_the_mean_follows_the_weights() -> None:
    weight = nn.Parameter(torch.zeros(2))
    average = Average({"w": weight}, 0.9)
    weight.data.fill_(11.0)
    average.update(1)  # early on it follows fast: 1 / 11 of the mean stays
    assert average.mean["w"].tolist() == pytest.approx([10.0, 10.0])
    average.update(1000)
    assert average.mean["w"].tolist() == pytest.approx([10.1, 10.1])
    assert weight.tolist() == [11.0, 11.0]
    none = Average({"w": weight}, 0.0)
    weight.data.fill_(3.0)
    none.update(7)
    assert none.mean["w"].tolist() == [3.0, 3.0]


def test_the_mean_takes_the_place_of_the_weights_for_a_while() -> None:
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(2.0)
    average = Average(dict(layer.named_parameters()), 0.5)
    layer.weight.data.fill_(4.0)
    optimizer = torch.optim.SGD(layer.parameters(), 1.0)
    with average.applied():
        assert layer(torch.ones(1)).item() == 2.0
    assert layer(torch.ones(1)).item() == 4.0
    layer(torch.ones(1)).backward()
    optimizer.step()  # still that of the weights
    assert layer.weight.item() == 3.0
    assert average.mean["weight"].item() == 2.0
    assert not average.mean["weight"].requires_grad
