"""Several questions about one picture in one sequence.

The picture's tokens come first and are read once; each question with its answer sees
them and itself, not the other questions, and counts its positions as if it stood
right behind the picture. To the model it is the same as one sequence a question, at a
fraction of the cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: What stands before the picture's tokens, and between them and the question.
BEFORE, AFTER = "<|im_start|>user\n", "\n"
#: What stands between question and answer, and behind the answer.
ASK, END = "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"


@dataclass(frozen=True)
class Packed:
    """One picture with its questions.

    Attributes:
        input_ids: Shape (T,).
        position_ids: Shape (T,).
        segment: 0 for the picture, 1, 2, ... for each question, shape (T,).
        weight: Weight of each token as a prediction target, 0 for prompts, (T,).
    """

    input_ids: Tensor
    position_ids: Tensor
    segment: Tensor
    weight: Tensor


def pack(tokenizer: Any, image_tokens: int, turns: Sequence[tuple[str, str]]) -> Packed:
    """Pack questions about one picture.

    An answer's tokens weigh 1 / sqrt(length) each: a caption must not drown out a
    class name, nor count as little as one token.

    Args:
        tokenizer: Tokenizer with the token ``<image>``.
        image_tokens: Number of placeholders of the picture.
        turns: Prompts (templates applied) and answers.

    Returns:
        The packed sequence.
    """
    image = tokenizer.convert_tokens_to_ids("<image>")
    ids = _ids(tokenizer, BEFORE) + [image] * image_tokens + _ids(tokenizer, AFTER)
    start = len(ids)
    positions = list(range(start))
    segments = [0] * start
    weights = [0.0] * start
    for number, (prompt, answer) in enumerate(turns, start=1):
        question = _ids(tokenizer, prompt + ASK)
        reply = _ids(tokenizer, answer + END)
        length = len(question) + len(reply)
        ids += question + reply
        positions += range(start, start + length)
        segments += [number] * length
        weights += [0.0] * len(question) + [len(reply) ** -0.5] * len(reply)
    return Packed(
        torch.tensor(ids),
        torch.tensor(positions),
        torch.tensor(segments),
        torch.tensor(weights),
    )


def collate(items: Sequence[Packed], pad: int) -> dict[str, Tensor]:
    """Stack packed sequences of different lengths.

    Args:
        items: B sequences.
        pad: Token id that fills up.

    Returns:
        ``input_ids``, ``position_ids``, ``weight`` and ``segments`` of shape (B, T);
        segments are -1 where a row is filled up. See :func:`attention`.
    """
    length = max(len(item.input_ids) for item in items)
    batch = len(items)
    ids = torch.full((batch, length), pad)
    positions = torch.zeros(batch, length, dtype=torch.long)
    segments = torch.full((batch, length), -1)
    weights = torch.zeros(batch, length)
    for row, item in enumerate(items):
        count = len(item.input_ids)
        ids[row, :count] = item.input_ids
        positions[row, :count] = item.position_ids
        segments[row, :count] = item.segment
        weights[row, :count] = item.weight
    return {
        "input_ids": ids,
        "position_ids": positions,
        "weight": weights,
        "segments": segments,
    }


def attention(segments: Tensor) -> Tensor:
    """Return what may look at what, made on the device of the segments.

    Args:
        segments: 0 for the picture, 1, 2, ... for the questions, -1 for nothing,
            shape (B, T).

    Returns:
        Bool of shape (B, 1, T, T): True where a row may look.
    """
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device)
    same = segments[:, :, None] == segments[:, None, :]
    picture = (segments == 0)[:, None, :]
    return (causal.tril() & (same | picture))[:, None]


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
