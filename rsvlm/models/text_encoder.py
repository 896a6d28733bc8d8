"""Text encoder: a description to a unit vector.

The small sentence encoder that descriptions of regions and retrieval share.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers.models.bert.configuration_bert import BertConfig
from transformers.models.bert.modeling_bert import BertModel

from rsvlm.errors import CheckpointError
from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import load_tensors

#: Descriptions whose vectors are kept.
KEPT_TEXTS = 4096


class TextEncoder:
    """Sentence encoder: mean of the last hidden states, unit length.

    Source:
        all-MiniLM-L6-v2, https://arxiv.org/abs/2002.10957 and its model card.

    .. versionadded:: 0.1
    """

    def __init__(self, folder: Path) -> None:
        """Load the Transformers folder of a BERT-like model with ``tokenizer.json``.

        Raises:
            CheckpointError: If a file is missing or damaged, or weights do not fit.
        """
        from tokenizers import Tokenizer

        try:
            text = (folder / "tokenizer.json").read_text(encoding="utf-8")
            self.tokenizer = Tokenizer.from_str(text)
        except Exception as error:  # tokenizers raises nothing narrower
            raise CheckpointError(
                f"{folder / 'tokenizer.json'} cannot be read: "
                f"{' '.join(str(error).split())[:200]}. Give the folder of a sentence "
                "encoder, with its tokenizer."
            ) from error
        self.tokenizer.enable_truncation(256)
        self.tokenizer.enable_padding()
        config = BertConfig.from_pretrained(folder)
        self.model = BertModel(config, add_pooling_layer=False)
        state = load_tensors(folder / "model.safetensors")
        wanted = self.model.state_dict().keys()
        try:
            self.model.load_state_dict({k: v for k, v in state.items() if k in wanted})
        except RuntimeError as error:
            raise CheckpointError(
                f"The weights in {folder} do not fit its config.json: "
                f"{' '.join(str(error).split())[:200]}. Give the folder of a sentence "
                "encoder."
            ) from error
        self.model.eval()
        self.width = int(config.hidden_size)
        self._known: dict[str, Tensor] = {}

    @classmethod
    def of(cls, asset: str = "all-minilm-l6-v2") -> "TextEncoder":
        """Return the encoder of an asset, or of a Transformers folder."""
        return cls(base_folder(asset))

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors with their graph, for training; shape (len(texts), D)."""
        batch = self.tokenizer.encode_batch(list(texts))
        device = next(self.model.parameters()).device
        ids = torch.tensor([item.ids for item in batch], device=device)
        mask = torch.tensor([item.attention_mask for item in batch], device=device)
        states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).float()
        mean = (states.float() * weight).sum(1) / weight.sum(1)
        return nn.functional.normalize(mean, dim=-1)

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors, shape (len(texts), D), float32; repeats are cached."""
        if len(self._known) > KEPT_TEXTS:
            self._known = {}
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            device = next(self.model.parameters()).device.type
            with torch.autocast(device, enabled=False):  # the same in every run
                self._known.update(zip(new, self.forward(new).cpu(), strict=True))
        known = [self._known[text] for text in texts]
        return torch.stack(known) if known else torch.empty(0, self.width)
