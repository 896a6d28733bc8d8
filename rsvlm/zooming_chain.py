"""ChainZoom: the model itself asks for windows, sees them, and answers or asks again.

What a request looks like stands in :mod:`rsvlm.zooming_requests`. What cannot be read is
none; the question then is answered by the pictures seen so far.

Source:
    RSCoVLM's zoom-in chain, https://arxiv.org/abs/2511.21272, with several steps, a
    margin around the window and a least size, as in ZoomEarth.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rsvlm.answer_parts import TraceStep
from rsvlm.engines.base import Engine
from rsvlm.errors import EngineError
from rsvlm.geometry import Window
from rsvlm.messages import Generation, Message
from rsvlm.tasks import harmless
from rsvlm.zoom import Look, Zoom, drawn_at
from rsvlm.zooming_requests import (
    TOOL,
    UNITS,
    Request,
    is_attempt,
    read_request,
    write_request,
)
from rsvlm.zooming_windows import widened

_SYSTEM = (
    "You answer questions about remote sensing images that are larger than the pictures "
    "you are shown. Picture 1 is the whole image, made smaller. You have one tool, "
    f"{TOOL}: it shows a part of a picture at full resolution. To use it, write one "
    "line and nothing else:\n"
    f'{{"name": "{TOOL}", "arguments": {{"picture": 1, "bbox": [x0, y0, x1, y1]}}}}\n'
    f"with the corners of the part in thousandths of that picture (0 to {UNITS}), left "
    "and top first. Use it when what is asked about is too small to be sure. Otherwise "
    "answer the question."
)


@dataclass
class ChainZoom:
    """Lets the model zoom in step by step; a ``ZoomPolicy``.

    One object serves many questions: what a question has come to stands in its
    :class:`~rsvlm.zoom.Look` alone.

    Attributes:
        engine: The model; it has to take several pictures.
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
        if len(look.views) >= able.together or look.reply is not None:
            return ()
        may_zoom = len(look.zooms) < self.steps
        start = time.perf_counter()
        try:
            reply = self.engine.generate(
                self._messages(look, may_zoom),
                max_tokens=able.reply_tokens or self.max_tokens,
                seed=self.seed,
            )
        except EngineError as error:
            look.warnings.append(f"It was not zoomed in further: {error}")
            return ()
        request = read_request(reply.text)
        zoom = self._zoom(look, request) if request and may_zoom else None
        look.trace.append(_told(look, reply, zoom, start))
        if zoom is not None:
            return (zoom,)
        if not is_attempt(reply.text):
            look.reply = reply
        elif request is None:
            look.warnings.append(
                "The model asked for a part of the image in a form that cannot be read; "
                "it answers by what it has seen."
            )
        return ()

    def _zoom(self, look: Look, request: Request) -> Zoom | None:
        """Return the window of a request; None for one that shows nothing new."""
        if not 1 <= request.picture <= len(look.views):
            return None
        seen = look.views[request.picture - 1].window
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
        return Zoom(window, note="asked for by the model")

    def _messages(self, look: Look, may_zoom: bool) -> list[Message]:
        question = harmless(look.question).strip()
        messages = [
            Message("system", (_SYSTEM,)),
            Message("user", (look.views[0], f"Picture 1.\n{question}")),
        ]
        for number, (zoom, view) in enumerate(
            zip(look.zooms, look.views[1:], strict=True), start=2
        ):
            messages.append(Message("assistant", (_written(look, zoom),)))
            again = "Answer the question, or zoom in again."
            text = (
                f"Picture {number}: that part at full resolution.\n{question}\n{again}"
            )
            messages.append(Message("user", (view, text)))
        if not may_zoom:
            last = messages[-1]
            parts = (
                *last.parts[:-1],
                f"{last.parts[-1]}\nNow answer: no more zooming.",
            )
            messages[-1] = Message("user", parts)
        return messages


def _written(look: Look, zoom: Zoom) -> str:
    """Return the request that led to a window, as the model should write it."""
    whole = look.views[0].window
    box = Window(whole.box, UNITS, UNITS).to_view(zoom.window.box)
    return write_request(box, picture=1)


def _told(look: Look, reply: Generation, zoom: Zoom | None, start: float) -> TraceStep:
    said = " ".join(reply.text.split())
    verb = "zooms in" if zoom is not None else "answers"
    return TraceStep(
        step="ask",
        image=look.image,
        score=reply.mean_logprob,
        note=f"the model {verb}: {said[:200]}",
        ms=round(1000 * (time.perf_counter() - start)),
    )
