"""Answers one question about the images of a round: zoom, ask, read, refine, judge.

The steps in the middle of :meth:`rsvlm.assistant.Assistant.ask`. Objects are sought by
the region finder, land cover and large places by the scene model, and what neither
knows is left to the engine's words.
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rsvlm.answer import TraceStep, keep_citations
from rsvlm.dialects import get_dialect
from rsvlm.doubts import GUESS, doubts, strange_boxes, sure_of_count
from rsvlm.engines.base import Engine
from rsvlm.findings import Finder, Findings, Purpose, ShapeKind
from rsvlm.focus import kept
from rsvlm.geometry import Region
from rsvlm.labels import SCENES
from rsvlm.looking import legends
from rsvlm.measures import Measure, measure_of
from rsvlm.measuring import measured
from rsvlm.messages import Generation
from rsvlm.questions import is_open, is_presence, plain
from rsvlm.questions import options as listed_options
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.replies import (
    area_text,
    count_text,
    counts,
    found_text,
    presence_text,
    told_text,
    unknown_text,
)
from rsvlm.scenes import SceneModel, choose_class
from rsvlm.search import Scans, State, trace_step
from rsvlm.seeking import Seeker
from rsvlm.sharpening import sharpened
from rsvlm.tasks import Reply, get_task
from rsvlm.zoom import ZoomName

#: Tasks whose answer is regions, or a number of them.
REGION_TASKS = frozenset({"count", "ground", "segment", "detect"})
#: What a small model says to questions that it does not understand.
YES_OR_NO = re.compile(r"(?:yes|no)[.!]?", re.IGNORECASE)
#: Most tokens of a reply with regions, by their kind; of other replies as of boxes.
SHAPE_TOKENS = {"hbb": 48, "obb": 96, "polygon": 160, "mask": 160}
#: Most tokens a reply, by task.
MAX_TOKENS = {"caption": 64, "compare": 64, "count": 8, "classify": 16, "detect": 16}


@dataclass(frozen=True, slots=True)
class Options:
    """How a question is to be answered; see :meth:`rsvlm.assistant.Assistant.ask`."""

    shape: ShapeKind | None = None
    zoom: ZoomName = "auto"
    seed: int | None = None
    on_text: Callable[[str], None] | None = None


@dataclass(frozen=True)
class Verdict:
    """Text, regions and confidence, before they are placed on the Earth."""

    text: str
    confidence: float
    regions: tuple[Region, ...] = ()
    count: int | None = None
    abstained: bool = False


class Answerer:
    """Puts one question to engine, finder and scene model."""

    def __init__(
        self,
        engine: Engine,
        finder: Finder | None,
        scenes: SceneModel | None,
        least: float,
        scans: Scans | None = None,
    ) -> None:
        """Join the parts; see :class:`rsvlm.assistant.Assistant`."""
        self.engine, self.least = engine, least
        self.seeker = Seeker(finder, scenes, scans)

    def answer(
        self, state: State, rasters: Sequence[Raster], options: Options
    ) -> Verdict:
        """Answer the question of a state about its images.

        Args:
            state: The question; steps, warnings and times are added.
            rasters: All rasters, open.
            options: Shape, zoom, seed, stream.
        """
        if self.seeker.labels and (measure := measure_of(state.question)):
            return self._measured(measure, state, rasters, options)
        sought = self._is_sought(state)
        reason = self.seeker.cannot(state, rasters) if sought else None
        if reason:
            return Verdict(reason, 1.0, abstained=True)
        doubtful = self._doubt(state, rasters)
        chosen = self._choice(state, doubtful)
        if chosen:
            return chosen
        sought &= state.subject is None or self.seeker.can_seek(state, rasters)
        kind = kind_of(state, options)
        if sought:  # words add nothing: see docs/log.md
            regions = state.task.name in REGION_TASKS
            judge = self._regions if regions else self._presence
            return judge(state, rasters, kind, options)
        reply, generation = self.generate(state, options)
        chosen = self._choice(state, doubtful, (reply, generation))
        if chosen:
            return chosen
        confidence = generation.certainty * (GUESS if doubtful else 1.0)
        return self._text(state, rasters, reply, confidence, options)

    # what can be asked

    def _is_sought(self, state: State) -> bool:
        """Whether the answer should come from regions, if they can be found."""
        subject = state.subject
        if state.task.name in REGION_TASKS:
            if subject is None:
                return self.seeker.finds_objects
            return self.seeker.finds_objects or subject.label in self.seeker.labels
        return (
            state.task.name == "vqa"
            and is_presence(state.question)
            and subject is not None
            and subject.label in self.seeker.labels
        )

    def _choice(
        self,
        state: State,
        doubtful: bool,
        said: tuple[Reply, Generation] | None = None,
    ) -> Verdict | None:
        """Choose among the classes that a question lists, or the scenes that are known.

        The aligned encoders are better at that than the words of a small model, which
        count a little for optical images and not for radar, of which it has seen few:
        there it is not asked. None leaves the question to the engine.
        """
        listed: Sequence[str] = listed_options(state.question)
        word = plain(said[0].text).strip(" .") if said else ""
        if len(listed) < 2 and word in SCENES:
            listed = tuple(SCENES)
        scenes, views = self.seeker.scenes, [state.views[i] for i in state.images]
        if (
            scenes is None
            or state.task.name != "classify"
            or len(listed) < 2
            or any(view.sensor not in scenes.sensors for view in views)
            or all(view.sensor == "sar" for view in views) != (said is None)
        ):
            return None
        start = time.perf_counter()
        certainty = said[1].certainty if said else 0.0
        name, sure = choose_class(scenes, views, listed, word, certainty)
        state.trace.append(trace_step("choose", views[0], start, sure))
        return Verdict(name, sure * (GUESS if doubtful else 1.0))

    def _doubt(self, state: State, rasters: Sequence[Raster]) -> bool:
        views = [state.views[i] for i in state.images]
        said = doubts(self.engine, views, [rasters[i].gsd for i in state.images])
        state.warnings += [line for line in said if line not in state.warnings]
        return bool(said)

    # ask and read

    def generate(self, state: State, options: Options) -> tuple[Reply, Generation]:
        """Return the engine's reply about the images of a state, read."""
        start = time.perf_counter()
        able = self.engine.capabilities
        codec, kind = get_dialect(able.dialect), kind_of(state, options)
        views = [state.views[i] for i in state.images] + list(state.extra)
        nearer = [view for i in state.images for view in state.closer.get(i, ())]
        # A model of one picture sees the best window, in place of the whole.
        views = nearer if nearer and able.together == 1 else views + nearer
        views = views[: able.together]
        messages = state.task.messages(
            state.question,
            views,
            [f"{item.text} ({item.source})" for item in state.evidence],
            codec.instruction(kind),
            legends(views, able.sensors),
        )
        generation = state.reply or self.engine.generate(
            messages,
            max_tokens=able.reply_tokens
            or MAX_TOKENS.get(state.task.name, SHAPE_TOKENS[kind]),
            seed=options.seed,
            on_text=options.on_text,
        )
        spent = 1000 * (time.perf_counter() - start)
        state.timing["generate"] = state.timing.get("generate", 0.0) + spent
        reply = state.task.parse(generation.text, views[0].window, codec)
        about = views[0] if len(views) == 1 else None
        state.trace.append(
            TraceStep(
                step="ask",
                image=about.image if about else None,
                sensor=about.sensor if about else None,
                score=generation.mean_logprob,
                ms=round(spent),
            )
        )
        return reply, generation

    def _search(
        self,
        state: State,
        rasters: Sequence[Raster],
        shape: ShapeKind,
        options: Options,
        purpose: Purpose = "locate",
    ) -> Findings:
        start = time.perf_counter()
        found = self.seeker.search(state, rasters, shape, options.zoom, purpose)
        spent = 1000 * (time.perf_counter() - start)
        state.timing["refine"] = state.timing.get("refine", 0.0) + spent
        return found

    # judge

    def _regions(
        self,
        state: State,
        rasters: Sequence[Raster],
        kind: ShapeKind,
        options: Options,
    ) -> Verdict:
        found = self._search(state, rasters, kind, options)
        drawn = state.task.name in ("ground", "segment")
        if drawn and not found.regions and state.subject:
            # "Where is the ship?" takes for granted that there is one: the best
            # candidate is shown, though nobody would count it.
            shown = self._search(state, rasters, kind, options, "named")
            weak = shown.regions[:1]
            missed = max(found.missed - sum(r.confidence for r in weak), 0.0)
            found = Findings(weak, found.best, missed, shown.chosen)
        regions = found.regions
        name = state.subject.name if state.subject else None
        is_one = state.subject is not None and not state.subject.noun.endswith("s")
        sure = self.seeker.sure(found, drawn and is_one)
        covers = self.seeker.cover_text(state, rasters, regions)
        if covers:
            return Verdict(covers, sure, regions, len(regions))
        labels = [region.label for region in regions]
        if state.task.name == "count" and name is not None:
            sure = sure_of_count([r.confidence for r in regions], found.missed)
            return Verdict(count_text(len(regions), name), sure, regions, len(regions))
        text = found_text(labels, name)
        if state.task.name == "segment" and regions:
            text = f"{text.removesuffix('.')}, covering {area_of(rasters, regions)}."
        return Verdict(text, sure, regions, len(regions))

    def _measured(
        self,
        measure: Measure,
        state: State,
        rasters: Sequence[Raster],
        options: Options,
    ) -> Verdict:
        """Answer with a length, a distance or a density; words know none of them."""
        for about in filter(None, (measure.first, measure.second)):
            asked = replace(state, subject=about, question=about.phrase)
            reason = self.seeker.cannot(asked, rasters)
            if not (reason or self.seeker.can_seek(asked, rasters)):
                reason = unknown_text(about.name, self.seeker.labels)
            if reason:
                return Verdict(reason, 1.0, abstained=True)
        kind = options.shape or ("hbb" if measure.kind == "density" else "obb")

        def find(about: State) -> Findings:
            return self._search(about, rasters, kind, options)

        text, found = measured(measure, state, rasters, find)
        taken = found.regions
        sure = self.seeker.sure(found, False)
        count = len(taken) if measure.kind == "density" else None
        return Verdict(text, sure, taken, count)

    def _text(
        self,
        state: State,
        rasters: Sequence[Raster],
        reply: Reply,
        confidence: float,
        options: Options,
    ) -> Verdict:
        """Judge an answer that the engine gave in words."""
        if confidence < self.least and not reply.regions:
            return Verdict(
                f"I am not sure enough to answer. My best guess, {reply.text!r}, has a "
                f"confidence of {confidence:.2f}.",
                confidence,
                abstained=True,
            )
        if is_open(state.question) and YES_OR_NO.fullmatch(reply.text):
            return Verdict(
                f"I cannot tell: the model answered {reply.text!r}, which does not fit "
                "the question.",
                confidence,
                abstained=True,
            )
        text = keep_citations(reply.text, {item.id for item in state.evidence})
        found: tuple[Region, ...] = ()
        if state.task.name == "caption" and self.seeker:
            everything = replace(state, subject=None)
            seen = self._search(everything, rasters, "hbb", options, "anything")
            found = seen.regions
            if found:
                listed = counts([region.label for region in found])
                text = f"{text} Found by the region head: {listed}."
            shares = self.seeker.shares_text(state, rasters)
            weak = self.engine.capabilities.weak
            if shares and all(rasters[i].sensor in weak for i in state.images):
                text = ""  # a measure is worth more
            text = f"{text} {shares}".strip()
        if state.task.boxes:
            window = state.views[state.images[0]].window
            state.warnings += strange_boxes(self.engine, reply.text, window)
            told = kept(Findings(reply.regions, 1.0), rasters).regions
            labels = [region.label for region in told]
            asked = state.subject.name if state.subject else None
            text = told_text(text, labels, asked)
            kind = kind_of(state, options)
            regions = sharpened(self.seeker.finder, state, rasters, told, kind)
            return Verdict(text, confidence, regions, len(regions))
        return Verdict(text or "(no answer)", confidence, found)

    def _presence(
        self,
        state: State,
        rasters: Sequence[Raster],
        shape: ShapeKind,
        options: Options,
    ) -> Verdict:
        """Answer yes or no by what is found."""
        found = self._search(state, rasters, shape, options, "presence")
        taken = found.regions
        if len(taken) > 1:
            # As many as a count would say; the views are known, so it costs little.
            aside = replace(state, trace=[], timing={})
            counted = self._search(aside, rasters, shape, options).regions
            taken = counted or taken[:1]
        name = state.subject.name if state.subject else "object"
        sure = found.best if taken else 1 - found.best
        text = self.seeker.cover_text(state, rasters, taken)
        text = f"{'Yes' if taken else 'No'}: {text}" if text else ""
        return Verdict(text or presence_text(len(taken), name), sure, taken, len(taken))

    def describe(
        self, state: State, rasters: Sequence[Raster], view: View, options: Options
    ) -> tuple[str, float]:
        """Return the engine's words about one view, and how sure they are."""
        views = list(state.views)
        views[view.image] = view
        about = replace(
            state, task=get_task("caption"), question="Describe the image.",
            images=(view.image,), views=views, extra=(),
        )  # fmt: skip
        doubtful = self._doubt(about, rasters)
        reply, generation = self.generate(about, options)
        return reply.text, generation.certainty * (GUESS if doubtful else 1.0)


def area_of(rasters: Sequence[Raster], regions: Sequence[Region]) -> str:
    """Return the area of regions in words, on the ground where that is known."""
    pixels = sum(region.shape.area for region in regions)
    places = [rasters[region.image].georeference for region in regions]
    areas = [
        place.area_m2(region.shape)
        for place, region in zip(places, regions, strict=True)
        if place is not None
    ]
    known = [area for area in areas if area is not None]
    return area_text(sum(known) if len(known) == len(regions) else None, pixels)


def kind_of(state: State, options: Options) -> ShapeKind:
    """Return the kind of the regions: what was asked for, else masks or boxes."""
    return options.shape or ("mask" if state.task.name == "segment" else "hbb")
