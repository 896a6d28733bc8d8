"""Opens the assistant of a batch, and the server that runs its model where it needs one.

The same in the process of ``rsvlm batch`` and in every worker of a Ray cluster.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rsvlm.assistant import Assistant

#: Questions that a served model is asked at a time, and a vLLM server of our own.
SERVED_AT_ONCE, VLLM_AT_ONCE = 8, 32


@dataclass(frozen=True)
class ModelChoice:
    """Which model answers, as the user named it.

    Attributes:
        model: Shipped checkpoint, folder of one, or ``URL#NAME``.
        engine: What runs a checkpoint: ``"local"``, ``"vllm"``, or ``URL#NAME`` of a
            server of it.
        knowledge: Folder of a knowledge base; "" is none.
    """

    model: str = "tiny"
    engine: str = "local"
    knowledge: str = ""

    @property
    def runs_here(self) -> bool:
        """Whether a model is loaded on the machine that asks."""
        return "://" not in self.model

    @property
    def at_once(self) -> int:
        """Questions that are asked at a time unless told otherwise."""
        if self.engine == "vllm":
            return VLLM_AT_ONCE
        return SERVED_AT_ONCE if self.is_served else 1

    @property
    def is_served(self) -> bool:
        """Whether the model takes many questions at a time."""
        return not self.runs_here or self.engine != "local"

    @contextmanager
    def opened(self) -> Iterator[Assistant]:
        """Give the assistant; its server runs as long as the block.

        Raises:
            RsvlmError: If the model cannot be loaded or its server does not start.
        """
        from rsvlm.app.server.settings import ServerSettings
        from rsvlm.app.serving_models import open_models

        models = open_models(
            ServerSettings(
                model=self.model, engine=self.engine, knowledge=self.knowledge
            )
        )
        try:
            yield next(iter(models.assistants.values()))
        finally:
            models.stop()
