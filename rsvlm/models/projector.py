"""Projector from image tokens to the language model's embedding space."""

import torch
from torch import Tensor, nn


class Projector(nn.Module):
    """Two-layer MLP with pixel shuffle, one per sensor.

    Pixel shuffle folds each ``factor x factor`` block of neighbouring tokens into
    one token, so a 24 x 24 grid becomes 6 x 6 at ``factor=4``. Tokens are made
    narrower first: at that factor the MLP would else hold most of the weights.

    Source:
        MLP: LLaVA-1.5, https://arxiv.org/abs/2310.03744.
        Pixel shuffle: Idefics3, https://arxiv.org/abs/2408.12637.

    .. versionadded:: 0.1
    """

    def __init__(
        self, vision_dim: int, llm_dim: int, factor: int = 4, width: int = 256
    ) -> None:
        """Build the layers.

        Args:
            vision_dim: Width of the encoder's tokens.
            llm_dim: Width of the language model's token embeddings.
            factor: Side of the block of tokens that becomes one token.
            width: Width of a token before blocks are folded.
        """
        super().__init__()
        self.factor = factor
        self.reduce = nn.Linear(vision_dim, width)
        self.hidden = nn.Linear(width * factor**2, llm_dim * 2)
        self.out = nn.Linear(llm_dim * 2, llm_dim)
        # Word embeddings of small models are short vectors; an image token much
        # longer than them drowns the text.
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, tokens: Tensor) -> Tensor:
        """Project the tokens of a square grid.

        Args:
            tokens: Encoder output without class token, shape (B, N, D_vision),
                where N is the square of a multiple of ``factor``.

        Returns:
            Embeddings of root mean square ``gain``, shape (B, N / factor**2, D_llm).

        Raises:
            ValueError: If the N tokens do not form such a grid.
        """
        batch, count, _ = tokens.shape
        side, f = round(count**0.5), self.factor
        if side * side != count or side % f:
            raise ValueError(
                f"{count} tokens do not form a square grid whose side divides by {f}"
            )
        narrow = self.reduce(tokens)
        grid = narrow.view(batch, side // f, f, side // f, f, -1)
        blocks = grid.permute(0, 1, 3, 2, 4, 5)  # (B, S/f, S/f, f, f, width)
        folded = blocks.reshape(batch, count // f**2, -1)
        out = self.out(nn.functional.gelu(self.hidden(folded)))
        normal: Tensor = nn.functional.rms_norm(out, out.shape[-1:]) * self.gain
        return normal
