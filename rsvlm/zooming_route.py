"""Which way of looking a question needs: the whole image, all its tiles, or a part.

A count, a share, a comparison or a relation between places needs everything that is
there: a window would answer about itself. A question about one thing needs the window
that shows it, at full resolution. Rules over words, tried in order; the first that fits
decides and gives the reason, so that a wrong route can be named.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rsvlm.answer_parts import TraceStep
from rsvlm.questions import asks_scene, is_presence, plain
from rsvlm.subjects import subject
from rsvlm.zoom import Look, Sized, Zoom, ZoomPolicy

Route = Literal["overview", "tiles", "search", "chain"]

#: Longest side of an image that one picture shows in full, px.
FITS = 1024
#: Tasks that are about the image as a whole, or about everything in it.
BY_TASK: dict[str, Route] = {
    "caption": "overview",
    "classify": "overview",
    "compare": "overview",
    "count": "tiles",
    "detect": "tiles",
}

_AMOUNT = re.compile(
    r"\bhow (?:much|many|(?:large|big) an? (?:part|share)|dense|densely)\b"
    r"|\bnumber of\b|\b(?:count|amount|total|sum|percentage|percent|share"
    r"|proportion|fraction|ratio|majority|density|densities|coverage|extent|distribution|average|mean)s?\b"
    r"|\b(?:count|tally|every|each|all)\b(?! right)"
    r"|\bhow (?:is|are) .* (?:distributed|spread|arranged)\b|\bnumerous\b"
)
_MORE = re.compile(
    r"\b(?:more|fewer|less|as much|larger|bigger|smaller|longer|wider|denser"
    r"|closer|nearer|taller|higher|greater)\b.*\b(?:than|or|,)"
    r"|\b(?:larger|bigger|smaller|longer|wider|denser|closer) (?:of|one)\b"
    r"|\b(?:largest|biggest|smallest|longest|widest|densest|most|least|fewest|commonest"
    r"|dominant|main|predominant|prevailing|nearest|closest|farthest|furthest"
    r"|northernmost|southernmost|easternmost|westernmost|leftmost|rightmost|topmost)\b"
    r"|\bas many\b.* as\b|\boutnumber\w*"
    r"|\b(?:compare[ds]?|comparison|difference between|equal|same number)\b"
)
_RELATION = re.compile(
    r"\bhow far\b|\bdistances?\b|\bbetween\b.*\band\b|\brelative (?:to|position)\b"
    r"|\b(?:is|are|lies?|stands?)\b.*\b(?:left|right|north|south|east|west"
    r"|above|below)(?:ern|wards?)? (?:of|from|to)?\s*(?:the|a|an)\b"
    r"|\bin (?:what|which) direction\b|\bwhich (?:side|direction|corner|quadrant|half"
    r"|part)\b|\bconnect(?:s|ed|ing)?\b|\bsurround(?:s|ed|ing)?\b"
)
_WHOLE = re.compile(
    r"\b(?:describe|summari[sz]e|caption|overview|scene|landscape|land ?use|land ?cover"
    r"|region|season|weather|climate|cloud cover|layout|pattern)\b"
    r"|\b(?:kind|type|sort) of (?:area|place|scene|image|region|land|terrain|city)\b"
    r"|\bwhat (?:is|are|can be) (?:this|shown|seen|visible|depicted|in)\b"
    r"|\bwhat (?:do|can) (?:you|we|i) see\b|^(?:does|do) (?:this|it) look like\b"
    r"|\b(?:urban|rural|residential) or\b"
    r"|\b(?:taken|acquired|captured|resolution|sensor)\b"
)
#: What stands near the thing has to be found first, and then looked at.
_STEPS = re.compile(
    r"\b(?:next to|beside|near(?:by|est)?|close to|in front of|behind|on top of|inside"
    r"|within|under|along(?:side)?|opposite|adjacent to|attached to|written|painted"
    r"|marked|labell?ed|reads?|says?|text|sign|letters?|numbers? on|name of)\b"
    r"|\bin the (?:upper|lower|top|bottom|left|right|centre|center|middle)\b"
)


def route_zoom(question: str, raster: Sized, task: str) -> tuple[Route, str]:
    """Return how a question should be looked at, and why.

    Args:
        question: What is asked.
        raster: The image.
        task: Name of the kind of answer.

    Returns:
        ``"overview"``: the image as a whole in one picture. ``"tiles"``: all of it,
        tile by tile, with what was found united. ``"search"``: the windows that fit
        the thing named. ``"chain"``: the model chooses windows, step by step.
    """
    if max(raster.width, raster.height) <= FITS:
        return "overview", "one picture shows all pixels"
    text = plain(question)
    about = subject(question)
    if task in BY_TASK:
        return BY_TASK[task], f"the task is {task}"
    rules: Sequence[tuple[re.Pattern[str], Route, str]] = (
        (_AMOUNT, "tiles", "asks for an amount"),
        (_MORE, "tiles", "compares"),
        (_RELATION, "tiles", "asks for a relation between places"),
    )
    for pattern, route, why in rules:
        if found := pattern.search(text):
            return route, f"{why}: {found[0].strip()!r}"
    if task == "segment":
        return "tiles", "outlines all that is there"
    if asks_scene(question):
        return "overview", "asks for the class of the whole"
    if (found := _WHOLE.search(text)) and not is_presence(question):
        return "overview", f"about the whole: {found[0].strip()!r}"
    if about is None:
        return "overview", "names no thing to look for"
    if task == "vqa" and (found := _STEPS.search(text)):
        return "chain", f"takes several steps: {found[0].strip()!r}"
    return "search", f"about one thing: {about.noun!r}"


@dataclass
class RoutedZoom:
    """Chooses by the question which policy zooms in; a ``ZoomPolicy``.

    Attributes:
        search: For questions about one thing; None where there are no aligned
            encoders.
        chain: For questions that take several steps; None for models that take one
            picture only. Where one of the two is missing, the other does its part.
    """

    search: ZoomPolicy | None
    chain: ZoomPolicy | None = None

    def next(self, look: Look) -> Sequence[Zoom]:
        """Return the next windows by the policy that the question needs."""
        route, why = route_zoom(look.question, look.raster, look.task)
        if not any(step.step == "route" for step in look.trace):
            step = TraceStep(step="route", image=look.image, note=f"{route}: {why}")
            look.trace.append(step)
        if route == "search":
            policy = self.search or self.chain
        else:
            policy = (self.chain or self.search) if route == "chain" else None
        return policy.next(look) if policy is not None else ()
