"""Configuration of :class:`~rsvlm.models.modeling.RSVLMForConditionalGeneration`."""

from typing import Any

from transformers import CONFIG_MAPPING, PreTrainedConfig
from transformers.models.auto import AutoConfig

#: ``sensor_id`` of a tile: which encoder it is routed to.
SENSOR_IDS = {"optical": 0, "multispectral": 0, "sar": 1}


def _part(config: Any, default: str | None) -> Any:
    if isinstance(config, dict):
        fields = dict(config)
        return CONFIG_MAPPING[fields.pop("model_type", default)](**fields)
    if config is None and default is not None:
        return CONFIG_MAPPING[default]()
    return config


class RSVLMConfig(PreTrainedConfig):  # type: ignore[misc]  # untyped base
    """One text config, one encoder config per sensor, and how tiles become tokens.

    ``bases`` names the frozen parts by asset, so that a checkpoint folder holds only
    what was trained: ``{"language_model": "smollm2-135m-instruct", ...}``. A folder
    without ``bases`` is self-contained.
    """

    model_type = "rsvlm"
    sub_configs = {  # noqa: RUF012  # the name and form are Transformers'
        "text_config": AutoConfig,
        "optical_config": AutoConfig,
        "sar_config": AutoConfig,
    }
    has_no_defaults_at_init = True

    def __init__(
        self,
        text_config: Any = None,
        optical_config: Any = None,
        sar_config: Any = None,
        image_token_id: int = 4,
        feature_layers: tuple[int, ...] = (6, 9, 12),
        tile_size: int = 336,
        max_tiles: int = 4,
        projector_factor: int = 4,
        projector_width: int = 256,
        bases: dict[str, str] | None = None,
        lora: dict[str, Any] | None = None,
        trained_gsd_m: tuple[float, float] | None = None,
        sar_gsd_m: tuple[float, float] | None = None,
        zooms: bool = False,
        weak_sensors: tuple[str, ...] = (),
        tie_word_embeddings: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Build the nested configs.

        Args:
            text_config: Config of the language model (default: Llama).
            optical_config: Config of the optical encoder (default: Dinov2).
            sar_config: Config of the SAR encoder, or None: then SAR tiles go
                through the optical one.
            image_token_id: Token that stands for one image token in the prompt.
            feature_layers: Encoder layers whose patch tokens are concatenated;
                0 is the embedding, n the output of block n.
            tile_size: Side of a tile in px, a multiple of patch size x factor.
            max_tiles: Most native-resolution tiles beside the overview.
            projector_factor: Side of the block of patches that becomes one token.
            projector_width: Width that patches are reduced to before that.
            bases: Part name -> asset that holds its frozen weights.
            lora: Rank and alpha of the low-rank updates in the checkpoint.
            trained_gsd_m: Finest and coarsest ground sample distance of the training
                optical pictures, m/px; None where it is not known.
            sar_gsd_m: The same of the radar pictures.
            zooms: Whether it was trained to ask for windows.
            weak_sensors: Sensors about whose images the language model learned
                little: what is measured there is worth more than its words.
            tie_word_embeddings: Whether the output layer shares the embeddings; None
                does as the language model does.
            **kwargs: Fields of Transformers' base class.
        """
        self.text_config = _part(text_config, "llama")
        self.optical_config = _part(optical_config, "dinov2")
        self.sar_config = _part(sar_config, None)
        self.image_token_id = image_token_id
        self.feature_layers = list(feature_layers)
        self.tile_size = tile_size
        self.max_tiles = max_tiles
        self.projector_factor = projector_factor
        self.projector_width = projector_width
        self.bases = bases
        self.lora = lora
        self.trained_gsd_m = list(trained_gsd_m) if trained_gsd_m else None
        self.sar_gsd_m = list(sar_gsd_m) if sar_gsd_m else None
        self.zooms = zooms
        self.weak_sensors = list(weak_sensors)
        if tie_word_embeddings is None:
            tie_word_embeddings = bool(self.text_config.tie_word_embeddings)
        super().__init__(tie_word_embeddings=tie_word_embeddings, **kwargs)

    @property
    def tokens_per_tile(self) -> int:
        """Image tokens N of one tile."""
        side = self.tile_size // self.optical_config.patch_size // self.projector_factor
        return int(side * side)
