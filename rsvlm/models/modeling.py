"""RSVLM: encoders, one projector per sensor, and a language model.

Native to Transformers, and laid out as vLLM's Transformers backend wants it: the
inner model holds everything but the output layer, images arrive as tiles with one
``sensor_id`` each, and every image token of the prompt is replaced by a feature.
"""

from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers.generation import GenerationMixin
from transformers.modeling_outputs import (
    BaseModelOutputWithPast,
    BaseModelOutputWithPooling,
    CausalLMOutputWithPast,
)
from transformers.modeling_utils import PreTrainedModel
from transformers.models.llama.modeling_llama import LlamaModel
from transformers.utils import can_return_tuple

from rsvlm.models.configuration import RSVLMConfig
from rsvlm.models.encoder import build_encoder, encode
from rsvlm.models.projector import Projector


def _language_model(config: Any) -> Any:
    if config.model_type == "llama":
        return LlamaModel(config)
    from transformers import AutoModel

    return AutoModel.from_config(config)


class RSVLMPreTrainedModel(PreTrainedModel):  # type: ignore[misc]  # untyped base
    """What Transformers and vLLM ask about the architecture."""

    config_class = RSVLMConfig
    config: RSVLMConfig
    base_model_prefix = "model"
    input_modalities = ("image", "text")
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _no_split_modules = [  # noqa: RUF012
        "Dinov2Layer", "CLIPEncoderLayer", "LlamaDecoderLayer",
    ]  # fmt: skip

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Load a folder; frozen parts that it only names come from their assets."""
        from rsvlm.models.loading import load_from_bases

        config = kwargs.get("config")
        if not isinstance(config, RSVLMConfig):
            config = RSVLMConfig.from_pretrained(pretrained_model_name_or_path)
        if not config.bases:
            return super().from_pretrained(
                pretrained_model_name_or_path, *args, **kwargs
            )
        folder = Path(pretrained_model_name_or_path)
        model = load_from_bases(folder, config, kwargs.get("dtype"))
        return model.model if issubclass(cls, RSVLMModel) else model


class RSVLMModel(RSVLMPreTrainedModel):
    """Encoders, projectors and the language model without its output layer."""

    def __init__(self, config: RSVLMConfig) -> None:
        """Build every part from its config, with random weights."""
        super().__init__(config)
        self.optical_encoder = build_encoder(config.optical_config)
        self.optical_projector = self._projector(config.optical_config)
        if config.sar_config is not None:
            self.sar_encoder = build_encoder(config.sar_config)
            self.sar_projector = self._projector(config.sar_config)
        self.language_model = _language_model(config.text_config)
        self.post_init()

    def _projector(self, encoder_config: Any) -> Projector:
        return Projector(
            encoder_config.hidden_size * len(self.config.feature_layers),
            self.config.text_config.hidden_size,
            self.config.projector_factor,
            self.config.projector_width,
        )

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the word embeddings."""
        return cast(nn.Embedding, self.language_model.get_input_embeddings())

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the word embeddings."""
        self.language_model.set_input_embeddings(value)

    def get_decoder(self) -> nn.Module:
        """Return the language model."""
        return cast(nn.Module, self.language_model)

    def get_image_features(
        self,
        pixel_values: Tensor,
        sensor_ids: Tensor | None = None,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> BaseModelOutputWithPooling:
        """Encode and project tiles, each by the encoder of its sensor.

        Args:
            pixel_values: Normalised tiles, shape (B, 3, H, W).
            sensor_ids: 0 optical, 1 SAR, shape (B,) or (B, 1); None is optical.
            return_dict: Ignored; kept for vLLM's call.
            **kwargs: Ignored; kept for vLLM's call.

        Returns:
            Output whose ``pooler_output`` has shape (B, N, D_llm).
        """
        sar = torch.zeros(len(pixel_values), dtype=torch.bool)
        if sensor_ids is not None and self.config.sar_config is not None:
            sar = sensor_ids.reshape(-1).bool()
        sar = sar.to(pixel_values.device)
        layers = tuple(self.config.feature_layers)
        weight = self.optical_projector.reduce.weight
        tokens = weight.new_zeros(
            len(pixel_values),
            self.config.tokens_per_tile,
            self.config.text_config.hidden_size,
        )
        for mask, sensor in ((~sar, "optical"), (sar, "sar")):
            if mask.any():
                encoder = getattr(self, f"{sensor}_encoder")
                pixels = pixel_values[mask].to(next(encoder.parameters()).dtype)
                features = encode(encoder, pixels, layers)  # (b, N * f^2, D_vision)
                projector = getattr(self, f"{sensor}_projector")
                tokens[mask] = projector(features.to(weight.dtype)).to(tokens.dtype)
        return BaseModelOutputWithPooling(
            last_hidden_state=tokens, pooler_output=tokens
        )

    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        sensor_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPast:
        """Splice the tiles into the text and run the language model.

        Args:
            input_ids: Token ids, shape (B, T).
            pixel_values: Tiles of all images in prompt order, shape (tiles, 3, H, W).
            sensor_ids: Sensor of each tile, shape (tiles,).
            attention_mask: Shape (B, T), or (B, 1, T, T) for packed samples.
            position_ids: Shape (B, T).
            past_key_values: Cache of earlier tokens.
            inputs_embeds: Embeddings instead of ``input_ids``, shape (B, T, D).
            **kwargs: Passed on to the language model.

        Returns:
            Hidden states, shape (B, T, D), and the cache.
        """
        if inputs_embeds is None:
            inputs_embeds = cast(Tensor, self.get_input_embeddings()(input_ids))
        if pixel_values is not None:
            if input_ids is None:
                raise ValueError("pixel_values need input_ids to know where they go")
            tokens = self.get_image_features(pixel_values, sensor_ids).pooler_output
            inputs_embeds = self.splice(input_ids, inputs_embeds, tokens)
        output = self.language_model(
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            return_dict=True,  # whatever the config says: it is read by name here
            **kwargs,
        )
        return BaseModelOutputWithPast(
            last_hidden_state=output.last_hidden_state,
            past_key_values=output.past_key_values,
            hidden_states=output.hidden_states,
            attentions=output.attentions,
        )

    def splice(self, input_ids: Tensor, embeddings: Tensor, tokens: Tensor) -> Tensor:
        """Put image tokens where the prompt has placeholders.

        Args:
            input_ids: Token ids, shape (B, T).
            embeddings: Word embeddings of them, shape (B, T, D).
            tokens: Image tokens in prompt order, shape (tiles, N, D).

        Returns:
            Embeddings, shape (B, T, D).

        Raises:
            ValueError: If placeholders and image tokens differ in number.
        """
        places = input_ids == self.config.image_token_id
        if int(places.sum()) != tokens.shape[0] * tokens.shape[1]:
            raise ValueError(
                f"the prompt holds {int(places.sum())} image placeholders for "
                f"{tokens.shape[0]} tiles of {tokens.shape[1]} tokens"
            )
        mask = places.unsqueeze(-1).expand_as(embeddings)
        return embeddings.masked_scatter(mask, tokens.to(embeddings.dtype))


class RSVLMForConditionalGeneration(
    RSVLMPreTrainedModel,
    GenerationMixin,  # type: ignore[misc]
):
    """RSVLM with its output layer; what ``generate`` runs."""

    _tied_weights_keys = {  # noqa: RUF012
        "lm_head.weight": "model.language_model.embed_tokens.weight"
    }

    def __init__(self, config: RSVLMConfig) -> None:
        """Build the model with random weights."""
        super().__init__(config)
        self.model = RSVLMModel(config)
        self.lm_head = nn.Linear(
            config.text_config.hidden_size, config.text_config.vocab_size, bias=False
        )
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        """Return the word embeddings."""
        return self.model.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        """Return the output layer."""
        return self.lm_head

    def get_decoder(self) -> nn.Module:
        """Return the language model."""
        return self.model.get_decoder()

    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self,
        input_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        sensor_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Return next-token logits, and the loss where ``labels`` are given.

        Args:
            input_ids: Token ids, shape (B, T).
            pixel_values: Tiles, shape (tiles, 3, H, W).
            sensor_ids: Sensor of each tile, shape (tiles,).
            attention_mask: Shape (B, T) or (B, 1, T, T).
            position_ids: Shape (B, T).
            past_key_values: Cache of earlier tokens.
            inputs_embeds: Embeddings instead of ``input_ids``, shape (B, T, D).
            labels: Token ids to predict, -100 elsewhere, shape (B, T); logits are
                then computed only where they are needed.
            logits_to_keep: Number of last positions with logits; 0 keeps all.
            **kwargs: Passed on to the language model.

        Returns:
            Logits, shape (B, T, V), or (answer tokens, V) when ``labels`` are given.
        """
        output = self.model(
            input_ids=input_ids,
            pixel_values=pixel_values,
            sensor_ids=sensor_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            return_dict=True,
            **kwargs,
        )
        hidden = output.last_hidden_state
        loss = None
        if labels is not None:
            # The vocabulary is wide: logits of prompt positions would cost more
            # than the whole language model does.
            wanted = labels[:, 1:] != -100
            logits = self.lm_head(hidden[:, :-1][wanted])  # (answer tokens, V)
            loss = nn.functional.cross_entropy(logits.float(), labels[:, 1:][wanted])
        else:
            kept = slice(-logits_to_keep, None) if logits_to_keep else slice(None)
            logits = self.lm_head(hidden[:, kept])
        return CausalLMOutputWithPast(
            loss=loss, logits=logits, past_key_values=output.past_key_values
        )

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        past_key_values: Any = None,
        pixel_values: Tensor | None = None,
        sensor_ids: Tensor | None = None,
        is_first_iteration: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Hand the tiles over at the first step only."""
        inputs = super().prepare_inputs_for_generation(
            input_ids,
            past_key_values=past_key_values,
            is_first_iteration=is_first_iteration,
            **kwargs,
        )
        if is_first_iteration or not kwargs.get("use_cache", True):
            inputs["pixel_values"], inputs["sensor_ids"] = pixel_values, sensor_ids
        return cast(dict[str, Any], inputs)
