"""An engine for tests: replays replies and records what it was asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rsvlm.engines.base import Capabilities
from rsvlm.errors import EngineError
from rsvlm.messages import Generation, Message


@dataclass
class StubEngine:
    """Engine that replays canned replies, the last one again and again."""

    replies: list[str]
    calls: list[list[Message]] = field(default_factory=list)
    capabilities: Capabilities = field(default_factory=Capabilities)
    name: str = "stub"
    kind: str = "stub"
    revision: str = "0"

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
        """Return the next canned reply, cut at ``stop`` and at ``max_tokens`` words."""
        if not self.replies:
            raise EngineError("The stub engine has no replies. Give it some.")
        text = self.replies[min(len(self.calls), len(self.replies) - 1)]
        self.calls.append(list(messages))
        for mark in stop:
            text = text.split(mark, 1)[0]
        words = text.split(" ")
        cut = " ".join(words[:max_tokens])
        if on_text is not None:
            on_text(cut)
        reason = "length" if len(words) > max_tokens else "stop"
        return Generation(cut, reason, 1, min(len(words), max_tokens), (-0.1,), (cut,))
