"""Makes the classes known to the Auto classes of Transformers."""


def register() -> None:
    """Register config, model, image processor and processor; may be called twice."""
    from transformers import (
        AutoConfig,
        AutoImageProcessor,
        AutoModel,
        AutoModelForImageTextToText,
        AutoProcessor,
    )

    from rsvlm.models.configuration import RSVLMConfig
    from rsvlm.models.modeling import RSVLMForConditionalGeneration, RSVLMModel
    from rsvlm.models.processing import RSVLMImageProcessor, RSVLMProcessor

    AutoConfig.register("rsvlm", RSVLMConfig, exist_ok=True)
    AutoModel.register(RSVLMConfig, RSVLMModel, exist_ok=True)
    AutoModelForImageTextToText.register(
        RSVLMConfig, RSVLMForConditionalGeneration, exist_ok=True
    )
    AutoImageProcessor.register(RSVLMConfig, RSVLMImageProcessor, exist_ok=True)
    AutoProcessor.register(RSVLMConfig, RSVLMProcessor, exist_ok=True)
