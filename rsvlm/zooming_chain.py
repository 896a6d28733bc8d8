"""ChainZoom: the model itself asks for windows, sees them, and answers or asks again.

What a request looks like stands in :mod:`rsvlm.zooming_requests`; servers that know tools
are told of one as well. What cannot be read is no request; the question then is answered
by the pictures seen so far. What a model is told stands in
:mod:`rsvlm.zooming_prompts`: a model of one picture sees each window alone.

Source:
    RSCoVLM's zoom-in chain, https://arxiv.org/abs/2511.21272, with several steps, a
    margin around the window and a least size, as in ZoomEarth.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from rsvlm.answer_parts import TraceStep
from rsvlm.engines.base import Engine, ToolEngine
from rsvlm.errors import EngineError
from rsvlm.geometry import Window
from rsvlm.messages import Generation
from rsvlm.zoom import Look, Zoom, drawn_at
from rsvlm.zooming_prompts import ZOOM_TOOL, prompt
from rsvlm.zooming_requests import TOOL, UNITS, Request, is_attempt, read_request
from rsvlm.zooming_windows import widened

#: Tasks whose answers a model of rsvlm gives in place of a request, as it was trained
#: to; the others have words of their own in which they are asked for.
SHORT = frozenset({"vqa", "count"})


@dataclass
class ChainZoom:
    """Lets the model zoom in step by step; a ``ZoomPolicy``.

    One object serves many questions: what a question has come to stands in its
    :class:`~rsvlm.zoom.Look` alone.

    Attributes:
        engine: The model.
        steps: Most windows.
        context: Share of a window added around it.
        least: Least side of a window, raster px.
        max_tokens: Most tokens of a reply.
        seed: Seed of the model.

    .. versionadded:: 0.2
    """

    engine: Engine
    steps: int = 3
    context: float = 0.1
    least: int = 512
    max_tokens: int = 256
    seed: int | None = None
    _side: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Take the size of pictures from the engine."""
        self._side = self.engine.capabilities.max_side

    def next(self, look: Look) -> Sequence[Zoom]:
        """Return the window that the model asks for; none when it has answered.

        Its answer then stands in ``look.reply``. A reply that can be neither read as a
        request nor taken for an answer leaves ``look.reply`` empty, and the question to
        be asked as ever, with the pictures seen so far.
        """
        able = self.engine.capabilities
        look.last_first = True
        may_zoom = len(look.zooms) < self.steps
        if look.reply is not None or (able.together > 1 and self._is_full(look)):
            return ()
        if able.together == 1 and not may_zoom:
            return ()  # the question itself is asked about the last window
        start = time.perf_counter()
        try:
            reply = self._ask(look, may_zoom)
        except EngineError as error:
            look.warnings.append(f"It was not zoomed in further: {error}")
            return ()
        call = next((c for c in reply.calls if c.name == TOOL), None)
        text = call.arguments if call else reply.text
        request = read_request(text)
        zoom = None
        if request and may_zoom:
            zoom = self._zoom(look, request, call.id or "zoom" if call else "")
        look.trace.append(_told(look, reply, zoom, start))
        if zoom is not None:
            return (zoom,)
        if not reply.calls and not is_attempt(text):
            if able.dialect != "rsvlm" or look.task in SHORT:
                look.reply = reply
        elif request is None:
            look.warnings.append(
                "The model asked for a part of the image in a form that cannot be read; "
                "it answers by what it has seen."
            )
        return ()

    def _is_full(self, look: Look) -> bool:
        return len(look.views) >= self.engine.capabilities.together

    def _ask(self, look: Look, may_zoom: bool) -> Generation:
        able = self.engine.capabilities
        messages = prompt(look, able, may_zoom)
        most = able.reply_tokens or self.max_tokens
        if able.tools:
            engine = cast(ToolEngine, self.engine)
            return engine.generate(
                messages, max_tokens=most, seed=self.seed, tools=(ZOOM_TOOL,)
            )
        return self.engine.generate(messages, max_tokens=most, seed=self.seed)

    def _zoom(self, look: Look, request: Request, call: str) -> Zoom | None:
        """Return the window of a request; None for one that shows nothing new."""
        number = request.picture
        if self.engine.capabilities.together == 1:
            number = len(look.views)  # it has seen no other
        if not 1 <= number <= len(look.views):
            return None
        seen = look.views[number - 1].window
        units = Window(seen.box, UNITS, UNITS)
        wanted = units.to_raster(request.box)
        box = widened(wanted, look.whole, self.context, self.least)
        window = drawn_at(box, self._side)
        for view in look.views:
            # The same window again, or one that the whole picture shows as well.
            shared = box.intersection(view.window.box)
            finer = view.window.scale[0] > 1.1 * window.scale[0]
            if shared > 0.95 * box.area and not finer:
                return None
        return Zoom(window, note="asked for by the model", call=call)


def _told(look: Look, reply: Generation, zoom: Zoom | None, start: float) -> TraceStep:
    said = " ".join(reply.text.split())
    said = " ".join([said, *(f"{c.name}({c.arguments})" for c in reply.calls)]).strip()
    verb = "zooms in" if zoom is not None else "answers"
    return TraceStep(
        step="ask",
        image=look.image,
        score=reply.mean_logprob,
        note=f"the model {verb}: {said[:200]}",
        ms=round(1000 * (time.perf_counter() - start)),
    )
