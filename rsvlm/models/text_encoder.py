"""Text encoder: a description to a unit vector.

The small sentence encoder that descriptions, prompts of the region head and later
retrieval share.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers.models.bert.configuration_bert import BertConfig
from transformers.models.bert.modeling_bert import BertModel

from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import load_tensors


class TextEncoder:
    """Sentence encoder: mean of the last hidden states, unit length.

    Source:
        all-MiniLM-L6-v2, https://arxiv.org/abs/2002.10957 and its model card.

    .. versionadded:: 0.1
    """

    def __init__(self, folder: Path) -> None:
        """Load the Transformers folder of a BERT-like model with ``tokenizer.json``."""
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(256)
        self.tokenizer.enable_padding()
        config = BertConfig.from_pretrained(folder)
        self.model = BertModel(config, add_pooling_layer=False)
        state = load_tensors(folder / "model.safetensors")
        wanted = self.model.state_dict().keys()
        self.model.load_state_dict({k: v for k, v in state.items() if k in wanted})
        self.model.eval()
        self.width = int(config.hidden_size)
        self._known: dict[str, Tensor] = {}

    @classmethod
    def default(cls) -> "TextEncoder":
        """Return the encoder of the default asset."""
        return cls(base_folder("all-minilm-l6-v2"))

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return unit vectors, shape (len(texts), D), float32; repeats are cached."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            batch = self.tokenizer.encode_batch(list(new))
            ids = torch.tensor([item.ids for item in batch])
            mask = torch.tensor([item.attention_mask for item in batch])
            states = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
            weight = mask.unsqueeze(-1).float()
            mean = (states.float() * weight).sum(1) / weight.sum(1)
            vectors = nn.functional.normalize(mean, dim=-1)
            self._known.update(zip(new, vectors, strict=True))
        return torch.stack([self._known[text] for text in texts])
