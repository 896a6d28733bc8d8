"""What vLLM loads in each of its processes to learn of our architecture.

Named in pyproject.toml under ``vllm.general_plugins``. vLLM runs the model through its
Transformers backend: our own modules, its attention and its batching.
"""

#: Name in ``config.json`` of an exported folder.
ARCHITECTURE = "RSVLMForConditionalGeneration"
#: The class of vLLM that runs Transformers models with pictures.
BACKEND = "vllm.model_executor.models.transformers:TransformersMultiModalForCausalLM"


def register() -> None:
    """Register our classes with Transformers and vLLM; may be called twice."""
    from vllm import ModelRegistry

    from rsvlm.models.register import register as register_classes

    register_classes()
    if ARCHITECTURE not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(ARCHITECTURE, BACKEND)
