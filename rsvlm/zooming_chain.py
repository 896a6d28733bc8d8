"""ChainZoom: the model itself asks for windows, sees them, and answers or asks again.

A request is one line of JSON in the text of the model,
``{"name": "image_zoom_in", "arguments": {"bbox": [x0, y0, x1, y1]}}``, with or without
the marks of a tool call around it: that form works with every engine, whether or not its
server knows tools. Coordinates are in thousandths of the picture that is named, so that
no one needs to know at which size a model sees it. What cannot be read is no request;
the question then is answered by the pictures seen so far.

Source:
    RSCoVLM's zoom-in chain, https://arxiv.org/abs/2511.21272, with several steps, a
    margin around the window and a least size, as in ZoomEarth.
"""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rsvlm.answer_parts import TraceStep
from rsvlm.engines.base import Engine
from rsvlm.errors import EngineError
from rsvlm.geometry import HBB, Window
from rsvlm.messages import Generation, Message
from rsvlm.tasks import harmless
from rsvlm.zoom import Look, Zoom, drawn_at
from rsvlm.zooming_windows import widened

#: Coordinates of a request run from 0 to this along either side of a picture.
UNITS = 1000
#: Name of the tool.
TOOL = "image_zoom_in"

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


@dataclass(frozen=True, slots=True)
class Request:
    """A part of a picture that the model wants to see.

    Attributes:
        picture: Number of the picture, from 1.
        box: The part, in thousandths of that picture.
    """

    picture: int
    box: HBB


def read_request(text: str) -> Request | None:
    """Return what the model asks to see, None where it asks for nothing.

    >>> read_request('<tool_call>{"arguments": {"bbox": [10, 20, 300, 400]}}</tool_call>')
    Request(picture=1, box=HBB(x0=10.0, y0=20.0, x1=300.0, y1=400.0))
    """
    for fields in _objects(text):
        arguments = fields.get("arguments", fields.get("parameters", fields))
        if isinstance(arguments, str):  # some servers pass them on as text
            arguments = next(iter(_objects(arguments)), None)
        if fields.get("name", TOOL) != TOOL or not isinstance(arguments, dict):
            continue
        box = _box(arguments.get("bbox", arguments.get("bbox_2d")))
        if box is not None:
            picture = arguments.get("picture", 1)
            return Request(picture if isinstance(picture, int) else 1, box)
    return None


def is_attempt(text: str) -> bool:
    """Return whether a text is a try to use the tool, readable or not."""
    return bool(re.search(rf"{TOOL}|</?tool_call>|\"bbox(?:_2d)?\"", text))


def _objects(text: str) -> list[dict[str, Any]]:
    """Return the JSON objects of a text that are not part of others."""
    found, at, reader = [], 0, json.JSONDecoder()
    while (at := text.find("{", at)) >= 0:
        try:
            value, at = reader.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def _box(value: Any) -> HBB | None:
    if not isinstance(value, list) or len(value) != 4:
        return None
    if not all(isinstance(v, int | float) and abs(v) < 1e6 for v in value):
        return None
    xs, ys = sorted(map(float, value[::2])), sorted(map(float, value[1::2]))
    box = HBB(xs[0], ys[0], xs[1], ys[1]).clip(UNITS, UNITS)
    return box if box is not None and box.area > 0 else None


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
    corners = [round(value) for value in (box.x0, box.y0, box.x1, box.y1)]
    return json.dumps({"name": TOOL, "arguments": {"picture": 1, "bbox": corners}})


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
