"""An assistant for tests of batches: quick, deterministic, and now and then it fails."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rsvlm.assistant import Assistant
from rsvlm.engines.base import Capabilities
from rsvlm.errors import EngineError
from rsvlm.messages import Generation, Message


@dataclass
class Oracle:
    """Engine whose answer is a hash of the question and the picture.

    Attributes:
        fails: Whether a question fails, by its text and the number of earlier tries.
        seconds: Time that an answer takes.
        kind: What it pretends to be.
        asked: What it was asked.
        most_running: Most questions that were under way at a time.
    """

    fails: Callable[[str, int], bool] = lambda text, tries: False
    seconds: float = 0.0
    kind: str = "stub"
    name: str = "oracle"
    revision: str = "1"
    capabilities: Capabilities = field(default_factory=Capabilities)
    asked: list[str] = field(default_factory=list)
    running: int = 0
    most_running: int = 0

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
        """Return the answer to the last message."""
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        time.sleep(self.seconds)
        self.running -= 1
        parts = messages[-1].parts
        text = " ".join(part for part in parts if isinstance(part, str))
        tries = self.asked.count(text)
        self.asked.append(text)
        if self.fails(text, tries):
            raise EngineError("The oracle is silent. Ask again.")
        digest = hashlib.sha256(text.encode())
        for part in parts:
            if not isinstance(part, str):
                digest.update(part.pixels.tobytes())
        word = digest.hexdigest()[:8]
        return Generation(f"answer {word}", "stop", 1, 2, (-0.1, -0.1))


def slow(*_: object, **__: object) -> Assistant:
    """Return an assistant that takes its time; for processes that are killed."""
    return Assistant(Oracle(seconds=0.05))


def moody(*_: object, **__: object) -> Assistant:
    """Return an assistant that fails every question that mentions a mood."""
    return Assistant(Oracle(fails=lambda text, tries: "mood" in text))
