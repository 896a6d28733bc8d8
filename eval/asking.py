"""Who is asked: an assistant as a user has it, or a model by itself.

An :class:`Asker` turns one sample into one :class:`Prediction`. Whatever goes wrong in
it becomes a status of the prediction elsewhere (:mod:`rsvlm.eval.run`), so askers let
errors pass. Files of replies and the reference are asked in :mod:`rsvlm.eval.replay`.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from rsvlm.assistant import Assistant
from rsvlm.codec import Codec
from rsvlm.engines.base import Capabilities, Engine
from rsvlm.errors import SettingsError
from rsvlm.eval.benchmark import Benchmark, Coords
from rsvlm.eval.manifest import ModelEntry
from rsvlm.eval.parse import from_answer, from_generation, how_boxes_are_read
from rsvlm.eval.questions import plain_question, prompt_of
from rsvlm.eval.records import Prediction, Usage
from rsvlm.eval.response_cache import request_key
from rsvlm.eval.workers import TooLongError
from rsvlm.messages import Generation, Message, views_of
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.samples import Sample

#: Task of a benchmark -> task of an assistant; retrieval has none.
ASSISTANT_TASKS = {
    "caption": "caption", "vqa": "vqa", "mcq": "vqa", "classify": "classify",
    "count": "count", "ground": "ground", "ground_multi": "ground",
    "detect": "detect", "segment": "segment",
}  # fmt: skip


class Asker(Protocol):
    """Whatever can be measured."""

    @property
    def is_parallel(self) -> bool:
        """Whether several threads may ask at once."""
        ...

    @property
    def way(self) -> str:
        """How it is asked: ``assistant``, ``model``, ``replay`` or ``echo``."""
        ...

    def entry(self) -> ModelEntry:
        """Return what the manifest says of it."""
        ...

    def prepare(self, benchmark: Benchmark) -> None:
        """Refuse a benchmark that it cannot be asked, before the first question."""
        ...

    def ask(
        self, benchmark: Benchmark, sample: Sample, images: Path, seed: int | None
    ) -> Prediction:
        """Return the reply to one sample, whose images lie in a folder."""
        ...


@dataclass
class Recorder:
    """An engine that notes what passes through it, for one question.

    Attributes:
        engine: Who answers.
        temperature: Overrides what the caller wants, where it is above 0.
        deadline: Time of ``time.monotonic`` at which the reply is given up.
        model: How the user named the model, for the hash of the request.
    """

    engine: Engine
    temperature: float = 0.0
    deadline: float | None = None
    model: str = ""
    generations: list[Generation] = field(default_factory=list)
    sent: list[tuple[int, int]] = field(default_factory=list)
    request: str | None = None

    def __post_init__(self) -> None:
        self.name, self.kind = self.engine.name, self.engine.kind
        self.revision = self.engine.revision
        self.capabilities = self.engine.capabilities

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
        """Pass the call on."""
        warmth = self.temperature or temperature
        views = views_of(messages)
        if self.request is None:
            self.request = request_key(
                self.engine, messages, max_tokens=max_tokens, temperature=warmth,
                seed=seed, stop=stop, model=self.model,
            )  # fmt: skip
        self.sent += [(view.window.width, view.window.height) for view in views]
        generation = self.engine.generate(
            messages, max_tokens=max_tokens, temperature=warmth, seed=seed, stop=stop,
            on_text=self._watch(on_text) if self.deadline is not None else on_text,
        )  # fmt: skip
        self.generations.append(generation)
        return generation

    def _watch(self, then: Callable[[str], None] | None) -> Callable[[str], None]:
        def watch(piece: str) -> None:
            if self.deadline is not None and time.monotonic() > self.deadline:
                raise TooLongError("the reply was not finished in time")
            if then is not None:
                then(piece)

        return watch

    def noted(self, prediction: Prediction) -> Prediction:
        """Return a prediction with what was sent and what it cost."""
        usage = Usage(
            prompt_tokens=sum(g.prompt_tokens for g in self.generations),
            completion_tokens=sum(g.completion_tokens for g in self.generations),
        )
        return prediction.model_copy(
            update={
                "usage": usage,
                "images_sent": tuple({"w": w, "h": h} for w, h in self.sent),
                "request_sha256": self.request,
            }
        )


@dataclass(frozen=True)
class AssistantAsker:
    """Asks an assistant as a user does: its regions, counts and doubts are measured.

    Attributes:
        assistant: What is measured.
        spec: What was given as the model.
        least: Also takes candidates of the region head from this confidence on, when
            every object is to be detected: average precision needs the ranking.
        timeout_s: Time that a reply may take; it is given up between two tokens.
        is_parallel: Whether its engine may be asked from several threads.
    """

    assistant: Assistant
    spec: str = ""
    least: float | None = None
    timeout_s: float | None = None
    is_parallel: bool = False
    way: ClassVar[str] = "assistant"

    def entry(self) -> ModelEntry:
        """Return what the manifest says of it."""
        return _entry(self.assistant.engine, self.spec)

    def prepare(self, benchmark: Benchmark) -> None:
        """Refuse what an assistant is never asked."""
        _refuse_rankings(benchmark)

    def ask(
        self, benchmark: Benchmark, sample: Sample, images: Path, seed: int | None
    ) -> Prediction:
        """Return what the assistant answers to a sample."""
        recorder = Recorder(
            self.assistant.engine,
            temperature=benchmark.generation.temperature,
            deadline=_deadline(self.timeout_s),
            model=self.spec,
        )
        assistant = replace(self.assistant, engine=recorder)
        finder: Any = assistant.finder
        if benchmark.task == "detect" and self.least is not None and finder is not None:
            assistant = replace(assistant, finder=finder.loosened(self.least))
        with ExitStack() as stack:
            rasters = _open(stack, sample, images)
            answer = assistant.ask(
                rasters,
                plain_question(benchmark, sample),
                ASSISTANT_TASKS[benchmark.task],
                shape=kind_of_boxes(benchmark),
                seed=seed,
            )
        said = recorder.generations[0].text if recorder.generations else ""
        prediction = from_answer(benchmark, sample, answer, said)
        if not answer.text.strip():
            prediction = prediction.model_copy(update={"status": "empty"})
        return recorder.noted(prediction)


@dataclass(frozen=True)
class ModelAsker:
    """Sends the benchmark's own prompt to a model and reads its text.

    Attributes:
        engine: What is measured.
        spec: What was given as the model.
        coords: In which numbers it writes boxes, where the user says so.
        codec: Dialect that it is known to write.
        timeout_s: Time that a reply may take, where its words come one by one.
        is_parallel: Whether several threads may ask at once.
    """

    engine: Engine
    spec: str = ""
    coords: Coords | None = None
    codec: Codec | None = None
    timeout_s: float | None = None
    is_parallel: bool = False
    way: ClassVar[str] = "model"

    def entry(self) -> ModelEntry:
        """Return what the manifest says of it."""
        return _entry(self.engine, self.spec)

    def prepare(self, benchmark: Benchmark) -> None:
        """Refuse boxes whose meaning is not declared."""
        _refuse_rankings(benchmark)
        how_boxes_are_read(benchmark, self.coords, self.codec)

    def ask(
        self, benchmark: Benchmark, sample: Sample, images: Path, seed: int | None
    ) -> Prediction:
        """Return what the model writes to a sample."""
        recorder = Recorder(
            self.engine, deadline=_deadline(self.timeout_s), model=self.spec
        )
        capabilities = self.engine.capabilities
        if len(sample.images) > capabilities.together:
            raise SettingsError(
                f"{sample.id} has {len(sample.images)} images, the model takes "
                f"{capabilities.together} together. Choose other samples with --ids."
            )
        codec = self._dialect(benchmark)
        with ExitStack() as stack:
            views = [
                _view(raster, capabilities.max_side, number, codec)
                for number, raster in enumerate(_open(stack, sample, images))
            ]
        text = prompt_of(benchmark, sample)
        if codec is not None:
            # The benchmark names no form of its own, so the model is asked in its own.
            text = f"{text}\n{codec.instruction(kind_of_boxes(benchmark))}"
        message = Message("user", (*views, text))
        generation = recorder.generate(
            [message],
            max_tokens=benchmark.generation.max_tokens,
            temperature=benchmark.generation.temperature,
            seed=seed,
        )
        prediction = from_generation(
            benchmark, sample, generation, coords=self.coords, codec=self.codec,
            sent=recorder.sent,
        )  # fmt: skip
        return recorder.noted(_doubts(prediction, codec, views, capabilities))

    def _dialect(self, benchmark: Benchmark) -> Codec | None:
        """Return the dialect that boxes are read in; None: other numbers, or none."""
        how = how_boxes_are_read(benchmark, self.coords, self.codec)
        return None if how is None or isinstance(how, Coords) else how


def _doubts(
    prediction: Prediction,
    codec: Codec | None,
    views: Sequence[View],
    capabilities: Capabilities,
) -> Prediction:
    """Note where the boxes of a reply may mean something else than what was read."""
    if codec is None:
        return prediction
    from rsvlm.dialects import misfit

    doubts = {}
    if not capabilities.dialect_known:
        doubts["dialect"] = f"not known of this model; it was told {codec.name!r}"
    if said := misfit(codec, prediction.raw, views[0].window):
        doubts["misfit"] = said
    return prediction.model_copy(update={"meta": doubts}) if doubts else prediction


def kind_of_boxes(benchmark: Benchmark) -> Literal["obb"] | None:
    """Return the kind of boxes that a benchmark asks for; None: horizontal ones."""
    turned = benchmark.coords is not None and benchmark.coords.box != "xyxy"
    return "obb" if turned and benchmark.task != "segment" else None


def _view(raster: Raster, max_side: int, number: int, codec: Codec | None) -> View:
    """Return the picture of an image, of the size that a dialect counts in."""
    view = raster.preview(max_side=max_side, image=number)
    if codec is None:
        return view
    size = codec.picture_size(view.window.width, view.window.height)
    if size == (view.window.width, view.window.height):
        return view
    return raster.view(view.window.box, *size, image=number)


def _open(stack: ExitStack, sample: Sample, images: Path) -> list[Raster]:
    return [
        stack.enter_context(Raster.open(images / image.path, sensor=image.sensor))
        for image in sample.images
    ]


def _deadline(timeout_s: float | None) -> float | None:
    return None if timeout_s is None else time.monotonic() + timeout_s


def _entry(engine: Engine, spec: str) -> ModelEntry:
    capabilities = engine.capabilities
    return ModelEntry(
        name=engine.name,
        spec=spec,
        engine=engine.kind,
        revision=engine.revision,
        max_images=capabilities.together,
        max_side=capabilities.max_side,
        dialect=capabilities.dialect,
        served=getattr(engine, "served", None),
    )


def _refuse_rankings(benchmark: Benchmark) -> None:
    if benchmark.task == "retrieve":
        raise SettingsError(
            f"{benchmark.name} asks for rankings, which no chat model gives. Ask "
            "aligned encoders with --model encoder:tiny, or score the rankings of a "
            "search with --model replay:FILE."
        )
