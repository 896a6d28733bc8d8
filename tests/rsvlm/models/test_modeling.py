"""The model: image tokens, sensors, losses."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from rsvlm.models.configuration import RSVLMConfig
from rsvlm.models.modeling import RSVLMForConditionalGeneration

IMAGE = 3
TOKENS = 4  # a tile of 56 px: 4 x 4 patches, blocks of 2 x 2


def tiles(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, 56, 56, generator=generator)


def prompt(images: int, text: int = 5) -> Tensor:
    """Ids of a sentence with the placeholders of some tiles inside, shape (1, T)."""
    words = list(range(10, 10 + text))
    return torch.tensor([[1, *words[:2], *[IMAGE] * (TOKENS * images), *words[2:]]])


@pytest.fixture
def calls(two_encoders: RSVLMForConditionalGeneration) -> Iterator[list[str]]:
    """Which encoder ran, and on how many tiles."""
    seen: list[str] = []
    inner = two_encoders.model
    hooks = [
        encoder.register_forward_pre_hook(
            lambda _, __, kwargs, name=name: seen.append(
                f"{name} {len(kwargs['pixel_values'])}"
            ),
            with_kwargs=True,
        )
        for name, encoder in (("optical", inner.optical_encoder),
                              ("sar", inner.sar_encoder))
    ]  # fmt: skip
    yield seen
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def test_image_tokens_land_on_the_placeholders(
    two_encoders: RSVLMForConditionalGeneration,
) -> None:
    inner = two_encoders.model
    ids, pixels = prompt(2), tiles(2)
    tokens = inner.get_image_features(pixels).pooler_output
    assert tokens.shape == (2, TOKENS, 32)
    words = inner.get_input_embeddings()(ids)
    spliced = inner.splice(ids, words, tokens)
    assert torch.equal(spliced[0, 3:11], tokens.flatten(0, 1))
    assert torch.equal(spliced[0, :3], words[0, :3])
    assert torch.equal(spliced[0, 11:], words[0, 11:])
    by_ids = inner(input_ids=ids, pixel_values=pixels).last_hidden_state
    by_words = inner.language_model(inputs_embeds=spliced).last_hidden_state
    assert torch.equal(by_ids, by_words)


@pytest.mark.parametrize("images", [0, 1, 3])
def test_another_number_of_placeholders_is_refused(
    two_encoders: RSVLMForConditionalGeneration, images: int
) -> None:
    with pytest.raises(
        ValueError, match=f"{4 * images} image placeholders for 2 tiles"
    ):
        two_encoders(input_ids=prompt(images), pixel_values=tiles(2))


def test_tiles_without_ids_are_refused(
    two_encoders: RSVLMForConditionalGeneration,
) -> None:
    with pytest.raises(ValueError, match="input_ids"):
        two_encoders.model(inputs_embeds=torch.zeros(1, 4, 32), pixel_values=tiles(1))


@torch.no_grad()
def test_each_tile_goes_to_the_encoder_of_its_sensor(
    two_encoders: RSVLMForConditionalGeneration, calls: list[str]
) -> None:
    inner, pixels = two_encoders.model, tiles(3)
    mixed = inner.get_image_features(pixels, torch.tensor([0, 1, 0])).pooler_output
    assert calls == ["optical 2", "sar 1"]
    optical = inner.get_image_features(pixels).pooler_output
    sar = inner.get_image_features(pixels, torch.ones(3, 1)).pooler_output
    assert calls[2:] == ["optical 3", "sar 3"]
    assert torch.allclose(mixed[[0, 2]], optical[[0, 2]], atol=1e-5)
    assert torch.allclose(mixed[1], sar[1], atol=1e-5)
    assert not torch.allclose(optical[1], sar[1], atol=0.1)


@torch.no_grad()
def test_without_a_sar_encoder_the_optical_one_takes_radar(
    two_encoders: RSVLMForConditionalGeneration,
) -> None:
    fields = two_encoders.config.to_dict() | {"sar_config": None}
    model = RSVLMForConditionalGeneration(RSVLMConfig(**fields)).eval()
    assert not hasattr(model.model, "sar_encoder")
    one = model.model.get_image_features(tiles(2), torch.tensor([1, 1]))
    two = model.model.get_image_features(tiles(2), torch.tensor([0, 0]))
    assert torch.equal(one.pooler_output, two.pooler_output)


@torch.no_grad()
def test_outputs_may_be_tuples(two_encoders: RSVLMForConditionalGeneration) -> None:
    inputs = {"input_ids": prompt(1), "pixel_values": tiles(1)}
    named = two_encoders(**inputs)
    logits, *_ = two_encoders(**inputs, return_dict=False)
    assert torch.equal(logits, named.logits)
    hidden, *_ = two_encoders.model(**inputs, return_dict=False)
    assert hidden.shape == (1, prompt(1).shape[1], 32)
    config = two_encoders.config
    config.return_dict = config.text_config.return_dict = False
    try:
        assert torch.equal(two_encoders(**inputs)[0], named.logits)
    finally:
        config.return_dict = config.text_config.return_dict = True


@torch.no_grad()
def test_the_loss_is_the_cross_entropy_of_all_logits(
    two_encoders: RSVLMForConditionalGeneration,
) -> None:
    ids = torch.cat([prompt(1), prompt(1).flip(1)])
    inputs = {"input_ids": ids, "pixel_values": tiles(2)}
    labels = ids.clone()
    labels[0, :6], labels[1, 3:] = -100, -100
    logits = two_encoders(**inputs).logits
    expected = nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100
    )
    output = two_encoders(**inputs, labels=labels)
    assert output.loss == pytest.approx(float(expected), rel=1e-5)
    assert len(output.logits) == int((labels[:, 1:] != -100).sum())
    last = two_encoders(**inputs, logits_to_keep=2).logits
    assert torch.allclose(last, logits[:, -2:], atol=1e-5)


@pytest.mark.parametrize("cached", [True, False])
def test_generation_sees_the_tiles_with_and_without_a_cache(
    two_encoders: RSVLMForConditionalGeneration, cached: bool
) -> None:
    ids, pixels = prompt(1), tiles(1)
    expected = ids
    with torch.no_grad():
        for _ in range(6):  # the slow way: everything again for each token
            logits = two_encoders(input_ids=expected, pixel_values=pixels).logits
            expected = torch.cat([expected, logits[:, -1:].argmax(-1)], 1)
            if int(expected[0, -1]) == 2:
                break
    written = two_encoders.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels,
        max_new_tokens=6, do_sample=False, use_cache=cached,
    )  # fmt: skip
    assert written.tolist() == expected.tolist()


def test_output_layer_and_embeddings_are_one(
    two_encoders: RSVLMForConditionalGeneration,
) -> None:
    words = two_encoders.get_input_embeddings()
    assert two_encoders.get_output_embeddings().weight is words.weight
    assert two_encoders.get_decoder() is two_encoders.model.language_model


def test_config_counts_the_tokens_of_a_tile() -> None:
    config = RSVLMConfig(optical_config={"model_type": "dinov2", "patch_size": 14})
    assert config.tokens_per_tile == 36  # 336 / 14 / 4 = 6
    assert config.text_config.model_type == "llama"
