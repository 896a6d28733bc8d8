"""The projector: which patches become which token."""

import pytest
import torch

from rsvlm.models.projector import Projector


def test_a_block_of_patches_becomes_one_token() -> None:
    projector = Projector(vision_dim=3, llm_dim=4, factor=2, width=8)
    tokens = torch.zeros(1, 16, 3)
    tokens[0, 5] = 1.0  # row 1, column 1 of the 4 x 4 grid: the first block
    changed = (projector(tokens) != projector(torch.zeros(1, 16, 3))).any(-1)
    assert changed.tolist() == [[True, False, False, False]]
    tokens = torch.zeros(1, 16, 3)
    tokens[0, 7] = 1.0  # row 1, column 3: the second block
    changed = (projector(tokens) != projector(torch.zeros(1, 16, 3))).any(-1)
    assert changed.tolist() == [[False, True, False, False]]


def test_tokens_are_as_long_as_the_gain_says() -> None:
    projector = Projector(3, 32, factor=2, width=8)
    with torch.no_grad():
        projector.gain.fill_(0.25)
        out = projector(torch.randn(2, 16, 3))
    assert torch.allclose(out.pow(2).mean(-1).sqrt(), torch.tensor(0.25), atol=1e-3)


@pytest.mark.parametrize("count", [15, 9, 12])
def test_what_is_no_square_grid_of_blocks_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} tokens do not form"):
        Projector(3, 4, factor=2)(torch.zeros(1, count, 3))
