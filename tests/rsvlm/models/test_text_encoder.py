"""Descriptions to unit vectors."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from rsvlm.errors import CheckpointError
from rsvlm.models import text_encoder
from rsvlm.models.text_encoder import TextEncoder

TEXTS = ["ship", "a storage tank in the river", "airplanes", "grass", ""]


@pytest.fixture
def encoder(text_folder: Path) -> TextEncoder:
    return TextEncoder.of(str(text_folder))


@pytest.fixture
def batches(encoder: TextEncoder) -> Iterator[list[int]]:
    """Sizes of the batches that reach the network."""
    seen: list[int] = []
    hook = encoder.model.register_forward_pre_hook(
        lambda _, __, kwargs: seen.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    yield seen
    hook.remove()


def test_vectors_have_unit_length(encoder: TextEncoder) -> None:
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (5, encoder.width) == (5, 32)
    assert vectors.dtype == torch.float32
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(5), atol=1e-5)
    likeness = vectors @ vectors.T - torch.eye(5)
    assert likeness.max() < 0.999  # different texts differ
    assert not vectors.requires_grad


def test_a_vector_does_not_depend_on_the_batch(text_folder: Path) -> None:
    together = TextEncoder(text_folder).encode(TEXTS)
    alone = TextEncoder(text_folder)
    apart = torch.cat([alone.encode([text]) for text in reversed(TEXTS)]).flip(0)
    assert torch.allclose(together, apart, atol=1e-5)


def test_a_text_is_encoded_once(encoder: TextEncoder, batches: list[int]) -> None:
    first = encoder.encode(["ship", "grass", "ship"])
    assert batches == [2]
    assert torch.equal(first[0], first[2])
    assert torch.equal(encoder.encode(["grass", "ship"]), first[[1, 0]])
    assert batches == [2]
    assert encoder.encode([]).shape == (0, 32)


def test_the_memory_is_bounded(
    encoder: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_encoder, "KEPT_TEXTS", 3)
    first = encoder.encode(["ship"])
    for number in range(20):
        encoder.encode([f"tank {number}"])
    assert len(encoder._known) <= 4
    assert torch.allclose(encoder.encode(["ship"]), first, atol=1e-6)


def test_long_texts_are_cut(encoder: TextEncoder) -> None:
    assert encoder.encode(["river " * 1000]).isfinite().all()


@pytest.mark.parametrize("damage", ["no tokenizer", "cut tokenizer", "lost weight"])
def test_a_damaged_folder_is_refused(
    text_folder: Path, tmp_path: Path, damage: str
) -> None:
    folder = shutil.copytree(text_folder, tmp_path / "text")
    if damage == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    elif damage == "cut tokenizer":
        (folder / "tokenizer.json").write_text("{")
    else:
        state = load_file(folder / "model.safetensors")
        state.pop("embeddings.word_embeddings.weight")
        save_file(state, folder / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        TextEncoder(folder)
    assert "\n" not in str(caught.value)
