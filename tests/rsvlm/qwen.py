"""Toy language models of the Qwen families, as their folders are published."""

import json
from pathlib import Path
from typing import Any

#: As Qwen2 splits texts before the merges.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
#: Added behind the vocabulary, as in Qwen2.5 and Qwen3; the others are no special tokens.
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|image_pad|>",
)
OTHERS = ("<tool_call>", "</tool_call>", "<think>", "</think>")
#: Name -> class, fields beside the common ones, files that hold the weights.
FAMILIES: dict[str, tuple[str, dict[str, Any], int]] = {
    "qwen2": ("Qwen2", {"tie_word_embeddings": True}, 1),
    "qwen2-untied": ("Qwen2", {"tie_word_embeddings": False}, 3),
    "qwen3": ("Qwen3", {"tie_word_embeddings": True, "head_dim": 24}, 2),
}  # fmt: skip


def write_tokenizer(folder: Path, corpus: tuple[str, ...]) -> int:
    """Write ``tokenizer.json`` in the build of Qwen's; return the number of its tokens."""
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        trainers,
    )

    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(WORDS), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])  # fmt: skip
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=480, initial_alphabet=alphabet)
    bpe.train_from_iterator(corpus, trainer)
    plain = [AddedToken(name, normalized=False, special=False) for name in OTHERS]
    bpe.add_special_tokens(
        [AddedToken(n, normalized=False, special=True) for n in SPECIAL]
    )
    bpe.add_tokens(plain)
    bpe.save(str(folder / "tokenizer.json"))
    return int(bpe.get_vocab_size())


def write_qwen(folder: Path, family: str, corpus: tuple[str, ...]) -> Path:
    """Write a language model of two layers in bfloat16, every weight drawn at random."""
    import torch
    import transformers
    from safetensors.torch import save_file

    kind, more, files = FAMILIES[family]
    tokens = write_tokenizer(folder, corpus)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=tokens + 23,  # the table is wider than the vocabulary
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        max_window_layers=2,
        **more,
    )
    model = getattr(transformers, f"{kind}ForCausalLM")(config)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.normal_(float("norm" in name), 0.3, generator=generator)
    config.save_pretrained(folder)
    state = {k: v.bfloat16() for k, v in model.state_dict().items()}
    if config.tie_word_embeddings:
        del state["lm_head.weight"]
    if files == 1:
        save_file(state, folder / "model.safetensors")
        return folder
    places: dict[str, str] = {}
    for number in range(files):
        name = f"model-{number + 1:05}-of-{files:05}.safetensors"
        part = dict(list(state.items())[number::files])
        save_file(part, folder / name)
        places |= dict.fromkeys(part, name)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder
