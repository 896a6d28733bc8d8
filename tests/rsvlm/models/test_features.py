"""Pictures to features: sizes, layers, colours."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.models.encoder import (
    NORMALISATION,
    check_layers,
    encode,
    frozen_encoder,
    patch_size,
)
from rsvlm.models.features import colours_of, feature_grid, normalised
from rsvlm.models.precision import fast_dtype

Noise = Callable[..., NDArray[np.uint8]]


def test_a_picture_is_filled_up_to_whole_patches(noise: Noise) -> None:
    picture = noise(15, 28)
    pixels = normalised(picture, "dinov2", 14)
    assert pixels.shape == (1, 3, 28, 28)
    assert (pixels[..., 15:, :] == 0).all()
    mean, std = NORMALISATION["dinov2"]
    back = pixels[0, :, :15].permute(1, 2, 0).numpy() * std + mean
    assert np.allclose(back * 255, picture, atol=1e-3)
    assert normalised(picture, "clip_vision_model", 32).shape == (1, 3, 32, 32)


@torch.no_grad()
def test_features_lie_where_their_patch_is(encoder_folder: Path) -> None:
    encoder = frozen_encoder(str(encoder_folder))
    assert patch_size(encoder) == 14
    assert not any(p.requires_grad for p in encoder.parameters())
    pixels = torch.randn(1, 3, 28, 56)
    grid = feature_grid(encoder, pixels, (0, 2))
    assert grid.shape == (1, 64, 2, 4)
    assert grid.dtype == fast_dtype()
    pixels[..., 14:, 42:] += 1  # the last patch; layer 0 is the embedding
    moved = feature_grid(encoder, pixels, (0, 2))[:, :32] != grid[:, :32]
    assert moved.any(1)[0].nonzero().tolist() == [[1, 3]]


@torch.no_grad()
def test_every_layer_has_the_same_weight(encoder_folder: Path) -> None:
    encoder = frozen_encoder(str(encoder_folder)).float()
    parts = encode(encoder, torch.randn(2, 3, 56, 56), (1, 4)).chunk(2, -1)
    for part in parts:
        assert part.shape == (2, 16, 32)
        assert torch.allclose(part.mean(-1), torch.zeros(2, 16), atol=1e-4)
        assert torch.allclose(part.var(-1, correction=0), torch.ones(2, 16), atol=1e-2)


@pytest.mark.parametrize("layers", [(1, 5), (-1,), ()])
def test_layers_that_are_not_there_are_refused(
    encoder_folder: Path, layers: tuple[int, ...]
) -> None:
    config = frozen_encoder(str(encoder_folder)).config
    with pytest.raises(SettingsError, match=r"0 to 4 under 'layers'\.$"):
        check_layers(config, layers)
    check_layers(config, (0, 4))


@pytest.mark.parametrize("patch", [14, 16, 32])
def test_colours_have_four_cells_a_patch(patch: int) -> None:
    picture = np.zeros((2 * patch - 3, 3 * patch, 3), np.uint8)
    picture[:, 2 * patch :] = (255, 51, 0)
    colours = colours_of(picture, 2, 3, patch)
    assert colours.shape == (3, 8, 12)
    assert torch.allclose(colours[0, :7, 8:], torch.ones(7, 4))
    assert torch.allclose(colours[1, :7, 8:], torch.full((7, 4), 0.2))
    assert (colours[:, :, :8] == 0).all()
    assert (colours[0, 7, 8:] < 1).all()  # filled up with black
