"""Answers a question about rasters: look, recall, zoom, ask, read, refine, judge, place.

The one path of data. The command line, the server, the chat page, batch runs and the
evaluation all call :meth:`Assistant.ask`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from rsvlm.answer import (
    Answer,
    AnswerImage,
    AnswerRegion,
    Evidence,
    ModelInfo,
    TraceStep,
    keep_citations,
)
from rsvlm.dialects import get_dialect
from rsvlm.doubts import GUESS, doubts, strange_boxes
from rsvlm.engines.base import Engine
from rsvlm.errors import SettingsError
from rsvlm.findings import Findings, Purpose, ShapeKind
from rsvlm.geometry import Region
from rsvlm.labels import OBJECTS, is_visible
from rsvlm.messages import Generation
from rsvlm.questions import is_presence
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.replies import (
    area_text,
    count_text,
    counts,
    found_text,
    presence_text,
    told_text,
    too_small_text,
    unknown_text,
)
from rsvlm.search import Finder, State, search, trace_step, unused_words
from rsvlm.subjects import subject
from rsvlm.tasks import Reply, choose_task, get_task

#: Most tokens a reply, by task.
MAX_TOKENS = {"caption": 64, "compare": 64, "count": 8, "classify": 16, "detect": 16}


class Retriever(Protocol):
    """Source of background knowledge."""

    def search(self, question: str, rasters: Sequence[Raster]) -> Sequence[Evidence]:
        """Return passages, best first, numbered from 1."""
        ...


@dataclass(frozen=True)
class _Verdict:
    """Text, regions and confidence, before they are placed on the Earth."""

    text: str
    confidence: float
    regions: tuple[Region, ...] = ()
    count: int | None = None
    abstained: bool = False


@dataclass(frozen=True)
class Assistant:
    """An engine with a region finder and, where there is one, a retriever.

    Attributes:
        engine: What reads the picture and writes the text.
        finder: What draws, counts and measures; None leaves that to the engine.
        retriever: Background knowledge.
        least: Confidence below which a text answer is withheld.

    .. versionadded:: 0.1
    """

    engine: Engine
    finder: Finder | None = None
    retriever: Retriever | None = None
    least: float = 0.2

    def ask(
        self,
        rasters: Sequence[Raster],
        question: str,
        task: str = "auto",
        *,
        shape: ShapeKind | None = None,
        zoom: Literal["auto", "none"] = "auto",
        seed: int | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Answer:
        """Answer one question.

        Args:
            rasters: Opened images; "image 1" is the first.
            question: What the user wrote.
            task: Name of a task, or ``"auto"`` to choose by the question.
            shape: Kind of the regions; default: masks when segmenting, else boxes.
            zoom: ``"none"`` looks for objects in the whole image at once only.
            seed: Seed of the engine.
            on_text: Called with each piece of the engine's text.

        Returns:
            The answer, placed on the Earth where the rasters are.

        Raises:
            SettingsError: If there is no image or no question.
            UnknownNameError: If there is no such task.
            ImageError: If an image cannot be read.
            EngineError: If the engine gives no answer.
        """
        if not rasters:
            raise SettingsError("There is no image. Give at least one image file.")
        if not question.strip():
            raise SettingsError(
                "The question is empty. Ask for example: 'Describe this scene'."
            )
        start = time.perf_counter()
        name = choose_task(question, len(rasters))[0] if task == "auto" else task
        spec = get_task(name)
        state = State(question, spec, subject(question), [])
        for raster in rasters:
            state.warnings += [w for w in raster.warnings if w not in state.warnings]
        self._look(state, rasters)
        self._recall(state, rasters)
        reason = self._cannot(state, rasters)
        if reason:
            verdict = _Verdict(reason, 1.0, abstained=True)
        else:
            verdict = self._answer(state, rasters, shape, zoom, seed, on_text)
        state.timing["total"] = 1000 * (time.perf_counter() - start)
        return self._place(state, rasters, verdict)

    # 1 look, 2 recall

    def _look(self, state: State, rasters: Sequence[Raster]) -> None:
        side = self.engine.capabilities.max_side
        for index, raster in enumerate(rasters):
            start = time.perf_counter()
            view = raster.preview(max_side=side, image=index)
            state.views.append(view)
            state.trace.append(trace_step("look", view, start))
        gsds = [raster.gsd for raster in rasters]
        said = doubts(self.engine, state.views, gsds)
        state.warnings += said
        state.doubtful = bool(said)

    def _recall(self, state: State, rasters: Sequence[Raster]) -> None:
        if self.retriever is not None:
            state.evidence = tuple(self.retriever.search(state.question, rasters))

    def _cannot(self, state: State, rasters: Sequence[Raster]) -> str | None:
        """Return why the question cannot be answered from these images, or None."""
        if not self._needs_regions(state) or state.subject is None or not self.finder:
            return None
        name = state.subject.name
        if state.subject.label not in self.finder.labels:
            return unknown_text(name, self.finder.labels)
        for raster in rasters:
            if raster.gsd and not is_visible(name, raster.gsd):
                return too_small_text(name, OBJECTS[name].size_m or 0.0, raster.gsd)
        extra = unused_words(state.subject)
        if extra:
            state.warnings.append(
                f"The words {extra!r} were not used: every {name} is meant."
            )
        return None

    def _needs_regions(self, state: State) -> bool:
        return state.task.name in ("count", "ground", "segment", "detect") or (
            state.task.name == "vqa"
            and is_presence(state.question)
            and state.subject is not None
            and self.finder is not None
            and state.subject.label in self.finder.labels
        )

    # 3 zoom and 6 refine

    def _search(
        self,
        state: State,
        rasters: Sequence[Raster],
        shape: ShapeKind,
        zoom: Literal["auto", "none"],
        purpose: Purpose = "locate",
    ) -> Findings:
        if self.finder is None:
            return Findings((), 0.0)
        start = time.perf_counter()
        found = search(self.finder, state, rasters, shape, zoom, purpose)
        state.timing["refine"] = 1000 * (time.perf_counter() - start)
        return found

    # 4 ask, 5 read, 7 judge

    def _answer(
        self,
        state: State,
        rasters: Sequence[Raster],
        shape: ShapeKind | None,
        zoom: Literal["auto", "none"],
        seed: int | None,
        on_text: Callable[[str], None] | None,
    ) -> _Verdict:
        if state.task.name == "compare" and self.engine.capabilities.max_images < 2:
            return self._compare(state, rasters, zoom, seed)
        reply, generation = self._generate(state, state.views, seed, on_text, shape)
        confidence = generation.certainty * (GUESS if state.doubtful else 1.0)
        if not self._needs_regions(state) or self.finder is None:
            return self._text(state, rasters, reply, confidence, zoom)
        kind = shape or ("mask" if state.task.name == "segment" else "hbb")
        if state.task.name == "vqa":
            return self._presence(state, rasters, reply, confidence, kind, zoom)
        found = self._search(state, rasters, kind, zoom)
        if state.task.name == "ground" and not found.regions and state.subject:
            # "Where is the ship?" takes for granted that there is one: the best
            # candidate is shown if it is as sure as a yes would need.
            weak = self._search(state, rasters, kind, zoom, "presence").regions[:1]
            found = Findings(weak, found.best)
        regions = found.regions
        name = state.subject.name if state.subject else None
        sure = _mean([r.confidence for r in regions]) if regions else 1 - found.best
        labels = [region.label for region in regions]
        if state.task.name == "count" and name is not None:
            return _Verdict(count_text(len(regions), name), sure, regions, len(regions))
        text = found_text(labels, name)
        if state.task.name == "segment" and regions:
            text = (
                text.removesuffix(".") + f", covering {self._area(rasters, regions)}."
            )
        return _Verdict(text, sure, regions, len(regions))

    def _generate(
        self,
        state: State,
        views: Sequence[View],
        seed: int | None,
        on_text: Callable[[str], None] | None = None,
        shape: ShapeKind | None = None,
    ) -> tuple[Reply, Generation]:
        start = time.perf_counter()
        able = self.engine.capabilities
        most, codec = able.max_images, get_dialect(able.dialect)
        if len(views) > most:
            state.warnings.append(
                f"The model {self.engine.name} looks at {most} image at a time; the "
                f"question was put to the first of {len(views)}."
            )
        passages = [f"{item.text} ({item.source})" for item in state.evidence]
        messages = state.task.messages(
            state.question, views[:most], passages, codec.instruction(shape)
        )
        generation = self.engine.generate(
            messages,
            max_tokens=able.reply_tokens or MAX_TOKENS.get(state.task.name, 48),
            seed=seed,
            on_text=on_text,
        )
        spent = 1000 * (time.perf_counter() - start)
        state.timing["generate"] = state.timing.get("generate", 0.0) + spent
        reply = state.task.parse(generation.text, views[0].window, codec)
        state.trace.append(
            TraceStep(step="ask", score=generation.mean_logprob, ms=round(spent))
        )
        return reply, generation

    def _text(
        self,
        state: State,
        rasters: Sequence[Raster],
        reply: Reply,
        confidence: float,
        zoom: Literal["auto", "none"],
    ) -> _Verdict:
        """Judge an answer that the engine gave in words."""
        if confidence < self.least and not reply.regions:
            return _Verdict(
                f"I am not sure enough to answer. My best guess, {reply.text!r}, has a "
                f"confidence of {confidence:.2f}.",
                confidence,
                abstained=True,
            )
        text = keep_citations(reply.text, {item.id for item in state.evidence})
        found: tuple[Region, ...] = ()
        if state.task.name == "caption" and self.finder is not None:
            everything = replace(state, subject=None)
            found = self._search(everything, rasters, "hbb", zoom, "anything").regions
            if found:
                seen = counts([region.label for region in found])
                text = f"{text} Found by the region head: {seen}."
        if state.task.boxes:
            window = state.views[0].window
            state.warnings += strange_boxes(self.engine, reply.text, window)
            labels = [region.label for region in reply.regions]
            asked = state.subject.name if state.subject else None
            text = told_text(text, labels, asked)
            return _Verdict(text, confidence, reply.regions, len(reply.regions))
        return _Verdict(text or "(no answer)", confidence, found)

    def _presence(
        self,
        state: State,
        rasters: Sequence[Raster],
        reply: Reply,
        confidence: float,
        shape: ShapeKind,
        zoom: Literal["auto", "none"],
    ) -> _Verdict:
        """Answer yes or no by what is found; the engine's own word makes it surer."""
        found = self._search(state, rasters, shape, zoom, "presence")
        taken = found.regions
        name = state.subject.name if state.subject else "object"
        sure = found.best if taken else 1 - found.best
        says_yes = reply.text.lower().startswith("yes")
        if says_yes == bool(taken):
            sure = 1 - (1 - sure) * (1 - 0.5 * confidence)
        elif reply.text.lower().startswith(("yes", "no")):
            sure *= 1 - 0.5 * confidence
            word = "yes" if says_yes else "no"
            state.warnings.append(
                f"The language model alone would answer {word!r}; the answer follows "
                "what was found in the image."
            )
        return _Verdict(presence_text(len(taken), name), sure, taken, len(taken))

    def _compare(
        self,
        state: State,
        rasters: Sequence[Raster],
        zoom: Literal["auto", "none"],
        seed: int | None,
    ) -> _Verdict:
        """Describe each image by itself, for engines that see one at a time."""
        caption = replace(
            state, task=get_task("caption"), question="Describe the image."
        )
        everything = replace(state, subject=None)
        found = self._search(everything, rasters, "hbb", zoom, "anything").regions
        lines, sure = [], 1.0
        for index, view in enumerate(state.views):
            reply, generation = self._generate(caption, [view], seed)
            sure = min(sure, generation.certainty)
            seen = counts([region.label for region in found if region.image == index])
            lines.append(
                f"Image {index + 1}: {reply.text} Found: {seen or 'no known object'}."
            )
        return _Verdict(" ".join(lines), sure, found)

    # 8 place

    def _area(self, rasters: Sequence[Raster], regions: Sequence[Region]) -> str:
        pixels = sum(region.shape.area for region in regions)
        places = [rasters[region.image].georeference for region in regions]
        areas = [
            place.area_m2(region.shape)
            for place, region in zip(places, regions, strict=True)
            if place is not None
        ]
        known = [area for area in areas if area is not None]
        return area_text(sum(known) if len(known) == len(regions) else None, pixels)

    def _place(
        self, state: State, rasters: Sequence[Raster], verdict: _Verdict
    ) -> Answer:
        return Answer(
            task=state.task.name,
            question=state.question,
            text=verdict.text,
            abstained=verdict.abstained,
            confidence=min(max(verdict.confidence, 0.0), 1.0),
            images=tuple(AnswerImage.of(i, raster) for i, raster in enumerate(rasters)),
            regions=tuple(
                AnswerRegion.of(i, region, rasters[region.image].georeference)
                for i, region in enumerate(verdict.regions, start=1)
            ),
            count=verdict.count,
            evidence=state.evidence,
            trace=tuple(state.trace),
            model=ModelInfo(
                name=self.engine.name,
                revision=self.engine.revision,
                engine=self.engine.kind,
            ),
            warnings=tuple(dict.fromkeys(state.warnings)),
            timing_ms={name: round(ms) for name, ms in state.timing.items()},
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
