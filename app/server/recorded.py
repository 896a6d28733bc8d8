"""An engine for one request: what a client set, and a record of what it cost.

The assistant knows nothing of temperatures or stop texts of a client; it gets this
engine in place of its own (``dataclasses.replace``), and everything else stays as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from rsvlm.assistant import Assistant
from rsvlm.engines.base import Capabilities, Engine
from rsvlm.messages import Generation, Message
from rsvlm.tasks import harmless
from rsvlm.zooming_chain import ChainZoom

#: Does a call, and gives its result.
Elsewhere = Callable[[Callable[[], Generation]], Generation]


@dataclass(frozen=True)
class Sampling:
    """How a client wants the model to write.

    Attributes:
        temperature: 0 is greedy.
        max_tokens: Most tokens of a reply; what a task allows stays the upper limit.
        stop: Texts that end a reply.
        system: What the client tells the model beforehand. Models of ours, which learned
            without, do not get it.
    """

    temperature: float = 0.0
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    system: str = ""


@dataclass
class RecordedEngine:
    """Passes questions on to an engine and keeps what came back.

    Attributes:
        engine: The engine that answers.
        sampling: What the client set.
        generations: Replies so far, the last one last.
        elsewhere: Calls an engine in another process, and hears of a stop meanwhile.
    """

    engine: Engine
    sampling: Sampling = Sampling()
    generations: list[Generation] = field(default_factory=list)
    elsewhere: Elsewhere | None = None

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.engine.name

    @property
    def kind(self) -> str:
        """Kind of the engine that answers."""
        return self.engine.kind

    @property
    def revision(self) -> str:
        """Revision of the model."""
        return self.engine.revision

    @property
    def capabilities(self) -> Capabilities:
        """What the model can take."""
        return self.engine.capabilities

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
        wanted = self.sampling
        told = list(messages)
        if wanted.system and self.capabilities.dialect != "rsvlm":
            told.insert(0, Message("system", (harmless(wanted.system),)))

        def reply() -> Generation:
            return self.engine.generate(
                told,
                max_tokens=min(max_tokens, wanted.max_tokens or max_tokens),
                temperature=wanted.temperature or temperature,
                seed=seed,
                stop=tuple(dict.fromkeys((*stop, *wanted.stop))),
                on_text=on_text,
            )

        if self.kind == "remote" and self.elsewhere is not None:
            generation = self.elsewhere(reply)
        else:
            generation = reply()
        self.generations.append(generation)
        return generation


def recorded(
    assistant: Assistant, sampling: Sampling, elsewhere: Elsewhere | None = None
) -> tuple[Assistant, list[Generation]]:
    """Return an assistant for one request, and the list of what its engine will say."""
    said: list[Generation] = []
    engine = RecordedEngine(assistant.engine, sampling, said, elsewhere)
    # What chooses windows has a form of its own to keep: it is recorded only.
    plain = RecordedEngine(assistant.engine, Sampling(), said, elsewhere)
    zooms = {
        name: replace(policy, engine=plain) if isinstance(policy, ChainZoom) else policy
        for name, policy in assistant.zooms.items()
    }
    return replace(assistant, engine=engine, zooms=zooms), said
