"""The one seam between the assistant and whatever runs the model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from rsvlm.messages import Generation, Message, Tool


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can take.

    Attributes:
        max_images: Most images a question.
        together: Most pictures a prompt; images beyond that are asked about one by one.
        max_side: Longest side of a picture that it makes use of, in px.
        dialect: Name of its grounding dialect, a key of ``rsvlm.dialects.DIALECTS``.
        dialect_known: Whether that is known, or a guess for a strange model.
        reply_tokens: Tokens that it may write whatever the task: models that were not
            trained on our short answers need room. None leaves it to the task.
        zooms: Whether it can ask for windows: a model of rsvlm where it was trained to,
            others by being told.
        tools: Whether it is a :class:`ToolEngine`.
        sensors: Sensors that it was trained on.
        weak: Those of them whose images its words are hardly true of: where something
            was measured, that is said instead.
        gsd_m: Finest and coarsest ground sample distance of the optical images that it
            was trained on, m/px; None where that is not known.
        sar_gsd_m: The same of radar images.
    """

    max_images: int = 8
    together: int = 1
    max_side: int = 1344
    dialect: str = "rsvlm"
    dialect_known: bool = True
    reply_tokens: int | None = None
    zooms: bool = True
    tools: bool = False
    sensors: frozenset[str] = frozenset({"optical"})
    weak: frozenset[str] = frozenset()
    gsd_m: tuple[float, float] | None = None
    sar_gsd_m: tuple[float, float] | None = None


class Engine(Protocol):
    """Anything that answers messages."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def kind(self) -> str:
        """``"local"``, ``"remote"`` or ``"stub"``."""
        ...

    @property
    def revision(self) -> str:
        """What tells one version of the model from another."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What the model can take."""
        ...

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
        """Return the model's reply.

        Args:
            messages: The conversation.
            max_tokens: Most tokens to write.
            temperature: 0 is greedy.
            seed: Seed of sampling.
            stop: Texts that end the reply and are not part of it.
            on_text: Called with each new piece of text as it is written.

        Raises:
            EngineError: If the model gives no answer.
        """
        ...


class ToolEngine(Engine, Protocol):
    """An engine that can be told of tools; a server that knows none is not told."""

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
        tools: Sequence[Tool] = (),
    ) -> Generation:
        """Return the model's reply, which may be a call of one of ``tools``."""
        ...
