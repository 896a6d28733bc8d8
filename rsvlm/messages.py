"""What passes between the assistant and an engine: the OpenAI chat form.

A message is a role and parts; a part is text or a :class:`View`. An engine answers
with a :class:`Generation`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rsvlm.render import View

#: A part of a message.
Part = str | View


@dataclass(frozen=True, slots=True)
class Tool:
    """What a model may call, for servers that know tools.

    Attributes:
        name: Its name.
        description: When to call it, and what it does.
        parameters: JSON Schema of its arguments.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool that a model made.

    Attributes:
        id: What ties the result to the call.
        name: Of the tool.
        arguments: JSON text as the model wrote it, which may be broken.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: ``"system"``, ``"user"``, ``"assistant"`` or ``"tool"``.
        parts: Texts and pictures.
        calls: Tools that the assistant called.
        call_id: The call that a message of the role ``"tool"`` is the result of.
    """

    role: str
    parts: tuple[Part, ...]
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""

    @property
    def text(self) -> str:
        """The text parts, joined by line breaks."""
        return "\n".join(part for part in self.parts if isinstance(part, str))

    @property
    def views(self) -> tuple[View, ...]:
        """The pictures, in order."""
        return tuple(part for part in self.parts if isinstance(part, View))


@dataclass(frozen=True, slots=True)
class Generation:
    """What an engine said, and what it cost.

    Attributes:
        text: The reply, without special tokens.
        finish_reason: ``"stop"`` or ``"length"``, as in the OpenAI API.
        prompt_tokens: Tokens read, images included.
        completion_tokens: Tokens written.
        logprobs: Natural-log probability of each written token, where known.
        tokens: Text of each of these tokens; "" for one that ends the reply.
        calls: Tools that the model calls, where it was told of some.
    """

    text: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    logprobs: tuple[float, ...] | None = None
    # Not compared: they say again what the text says.
    tokens: tuple[str, ...] | None = field(default=None, compare=False)
    calls: tuple[ToolCall, ...] = ()

    @property
    def mean_logprob(self) -> float | None:
        """Mean log probability of the written tokens, or None where unknown."""
        return sum(self.logprobs) / len(self.logprobs) if self.logprobs else None

    @property
    def certainty(self) -> float:
        """Geometric mean probability of the written tokens; 0.5 where unknown."""
        mean = self.mean_logprob
        return math.exp(mean) if mean is not None else 0.5


def views_of(messages: Sequence[Message]) -> list[View]:
    """Return every picture of a conversation, in order."""
    return [view for message in messages for view in message.views]
