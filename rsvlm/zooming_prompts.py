"""What a model is told so that it can zoom in: three forms of one conversation.

A model of rsvlm sees one picture and one sentence, as in its training; another model of
one picture is told the form of a request each time; a model of several pictures sees all
that it asked for, and its own requests.
"""

from rsvlm.engines.base import Capabilities
from rsvlm.geometry import Window
from rsvlm.instructions import ZOOM
from rsvlm.messages import Message, Tool, ToolCall
from rsvlm.tasks import harmless, with_sentence
from rsvlm.zoom import Look, Zoom
from rsvlm.zooming_requests import TOOL, UNITS, write_arguments, write_request

_FORM = (
    f"with the corners of the part in thousandths of that picture (0 to {UNITS}), left "
    "and top first. Use it when what is asked about is too small to be sure. Otherwise "
    "answer the question."
)
_SYSTEM = (
    "You answer questions about remote sensing images that are larger than the pictures "
    "you are shown. Picture 1 is the whole image, made smaller. You have one tool, "
    f"{TOOL}: it shows a part of a picture at full resolution. To use it, write one "
    "line and nothing else:\n"
    f'{{"name": "{TOOL}", "arguments": {{"picture": 1, "bbox": [x0, y0, x1, y1]}}}}\n'
    + _FORM
)
_SYSTEM_ONE = (
    "You answer questions about remote sensing images that are larger than the picture "
    f"you are shown. You have one tool, {TOOL}: it shows a part of the picture at full "
    "resolution. To use it, write one line and nothing else:\n"
    f'{{"name": "{TOOL}", "arguments": {{"bbox": [x0, y0, x1, y1]}}}}\n' + _FORM
)

#: The tool, for servers that know tools.
ZOOM_TOOL = Tool(
    TOOL,
    "Shows a part of a picture at full resolution. Use it when what is asked about is "
    "too small to be sure.",
    {
        "type": "object",
        "properties": {
            "picture": {
                "type": "integer",
                "minimum": 1,
                "description": "Number of the picture; 1 is the whole image.",
            },
            "bbox": {
                "type": "array",
                "items": {"type": "number", "minimum": 0, "maximum": UNITS},
                "minItems": 4,
                "maxItems": 4,
                "description": "Left, top, right and bottom of the part in thousandths "
                "of that picture.",
            },
        },
        "required": ["bbox"],
    },
)


def prompt(look: Look, able: Capabilities, may_zoom: bool) -> list[Message]:
    """Return the conversation that lets a model zoom in or answer.

    Args:
        look: The question, and what was seen so far.
        able: What the model can take.
        may_zoom: Whether another window may be asked for.
    """
    question = harmless(look.question).strip()
    last = look.views[-1]
    if able.together == 1 and able.dialect == "rsvlm":
        return [Message("user", (last, with_sentence(look.question, ZOOM)))]
    if able.together == 1:
        return [Message("system", (_SYSTEM_ONE,)), Message("user", (last, question))]
    messages = [
        Message("system", (_SYSTEM,)),
        Message("user", (look.views[0], f"Picture 1.\n{question}")),
    ]
    for number, (zoom, view) in enumerate(
        zip(look.zooms, look.views[1:], strict=True), start=2
    ):
        messages += _asked(look, zoom)
        again = "Answer the question, or zoom in again."
        if number == len(look.views) and not may_zoom:
            again += "\nNow answer: no more zooming."
        text = f"Picture {number}: that part at full resolution.\n{question}\n{again}"
        messages.append(Message("user", (view, text)))
    return messages


def _asked(look: Look, zoom: Zoom) -> list[Message]:
    """Return the request that led to a window, in the form in which it came."""
    whole = look.views[0].window
    box = Window(whole.box, UNITS, UNITS).to_view(zoom.window.box)
    if not zoom.call:
        return [Message("assistant", (write_request(box, picture=1),))]
    called = ToolCall(zoom.call, TOOL, write_arguments(box, picture=1))
    # The result of a tool is text: the picture follows in a turn of the user.
    shown = Message("tool", ("The part is shown next.",), call_id=zoom.call)
    return [Message("assistant", (), calls=(called,)), shown]
