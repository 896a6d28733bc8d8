"""Everything technical in plain words: how sure, what is being done, what went wrong."""

from collections.abc import Sequence

from rsvlm.answer import Answer, AnswerImage, TraceStep
from rsvlm.errors import (
    EngineError,
    EngineRefusedError,
    EngineTimeoutError,
    RsvlmError,
    StoppedError,
)
from rsvlm.progress import Progress

#: Least confidence -> how an answer of that confidence is called.
SURENESS = (
    (0.9, "Very sure"),
    (0.7, "Fairly sure"),
    (0.45, "Not very sure"),
    (0.0, "Unsure: check this yourself"),
)
SENSORS = {
    "optical": "optical image",
    "multispectral": "multispectral image",
    "sar": "radar image",
}
#: Stage of the work -> what the page says meanwhile, and what its parts are called.
STAGES = {
    "look": ("Looking at the whole image", "images"),
    "recall": ("Looking up what is known about the place", "passages"),
    "zoom": ("Choosing where to look closer", "windows"),
    "search": ("Searching the image", "windows"),
    "land cover": ("Reading the land cover", "windows"),
    "outline": ("Drawing outlines", "objects"),
    "write": ("Writing", "words at most"),
    "place": ("Placing the answer on the Earth", "objects"),
}
#: Step of a trace -> what was done.
STEPS = {
    "look": "Looked at the whole image",
    "recall": "Looked up passages about the place",
    "zoom": "Looked closer here",
    "search": "Compared the tiles of the image with the question",
    "score": "Compared the tiles of the image with the question",
    "route": "Chose how to search",
    "ask": "Asked the language model",
    "refine": "Searched for objects",
    "choose": "Compared the classes that the question lists",
    "cover": "Read the land cover",
    "compare": "Compared the images",
}


def sureness(answer: Answer) -> str:
    """Return how sure an answer is, in words and percent."""
    percent = f"{100 * answer.confidence:.0f} %"
    if answer.abstained:
        return "No answer given, on purpose: a guess would not be worth much"
    words = next(text for least, text in SURENESS if answer.confidence >= least)
    return f"{words} ({percent})"


def level(answer: Answer) -> str:
    """Return ``"high"``, ``"middle"``, ``"low"`` or ``"none"``: how to colour it."""
    if answer.abstained:
        return "none"
    if answer.confidence >= SURENESS[1][0]:
        return "high"
    return "middle" if answer.confidence >= SURENESS[2][0] else "low"


def image_words(image: AnswerImage) -> str:
    """Return size, sensor, ground sampling and CRS of an image, in a line."""
    facts = [
        SENSORS.get(image.sensor, image.sensor),
        f"{image.width:,} x {image.height:,} pixels".replace(",", " "),
        f"{image.bands} band{'s' * (image.bands != 1)}",
    ]
    if image.gsd_m:
        facts.append(f"{image.gsd_m:.2g} m per pixel")
    facts.append(image.crs or "no place on the Earth known")
    return ", ".join(facts)


def rests_on(answer: Answer) -> str:
    """Return which images, of which sensor, an answer rests on.

    The images that were looked at count; where the trace names none, all do.
    """
    seen = {step.image for step in answer.trace if step.image is not None}
    images = [image for image in answer.images if image.id in seen] or answer.images
    several = len(answer.images) > 1
    names = [
        f"the {SENSORS.get(image.sensor, image.sensor)}"
        + (f" (image {image.id + 1})" if several else "")
        for image in images
    ]
    known = ["passages that are cited"] if answer.evidence else []
    return listed([*names, *known])


def listed(words: Sequence[str]) -> str:
    """Return words joined to a list.

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def step_words(step: TraceStep) -> str:
    """Return what one step of a trace did."""
    text = STEPS.get(step.step, step.step.capitalize())
    facts = []
    if step.rendering:
        facts.append(step.rendering.replace("-", " "))
    if step.window and step.step not in ("look", "ask"):
        x0, y0, x1, y1 = step.window
        facts.append(f"{x1 - x0:.0f} x {y1 - y0:.0f} pixels at {x0:.0f}, {y0:.0f}")
    if step.scale and step.scale != 1:
        facts.append(f"{step.scale:.3g} image pixels in one seen")
    return f"{text} ({'; '.join(facts)})" if facts else text


def stage_words(progress: Progress | None, position: int | None) -> str:
    """Return what is being done now.

    Args:
        progress: The last report; None before the first.
        position: How many are served before; None if it is being worked on.
    """
    if position is not None:
        if position < 1:
            return "You are next in the queue"
        return f"Waiting: {position} question{'s' * (position != 1)} before yours"
    if progress is None:
        return "Starting"
    text, unit = STAGES.get(progress.stage, (progress.stage.capitalize(), "parts"))
    if progress.total > 1:
        return f"{text}: {progress.done} of {progress.total} {unit}"
    return text


def seconds_words(seconds: float) -> str:
    """Return a time.

    >>> seconds_words(4.21), seconds_words(95)
    ('4 s', '1 min 35 s')
    """
    if seconds < 0.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def trouble(error: BaseException) -> str:
    """Return what went wrong and what to do, for whoever sits before the page."""
    if isinstance(error, StoppedError):
        return "Stopped, as you asked."
    status = getattr(error, "status_code", None) or getattr(error, "status", None)
    retry = getattr(error, "retry_after", None)
    if status in (429, 503) and not isinstance(error, EngineError):
        wait = f"in about {seconds_words(retry)}" if retry else "in a minute"
        return f"Many questions are being answered right now. Please try again {wait}."
    if status == 504 or isinstance(error, EngineTimeoutError):
        return (
            "This took longer than allowed and was stopped. Ask about a part of the "
            "image (draw a box on it), or ask something simpler."
        )
    if isinstance(error, EngineRefusedError):
        return f"The model refuses to answer this. {error}"
    if isinstance(error, EngineError):
        return (
            "The model does not answer at the moment. Your images and this "
            "conversation are kept: press Ask again in a while."
        )
    if isinstance(error, RsvlmError):
        return str(error)
    message = getattr(error, "message", None)
    if status is not None and isinstance(message, str):
        return message
    return (
        "Something went wrong on our side, and it has been noted. Your images and this "
        "conversation are kept: please ask again."
    )
