"""The model in this process, through Transformers.

Importing this module loads torch and Transformers (seconds); the command line does so
only when a question is asked.
"""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicCache

from rsvlm.engines.ours import capabilities_of
from rsvlm.engines.prefixes import Prefixes
from rsvlm.messages import Generation, Message, views_of
from rsvlm.models.checkpoint import find_checkpoint, load_processor
from rsvlm.models.configuration import SENSOR_IDS
from rsvlm.models.loading import load_model
from rsvlm.models.precision import fast_dtype
from rsvlm.models.processing import to_tiles
from rsvlm.progress import report
from rsvlm.render import View

#: Encoded pictures that are kept: follow-up questions need no encoder.
KEPT_PICTURES = 8


class LocalEngine:
    """Runs a checkpoint on this machine.

    .. versionadded:: 0.1
    """

    kind = "local"

    def __init__(self, checkpoint: str | Path, dtype: str | None = None) -> None:
        """Load a checkpoint.

        Args:
            checkpoint: Name of a shipped checkpoint, or its folder.
            dtype: Type of the weights, such as ``"bfloat16"``; None takes the one that
                this processor multiplies fastest.

        Raises:
            CheckpointError: If the folder is missing, incomplete or damaged.
            AssetError: If a frozen part cannot be fetched.
        """
        folder = find_checkpoint(str(checkpoint))
        self.processor = load_processor(folder)
        self.model = load_model(
            folder, dtype or str(fast_dtype()).removeprefix("torch.")
        )
        config = self.model.config
        self.name = f"rsvlm-{folder.resolve().name}"
        self.revision = _revision(folder)
        self.capabilities = capabilities_of(config)
        self._pictures: OrderedDict[str, Tensor] = OrderedDict()
        self._prefixes = Prefixes(config.text_config)

    @property
    def encoder(self) -> nn.Module:
        """The optical encoder, which the region head may share."""
        return self.encoders["optical"]

    @property
    def encoders(self) -> dict[str, nn.Module]:
        """The encoder of each sensor, which other parts may share."""
        inner = self.model.model
        found: dict[str, nn.Module] = {"optical": inner.optical_encoder}
        if self.model.config.sar_config is not None:
            found["sar"] = inner.sar_encoder
        return found

    @torch.no_grad()
    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
    ) -> Generation:
        """Return the model's reply; see :class:`~rsvlm.engines.base.Engine`."""
        tokenizer = self.processor.tokenizer
        stop = [mark for mark in stop if mark]
        prompt, embeddings, cache = self._begin(messages)
        inner = self.model.model
        sampler = torch.Generator().manual_seed(0 if seed is None else seed)
        written: list[int] = []
        logprobs: list[float] = []
        tokens_of: list[str] = []
        # The end token counts as written: it has a probability like any other.
        text, shown, reason = "", 0, "length"
        while len(written) < max_tokens:
            report("write", len(written), max_tokens)
            hidden = inner.language_model(
                inputs_embeds=embeddings, past_key_values=cache, use_cache=True
            ).last_hidden_state[:, -1]
            scores = self.model.lm_head(hidden).float()[0].log_softmax(-1)  # (V,)
            if temperature > 0:
                chances = (scores / temperature).softmax(-1)
                token = int(torch.multinomial(chances, 1, generator=sampler))
            else:
                token = int(scores.argmax())
            logprobs.append(float(scores[token]))
            tokens_of.append(tokenizer.decode([token], skip_special_tokens=True))
            if token == tokenizer.eos_token_id:
                reason = "stop"
                break
            written.append(token)
            text = tokenizer.decode(written, skip_special_tokens=True)
            cut = min((text.find(mark) for mark in stop if mark in text), default=-1)
            if cut >= 0:
                text, reason = text[:cut], "stop"
                break
            settled = _settled(text, stop)
            if on_text is not None and settled > shown:
                on_text(text[shown:settled])
                shown = settled
            embeddings = inner.get_input_embeddings()(torch.tensor([[token]]))
        if on_text is not None and len(text) > shown:
            on_text(text[shown:])
        return Generation(
            text, reason, len(prompt), len(logprobs), tuple(logprobs), tuple(tokens_of)
        )

    def _begin(
        self, messages: Sequence[Message]
    ) -> tuple[list[int], Tensor, DynamicCache]:
        """Read messages up to the end of their last picture.

        Returns:
            All token ids, T of them; the embeddings of those that are still to be
            read, shape (1, t, D), t <= T; and the cache that the others are in.
        """
        views = views_of(messages)
        keys = tuple(_key(view) for view in views)
        tokens = [
            self._encode(view, key) for view, key in zip(views, keys, strict=True)
        ]
        prompt = self._prompt(messages, [t.shape[0] * t.shape[1] for t in tokens])
        ids = torch.tensor([prompt])  # (1, T)
        inner = self.model.model
        embeddings = inner.get_input_embeddings()(ids)
        if not tokens:
            return (
                prompt,
                embeddings,
                DynamicCache(config=self.model.config.text_config),
            )
        embeddings = inner.splice(ids, embeddings, torch.cat(tokens))
        end = int((ids[0] == self.processor.image_token_id).nonzero().max()) + 1
        cache = self._prefixes.begin(
            (keys, tuple(prompt[:end])),
            lambda empty: inner.language_model(
                inputs_embeds=embeddings[:, :end], past_key_values=empty, use_cache=True
            ),
        )
        return prompt, embeddings[:, end:], cache

    def _encode(self, view: View, key: str) -> Tensor:
        """Return a picture's tokens, shape (tiles, N, D); kept for later questions."""
        if key in self._pictures:
            self._pictures.move_to_end(key)
            return self._pictures[key]
        images = self.processor.image_processor
        tiles = to_tiles(view.pixels, images.tile_size, images.max_tiles)
        pixels = torch.from_numpy(np.stack([images.normalise(tile) for tile in tiles]))
        sensor = torch.full((len(tiles),), SENSOR_IDS.get(view.sensor, 0))
        tokens: Tensor = self.model.model.get_image_features(
            pixels, sensor
        ).pooler_output
        self._pictures[key] = tokens
        if len(self._pictures) > KEPT_PICTURES:
            self._pictures.popitem(last=False)
        return tokens

    def _prompt(self, messages: Sequence[Message], counts: Sequence[int]) -> list[int]:
        """Return token ids, with as many placeholders as each picture has tokens.

        Texts are tokenised on their own, as in training, and so that nothing in them
        becomes a special token: only the template writes those.
        """
        texts: list[str] = []
        chat: list[dict[str, Any]] = []
        for message in messages:
            content: list[dict[str, str]] = []
            for part in message.parts:
                if isinstance(part, str):
                    content.append({"type": "text", "text": f"\0{len(texts)}\0"})
                    texts.append(part)
                else:
                    content.append({"type": "image"})
            chat.append({"role": message.role, "content": content})
        form: str = self.processor.apply_chat_template(chat, add_generation_prompt=True)
        tokenizer, image = self.processor.tokenizer, self.processor.image_token
        left = iter(counts)
        ids: list[int] = []
        for piece in re.split(f"({re.escape(image)}|\0\\d+\0)", form):
            if piece == image:
                ids += [self.processor.image_token_id] * next(left)
            elif piece.startswith("\0"):
                text = texts[int(piece.strip("\0"))]
                ids += _ids(tokenizer, text, split_special_tokens=True)
            elif piece:
                ids += _ids(tokenizer, piece)
        return ids


def _key(view: View) -> str:
    """Return what tells a picture from others: pixels, shape and sensor."""
    shape = ",".join(map(str, view.pixels.shape))
    digest = hashlib.sha256(view.pixels.tobytes())
    digest.update(f"{shape},{view.sensor}".encode())
    return digest.hexdigest()


def _ids(tokenizer: Any, text: str, **options: bool) -> list[int]:
    found = tokenizer(text, add_special_tokens=False, **options)["input_ids"]
    return cast(list[int], found)


def _settled(text: str, stop: Sequence[str]) -> int:
    """Return how much of a text no further token can take back.

    The last bytes may be half a character, the last characters half a stop text.
    """
    text = text.rstrip("\ufffd")
    return len(text) - max(
        (
            size
            for mark in stop
            for size in range(1, len(mark))
            if text.endswith(mark[:size])
        ),
        default=0,
    )


def _revision(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("model*.safetensors")):
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:12]
