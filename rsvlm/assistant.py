"""Answers a question about rasters: look, recall, zoom, ask, read, refine, judge, place.

The one path of data. The command line, the server, the chat page, batch runs and the
evaluation all call :meth:`Assistant.ask`. The steps in the middle stand in
:mod:`rsvlm.answering`, several images in :mod:`rsvlm.rounds` and :mod:`rsvlm.several`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rsvlm.answer import Answer, AnswerImage, AnswerRegion, ModelInfo, TraceStep
from rsvlm.answering import Answerer, Options, Verdict
from rsvlm.engines.base import Engine
from rsvlm.errors import SettingsError
from rsvlm.explaining import account
from rsvlm.file_facts import file_fact
from rsvlm.findings import Finder, ShapeKind
from rsvlm.focus import Focus, RasterPart
from rsvlm.followup import Turn, resolve
from rsvlm.knowing import Composed, Knowledge, check_citations, disagreement
from rsvlm.looking import lacking, plan_views
from rsvlm.pointing import answer_at, said_of_part
from rsvlm.progress import report
from rsvlm.questions import tidy
from rsvlm.raster import Raster
from rsvlm.registration import Registration, register
from rsvlm.render import View
from rsvlm.rounds import Round, check_question, plan_rounds
from rsvlm.scenes import SceneModel
from rsvlm.search import Scans, State, trace_step
from rsvlm.seeking import Seeker
from rsvlm.several import compare, joined, place_of, placed_elsewhere
from rsvlm.subjects import subject
from rsvlm.tasks import choose_task, get_task
from rsvlm.zoom import ZoomName, ZoomPolicy
from rsvlm.zooming import zoom_in


@dataclass(frozen=True)
class Assistant:
    """An engine with a region finder and, where there is one, a retriever.

    Attributes:
        engine: What reads the picture and writes the text.
        finder: What draws, counts and measures objects; None leaves that to the engine.
        retriever: Background knowledge.
        least: Confidence below which a text answer is withheld.
        scenes: What reads land cover and large places; None leaves that to the engine.
        zooms: What may choose windows to look at, by name.
        scans: Knows the objects of rasters that were looked at in advance.

    .. versionadded:: 0.1
    """

    engine: Engine
    finder: Finder | None = None
    retriever: Knowledge | None = None
    least: float = 0.2
    scenes: SceneModel | None = None
    zooms: Mapping[str, ZoomPolicy] = field(default_factory=dict)
    scans: Scans | None = None

    def ask(
        self,
        rasters: Sequence[Raster],
        question: str,
        task: str = "auto",
        *,
        shape: ShapeKind | None = None,
        zoom: ZoomName = "auto",
        seed: int | None = None,
        on_text: Callable[[str], None] | None = None,
        history: Sequence[Turn] = (),
        focus: Sequence[Focus] = (),
    ) -> Answer:
        """Answer one question.

        Args:
            rasters: Opened images; "image 1" is the first. Several images with a place
                on the Earth must overlap.
            question: What the user wrote.
            task: Name of a task, or ``"auto"`` to choose by the question.
            shape: Kind of the regions; default: masks when segmenting, else boxes.
            zoom: ``"none"`` looks at the whole image only, ``"auto"`` at its tiles
                where objects are sought, and closer where :attr:`zooms` has a policy
                of that name; other names are those of :attr:`zooms`.
            seed: Seed of the engine.
            on_text: Called with each piece of the engine's text.
            history: Earlier turns about the same rasters, oldest first: "and the second
                one?" is read against them. A turn of which only the words are known is
                answered again where its regions are needed.
            focus: Places that the question is about, such as a box that was drawn.

        Returns:
            The answer, placed on the Earth where the rasters are.

        Raises:
            SettingsError: If there is no image or no question, there are more images
                than the model takes, they do not overlap, or a place lies outside.
            UnknownNameError: If there is no such task.
            ImageError: If an image cannot be read.
            EngineError: If the engine gives no answer.
        """
        options, turns = Options(shape, zoom, seed, on_text), list(history)
        return self._ask(rasters, question, task, options, turns, len(turns), focus)

    def _ask(
        self,
        rasters: Sequence[Raster],
        question: str,
        task: str,
        options: Options,
        turns: list[Turn],
        before: int,
        focus: Sequence[Focus] = (),
    ) -> Answer:
        """Answer a question after the first ``before`` turns.

        A turn that has to be answered again takes its place in ``turns``: none is
        answered twice, however many others point to it.
        """
        able = self.engine.capabilities
        check_question(question, len(rasters), able.max_images, self.engine.name)
        start = time.perf_counter()

        def again(index: int) -> Turn:
            past = turns[index]
            if past.confidence is None:
                quiet = Options(zoom=options.zoom, seed=options.seed)
                turns[index] = Turn.of(
                    self._ask(rasters, past.question, past.task, quiet, turns, index)
                )
            return turns[index]

        meant = resolve(tidy(question), turns[:before], again, focus)
        places = meant.focus
        said = said_of_part(meant.question) if places else meant.question
        state = self._state(rasters, said, task)
        if meant.note:
            state.trace.append(TraceStep(step="follow-up", note=meant.note, ms=0))
        state.warnings += [meant.warning] if meant.warning else []
        if meant.reply is not None:
            sure, state.task = meant.reply.confidence, get_task("vqa")
            said = account(meant.reply, meant.task == "doubt")
            verdict = Verdict(
                said, 1.0 if sure is None else sure, abstained=sure is None
            )
        elif places:
            answerer = self._answerer
            verdict = answer_at(
                answerer, state, rasters, places, options,
                lambda asked, parts: self._verdict(asked, parts, options, task),
            )  # fmt: skip
        else:
            verdict = self._verdict(state, rasters, options, task)
        report("place")
        state.timing["total"] = 1000 * (time.perf_counter() - start)
        return self._place(replace(state, question=question), rasters, verdict)

    def _state(self, rasters: Sequence[Raster], question: str, task: str) -> State:
        """Return what a question says before anything is looked at."""
        meant = Seeker(self.finder, self.scenes).implied(question, rasters)
        name = task
        if task == "auto":
            name = "segment" if meant else choose_task(question, len(rasters))[0]
        state = State(question, get_task(name), meant or subject(question), [])
        for raster in rasters:
            state.warnings += [w for w in raster.warnings if w not in state.warnings]
        return state

    def _verdict(
        self, state: State, rasters: Sequence[Raster], options: Options, task: str
    ) -> Verdict:
        """Look, recall, zoom, ask, read, refine and judge."""
        registration = self._register(state, rasters)
        self._look(state, rasters)
        told = self._recall(state, rasters)
        asked = state
        if told is not None and told.rest:
            name = choose_task(told.rest, len(rasters))[0] if task == "auto" else task
            asked = replace(
                state, question=told.rest, task=get_task(name),
                subject=subject(told.rest), evidence=(),
            )  # fmt: skip
        reason = lacking(asked.question, rasters)
        whole = not any(isinstance(raster, RasterPart) for raster in rasters)
        fact = file_fact(asked.question, rasters) if whole else None
        if told is not None and not told.rest:
            verdict = Verdict(told.text, told.confidence, abstained=told.abstained)
        elif reason:
            verdict = Verdict(reason, 1.0, abstained=True)
        elif fact and task in ("auto", "vqa"):
            state.trace.append(TraceStep(step="file", note="told by the file", ms=0))
            verdict = Verdict(fact, 1.0)
        else:
            if whole:
                self._zoom_in(asked, rasters, options.zoom)
            verdict = self._answer(asked, rasters, registration, options, task)
        if told is not None and told.rest:
            verdict = replace(
                verdict,
                text=f"{verdict.text} {told.text}",
                confidence=min(verdict.confidence, told.confidence),
                abstained=False,
            )
        elif told is None:
            verdict = self._checked(state, rasters, verdict)
        return verdict

    # 1 look

    def _register(self, state: State, rasters: Sequence[Raster]) -> Registration:
        """Find out how the images lie to each other.

        Images of one sensor may show different places, unless they are compared.
        """
        start = time.perf_counter()
        try:
            registration = register(rasters)
        except SettingsError as error:
            sensors = {raster.sensor for raster in rasters}
            if len(sensors) > 1 or state.task.name == "compare":
                raise
            state.warnings.append(str(error).split(": ")[0] + ": they are apart.")
            registration = Registration((), {})
        state.timing["register"] = 1000 * (time.perf_counter() - start)
        state.warnings += registration.warnings
        return registration

    def _look(self, state: State, rasters: Sequence[Raster]) -> None:
        able = self.engine.capabilities
        planned = plan_views(state.question, rasters, max(able.together, len(rasters)))
        seen: set[int] = set()
        extra: list[View] = []
        for number, (index, rendering) in enumerate(planned):
            report("look", number, len(planned))
            start = time.perf_counter()
            # A model of one picture was trained on what the eye sees.
            name = rendering if able.together > 1 else None
            view = rasters[index].preview(able.max_side, name, index)
            (extra if index in seen else state.views).append(view)
            seen.add(index)
            state.trace.append(trace_step("look", view, start))
        state.views.sort(key=lambda view: view.image)
        state.extra = tuple(extra)
        state.images = tuple(range(len(rasters)))

    # 2 recall

    def _recall(self, state: State, rasters: Sequence[Raster]) -> Composed | None:
        """Compose the answer from knowledge, or gather passages for the model."""
        if self.retriever is None:
            return None
        report("recall")
        start = time.perf_counter()
        told = self.retriever.compose(state.question, rasters)
        if told is not None:
            state.evidence = told.evidence
        else:
            state.evidence = tuple(self.retriever.search(state.question, rasters))
        spent = 1000 * (time.perf_counter() - start)
        state.timing["recall"] = spent
        best = max(
            (e.score for e in state.evidence if e.score is not None), default=None
        )
        state.trace.append(TraceStep(step="recall", score=best, ms=round(spent)))
        return told

    def _checked(
        self, state: State, rasters: Sequence[Raster], verdict: Verdict
    ) -> Verdict:
        """Drop citations that do not hold; tell where knowledge says otherwise."""
        if self.retriever is None:
            return verdict
        if state.evidence:
            similar = self.retriever.similarity
            checked = check_citations(verdict.text, state.evidence, similar)
            state.warnings += checked.warnings
            verdict = replace(verdict, text=checked.text)
        if state.subject is not None and verdict.count is not None:
            label = str(state.subject.label)
            known = self.retriever.known(label, rasters)
            first = len(state.evidence) + 1
            warning, cited = disagreement(label, verdict.count, known, first)
            if warning:
                state.warnings.append(warning)
                state.evidence += cited
        return verdict

    # 3 zoom

    def _zoom_in(self, state: State, rasters: Sequence[Raster], zoom: ZoomName) -> None:
        start = time.perf_counter()
        found = zoom_in(
            self.zooms, zoom, state.question, state.task.name, rasters, state.views
        )
        state.closer = found.views
        # Boxes are asked for in the words of the model's dialect.
        state.reply = None if state.task.boxes else found.reply
        state.trace += found.trace
        state.warnings += found.warnings
        state.timing["zoom"] = 1000 * (time.perf_counter() - start)

    # 4 to 7

    @property
    def _answerer(self) -> Answerer:
        return Answerer(self.engine, self.finder, self.scenes, self.least, self.scans)

    def _answer(
        self,
        state: State,
        rasters: Sequence[Raster],
        registration: Registration,
        options: Options,
        task: str,
    ) -> Verdict:
        answerer = self._answerer
        if state.task.name == "compare" and len(rasters) > 1:
            return compare(answerer, state, rasters, registration, options)
        sensors = [raster.sensor for raster in rasters]
        together = self.engine.capabilities.together >= len(rasters)
        rounds = plan_rounds(state.question, sensors, together)
        parts: list[tuple[int | None, Verdict]] = []
        for turn in rounds:
            asked = _turned(state, turn, len(rounds), len(rasters), task)
            if turn.there:
                found = [region for _, part in parts for region in part.regions]
                for image in turn.images:
                    part = place_of(
                        answerer, asked, rasters, registration, found, image, options
                    )
                    parts.append((image, part))
            elif together:
                parts.append((None, answerer.answer(asked, rasters, options)))
            else:
                for image in turn.images:
                    one = replace(asked, images=(image,), extra=())
                    parts.append((image, answerer.answer(one, rasters, options)))
        if len(parts) == 1:
            verdict = parts[0][1]
        else:
            verdict = joined(parts, sensors)
        if len(set(sensors)) > 1 and verdict.regions:
            verdict = placed_elsewhere(verdict, sensors, registration)
        return verdict

    # 8 place

    def _place(
        self, state: State, rasters: Sequence[Raster], verdict: Verdict
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


def _turned(state: State, turn: Round, rounds: int, images: int, task: str) -> State:
    """Return the state of a round: its own question, task, subject and images."""
    if rounds == 1:
        return replace(state, images=turn.images)
    name = state.task.name
    if task == "auto":
        name = choose_task(turn.question, images)[0]
    return replace(
        state,
        question=turn.question,
        task=get_task(name),
        subject=subject(turn.question),
        images=turn.images,
    )
