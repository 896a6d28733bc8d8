"""What an answer rests on: "why?" and "are you sure?" told from the answer itself.

Nothing is looked at again, and no model is asked: its own account of its reasons would
be one more guess. The steps, the regions and their confidences are what there is.
"""

import re
from collections import Counter
from collections.abc import Sequence

from rsvlm.answer_parts import TraceStep
from rsvlm.geometry import Region
from rsvlm.labels import count_phrase
from rsvlm.replies import counts, listing
from rsvlm.turns import Turn

#: Confidence from which an answer is called sure, fairly sure, and unsure.
_LEVELS = (
    (0.85, "sure"),
    (0.6, "fairly sure"),
    (0.35, "not very sure"),
    (0.0, "unsure"),
)
#: Step -> how it is told; {n} how often, {s} the plural s.
_STEPS = {
    "look": "I looked at {n} picture{s} of the whole image",
    "focus": "I was asked about {n} place{s} in it",
    "recall": "I searched the knowledge base",
    "score": "I compared tiles with the question",
    "zoom": "I looked closer at {n} window{s}",
    "cover": "I read the land cover",
    "compare": "I compared the images pixel by pixel",
    "refine": "the region head searched or outlined {n} window{s}",
    "ask": "the language model was asked {n} time{s}",
}
#: The number of a passage that an answer cites.
_CITED = re.compile(r"\[\d+\]")


def account(turn: Turn, doubted: bool) -> str:
    """Tell how sure an answer was, or by which steps it came about.

    Args:
        turn: The answer.
        doubted: Whether its certainty was asked for, not its reasons.
    """
    if turn.confidence is None:
        return "I cannot tell: only the words of that answer are known. Ask it again."
    if doubted:
        return doubt_text(turn.confidence, turn.regions)
    return reason_text(turn.text, turn.confidence, turn.regions, turn.trace)


def doubt_text(confidence: float, regions: Sequence[Region]) -> str:
    """Say how sure an answer is, and which of its regions are the least.

    >>> doubt_text(0.42, ())
    'I am not very sure: the confidence of that answer is 0.42 of 1.'
    """
    level = next(word for least, word in _LEVELS if confidence >= least)
    text = f"I am {level}: the confidence of that answer is {confidence:.2f} of 1."
    if not regions:
        return text
    sure = [region.confidence for region in regions]
    if len(regions) == 1:
        return f"{text} The {_name(regions[0])} has {sure[0]:.2f}."
    weak = min(regions, key=lambda region: region.confidence)
    x, y = weak.shape.hbb.center
    return (
        f"{text} The {len(regions)} regions have {min(sure):.2f} to {max(sure):.2f}; the "
        f"least sure is the {_name(weak)} at x {x:.0f}, y {y:.0f} px."
    )


def reason_text(
    text: str,
    confidence: float,
    regions: Sequence[Region],
    trace: Sequence[TraceStep],
) -> str:
    """Say by which steps an answer came about, and what it rests on.

    Args:
        text: The answer.
        confidence: Its confidence.
        regions: Its regions.
        trace: Its steps.
    """
    done = Counter(step.step for step in trace)
    told = [
        line.format(n=done[name], s="" if done[name] == 1 else "s")
        for name, line in _STEPS.items()
        if done[name]
    ]
    said = f"{listing(told)}." if told else "The steps were not kept."
    said = said[:1].upper() + said[1:]
    if regions:
        sure = [region.confidence for region in regions]
        spread = (
            f"{min(sure):.2f} to {max(sure):.2f}" if len(sure) > 1 else f"{sure[0]:.2f}"
        )
        found = counts([_name(region) for region in regions])
        rests = f"The answer rests on {found}, with a confidence of {spread}."
    elif done["refine"] or done["cover"]:
        rests = "Nothing was found that was sure enough, and the answer rests on that."
    elif done["ask"] or done["choose"]:
        rests = (
            "No region stands behind it: it rests on the words of the language model."
        )
    elif done["compare"]:
        rests = "No change stood out, and the answer rests on that."
    elif _CITED.search(text):
        rests = "No model was asked: it rests on the passages that are cited."
    else:
        rests = "No model was asked: it follows from what the images are."
    return f"You were told: {text} {said} {rests} Confidence {confidence:.2f} of 1."


def place_text(region: Region, lonlat: tuple[float, float] | None) -> str:
    """Say where a region lies, in pixels and on the Earth.

    Args:
        region: The region.
        lonlat: Its centre in degrees; None where the raster has no place.
    """
    box = region.shape.hbb
    text = (
        f"The {_name(region)} lies at x {box.x0:.0f} to {box.x1:.0f}, "
        f"y {box.y0:.0f} to {box.y1:.0f} px"
    )
    if lonlat is None:
        return f"{text}."
    lon, lat = lonlat
    return f"{text} (longitude {lon:.5f}, latitude {lat:.5f})."


def shown_text(regions: Sequence[Region]) -> str:
    """Say which regions are shown: "These are the 3 ships."."""
    labels = {_name(region) for region in regions}
    if len(labels) == 1:
        return f"These are the {count_phrase(len(regions), labels.pop())}."
    return f"These are the {counts([_name(region) for region in regions])}."


def _name(region: Region) -> str:
    return region.label or "place"
