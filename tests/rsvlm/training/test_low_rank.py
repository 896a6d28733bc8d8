"""Low-rank updates give what peft's layers give, forwards and backwards."""

import copy

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn

from rsvlm.training.low_rank import fuse_updates


@pytest.fixture(params=[True, False], ids=["bias", "plain"])
def layers(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module]:
    """Return the same two layers with updates: as peft has them, and joined."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8, bias=request.param), nn.Linear(8, 4))
    config = LoraConfig(r=3, lora_alpha=6, target_modules=["0", "1"])
    inject_adapter_in_model(config, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(".lora_" in name)
        nn.init.normal_(parameter)  # peft begins with B = 0
    joined = copy.deepcopy(model)
    fuse_updates(joined)
    return model, joined


def gradients(model: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    (model(inputs) ** 2).mean().backward()
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def test_outputs_and_gradients_are_those_of_peft(
    layers: tuple[nn.Module, nn.Module],
) -> None:
    inputs = [torch.randn(2, 5, 6, requires_grad=True) for _ in range(2)]
    with torch.no_grad():
        inputs[1].copy_(inputs[0])
    peft, joined = (gradients(m, x) for m, x in zip(layers, inputs, strict=True))
    assert torch.allclose(layers[0](inputs[0]), layers[1](inputs[1]), rtol=1e-5)
    assert peft.keys() == joined.keys()
    assert len(peft) == 4
    for name, grad in peft.items():
        assert torch.allclose(grad, joined[name], rtol=1e-4, atol=1e-6), name
    assert inputs[0].grad is not None
    assert inputs[1].grad is not None
    assert torch.allclose(inputs[0].grad, inputs[1].grad, rtol=1e-4, atol=1e-6)


def test_backward_is_the_derivative_of_forward(
    layers: tuple[nn.Module, nn.Module],
) -> None:
    joined = layers[1].double()
    inputs = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    learns = [p for p in joined.parameters() if p.requires_grad]
    assert torch.autograd.gradcheck(lambda x, *_: joined(x), (inputs, *learns))


def test_products_are_of_the_type_of_autocast_and_updates_of_their_own(
    layers: tuple[nn.Module, nn.Module],
) -> None:
    peft, joined = layers
    inputs = torch.randn(4, 6)
    with torch.autocast("cpu", torch.bfloat16):
        output = joined(inputs)
        assert output.dtype == torch.bfloat16
        grads = gradients(joined, inputs)
    assert {g.dtype for g in grads.values()} == {torch.float32}
    whole = peft(inputs)
    assert torch.allclose(output.float(), whole, atol=0.05 * whole.abs().max().item())


def test_saved_names_stay(layers: tuple[nn.Module, nn.Module]) -> None:
    assert layers[0].state_dict().keys() == layers[1].state_dict().keys()
